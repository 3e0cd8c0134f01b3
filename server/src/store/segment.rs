//! Sealed events: many rows as one compressed block. Owns the block's layout.
//!
//! Before compression a block is, for each event in order: `varint seq`, `varint at`, `varint kind`, then member,
//! user and payload as length-prefixed bytes (an absent name is length 0), then, since format 2, what an edit changed:
//! `varint 0` when that was not recorded, else `varint length + 1` and the text. zstd level 3.

use super::{Event, EventKind, Result, SpaceKey, StoreError};
use crate::limits;
use bytes::Bytes;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use thexr_schema::ids::Seq;
use thexr_schema::lib0::{Reader, write_bytes, write_var};

/// zstd level for everything stored: level 3 halves updates, higher levels cost more than they save.
pub const ZSTD_LEVEL: i32 = 3;

/// How blocks are laid out now.
pub const FORMAT: i64 = 2;

/// What was compressed, which is exactly `raw_len` bytes; no more are allocated for it. Says what is wrong otherwise.
pub fn unzip(packed: &[u8], raw_len: usize) -> std::result::Result<Vec<u8>, String> {
    let raw = zstd::bulk::decompress(packed, raw_len).map_err(|e| e.to_string())?;
    if raw.len() == raw_len {
        Ok(raw)
    } else {
        Err(format!("{} bytes where {raw_len} were written", raw.len()))
    }
}

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

/// Many events as one compressed block.
#[derive(Debug, Clone)]
pub struct Packed {
    /// How it is laid out.
    pub format: i64,
    /// Bytes before compression.
    pub raw_len: usize,
    /// The compressed bytes.
    pub body: Bytes,
}

impl Packed {
    /// Packs events.
    pub fn of(events: &[Event]) -> std::io::Result<Self> {
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
        Ok(Self {
            format: FORMAT,
            raw_len: raw.len(),
            body: zstd::bulk::compress(&raw, ZSTD_LEVEL)?.into(),
        })
    }

    /// Of a row of `first_seq, last_seq, raw_len, body, crc, format`.
    pub(super) fn of_row(row: &SqliteRow) -> Result<Self> {
        let (first, raw_len): (i64, i64) = (row.get(0), row.get(2));
        let body: Vec<u8> = row.get(3);
        if i64::from(crc32fast::hash(&body)) != row.get::<i64, _>(4) {
            let what = format!("the segment from {first} does not match its checksum");
            return Err(StoreError::Damaged(what));
        }
        Ok(Self {
            format: row.get(5),
            raw_len: usize::try_from(raw_len)
                .map_err(|_| StoreError::Damaged(format!("segment {first} length")))?,
            body: body.into(),
        })
    }

    /// The events, packed now or in an earlier format; `raw_len` bounds what is allocated for their bytes. A block of more
    /// of them than are ever packed together is none: a few bytes that repeat would become any number of events.
    pub fn unpack(&self) -> Result<Vec<Event>> {
        let damaged = |what: String| StoreError::Damaged(format!("segment: {what}"));
        if !(1..=FORMAT).contains(&self.format) {
            return Err(damaged(format!("format {} is from a newer thexr", self.format)));
        }
        let raw = unzip(&self.body, self.raw_len).map_err(damaged)?;
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
                let changes = match self.format {
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
}

/// Packs off the runtime's own threads: a block is a megabyte.
pub(super) async fn pack(events: Vec<Event>) -> Result<Packed> {
    let packed = tokio::task::spawn_blocking(move || Packed::of(&events)).await;
    packed
        .map_err(|e| StoreError::Damaged(format!("packing: {e}")))?
        .map_err(|e| StoreError::Db(sqlx::Error::Io(e)))
}

/// What stands beside a block in its row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listed {
    pub first: Seq,
    pub last: Seq,
    first_at: i64,
    last_at: i64,
    kinds: i64,
    edits: i64,
}

impl Listed {
    /// None when there is nothing in it.
    pub fn of(events: &[Event]) -> Option<Self> {
        let (first, last) = (events.first()?, events.last()?);
        Some(Self {
            first: first.seq,
            last: last.seq,
            first_at: first.at,
            last_at: last.at,
            kinds: kinds(events),
            edits: edits(events),
        })
    }

    /// Adds the row.
    pub async fn insert(&self, tx: &mut SqliteConnection, key: SpaceKey, block: &Packed) -> Result<()> {
        sqlx::query(
            "insert into segment (space_id, first_seq, last_seq, first_at, last_at, raw_len, body, crc, format, kinds,
             edits) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(key.0)
        .bind(self.first.0)
        .bind(self.last.0)
        .bind(self.first_at)
        .bind(self.last_at)
        .bind(block.raw_len as i64)
        .bind(&block.body[..])
        .bind(i64::from(crc32fast::hash(&block.body)))
        .bind(block.format)
        .bind(self.kinds)
        .bind(self.edits)
        .execute(tx)
        .await?;
        Ok(())
    }
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
        let packed = Packed::of(&events).expect("packs");
        let back = packed.unpack().expect("unpacks");
        assert_eq!(format!("{events:?}"), format!("{back:?}"));
        assert!(packed.body.len() < packed.raw_len);
    }

    #[test]
    fn a_damaged_block_is_refused() {
        let sound = Packed::of(&[event(3)]).expect("packs");
        let damages: [fn(&mut Packed); 4] = [
            |packed| packed.raw_len -= 1,
            |packed| packed.raw_len += 1,
            |packed| packed.format += 1,
            |packed| packed.body.truncate(packed.body.len() - 1),
        ];
        assert!(sound.unpack().is_ok());
        for damage in damages {
            let mut packed = sound.clone();
            damage(&mut packed);
            assert!(packed.unpack().is_err(), "{packed:?}");
        }
    }

    #[test]
    fn a_block_of_more_than_is_ever_packed_is_refused() {
        let packed = |count: i64, changes: usize| {
            let one = |seq| Event {
                payload: Bytes::new(),
                changes: Some("+".repeat(changes)),
                ..event(seq)
            };
            let packed = Packed::of(&(1..=count).map(one).collect::<Vec<_>>()).expect("packs");
            packed.unpack().map(|events| events.len() as i64)
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
