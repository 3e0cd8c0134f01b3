//! Sealed events: many rows as one compressed block. Owns the block's layout.
//!
//! Before compression a block is, for each event in order: `varint seq`, `varint at`, `varint kind`, then member,
//! user and payload as length-prefixed bytes (an absent name is length 0), then, since format 2, what an edit changed:
//! `varint 0` when that was not recorded, else `varint length + 1` and the text. zstd level 3.

use super::{Event, EventKind, StoreError};
use crate::limits;
use bytes::Bytes;
use thexr_schema::ids::Seq;
use thexr_schema::lib0::{Reader, write_bytes, write_var};

/// zstd level for everything stored: level 3 halves updates, higher levels cost more than they save.
pub const ZSTD_LEVEL: i32 = 3;

/// How blocks are laid out now.
pub const FORMAT: i64 = 2;

/// Which kinds are in a block: bit n = kind n.
pub fn kinds(events: &[Event]) -> i64 {
    events
        .iter()
        .fold(0, |bits, event| bits | 1i64 << event.kind.clamp(0, 62))
}

/// How many of them are edits.
pub fn edits(events: &[Event]) -> i64 {
    let edits = events.iter().filter(|event| event.kind == EventKind::Edit as i64);
    edits.count() as i64
}

/// Packs events; gives the compressed block and its size before compression.
pub fn pack(events: &[Event]) -> std::io::Result<(Vec<u8>, usize)> {
    let mut raw = Vec::with_capacity(events.iter().map(|e| e.payload.len() + 32).sum());
    for event in events {
        write_var(&mut raw, event.seq.0.cast_unsigned());
        write_var(&mut raw, event.at.cast_unsigned());
        write_var(&mut raw, event.kind.cast_unsigned());
        write_bytes(&mut raw, event.member.as_deref().unwrap_or("").as_bytes());
        write_bytes(&mut raw, event.user.as_deref().unwrap_or("").as_bytes());
        write_bytes(&mut raw, &event.payload);
        match &event.changes {
            None => write_var(&mut raw, 0),
            Some(changes) => {
                write_var(&mut raw, changes.len() as u64 + 1);
                raw.extend_from_slice(changes.as_bytes());
            }
        }
    }
    Ok((zstd::bulk::compress(&raw, ZSTD_LEVEL)?, raw.len()))
}

/// Unpacks a block written by [`pack`], now or in an earlier format; `raw_len` bounds what is allocated for its bytes.
/// One of more events than are ever packed together is no block: a few bytes that repeat would become any number of them.
pub fn unpack(block: &[u8], raw_len: usize, format: i64) -> Result<Vec<Event>, StoreError> {
    let damaged = |what: String| StoreError::Damaged(format!("segment: {what}"));
    if !(1..=FORMAT).contains(&format) {
        return Err(damaged(format!("format {format} is from a newer thexr")));
    }
    let raw = zstd::bulk::decompress(block, raw_len).map_err(|e| damaged(e.to_string()))?;
    if raw.len() != raw_len {
        return Err(damaged(format!(
            "{} bytes where {raw_len} were written",
            raw.len()
        )));
    }
    let mut r = Reader::new(&raw);
    let mut events = Vec::new();
    while !r.is_empty() {
        if events.len() >= limits::SEGMENT_ROWS_MAX as usize || r.pos() > limits::SEGMENT_RAW_BYTES_MAX {
            return Err(damaged("it holds more than one may".into()));
        }
        let mut next = || -> Result<Event, thexr_schema::Fault> {
            let number = |v: u64| i64::try_from(v).unwrap_or(i64::MAX);
            let (seq, at, kind) = (number(r.var_u64()?), number(r.var_u64()?), number(r.var_u64()?));
            let (member, user) = (r.str()?, r.str()?);
            let name = |s: &str| (!s.is_empty()).then(|| s.to_owned());
            let (member, user) = (name(member), name(user));
            let payload = Bytes::copy_from_slice(r.bytes()?);
            let changes = match format {
                1 => None,
                _ => changes(&mut r)?,
            };
            Ok(Event {
                seq: Seq(seq),
                at,
                kind,
                member,
                user,
                payload,
                changes,
            })
        };
        events.push(next().map_err(|f| damaged(f.to_string()))?);
    }
    Ok(events)
}

fn changes(r: &mut Reader<'_>) -> Result<Option<String>, thexr_schema::Fault> {
    let Some(len) = r.var_u64()?.checked_sub(1) else {
        return Ok(None);
    };
    let bytes = r.take(usize::try_from(len).unwrap_or(usize::MAX))?;
    Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seq: i64) -> Event {
        Event {
            seq: Seq(seq),
            at: 1_700_000_000_000 + seq,
            kind: 1,
            member: (seq % 2 == 0).then(|| format!("m{seq}")),
            user: None,
            payload: Bytes::from(vec![seq as u8; seq as usize]),
            changes: (seq % 3 == 0).then(|| {
                if seq % 2 == 0 {
                    String::new()
                } else {
                    format!("+e{seq}")
                }
            }),
        }
    }

    #[test]
    fn a_block_gives_back_its_events() {
        let events: Vec<Event> = (1..200).map(event).collect();
        let (block, raw_len) = pack(&events).expect("packs");
        let back = unpack(&block, raw_len, FORMAT).expect("unpacks");
        assert_eq!(format!("{events:?}"), format!("{back:?}"));
        assert!(block.len() < raw_len);
    }

    #[test]
    fn a_damaged_block_is_refused() {
        let (mut block, raw_len) = pack(&[event(3)]).expect("packs");
        assert!(unpack(&block, raw_len - 1, FORMAT).is_err());
        assert!(unpack(&block, raw_len + 1, FORMAT).is_err());
        assert!(unpack(&block, raw_len, FORMAT + 1).is_err());
        let end = block.len() - 1;
        block.truncate(end);
        assert!(unpack(&block, raw_len, FORMAT).is_err());
    }

    #[test]
    fn a_block_of_more_than_is_ever_packed_is_refused() {
        let packed = |count: i64, changes: usize| {
            let one = |seq| Event {
                payload: Bytes::new(),
                changes: Some("+".repeat(changes)),
                ..event(seq)
            };
            let (block, raw_len) = pack(&(1..=count).map(one).collect::<Vec<_>>()).expect("packs");
            unpack(&block, raw_len, FORMAT).map(|events| events.len() as i64)
        };
        let most = limits::SEGMENT_ROWS_MAX;
        assert_eq!(packed(most, 0).ok(), Some(most));
        assert!(packed(most + 1, 0).is_err());
        // One event may be of any size, but nothing follows it.
        let large = limits::SEGMENT_RAW_BYTES_MAX;
        assert_eq!(packed(1, large).ok(), Some(1));
        assert!(packed(2, large).is_err());
    }
}
