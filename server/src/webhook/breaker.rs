//! Whether the endpoint of a webhook answers. While it does not, it is tried with one delivery at a time and with pauses in
//! between: what hangs would else hold as many turns as it has spaces, and the endpoints that live would wait for them.

use crate::limits;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What its attempts say and its loop asks.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<Silence>);

#[derive(Debug, Default)]
struct Silence {
    /// Attempts without an answer, one after the other.
    attempts: u32,
    /// No further one before.
    until: Option<Instant>,
}

impl Breaker {
    fn lock(&self) -> MutexGuard<'_, Silence> {
        // A panic between two assignments leaves numbers.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It answered, whatever it said.
    pub fn answered(&self) {
        *self.lock() = Silence::default();
    }

    /// It did not; `wait` says how long to leave it alone after so many times.
    pub fn silent(&self, now: Instant, wait: impl FnOnce(u32) -> Duration) {
        let mut silence = self.lock();
        // Those that were under way together say it once.
        if silence.until.is_none_or(|until| until <= now) {
            silence.attempts = silence.attempts.saturating_add(1);
            silence.until = Some(now + wait(silence.attempts));
        }
    }

    /// How many deliveries may be under way.
    pub fn most(&self, now: Instant) -> usize {
        let silence = self.lock();
        match silence.until {
            Some(until) if until > now => 0,
            _ if silence.attempts > 0 => 1,
            _ => limits::WEBHOOK_DELIVERIES_PER_HOOK,
        }
    }

    /// When the pause ends, if it is one.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        self.lock().until.filter(|until| *until > now)
    }

    /// Somebody says that it is back: the next attempt is made now.
    pub fn hurry(&self) {
        self.lock().until = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SPEC N5.
    #[test]
    fn what_does_not_answer_is_tried_with_one_at_a_time_until_it_does() {
        let breaker = Breaker::default();
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let at = |seconds: u32| start + second * seconds;
        let all = limits::WEBHOOK_DELIVERIES_PER_HOOK;
        assert_eq!((breaker.most(start), breaker.next(start)), (all, None));
        for _ in 0..all {
            breaker.silent(start, |attempts| second * attempts);
        }
        assert_eq!((breaker.most(start), breaker.next(start)), (0, Some(at(1))));
        assert_eq!((breaker.most(at(1)), breaker.next(at(1))), (1, None));
        breaker.silent(at(5), |attempts| second * attempts);
        assert_eq!((breaker.most(at(6)), breaker.next(at(6))), (0, Some(at(7))));
        breaker.hurry();
        assert_eq!((breaker.most(at(6)), breaker.next(at(6))), (1, None));
        breaker.answered();
        assert_eq!(breaker.most(at(6)), all);
    }
}
