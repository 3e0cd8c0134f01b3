//! The document as it was: the newest snapshot before a moment and the edits up to it. Built from rows, beside the
//! running space and without it.

use super::Trouble;
use super::doc::{Encoding, SpaceDoc};
use super::load;
use crate::limits;
use crate::store::{Kinds, Snapshot, SpaceRow, Store};
use bytes::Bytes;
use std::sync::{Arc, LazyLock};
use thexr_schema::ids::Seq;
use thexr_schema::scan;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Each document that is built beside a space costs its whole memory again.
static BUILDING: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(limits::PASTS_MAX)));

/// A document of some moment.
pub struct Past {
    /// The document. Nothing is ever written to it.
    pub doc: SpaceDoc,
    /// The moment: it is the document after this event.
    pub seq: Seq,
    /// Its place among [`limits::PASTS_MAX`].
    _turn: OwnedSemaphorePermit,
}

impl Past {
    /// Does something long with it, off the runtime's own threads. Nobody waits until it is taken apart, which takes as long
    /// as half of building it.
    pub async fn work<T: Send + 'static>(
        self,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, Trouble> {
        let (send, done) = oneshot::channel();
        let task = tokio::task::spawn_blocking(move || {
            let _ = send.send(work(&self));
            drop(self);
        });
        match done.await {
            Ok(done) => Ok(done),
            Err(_) => {
                let panic = task
                    .await
                    .err()
                    .map(|panic| panic.to_string())
                    .unwrap_or_default();
                Err(Trouble::Damaged(format!("the engine panicked: {panic}")))
            }
        }
    }
}

/// A moment by its number. `NotKept` when it is before what is kept, or has not come yet.
pub fn moment(row: &SpaceRow, seq: i64) -> Result<Seq, Trouble> {
    if (row.base_seq.0..=row.seq.0).contains(&seq) {
        Ok(Seq(seq))
    } else {
        Err(Trouble::NotKept {
            oldest: row.base_seq,
            newest: row.seq,
        })
    }
}

/// What a document is made of.
struct Parts {
    base: Base,
    edits: Vec<Bytes>,
}

/// What the edits come on top of.
enum Base {
    Nothing,
    Stored(Snapshot),
    /// A document in V1.
    Folded(Bytes),
}

/// Builds the document after event `seq`, which must be one that [`moment`] lets pass.
pub async fn document(store: &Store, row: &SpaceRow, seq: Seq) -> Result<Past, Trouble> {
    let turn = turn().await?;
    let parts = parts(store, row, seq).await?;
    // The turn goes with the work: it goes on also when nobody waits for it any more.
    aside(move || {
        let doc = parts.document()?;
        Ok(Past {
            doc,
            seq,
            _turn: turn,
        })
    })
    .await
}

/// The same as one Yjs update. Most often it is joined from the stored bytes and no document is built.
pub async fn update(store: &Store, row: &SpaceRow, seq: Seq) -> Result<Vec<u8>, Trouble> {
    let turn = turn().await?;
    let parts = parts(store, row, seq).await?;
    aside(move || {
        let _turn = turn;
        parts.update()
    })
    .await
}

/// The same as JSON text ([`SpaceDoc::json_of`]).
pub async fn json(store: &Store, row: &SpaceRow, seq: Seq) -> Result<Vec<u8>, Trouble> {
    let turn = turn().await?;
    let parts = parts(store, row, seq).await?;
    aside(move || {
        let _turn = turn;
        SpaceDoc::json_of(&parts.update()?).map_err(|refused| Trouble::Damaged(refused.to_string()))
    })
    .await
}

/// Works off the runtime's own threads; a panic of the engine is damage.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
) -> Result<T, Trouble> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| Trouble::Damaged(format!("the engine panicked: {e}")))?
}

/// A place among [`limits::PASTS_MAX`], to be kept as long as the work goes on.
pub async fn turn() -> Result<OwnedSemaphorePermit, Trouble> {
    BUILDING.clone().acquire_owned().await.map_err(|_| Trouble::Busy)
}

async fn parts(store: &Store, row: &SpaceRow, seq: Seq) -> Result<Parts, Trouble> {
    let mut row = row.clone();
    loop {
        let snapshot = store.snapshot_before(row.key, seq).await?;
        let from = snapshot.as_ref().map_or(Seq::ZERO, |snapshot| snapshot.seq);
        let base = snapshot.map_or(Base::Nothing, Base::Stored);
        let parts = Parts::read(base, store, &row, from, seq).await?;
        // What was read is whole if the history did not begin later meanwhile.
        let base = store.base_seq(row.key).await?;
        if from >= base {
            return Ok(parts);
        }
        if base == row.base_seq {
            return Err(Trouble::Damaged(format!("the snapshot at {base} is missing")));
        }
        row.base_seq = base;
        moment(&row, seq.0)?;
    }
}

impl Parts {
    /// Reads the edits up to `until`. What they replace on the way stays in them, so when they are many bytes they are
    /// folded, and the document of any moment takes no more room than it has to.
    async fn read(
        base: Base,
        store: &Store,
        row: &SpaceRow,
        after: Seq,
        until: Seq,
    ) -> Result<Self, Trouble> {
        let edits = Vec::new();
        let (mut parts, mut seen, mut bytes) = (Self { base, edits }, after, 0);
        while seen < until {
            let page = store
                .history(row.key, seen, limits::HISTORY_PAGE_EVENTS, Kinds::EDITS)
                .await?;
            if page.seen == seen {
                break;
            }
            seen = page.seen;
            for event in page.events.into_iter().take_while(|event| event.seq <= until) {
                bytes += event.payload.len();
                parts.edits.push(event.payload);
            }
            if bytes > limits::PAST_EDIT_BYTES_MAX {
                (parts, bytes) = (aside(move || parts.folded()).await?, 0);
            }
        }
        Ok(parts)
    }

    fn folded(self) -> Result<Self, Trouble> {
        let document = self.document()?.encode(Encoding::V1);
        Ok(Self {
            base: Base::Folded(document.into()),
            edits: Vec::new(),
        })
    }

    fn unpacked(&self) -> Result<Option<(Encoding, Bytes)>, Trouble> {
        Ok(match &self.base {
            Base::Nothing => None,
            Base::Stored(snapshot) => Some(load::unpack(snapshot)?),
            Base::Folded(bytes) => Some((Encoding::V1, bytes.clone())),
        })
    }

    fn document(&self) -> Result<SpaceDoc, Trouble> {
        let snapshot = self.unpacked()?;
        let snapshot = snapshot.as_ref().map(|(encoding, bytes)| (*encoding, &bytes[..]));
        SpaceDoc::from_stored(0, snapshot, self.edits.iter().map(|edit| &edit[..]))
            .map_err(|refused| Trouble::Damaged(refused.to_string()))
    }

    fn update(&self) -> Result<Vec<u8>, Trouble> {
        match self.joined()? {
            Some(update) => Ok(update),
            None => Ok(self.document()?.encode(Encoding::V1)),
        }
    }

    /// None when it takes an engine: the snapshot is in the other encoding, or an edit repeats what was there.
    fn joined(&self) -> Result<Option<Vec<u8>>, Trouble> {
        let snapshot = self.unpacked()?;
        Ok(match &snapshot {
            Some((Encoding::V2, _)) => None,
            Some((Encoding::V1, bytes)) if self.edits.is_empty() => Some(bytes.to_vec()),
            _ => {
                let first = snapshot.iter().map(|(_, bytes)| &bytes[..]);
                scan::splice(first.chain(self.edits.iter().map(|edit| &edit[..])))
            }
        })
    }
}

#[cfg(test)]
mod tests;
