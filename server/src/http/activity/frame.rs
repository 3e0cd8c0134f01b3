//! A time that is divided into buckets.

use crate::store::Block;

/// The time that is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Its first millisecond.
    pub from: i64,
    /// Its last.
    pub to: i64,
    /// Milliseconds of a bucket.
    pub width: i64,
}

impl Frame {
    /// `count` buckets, or one for each millisecond when there are fewer. `None` when the end is before the beginning.
    pub fn new(from: i64, to: i64, count: i64) -> Option<Self> {
        let length = to - from + 1;
        let width = (length + count - 1) / count;
        (from <= to).then_some(Self { from, to, width })
    }

    /// Which bucket a time is in; one outside is in the first or the last.
    pub fn bucket(&self, at: i64) -> usize {
        usize::try_from((at.clamp(self.from, self.to) - self.from) / self.width).unwrap_or(0)
    }

    /// True within.
    pub fn has(&self, at: i64) -> bool {
        (self.from..=self.to).contains(&at)
    }

    /// True when its row does not say in which bucket its events are.
    pub fn straddles(&self, block: &Block) -> bool {
        let apart = block.last_at < self.from || block.first_at > self.to;
        let inside = self.has(block.first_at) && self.has(block.last_at);
        !(apart || inside && self.bucket(block.first_at) == self.bucket(block.last_at))
    }
}
