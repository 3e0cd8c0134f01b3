//! The clock of a recording: it goes at some speed while the replay plays, and stands otherwise.

use thexr_schema::replay::State;
use tokio::time::Instant;

/// Where a replay is in time.
pub(super) struct Clock {
    /// The moment of the recording, ms since 1970, and when it was that.
    set: (f64, Instant),
    state: State,
    speed: f64,
}

impl Clock {
    /// At the beginning of time.
    pub fn new(state: State, speed: f64) -> Self {
        Self {
            set: (0.0, Instant::now()),
            state,
            speed,
        }
    }

    /// The moment of the recording.
    pub fn moment(&self, now: Instant) -> f64 {
        let (at, since) = self.set;
        if self.state == State::Playing {
            at + now.saturating_duration_since(since).as_secs_f64() * 1_000.0 * self.speed
        } else {
            at
        }
    }

    /// It is this moment now.
    pub fn set(&mut self, at: f64) {
        self.set = (at, Instant::now());
    }

    /// Whether it goes.
    pub fn state(&self) -> State {
        self.state
    }

    /// Goes on, or stands.
    pub fn set_state(&mut self, state: State) {
        self.set(self.moment(Instant::now()));
        self.state = state;
    }

    /// Seconds of the recording per second.
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// Goes on faster or slower.
    pub fn set_speed(&mut self, speed: f64) {
        self.set(self.moment(Instant::now()));
        self.speed = speed;
    }
}
