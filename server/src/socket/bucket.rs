//! A token bucket: what a connection may send for long and at once. Going over costs waiting, never data.

use crate::config::Rate;
use tokio::time::{Duration, Instant};

/// One bucket.
pub(super) struct Bucket {
    rate: Rate,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    /// A full bucket.
    pub fn new(rate: Rate, now: Instant) -> Self {
        Self {
            rate,
            tokens: rate.burst,
            at: now,
        }
    }

    /// Takes tokens; the bucket may go into debt.
    pub fn spend(&mut self, tokens: f64, now: Instant) {
        let refill = now.duration_since(self.at).as_secs_f64() * self.rate.per_second;
        self.tokens = (self.tokens + refill).min(self.rate.burst) - tokens;
        self.at = now;
    }

    /// When the debt is paid; none when there is no debt.
    pub fn debt_paid(&self, now: Instant) -> Option<Instant> {
        (self.tokens < 0.0).then(|| now + Duration::from_secs_f64(-self.tokens / self.rate.per_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_a_debt_is_waited_for() {
        let start = Instant::now();
        let mut bucket = Bucket::new(
            Rate {
                per_second: 10.0,
                burst: 20.0,
            },
            start,
        );
        bucket.spend(20.0, start);
        assert_eq!(bucket.debt_paid(start), None);
        bucket.spend(5.0, start);
        assert_eq!(bucket.debt_paid(start), Some(start + Duration::from_millis(500)));
        bucket.spend(0.0, start + Duration::from_secs(60));
        assert_eq!(bucket.tokens, 20.0, "it does not fill above its size");
    }
}
