//! Updates made from nothing but the grammar: every struct is well formed, and what it refers to is drawn from what
//! is there. This reaches what flipped bytes rarely do: parents, origins and kinds that do not go together.

use super::corpus::Base;
use crate::rng::Rng;
use thexr_schema::lib0::{write_bytes, write_str, write_var};

type Id = (u64, u32);

const ORIGIN: u8 = 0x80;
const RIGHT: u8 = 0x40;
const KEY: u8 = 0x20;

/// An update for this base.
pub fn update(rng: &mut Rng, base: &Base) -> Vec<u8> {
    let mut out = Vec::new();
    let sections = 1 + rng.below(3);
    write_var(&mut out, sections as u64);
    let mut ids: Vec<Id> = known(rng, base);
    let mut used = Vec::new();
    for _ in 0..sections {
        let client = match rng.below(4) {
            0 if !base.clocks.is_empty() => rng.pick(&base.clocks).0,
            _ => 2 + rng.below(6) as u64,
        };
        // Twice the same client is refused; let it happen now and then.
        if used.contains(&client) && !rng.one_in(20) {
            used.push(client + 1_000);
        } else {
            used.push(client);
        }
        let client = *used.last().expect("just pushed");
        let at = base
            .clocks
            .iter()
            .find(|(c, _)| *c == client)
            .map_or(0, |(_, clock)| *clock);
        let start = match rng.below(8) {
            0 => at + 1,
            1 => at.saturating_sub(1 + rng.below(3) as u32),
            _ => at,
        };
        section(rng, &mut out, client, start, &mut ids);
    }
    deletes(rng, &mut out, &ids);
    out
}

/// Ids that the document holds, and a few that it does not.
fn known(rng: &mut Rng, base: &Base) -> Vec<Id> {
    let mut ids = Vec::new();
    for &(client, clock) in &base.clocks {
        for _ in 0..3 {
            ids.push((client, rng.below(clock as usize) as u32));
        }
        if rng.one_in(30) {
            ids.push((client, clock));
        }
    }
    ids
}

fn section(rng: &mut Rng, out: &mut Vec<u8>, client: u64, start: u32, ids: &mut Vec<Id>) {
    let structs = 1 + rng.below(5);
    write_var(out, structs as u64);
    write_var(out, client);
    write_var(out, start.into());
    let mut clock = start;
    for _ in 0..structs {
        let len = one(rng, out, ids);
        ids.push((client, clock));
        if len > 1 {
            ids.push((client, clock + len - 1));
        }
        clock += len;
    }
}

/// One struct; gives its length.
fn one(rng: &mut Rng, out: &mut Vec<u8>, ids: &[Id]) -> u32 {
    if rng.one_in(12) {
        let len = 1 + rng.below(3);
        out.push(0);
        write_var(out, len as u64);
        return len as u32;
    }
    let kind = *rng.pick(&[1, 7, 7, 8, 8, 8, 8]);
    let origin = pick(rng, ids, 3);
    let right = pick(rng, ids, 6);
    let key = if rng.one_in(3) { 0 } else { KEY };
    let flags = (if origin.is_some() { ORIGIN } else { 0 }) | (if right.is_some() { RIGHT } else { 0 }) | key;
    out.push(kind | flags);
    for (client, clock) in [origin, right].into_iter().flatten() {
        write_var(out, client);
        write_var(out, clock.into());
    }
    if origin.is_none() && right.is_none() {
        match pick(rng, ids, 2) {
            Some((client, clock)) => {
                out.push(0);
                write_var(out, client);
                write_var(out, clock.into());
            }
            None => {
                out.push(1);
                write_str(
                    out,
                    rng.pick::<&str>(&["entities", "entities", "strokes:box", "strokes:wall"]),
                );
            }
        }
        if key != 0 {
            write_str(out, rng.pick::<&str>(&["box", "wall", "name", "transform"]));
        }
    }
    content(rng, out, kind)
}

fn content(rng: &mut Rng, out: &mut Vec<u8>, kind: u8) -> u32 {
    match kind {
        1 => {
            let len = 1 + rng.below(3);
            write_var(out, len as u64);
            len as u32
        }
        7 => {
            out.push(1);
            1
        }
        _ => {
            let values = if rng.one_in(3) { 1 + rng.below(4) } else { 1 };
            write_var(out, values as u64);
            for _ in 0..values {
                any(rng, out, 0);
            }
            values as u32
        }
    }
}

fn any(rng: &mut Rng, out: &mut Vec<u8>, depth: usize) {
    match rng.below(if depth > 3 { 6 } else { 9 }) {
        0 => out.push(127),
        1 => out.push(126),
        2 => out.push(120 + rng.below(2) as u8),
        3 => out.extend([125, rng.below(64) as u8]),
        4 => {
            out.push(123);
            out.extend((rng.below(1_000_000) as f64 / 8.0 - 5_000.0).to_be_bytes());
        }
        5 => {
            out.push(119);
            write_str(out, rng.pick::<&str>(&["", "text", "ü😀"]));
        }
        6 => {
            out.push(117);
            list(rng, out, depth, false);
        }
        7 => {
            out.push(118);
            list(rng, out, depth, true);
        }
        _ => {
            out.push(118);
            out.push(1);
            write_str(out, "points");
            out.push(116);
            write_bytes(out, &[1, 0]);
        }
    }
}

fn list(rng: &mut Rng, out: &mut Vec<u8>, depth: usize, keys: bool) {
    let len = rng.below(4);
    write_var(out, len as u64);
    for i in 0..len {
        if keys {
            write_str(out, &format!("k{i}"));
        }
        any(rng, out, depth + 1);
    }
}

/// An id `1` time in `n`.
fn pick(rng: &mut Rng, ids: &[Id], n: usize) -> Option<Id> {
    (!ids.is_empty() && rng.one_in(n)).then(|| *rng.pick(ids))
}

fn deletes(rng: &mut Rng, out: &mut Vec<u8>, ids: &[Id]) {
    let Some((client, clock)) = pick(rng, ids, 3) else {
        out.push(0);
        return;
    };
    for number in [1, client, 1, clock.into(), 1 + rng.below(2) as u64] {
        write_var(out, number);
    }
}
