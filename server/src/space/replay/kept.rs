//! What there is of a space to replay: from which event to which, and where a point lies between them.

use crate::space::Trouble;
use crate::store::{Kinds, SpaceRow, Store};
use thexr_schema::ids::Seq;
use thexr_schema::replay::Target;
use tokio::time::Instant;

/// A history, as far as it is kept.
pub(super) struct Kept {
    /// Where it is stored.
    pub store: Store,
    /// The space, as it was at the last look.
    pub row: SpaceRow,
    /// When the first kept event was and the newest, ms since 1970.
    pub range: [i64; 2],
    /// When the last look was.
    pub looked: Instant,
}

impl Kept {
    /// How much history there is now.
    pub async fn look(&mut self) -> Result<(), Trouble> {
        let found = self.store.space(&self.row.slug).await?;
        // A space of this name that was made anew has another history.
        self.row = found.filter(|row| row.key == self.row.key).ok_or(Trouble::Gone)?;
        if let Some((first, last)) = self.store.extent(self.row.key).await? {
            self.range = [first, last];
        }
        self.looked = Instant::now();
        Ok(())
    }

    /// The number of the event so many events before the one that was played last.
    pub async fn before(&self, seq: Seq, steps: u64) -> Result<Seq, Trouble> {
        let steps = usize::try_from(steps).unwrap_or(usize::MAX);
        let found = self
            .store
            .nth_before(self.row.key, seq, steps, Kinds::LISTED)
            .await?;
        Ok(found.map_or(self.row.base_seq, |event| event.seq))
    }

    /// The event and the time of a target, within what is kept.
    pub async fn resolve(&self, to: Target) -> Result<(Seq, i64), Trouble> {
        let [first, last] = self.range;
        let bounded = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        match to {
            Target::Seq(seq) => {
                let seq = Seq(bounded(seq).clamp(self.row.base_seq.0, self.row.seq.0));
                let event = self.store.last_before(self.row.key, seq, Kinds::ALL).await?;
                Ok((seq, event.map_or(first, |event| event.at)))
            }
            Target::Time(at) => {
                let at = bounded(at).min(last);
                let seq = self.store.seq_at(self.row.key, at).await?;
                Ok((seq.max(self.row.base_seq), at.max(first)))
            }
        }
    }
}
