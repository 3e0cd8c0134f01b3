//! The pose track: where members were, sampled for replays (SPEC T). Takes the records as they were sent, gathers them
//! in a chunk, and closes the chunk after a while or at a size. Pure; the actor says when, and stores what is closed.
//! Nothing gathers while nobody moves.

mod chunk;

pub use chunk::{BadChunk, Chunk};

use crate::limits;
use chunk::Open;
use std::time::Duration;
use thexr_schema::presence::Record;
use thexr_schema::track::sample_bytes_max;
use tokio::time::Instant;

/// What may be written at once after a pause: a minute's worth.
const BURST_S: f64 = 60.0;
const BYTES_PER_S: f64 = limits::POSE_TRACK_BYTES_PER_HOUR as f64 / 3_600.0;

/// What became of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::space) enum Taken {
    /// Nobody had moved.
    Nothing,
    /// It is in the open chunk.
    Some,
    /// The track of this space has grown too fast: it is not.
    Skipped,
}

/// The track of one space.
pub(in crate::space) struct Track {
    /// None when it is switched off.
    every: Option<Duration>,
    /// When the next sample is due.
    next: Instant,
    /// What was last written of whoever is here, by handle.
    last: Vec<(u16, Record)>,
    open: Option<Open>,
    /// Bytes that may still be written, and when that was worked out.
    allowed: (f64, Instant),
}

impl Track {
    /// Samples so often a second; 0 = never.
    pub fn new(hz: u32, now: Instant) -> Self {
        Self {
            every: (hz > 0).then(|| Duration::from_secs(1) / hz),
            next: now,
            last: Vec::new(),
            open: None,
            allowed: (BURST_S * BYTES_PER_S, now),
        }
    }

    /// True when a sample is to be taken in the tick that was due then.
    pub fn is_due(&self, due: Instant) -> bool {
        self.every.is_some() && self.next <= due
    }

    /// Takes who moved since the last sample; in the first of a chunk, everybody. `here` is in the order of handles.
    pub fn sample(&mut self, here: impl Iterator<Item = (u16, Record)>, due: Instant, at_ms: i64) -> Taken {
        let Some(every) = self.every else {
            return Taken::Nothing;
        };
        self.next = if self.next + every > due {
            self.next + every
        } else {
            due + every
        };
        let here: Vec<(u16, Record)> = here.collect();
        let find = |list: &[(u16, Record)], handle| list.binary_search_by_key(&handle, |(handle, _)| *handle);
        // Who has gone is forgotten: its handle is given again, and then it is somebody else.
        self.last.retain(|(handle, _)| find(&here, *handle).is_ok());
        let moved: Vec<(u16, Record)> = here
            .iter()
            .filter(|(handle, record)| {
                let last = find(&self.last, *handle).map(|at| self.last[at].1);
                !last.is_ok_and(|last| last.is_near(record))
            })
            .copied()
            .collect();
        if moved.is_empty() {
            return Taken::Nothing;
        }
        let records = if self.open.is_some() { moved } else { here };
        if !self.may_write(sample_bytes_max(records.len()), due) {
            return Taken::Skipped;
        }
        let open = self.open.get_or_insert_with(|| Open::new(at_ms, due));
        self.allowed.0 -= open.add(at_ms, &records) as f64;
        for (handle, record) in records {
            match find(&self.last, handle) {
                Ok(at) => self.last[at].1 = record,
                Err(at) => self.last.insert(at, (handle, record)),
            }
        }
        Taken::Some
    }

    fn may_write(&mut self, bytes: usize, now: Instant) -> bool {
        let (allowed, since) = self.allowed;
        let grown = now.saturating_duration_since(since).as_secs_f64() * BYTES_PER_S;
        self.allowed = ((allowed + grown).min(BURST_S * BYTES_PER_S), now);
        bytes as f64 <= self.allowed.0
    }

    /// The open chunk, when it is old or large enough to be stored.
    pub fn close_if_due(&mut self, now: Instant) -> Option<Chunk> {
        let full =
            |open: &Open| open.len() >= limits::POSE_CHUNK_BYTES || open.age(now) >= limits::POSE_CHUNK_SPAN;
        if self.open.as_ref().is_some_and(full) {
            self.close()
        } else {
            None
        }
    }

    /// The open chunk.
    pub fn close(&mut self) -> Option<Chunk> {
        self.open.take().map(Open::close)
    }

    /// True when nothing waits to be stored.
    pub fn is_empty(&self) -> bool {
        self.open.is_none()
    }
}

#[cfg(test)]
mod tests;
