//! Opening a space: rows to bytes to document. The bytes are handed over before the document is built, because a
//! newcomer with an empty state vector can be served from them.

use super::Trouble;
use super::doc::{Encoding, SpaceDoc};
use crate::store::{Loaded, Snapshot, SpaceKey, Store, StoreError};
use crate::wire;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// Stored content, unpacked.
#[derive(Debug)]
pub struct Stored {
    /// How the snapshot is encoded.
    pub encoding: Encoding,
    /// The snapshot's update, if there is one.
    pub snapshot: Option<Bytes>,
    /// The updates after it.
    pub edits: Vec<Bytes>,
}

impl Stored {
    /// The stored updates as frames for a newcomer, snapshot first; none when the snapshot is not in the wire's
    /// encoding.
    pub fn frames(&self) -> Option<Bytes> {
        if self.encoding != Encoding::V1 {
            return None;
        }
        let updates = self.snapshot.iter().chain(&self.edits);
        let mut frames = BytesMut::with_capacity(updates.clone().map(|u| u.len() + 20).sum());
        updates.for_each(|update| wire::put_update(&mut frames, update));
        Some(frames.freeze())
    }
}

/// Reads and unpacks what a space needs; off the runtime's own threads where it is heavy.
pub async fn read(store: &Store, key: SpaceKey) -> Result<(crate::store::SpaceRow, Arc<Stored>), Trouble> {
    let Loaded { row, snapshot, edits } = store.load(key).await?;
    let edits = edits.into_iter().map(|e| e.payload).collect();
    let unpacked = tokio::task::spawn_blocking(move || snapshot.as_ref().map(unpack).transpose()).await;
    let snapshot = unpacked.map_err(|e| Trouble::Damaged(format!("unpacking: {e}")))??;
    let (encoding, snapshot) =
        snapshot.map_or((Encoding::V1, None), |(encoding, bytes)| (encoding, Some(bytes)));
    Ok((
        row,
        Arc::new(Stored {
            encoding,
            snapshot,
            edits,
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
    let raw = zstd::bulk::decompress(&snapshot.body, snapshot.raw_len).map_err(|e| damaged(e.to_string()))?;
    if raw.len() != snapshot.raw_len {
        return Err(damaged(format!(
            "{} bytes where {} were written",
            raw.len(),
            snapshot.raw_len
        )));
    }
    Ok((encoding, Bytes::from(raw)))
}

/// Builds the document. Heavy (half a second for 100,000 entities): call it on a blocking thread. A panic of the
/// engine on stored bytes comes back as damage.
pub fn build(client: u64, stored: &Stored) -> Result<SpaceDoc, Trouble> {
    let build = || {
        let snapshot = stored.snapshot.as_deref().map(|bytes| (stored.encoding, bytes));
        SpaceDoc::from_stored(client, snapshot, stored.edits.iter().map(|edit| &edit[..]))
    };
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(build)) {
        Ok(Ok(doc)) => Ok(doc),
        Ok(Err(refused)) => Err(Trouble::Damaged(refused.to_string())),
        Err(_) => Err(Trouble::Damaged("the engine panicked on stored data".into())),
    }
}
