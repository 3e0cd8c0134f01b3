//! Valid updates with something changed.

use super::corpus::Base;
use crate::rng::Rng;
use thexr_schema::lib0::{Reader, write_var};

/// Numbers at which something changes.
const EDGES: [u64; 16] = [
    0,
    1,
    2,
    0x3F,
    0x7F,
    0x80,
    0xFF,
    0x3FFF,
    0xFFFF,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    (1 << 53) - 1,
    1 << 53,
    u64::MAX,
];

/// An honest update of this base (or its whole state), changed.
pub fn update(rng: &mut Rng, base: &Base, bases: &[Base]) -> Vec<u8> {
    let mut bytes = source(rng, base);
    match rng.below(12) {
        0..4 => {
            for _ in 0..1 + rng.below(4) {
                flip(rng, &mut bytes);
            }
        }
        4 => {
            let other = source(rng, base);
            splice(rng, &mut bytes, &other);
        }
        5 => {
            let other = rng.pick(bases).clone();
            let other = source(rng, &other);
            splice(rng, &mut bytes, &other);
        }
        6 | 7 => edge(rng, &mut bytes),
        8 => swap_clients(rng, &mut bytes, base),
        9 => delete(rng, &mut bytes, base),
        10 => repeat(rng, &mut bytes),
        _ => {
            delete(rng, &mut bytes, base);
            flip(rng, &mut bytes);
        }
    }
    bytes
}

fn source(rng: &mut Rng, base: &Base) -> Vec<u8> {
    if base.honest.is_empty() || rng.one_in(4) {
        base.state.clone()
    } else {
        rng.pick(&base.honest).clone()
    }
}

fn flip(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let at = rng.below(bytes.len());
    let Some(byte) = bytes.get_mut(at) else { return };
    match rng.below(7) {
        0 => *byte ^= 1 << rng.below(8),
        1 => *byte = rng.next() as u8,
        2 => *byte = byte.wrapping_add(1),
        3 => *byte = byte.wrapping_sub(1),
        4 => *byte = *rng.pick(&[0, 1, 0x7F, 0x80, 0xFF]),
        5 => drop(bytes.remove(at)),
        _ => bytes.insert(at, rng.next() as u8),
    }
}

/// The beginning of one and the end of another.
fn splice(rng: &mut Rng, bytes: &mut Vec<u8>, other: &[u8]) {
    let (cut, from) = (rng.below(bytes.len() + 1), rng.below(other.len() + 1));
    bytes.truncate(cut);
    bytes.extend_from_slice(&other[from..]);
}

/// A number where another number (or something else) was.
fn edge(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let at = rng.below(bytes.len());
    let mut reader = Reader::new(&bytes[at..]);
    let old = reader.var_u64().unwrap_or(0);
    let len = reader.pos();
    let new = match rng.below(3) {
        0 => old.wrapping_add(1),
        1 => old.saturating_sub(1),
        _ => *rng.pick(&EDGES),
    };
    let mut number = Vec::new();
    write_var(&mut number, new);
    bytes.splice(at..at + len, number);
}

/// One client in the place of another.
fn swap_clients(rng: &mut Rng, bytes: &mut Vec<u8>, base: &Base) {
    if base.clocks.is_empty() {
        return;
    }
    let encoded = |client: u64| {
        let mut out = Vec::new();
        write_var(&mut out, client);
        out
    };
    let (from, to) = (
        encoded(rng.pick(&base.clocks).0),
        encoded(rng.pick(&base.clocks).0),
    );
    let all = rng.one_in(2);
    let mut at = 0;
    while at + from.len() <= bytes.len() {
        if bytes[at..].starts_with(&from) && (all || rng.one_in(3)) {
            bytes.splice(at..at + from.len(), to.iter().copied());
            at += to.len();
        } else {
            at += 1;
        }
    }
}

/// A delete set where there was none.
fn delete(rng: &mut Rng, bytes: &mut Vec<u8>, base: &Base) {
    if bytes.last() != Some(&0) || base.clocks.is_empty() {
        return;
    }
    bytes.pop();
    let (client, clock) = *rng.pick(&base.clocks);
    let start = rng.below(clock as usize + 2) as u64;
    let len = 1 + rng.below((u64::from(clock).saturating_sub(start) + 2) as usize) as u64;
    for number in [1, client, 1, start, len] {
        write_var(bytes, number);
    }
}

/// A piece twice.
fn repeat(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let from = rng.below(bytes.len());
    let to = (from + 1 + rng.below(24)).min(bytes.len());
    let piece = bytes[from..to].to_vec();
    bytes.splice(to..to, piece);
}
