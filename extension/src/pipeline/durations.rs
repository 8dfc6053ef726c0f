//! A histogram of short durations in a few counters: enough for a count, a median and a worst case.

use std::time::Duration;

use serde_json::{Value, json};

/// Upper bounds of the buckets in milliseconds; beyond the last, the longest stands for all.
const BOUNDS_MS: [u64; 14] = [0, 1, 2, 5, 10, 20, 30, 50, 75, 100, 200, 500, 1000, 2000];

/// See the module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Durations {
    buckets: [u64; BOUNDS_MS.len()],
    count: u64,
    longest: Duration,
}

impl Durations {
    /// Counts one.
    pub fn note(&mut self, duration: Duration) {
        self.count += 1;
        self.longest = self.longest.max(duration);
        let bucket = BOUNDS_MS
            .iter()
            .zip(&mut self.buckets)
            .find(|(bound, _)| duration <= Duration::from_millis(**bound));
        if let Some((_, bucket)) = bucket {
            *bucket += 1;
        }
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// A bound that at least this share of them did not exceed, in milliseconds; 0 before the first.
    pub fn quantile_ms(&self, percent: u64) -> u64 {
        let wanted = (self.count * percent).div_ceil(100);
        let mut seen = 0;
        for (bound, count) in BOUNDS_MS.iter().zip(&self.buckets) {
            seen += count;
            if seen >= wanted {
                return if self.count == 0 { 0 } else { *bound };
            }
        }
        self.longest_ms()
    }

    /// The longest, in whole milliseconds, rounded up.
    pub fn longest_ms(&self) -> u64 {
        u64::try_from(self.longest.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
    }

    /// The figures of a log line.
    pub fn fields(&self) -> Value {
        json!({
            "count": self.count,
            "p50_ms": self.quantile_ms(50),
            "p99_ms": self.quantile_ms(99),
            "max_ms": self.longest_ms(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_bound_that_its_share_did_not_exceed() {
        let mut durations = Durations::default();
        assert_eq!((durations.quantile_ms(50), durations.longest_ms()), (0, 0));
        for micros in [0, 900, 1000, 1001, 26_000, 3_000_001] {
            durations.note(Duration::from_micros(micros));
        }
        assert_eq!(durations.count(), 6);
        assert_eq!(durations.quantile_ms(16), 0);
        assert_eq!(durations.quantile_ms(50), 1);
        assert_eq!(durations.quantile_ms(60), 2);
        assert_eq!(durations.quantile_ms(80), 30);
        assert_eq!((durations.quantile_ms(99), durations.longest_ms()), (3001, 3001));
    }
}
