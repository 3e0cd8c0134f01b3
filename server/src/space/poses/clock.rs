//! What the ticks of one actor are counted by.

use crate::{clock, limits};
use tokio::time::Instant;

/// When tick 0 was, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(in crate::space) struct TickClock {
    /// By the one that never jumps.
    pub start: Instant,
    /// By the wall clock, ms since 1970.
    pub start_unix_ms: f64,
}

impl TickClock {
    /// Starts now.
    pub fn new(now: Instant) -> Self {
        Self {
            start: now,
            start_unix_ms: clock::unix_ms(),
        }
    }

    /// The tick that was due then.
    pub fn tick(&self, due: Instant) -> u32 {
        let ticks = due.saturating_duration_since(self.start).as_nanos() / limits::POSE_TICK.as_nanos();
        ticks as u32
    }
}
