//! The poses of a replay: one chunk of the track at a time.

use crate::space::Trouble;
use crate::space::track::{BadChunk, Chunk};
use crate::store::{Event, Kinds, SpaceKey, Store};
use std::collections::{BTreeMap, VecDeque};
use thexr_schema::ids::Seq;
use thexr_schema::presence::Record;

type Records = Vec<(u16, Record)>;

/// A place in the track.
#[derive(Default)]
pub(super) struct Reel {
    /// What is left of the chunk: when, and who was where.
    samples: VecDeque<(i64, Records)>,
    /// The chunk it came from; later ones are yet to be read.
    after: Seq,
    /// There were no later ones.
    drained: bool,
}

impl From<BadChunk> for Trouble {
    fn from(bad: BadChunk) -> Self {
        Self::Damaged(bad.to_string())
    }
}

impl Reel {
    /// When the next sample was taken.
    pub fn next_at(&self) -> Option<i64> {
        self.samples.front().map(|(at, _)| *at)
    }

    /// The next sample.
    pub fn pop(&mut self) -> Option<(i64, Records)> {
        self.samples.pop_front()
    }

    /// More may have been written.
    pub fn look_again(&mut self) {
        self.drained = false;
    }

    /// Reads the next chunk when nothing is left of this one.
    pub async fn fill(&mut self, store: &Store, key: SpaceKey) -> Result<(), Trouble> {
        while self.samples.is_empty() && !self.drained {
            match next(store, key, self.after).await? {
                Some(event) => {
                    self.samples = samples(&event)?;
                    self.after = event.seq;
                }
                None => self.drained = true,
            }
        }
        Ok(())
    }

    /// Goes to a moment: after event `seq`, at this time. Gives where everybody was then.
    pub async fn go_to(
        &mut self,
        store: &Store,
        key: SpaceKey,
        seq: Seq,
        at: i64,
    ) -> Result<Records, Trouble> {
        *self = Self {
            after: seq,
            ..Self::default()
        };
        let mut here = BTreeMap::new();
        if let Some(event) = store.last_before(key, seq, Kinds::POSES).await? {
            self.samples = samples(&event)?;
            self.play_until(at, &mut here);
        }
        // A chunk is stored when it ends, so the one of this moment comes behind it.
        while self.samples.is_empty() {
            let Some(event) = next(store, key, self.after).await? else {
                break;
            };
            let later = samples(&event)?;
            self.samples = later;
            self.after = event.seq;
            self.play_until(at, &mut here);
        }
        Ok(here.into_iter().collect())
    }

    fn play_until(&mut self, at: i64, here: &mut BTreeMap<u16, Record>) {
        while self.next_at().is_some_and(|next| next <= at) {
            here.extend(self.pop().into_iter().flat_map(|(_, records)| records));
        }
    }
}

async fn next(store: &Store, key: SpaceKey, after: Seq) -> Result<Option<Event>, Trouble> {
    let mut seen = after;
    loop {
        let stretch = store.history(key, seen, 1, Kinds::POSES).await?;
        if let Some(event) = stretch.events.into_iter().next() {
            return Ok(Some(event));
        }
        if stretch.seen == seen {
            return Ok(None);
        }
        seen = stretch.seen;
    }
}

fn samples(event: &Event) -> Result<VecDeque<(i64, Records)>, Trouble> {
    let chunk = Chunk::unpack(&event.payload)?;
    let first_at = i64::try_from(chunk.header.first_at).unwrap_or(i64::MAX);
    let samples = chunk.samples()?.into_iter();
    let timed = samples.map(|sample| {
        let after = i64::try_from(sample.after_ms).unwrap_or(i64::MAX);
        (first_at.saturating_add(after), sample.records)
    });
    Ok(timed.collect())
}
