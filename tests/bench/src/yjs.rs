//! Yjs v1 updates written by hand: what a client sends, without a document to make it from.

use thexr_schema::lib0::{write_bytes, write_str, write_var};
use thexr_schema::{frame, stroke};

/// Content kinds of Yjs' struct encoding, and the flags beside them.
mod info {
    pub const MAP: u8 = 7;
    pub const ANY: u8 = 8;
    pub const PARENT_SUB: u8 = 0x20;
    pub const ORIGIN: u8 = 0x80;
}

/// Type tags of lib0's "any" encoding.
mod tag {
    pub const INTEGER: u8 = 125;
    pub const FLOAT64: u8 = 123;
    pub const STRING: u8 = 119;
    pub const OBJECT: u8 = 118;
    pub const ARRAY: u8 = 117;
    pub const BYTES: u8 = 116;
}

/// The board that strokes are drawn on.
const BOARD: &str = "board";

/// One client id and what it has written: the next clock.
pub struct Author {
    client: u64,
    clock: u32,
    /// The newest stroke, which the next one follows.
    stroke: Option<u32>,
    noise: Noise,
}

/// Numbers without a pattern, the same in every run: content that a compressor cannot guess.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From -1 to 1.
    fn float(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// A component that exists: the clock of its newest value.
pub struct Key(u32);

impl Author {
    /// Nothing written yet.
    pub fn new(client: u32) -> Self {
        Self {
            client: u64::from(client),
            clock: 0,
            stroke: None,
            noise: Noise(u64::from(client)),
        }
    }

    /// An entity id as clients draw them: 21 characters.
    pub fn id(&mut self) -> String {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
        (0..21)
            .map(|_| LETTERS[self.noise.next() as usize % 64] as char)
            .collect()
    }

    /// Makes an entity with a transform and a shape: one update of about 200 bytes. The key is its transform.
    pub fn entity(&mut self, id: &str, x: f64) -> (Vec<u8>, Key) {
        let mut out = self.open(3);
        let map = self.clock;
        out.extend_from_slice(&[info::MAP | info::PARENT_SUB, 1]);
        write_str(&mut out, thexr::space::doc::ENTITIES);
        write_str(&mut out, id);
        write_var(&mut out, 1);
        for component in ["transform", "shape"] {
            out.extend_from_slice(&[info::ANY | info::PARENT_SUB, 0]);
            self.point_at(&mut out, map);
            write_str(&mut out, component);
            write_var(&mut out, 1);
            if component == "transform" {
                transform(&mut out, x, &mut self.noise);
            } else {
                shape(&mut out);
            }
        }
        self.clock += 3;
        write_var(&mut out, 0);
        (out, Key(map + 1))
    }

    /// Gives a component a new value: one update of about 120 bytes, as a drag sends them.
    pub fn overwrite(&mut self, key: &mut Key, x: f64) -> Vec<u8> {
        let mut out = self.open(1);
        out.push(info::ANY | info::PARENT_SUB | info::ORIGIN);
        self.point_at(&mut out, key.0);
        write_var(&mut out, 1);
        transform(&mut out, x, &mut self.noise);
        // The old value is in the delete set: one client, one range, one clock.
        write_var(&mut out, 1);
        write_var(&mut out, self.client);
        write_var(&mut out, 1);
        write_var(&mut out, u64::from(key.0));
        write_var(&mut out, 1);
        key.0 = self.clock;
        self.clock += 1;
        out
    }

    /// Draws a stroke of `points` packed points; the first call makes the board as well.
    pub fn stroke(&mut self, n: usize, points: usize) -> Vec<u8> {
        if n == 0 {
            return self.entity(BOARD, 0.0).0;
        }
        let mut out = self.open(1);
        match self.stroke {
            Some(before) => {
                out.push(info::ANY | info::ORIGIN);
                self.point_at(&mut out, before);
            }
            None => {
                out.extend_from_slice(&[info::ANY, 1]);
                write_str(&mut out, &format!("{}{BOARD}", thexr::space::doc::STROKES_PREFIX));
            }
        }
        write_var(&mut out, 1);
        ink(&mut out, n, points, &mut self.noise);
        write_var(&mut out, 0);
        self.stroke = Some(self.clock);
        self.clock += 1;
        out
    }

    /// The state vector of somebody who lacks this author's last `lacks` clocks.
    pub fn state_vector(&self, lacks: u32) -> Vec<u8> {
        let clock = self.clock.saturating_sub(lacks);
        let mut out = vec![u8::from(clock > 0)];
        if clock > 0 {
            write_var(&mut out, self.client);
            write_var(&mut out, u64::from(clock));
        }
        out
    }

    /// How many clocks it has used.
    pub fn clock(&self) -> u32 {
        self.clock
    }

    /// The beginning of an update with `structs` structs of this client.
    fn open(&self, structs: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        write_var(&mut out, 1);
        write_var(&mut out, structs);
        write_var(&mut out, self.client);
        write_var(&mut out, u64::from(self.clock));
        out
    }

    fn point_at(&self, out: &mut Vec<u8>, clock: u32) {
        write_var(out, self.client);
        write_var(out, u64::from(clock));
    }
}

fn float(out: &mut Vec<u8>, value: f64) {
    out.push(tag::FLOAT64);
    out.extend_from_slice(&value.to_be_bytes());
}

fn object(out: &mut Vec<u8>, keys: u64) {
    out.push(tag::OBJECT);
    write_var(out, keys);
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.push(tag::STRING);
    write_str(out, text);
}

/// `pos` comes first and its x is what [`stamp`] reads.
fn transform(out: &mut Vec<u8>, x: f64, noise: &mut Noise) {
    object(out, 3);
    write_str(out, "pos");
    out.extend_from_slice(&[tag::ARRAY, 3]);
    [x, 20.0 * noise.float(), 20.0 * noise.float()]
        .iter()
        .for_each(|n| float(out, *n));
    write_str(out, "rot");
    out.extend_from_slice(&[tag::ARRAY, 4]);
    (0..4).for_each(|_| float(out, noise.float()));
    write_str(out, "scale");
    out.extend_from_slice(&[tag::ARRAY, 3]);
    (0..3).for_each(|_| out.extend_from_slice(&[tag::INTEGER, 1]));
}

fn shape(out: &mut Vec<u8>) {
    object(out, 2);
    write_str(out, "kind");
    string(out, "box");
    write_str(out, "size");
    out.extend_from_slice(&[tag::ARRAY, 3]);
    (0..3).for_each(|_| out.extend_from_slice(&[tag::INTEGER, 1]));
}

fn ink(out: &mut Vec<u8>, n: usize, points: usize, noise: &mut Noise) {
    // Deltas of a few pixels, as a pen leaves them.
    let mut at = [0.0, 0.0];
    let path: Vec<[f64; 3]> = (0..points)
        .map(|_| {
            at.iter_mut().for_each(|a| *a += 6.0 * noise.float());
            [at[0], at[1], 128.0 + 20.0 * noise.float()]
        })
        .collect();
    object(out, 6);
    for (key, value) in [("by", "ann"), ("color", "#112233"), ("tool", "pen")] {
        write_str(out, key);
        string(out, value);
    }
    write_str(out, "id");
    string(out, &format!("stroke-{n:08}"));
    write_str(out, "size");
    out.extend_from_slice(&[tag::INTEGER, 4]);
    write_str(out, "points");
    out.push(tag::BYTES);
    write_bytes(out, &stroke::pack(&path));
}

/// The x of an overwritten transform inside a y-websocket message; none when it is another message.
pub fn stamp(message: &[u8]) -> Option<f64> {
    let mut rest = message.strip_prefix(&[0, 2])?;
    // The length, one client, one struct, client, clock.
    for _ in 0..5 {
        rest = after_var(rest)?;
    }
    rest = rest.strip_prefix(&[info::ANY | info::PARENT_SUB | info::ORIGIN])?;
    rest = after_var(after_var(rest)?)?;
    rest = rest.strip_prefix(&[
        1,
        tag::OBJECT,
        3,
        3,
        b'p',
        b'o',
        b's',
        tag::ARRAY,
        3,
        tag::FLOAT64,
    ])?;
    Some(f64::from_be_bytes(*rest.first_chunk()?))
}

fn after_var(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|byte| *byte < 0x80)?;
    bytes.get(end + 1..)
}

/// A live update as a message.
pub fn update_message(update: &[u8]) -> Vec<u8> {
    frame::update(update)
}

#[cfg(test)]
mod tests {
    use super::*;
    use thexr::space::doc::{CheckedUpdate, Keep, SpaceDoc};

    #[test]
    fn the_engine_takes_what_is_written_by_hand() {
        let mut doc = SpaceDoc::new(1);
        let mut apply = |update: Vec<u8>| {
            let checked = CheckedUpdate::parse(update.into()).expect("well formed");
            assert!(doc.apply(&checked, Keep::Received).expect("in order").is_some());
        };
        let mut author = Author::new(u32::MAX);
        let (made, mut key) = author.entity("e1", 0.5);
        apply(made);
        for x in [7.5, 8.5] {
            apply(author.overwrite(&mut key, x));
        }
        for n in 0..3 {
            apply(author.stroke(n, 50));
        }
        let json = doc.to_json();
        assert_eq!(json["entities"]["e1"]["transform"]["pos"][0], 8.5);
        assert_eq!(json["entities"]["e1"]["shape"]["kind"], "box");
        assert_eq!(json["strokes"]["board"].as_array().map(Vec::len), Some(2));
        assert_eq!(doc.state_vector(), author.state_vector(0));
    }

    #[test]
    fn the_stamp_is_found_again() {
        let mut author = Author::new(300);
        let (made, mut key) = author.entity("e1", 1.0);
        assert_eq!(stamp(&update_message(&made)), None);
        for x in [2.0, 1e9] {
            let message = update_message(&author.overwrite(&mut key, x));
            assert_eq!(stamp(&message), Some(x));
            assert!((90..140).contains(&message.len()), "{} bytes", message.len());
        }
        assert_eq!(stamp(&[0, 2, 200]), None);
    }
}
