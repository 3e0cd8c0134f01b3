//! The database: bytes in, bytes out. Owns all SQL; knows nothing of yrs, sockets or HTTP.
//!
//! One writer connection takes everything that changes rows, so SQLite never sees two writers and a commit
//! carries the events of every space that had some ready (`writer`). Readers use a small pool of their own.

mod activity;
mod admin;
mod bundle;
mod heads;
mod history;
mod member;
mod open;
mod prune;
mod read;
pub mod segment;
mod snapshot;
#[cfg(test)]
pub mod temporary;
mod webhook;
mod writer;

pub use activity::{Block, Counted, Tally};
pub use admin::{Usage, check};
pub use bundle::{Incoming, NewSpace, Outgoing, Piece, Retention, SnapshotRow};
pub use heads::{Moved, Moves};
pub use history::{Kinds, Stretch};
pub use member::{MemberRow, RosterChange};
pub use open::OpenError;
pub use prune::{HeldSegment, HeldSnapshot, Holdings};
pub use snapshot::{NewSnapshot, SwapOutcome};
pub use webhook::{Behind, Cursor, DeadRow, Failed, Late, WebhookRow};
pub use writer::Appended;

use crate::metrics::Metrics;
use bytes::Bytes;
use sqlx::SqlitePool;
use std::sync::Arc;
use thexr_schema::ids::{Seq, SpaceId};

/// A space's row id: what events and snapshots are keyed by. A deleted and re-created name gets a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpaceKey(pub i64);

/// A space as listed: its row and its head.
#[derive(Debug, Clone)]
pub struct SpaceRow {
    /// Row id.
    pub key: SpaceKey,
    /// The name in URLs.
    pub slug: SpaceId,
    /// What people call it.
    pub name: String,
    /// Random id of this history.
    pub epoch: String,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// The newest event.
    pub seq: Seq,
    /// Its time, ms since 1970.
    pub at: i64,
    /// Events up to here are pruned; 0 = none.
    pub base_seq: Seq,
    /// What the newest snapshot covers; 0 = none.
    pub snap_seq: Seq,
    /// Edits after the snapshot.
    pub log_rows: i64,
    /// Their payload bytes.
    pub log_bytes: i64,
}

/// A head row as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Head {
    /// The newest event.
    pub seq: i64,
    /// Its time.
    pub at: i64,
    /// What the newest snapshot covers.
    pub snap_seq: i64,
    /// Events up to here are in segments.
    pub sealed_seq: i64,
    /// Edits after the snapshot.
    pub log_rows: i64,
    /// Their bytes.
    pub log_bytes: i64,
    /// Events up to here are pruned.
    pub base_seq: i64,
}

/// What an event is. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i64)]
pub enum EventKind {
    /// A Yjs update (v1) that changed the document.
    Edit = 1,
    /// A member came; payload is JSON.
    Joined = 2,
    /// A member's connection was lost; payload is JSON.
    Suspended = 3,
    /// It came back; payload is JSON.
    Resumed = 4,
    /// A member went; payload is JSON with the reason.
    Left = 5,
    /// The log up to some seq was folded into a snapshot; payload is JSON.
    Compacted = 6,
    /// Where members were for a while (SPEC T); payload is a chunk of the pose track.
    Poses = 7,
    /// The edit before it made the document what it was at some seq; payload is JSON.
    Restored = 8,
    /// The space began as another one was at some seq; payload is JSON.
    Forked = 9,
}

/// An event that has no number yet.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// What happened.
    pub kind: EventKind,
    /// The connection it came from, or the member it is about; `None` for the server itself.
    pub member: Option<Arc<str>>,
    /// Who that is, when known.
    pub user: Option<Arc<str>>,
    /// The Yjs update or JSON.
    pub payload: Bytes,
    /// What an edit changed ([`thexr_schema::change`]); `None` when that was not recorded.
    pub changes: Option<String>,
    /// What it does to the list of members; written with it or not at all.
    pub roster: Option<RosterChange>,
}

impl NewEvent {
    /// Something that the server did, in JSON, for somebody or by itself.
    pub fn note(kind: EventKind, user: Option<Arc<str>>, note: &serde_json::Value) -> Self {
        Self {
            kind,
            member: None,
            user,
            payload: Bytes::from(note.to_string()),
            changes: None,
            roster: None,
        }
    }

    /// A Yjs update of the server itself.
    pub fn edit(payload: Bytes) -> Self {
        Self {
            kind: EventKind::Edit,
            member: None,
            user: None,
            payload,
            changes: None,
            roster: None,
        }
    }
}

/// A stored event.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its number in the space.
    pub seq: Seq,
    /// Milliseconds since 1970, not decreasing in `seq`.
    pub at: i64,
    /// Stored kind number; readers skip kinds they do not know.
    pub kind: i64,
    /// The connection it came from.
    pub member: Option<String>,
    /// Who that was, when known.
    pub user: Option<String>,
    /// The Yjs update or JSON.
    pub payload: Bytes,
    /// What an edit changed ([`thexr_schema::change`]); `None` when that was not recorded.
    pub changes: Option<String>,
}

/// A stored snapshot, still compressed.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The event it covers up to.
    pub seq: Seq,
    /// 1 = Yjs v1 + zstd, 2 = Yjs v2 + zstd.
    pub format: i64,
    /// Bytes before compression.
    pub raw_len: usize,
    /// SHA-256 of the canonical content.
    pub hash: Vec<u8>,
    /// The compressed bytes.
    pub body: Bytes,
}

/// Everything needed to open a space: the newest snapshot and the edits after it, in one consistent read.
#[derive(Debug)]
pub struct Loaded {
    /// The row at the time of the read.
    pub row: SpaceRow,
    /// The newest snapshot, if any.
    pub snapshot: Option<Snapshot>,
    /// The edits after it, in order.
    pub edits: Vec<Event>,
}

/// Why a store call failed; one variant per thing a caller does differently.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such space, or it was deleted: drop its sockets.
    #[error("no such space")]
    Gone,
    /// A living space has this name.
    #[error("a space of this name exists")]
    Exists,
    /// No room on the disk: writing stops, reading goes on.
    #[error("the disk is full")]
    Full,
    /// A row does not match its checksum, its neighbours or its snapshot: never served as if it were whole.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// Anything else the database said.
    #[error("database: {0}")]
    Db(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        // SQLITE_FULL is 13; an IOERR on write (10 with detail bits) while the disk is full reads the same.
        let full = match &error {
            sqlx::Error::Database(db) => {
                db.code().is_some_and(|c| c == "13") || db.message().contains("disk is full")
            }
            _ => false,
        };
        if full { Self::Full } else { Self::Db(error) }
    }
}

/// A result of this module.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Handle to the database; cheap to clone.
#[derive(Clone)]
pub struct Store {
    reader: SqlitePool,
    /// One connection, so whoever holds it is the only writer.
    writer: SqlitePool,
    appends: writer::Appends,
    heads: heads::Heads,
    /// What is counted where it is decided in a transaction.
    pub(crate) metrics: Arc<Metrics>,
    /// Held for the life of the process: two servers on one folder would number events twice.
    _lock: Arc<std::fs::File>,
}

/// crc32 over the kind, the payload and what changed; the seq is not in it because it is handed out inside the
/// insert, and a wrong seq shows as a gap.
pub(crate) fn event_crc(kind: i64, payload: &[u8], changes: Option<&str>) -> i64 {
    let mut h = crc32fast::Hasher::new();
    h.update(&kind.to_le_bytes());
    h.update(payload);
    h.update(changes.unwrap_or("").as_bytes());
    i64::from(h.finalize())
}
