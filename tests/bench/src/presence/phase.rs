//! The server's clock as a client learns it, and when a pose has to leave to be fresh at a tick (SPEC M5; P4).

/// Answers that are remembered.
const ANSWERS: usize = 8;
/// Room for what no clock foresees, and for how the way varies.
const MARGIN_MS: f64 = 5.0;
const JITTERS: f64 = 1.5;
/// Over which time before that the poses of a crowd are spread: all at once would queue behind each other.
const SPREAD_MS: f64 = 16.0;

/// What the PONGs have told.
#[derive(Debug, Clone, Copy)]
pub struct Phase {
    /// Round trip and clock difference (server minus client) of the newest answers, ms.
    answers: [(f64, f64); ANSWERS],
    count: usize,
    tick0_unix_ms: f64,
    tick_ms: f64,
}

impl Phase {
    /// What WELCOME says.
    pub fn new(tick0_unix_ms: f64, tick_ms: f64) -> Self {
        Self {
            answers: [(f64::INFINITY, 0.0); ANSWERS],
            count: 0,
            tick0_unix_ms,
            tick_ms,
        }
    }

    /// Takes in a PONG: client's clock at sending and receiving, server's in between, ms.
    pub fn pong(&mut self, t0: f64, t_rx: f64, t_tx: f64, t3: f64) {
        let round_trip = (t3 - t0) - (t_tx - t_rx);
        let ahead = f64::midpoint(t_rx, t_tx) - f64::midpoint(t0, t3);
        self.answers[self.count % ANSWERS] = (round_trip, ahead);
        self.count += 1;
    }

    /// When to send the first pose after `after_ms`, by the client's clock. None before the first answer.
    pub fn next_ms(&self, after_ms: f64, handle: u16) -> Option<f64> {
        let known = &self.answers[..self.count.min(ANSWERS)];
        let best = known.iter().min_by(|a, b| a.0.total_cmp(&b.0))?;
        // All of this as our own client does it (client-js/src/clock.ts, uplink.ts).
        let jitter = known.iter().map(|a| a.0 - best.0).sum::<f64>() / known.len() as f64;
        let spread = (f64::from(handle) * 0.618_033_988_7).fract() * SPREAD_MS;
        let lead = best.0 / 2.0 + JITTERS * jitter + MARGIN_MS + spread;
        let first = self.tick0_unix_ms - best.1 - lead;
        let ticks = ((after_ms - first) / self.tick_ms).floor() + 1.0;
        Some(first + ticks * self.tick_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poses_leave_a_little_before_the_tick() {
        let mut phase = Phase::new(1_000_000.0, 50.0);
        assert_eq!(phase.next_ms(0.0, 0), None);
        // The server is 900,000 ms ahead, 4 ms there and back, and one slow answer.
        phase.pong(10.0, 900_012.0, 900_012.0, 14.0);
        phase.pong(20.0, 900_024.0, 900_024.0, 26.0);
        let lead = 2.0 + 1.5 + 5.0;
        let next = phase.next_ms(100_123.0, 0).expect("known");
        assert!((next - (100_150.0 - lead)).abs() < 1e-6, "{next}");
        let after = phase.next_ms(next, 0).expect("known");
        assert!((after - next - 50.0).abs() < 1e-6);
        for handle in 0..100 {
            let spread = next - phase.next_ms(next - 50.0 + 1e-3, handle).expect("known");
            assert!((0.0..SPREAD_MS).contains(&spread) || (spread + 50.0) < 51.0 && spread >= -50.0);
        }
    }
}
