//! Opening a space: rows to bytes to document. The bytes are handed over before the document is built, because a
//! newcomer with an empty state vector can be served from them.

use super::Trouble;
use super::doc::{Encoding, Refused, SpaceDoc};
use crate::store::segment;
use crate::store::{Loaded, Snapshot, SpaceKey, Store, StoreError};
use crate::wire;
use bytes::Bytes;
use std::sync::{Arc, OnceLock};
use thexr_schema::ids::Seq;

/// Stored content, unpacked.
#[derive(Debug)]
pub struct Stored {
    /// How the snapshot is encoded.
    pub encoding: Encoding,
    /// The snapshot's update, if there is one.
    pub snapshot: Option<Bytes>,
    /// The content hash that was stored with it; empty without one.
    pub hash: Vec<u8>,
    /// The updates after it, and their numbers.
    pub edits: Vec<(Seq, Bytes)>,
    answer: OnceLock<Option<Bytes>>,
}

impl Stored {
    /// The stored document as a framed SyncStep2 for a newcomer. Only when the snapshot is everything: edits after it
    /// would have to come before the message that says "synced", and clients keep what comes too early aside at
    /// a cost that grows with its square.
    pub fn answer(&self) -> Option<Bytes> {
        let whole = || {
            self.snapshot
                .as_ref()
                .filter(|_| self.encoding == Encoding::V1 && self.edits.is_empty())
        };
        let make = || Some(wire::document(whole()?));
        self.answer.get_or_init(make).clone()
    }
}

/// Reads and unpacks what a space needs; off the runtime's own threads where it is heavy.
pub async fn read(store: &Store, key: SpaceKey) -> Result<(crate::store::SpaceRow, Arc<Stored>), Trouble> {
    let Loaded { row, snapshot, edits } = store.load(key).await?;
    let hash = snapshot
        .as_ref()
        .map_or_else(Vec::new, |snapshot| snapshot.hash.clone());
    let edits = edits.into_iter().map(|e| (e.seq, e.payload)).collect();
    let unpacked = tokio::task::spawn_blocking(move || snapshot.as_ref().map(unpack).transpose()).await;
    let snapshot = unpacked.map_err(|e| Trouble::Damaged(format!("unpacking: {e}")))??;
    let (encoding, snapshot) =
        snapshot.map_or((Encoding::V1, None), |(encoding, bytes)| (encoding, Some(bytes)));
    Ok((
        row,
        Arc::new(Stored {
            encoding,
            snapshot,
            hash,
            edits,
            answer: OnceLock::new(),
        }),
    ))
}

/// The encoding of a snapshot's format number.
pub fn encoding(format: i64) -> Option<Encoding> {
    match format {
        1 => Some(Encoding::V1),
        2 => Some(Encoding::V2),
        _ => None,
    }
}

/// Unpacks a snapshot.
pub fn unpack(snapshot: &Snapshot) -> Result<(Encoding, Bytes), StoreError> {
    let damaged = |what: String| StoreError::Damaged(format!("snapshot {}: {what}", snapshot.seq));
    let encoding = encoding(snapshot.format)
        .ok_or_else(|| damaged(format!("format {} is from a newer thexr", snapshot.format)))?;
    let raw = segment::unzip(&snapshot.body, snapshot.raw_len).map_err(damaged)?;
    Ok((encoding, Bytes::from(raw)))
}

/// Builds the document of the snapshot alone, for a compaction to go on from. As heavy as [`build`].
pub fn build_snapshot(stored: &Stored) -> Result<SpaceDoc, Trouble> {
    let snapshot = stored.snapshot.as_deref().map(|bytes| (stored.encoding, bytes));
    whole(|| SpaceDoc::from_stored(0, snapshot, std::iter::empty()))
}

/// Builds the document. Heavy (half a second for 100,000 entities): call it on a blocking thread. A panic of the
/// engine on stored bytes comes back as damage.
pub fn build(client: u64, stored: &Stored) -> Result<SpaceDoc, Trouble> {
    let snapshot = stored.snapshot.as_deref().map(|bytes| (stored.encoding, bytes));
    let edits = stored.edits.iter().map(|(_, edit)| &edit[..]);
    whole(|| SpaceDoc::from_stored(client, snapshot, edits))
}

/// What building came to; a panic is damage.
fn whole(build: impl FnOnce() -> Result<SpaceDoc, Refused>) -> Result<SpaceDoc, Trouble> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(build)) {
        Ok(Ok(doc)) => Ok(doc),
        Ok(Err(refused)) => Err(Trouble::Damaged(refused.to_string())),
        Err(_) => Err(Trouble::Damaged("the engine panicked on stored data".into())),
    }
}
