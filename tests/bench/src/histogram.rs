//! Counts of microseconds in buckets a 64th apart: percentiles of millions of samples in fixed memory.

const STEPS: usize = 64;
const BUCKETS: usize = STEPS * 28;

/// Samples of one kind.
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: vec![0; BUCKETS],
            count: 0,
            max: 0,
        }
    }
}

impl Histogram {
    /// Adds a sample.
    pub fn add(&mut self, microseconds: f64) {
        let value = microseconds.max(0.0) as u64;
        let last = self.buckets.len() - 1;
        self.buckets[bucket(value).min(last)] += 1;
        self.count += 1;
        self.max = self.max.max(value);
    }

    /// How many samples there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The largest sample, ms.
    pub fn max_ms(&self) -> f64 {
        self.max as f64 / 1e3
    }

    /// The value below which this share of the samples lies, ms; NaN without samples.
    pub fn percentile_ms(&self, percent: f64) -> f64 {
        if self.count == 0 {
            return f64::NAN;
        }
        let rank = (percent / 100.0 * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (i, n) in self.buckets.iter().enumerate() {
            seen += n;
            if seen >= rank {
                return upper(i).min(self.max) as f64 / 1e3;
            }
        }
        self.max_ms()
    }
}

fn bucket(value: u64) -> usize {
    let bits = 64 - value.leading_zeros() as usize;
    if bits <= 7 {
        return value as usize;
    }
    let shift = bits - 7;
    shift * STEPS + (value >> shift) as usize
}

/// The largest value of a bucket.
fn upper(bucket: usize) -> u64 {
    if bucket < 2 * STEPS {
        return bucket as u64;
    }
    let shift = bucket / STEPS - 1;
    let step = (bucket - shift * STEPS) as u64;
    ((step + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket_and_close_to_its_end() {
        for value in (0..1_000).chain((1..30).map(|b| (1u64 << b) + 3)) {
            let end = upper(bucket(value));
            assert!(value <= end && end - value <= value / 64 + 1, "{value} → {end}");
        }
    }

    #[test]
    fn percentiles_are_ranks() {
        let mut h = Histogram::default();
        (1..=100).for_each(|n| h.add(f64::from(n) * 1_000.0));
        assert!((h.percentile_ms(50.0) - 50.0).abs() < 1.0);
        assert!((h.percentile_ms(99.0) - 99.0).abs() < 2.0);
        assert_eq!(h.max_ms(), 100.0);
    }
}
