//! A space as one file: everything that is kept of it, for a backup or a move. This is what is in the records, and the way
//! out; [`Import`] is the way in.
//!
//! Header, then snapshots, segments and events in the order of their numbers (a snapshot before the events that follow
//! it), then members and the trailer. Snapshots are in Yjs v1, whatever the database keeps: that is what the scanner
//! judges when the file comes back.

mod import;
mod record;
mod replay;
#[cfg(test)]
mod tests;

pub use import::{Import, Imported, Wish};

use super::Trouble;
use super::doc::{Encoding, SpaceDoc};
use super::load;
use crate::clock::now_ms;
use crate::store::segment::Packed;
use crate::store::segment::ZSTD_LEVEL;
use crate::store::{MemberRow, Outgoing, Piece, Snapshot, SnapshotRow, SpaceRow, Store, StoreError};
use bytes::Bytes;
use record::{Kind, Writer};
use serde::{Deserialize, Serialize};
use thexr_schema::Fault;
use thexr_schema::ids::{Seq, SpaceId};
use thexr_schema::lib0::{Reader, write_bytes, write_var};

/// Why a file is not taken as a bundle; one line for people.
#[derive(Debug, thiserror::Error)]
pub enum BadBundle {
    /// Some other file.
    #[error("this is no bundle of thexr export --bundle")]
    Foreign,
    /// Of a program that knows more.
    #[error("the bundle was written by a newer thexr")]
    Newer,
    /// The end is missing.
    #[error("the bundle is cut off")]
    Cut,
    /// Checksums say so.
    #[error("the bundle is damaged: {0}")]
    Damaged(String),
    /// Whole, but not what a space can be.
    #[error("the bundle does not add up: {0}")]
    Unsound(String),
    /// Reading failed.
    #[error("reading failed: {0}")]
    Io(std::io::Error),
    /// The database did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<std::io::Error> for BadBundle {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Self::Cut,
            _ => Self::Io(error),
        }
    }
}

impl From<Fault> for BadBundle {
    fn from(fault: Fault) -> Self {
        Self::Unsound(fault.to_string())
    }
}

/// The first record: which space this was, and when.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    /// The version of the program that wrote it.
    thexr: String,
    space: String,
    name: String,
    /// Of the space it was. The one it becomes gets its own.
    epoch: String,
    created_at: i64,
    seq: i64,
    base_seq: i64,
    snap_seq: i64,
    keep_days: Option<i64>,
    keep_bytes: Option<i64>,
    /// When it was written.
    at: i64,
}

/// Somebody who was there. Not the token, so that a file lets nobody in.
#[derive(Debug, Serialize, Deserialize)]
struct Person {
    member: String,
    user: String,
    away: bool,
    heard_at: i64,
}

/// The last record: what went before it.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Trailer {
    snapshots: u64,
    segments: u64,
    /// Blocks of events that were not sealed.
    blocks: u64,
    members: u64,
}

/// A space on its way into a file, piece by piece: no more than a record is in memory.
pub struct Export {
    rows: Outgoing,
    /// Gone after the last piece.
    writer: Option<Writer>,
    /// What comes before the next piece.
    first: Option<Bytes>,
    counts: Trailer,
}

impl Export {
    /// Begins to read. All pieces are of this moment.
    pub async fn open(store: &Store, id: &SpaceId) -> Result<Self, Trouble> {
        let rows = store.outgoing(id).await?;
        let (writer, first) = Writer::new();
        Ok(Self {
            rows,
            writer: Some(writer),
            first: Some(first),
            counts: Trailer::default(),
        })
    }

    /// The space as it is in the bundle.
    pub fn row(&self) -> &SpaceRow {
        &self.rows.row
    }

    /// The next bytes of the file; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Trouble> {
        let Some(mut writer) = self.writer.take() else {
            return Ok(None);
        };
        if let Some(line) = self.first.take() {
            let header = writer
                .record(Kind::Header, &self.header())
                .ok_or_else(too_large)?;
            self.writer = Some(writer);
            return Ok(Some([line, header].concat().into()));
        }
        let Some(piece) = self.rows.next().await? else {
            return Ok(None);
        };
        let (kind, body) = match piece {
            Piece::Snapshot(row) => {
                self.counts.snapshots += 1;
                (Kind::Snapshot, snapshot_body(&in_v1(row).await?))
            }
            Piece::Segment(packed) => {
                self.counts.segments += 1;
                (Kind::Segment, packed_body(&packed))
            }
            Piece::Events(packed) => {
                self.counts.blocks += 1;
                (Kind::Events, packed_body(&packed))
            }
            Piece::Members(members) => {
                self.counts.members = members.len() as u64;
                let people: Vec<Person> = members.into_iter().map(Person::from).collect();
                let members = writer
                    .record(Kind::Members, &json(&people))
                    .ok_or_else(too_large)?;
                let trailer = writer
                    .record(Kind::Trailer, &json(&self.counts))
                    .ok_or_else(too_large)?;
                return Ok(Some([members, trailer, writer.end()].concat().into()));
            }
        };
        let bytes = writer.record(kind, &body).ok_or_else(too_large)?;
        self.writer = Some(writer);
        Ok(Some(bytes))
    }

    fn header(&self) -> Vec<u8> {
        let row = &self.rows.row;
        json(&Header {
            thexr: env!("CARGO_PKG_VERSION").into(),
            space: row.slug.to_string(),
            name: row.name.clone(),
            epoch: row.epoch.clone(),
            created_at: row.created_at,
            seq: row.seq.0,
            base_seq: row.base_seq.0,
            snap_seq: row.snap_seq.0,
            keep_days: self.rows.retention.days,
            keep_bytes: self.rows.retention.bytes,
            at: now_ms(),
        })
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("strings and numbers are JSON")
}

fn too_large() -> Trouble {
    Trouble::TooLarge("a snapshot or a block of events is larger than a bundle takes")
}

impl From<MemberRow> for Person {
    fn from(row: MemberRow) -> Self {
        Self {
            member: row.member,
            user: row.user,
            away: row.away,
            heard_at: row.heard_at,
        }
    }
}

/// A snapshot in the encoding of the wire.
async fn in_v1(row: SnapshotRow) -> Result<SnapshotRow, Trouble> {
    if load::encoding(row.format) == Some(Encoding::V1) {
        return Ok(row);
    }
    let done = tokio::task::spawn_blocking(move || -> Result<SnapshotRow, Trouble> {
        let (encoding, bytes) = load::unpack(&stored(&row))?;
        let doc = SpaceDoc::from_stored(0, Some((encoding, &bytes)), std::iter::empty());
        let raw = doc
            .map_err(|e| Trouble::Damaged(e.to_string()))?
            .encode(Encoding::V1);
        let body = zstd::bulk::compress(&raw, ZSTD_LEVEL).map_err(|e| Trouble::Damaged(e.to_string()))?;
        Ok(SnapshotRow {
            format: 1,
            raw_len: raw.len(),
            body: Bytes::from(body),
            ..row
        })
    });
    done.await
        .map_err(|e| Trouble::Damaged(format!("the engine panicked: {e}")))?
}

fn stored(row: &SnapshotRow) -> Snapshot {
    Snapshot {
        seq: Seq(row.seq),
        format: row.format,
        raw_len: row.raw_len,
        hash: row.hash.clone(),
        body: row.body.clone(),
    }
}

fn snapshot_body(row: &SnapshotRow) -> Vec<u8> {
    let mut out = Vec::with_capacity(row.body.len() + 80);
    write_var(&mut out, row.seq.cast_unsigned());
    write_var(&mut out, row.created_at.cast_unsigned());
    write_var(&mut out, row.raw_len as u64);
    write_bytes(&mut out, &row.hash);
    out.extend_from_slice(&row.body);
    out
}

fn read_snapshot(body: &Bytes) -> Result<SnapshotRow, BadBundle> {
    let mut r = Reader::new(body);
    let (seq, created_at, raw_len) = (number(&mut r)?, number(&mut r)?, length(&mut r)?);
    let hash = r.bytes()?.to_vec();
    Ok(SnapshotRow {
        seq,
        created_at,
        format: 1,
        raw_len,
        hash,
        body: body.slice(r.pos()..),
    })
}

fn packed_body(packed: &Packed) -> Vec<u8> {
    let mut out = Vec::with_capacity(packed.body.len() + 16);
    write_var(&mut out, packed.format.cast_unsigned());
    write_var(&mut out, packed.raw_len as u64);
    out.extend_from_slice(&packed.body);
    out
}

fn read_packed(body: &Bytes) -> Result<Packed, BadBundle> {
    let mut r = Reader::new(body);
    Ok(Packed {
        format: number(&mut r)?,
        raw_len: length(&mut r)?,
        body: body.slice(r.pos()..),
    })
}

fn number(r: &mut Reader<'_>) -> Result<i64, BadBundle> {
    i64::try_from(r.var_u64()?).map_err(|_| BadBundle::Unsound("a number is too large".into()))
}

/// What something is before compression: what is allocated for it.
fn length(r: &mut Reader<'_>) -> Result<usize, BadBundle> {
    let len = usize::try_from(r.var_u64()?).ok();
    len.filter(|len| *len <= crate::limits::BUNDLE_RECORD_BYTES_MAX)
        .ok_or_else(|| BadBundle::Unsound("something is larger than a record may be".into()))
}
