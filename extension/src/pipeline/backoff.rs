//! How long to pause between failed attempts: full jitter under a bound that doubles.
//!
//! Many sandboxes fail at the same moment; a pause drawn evenly from zero to the bound keeps them from
//! coming back at the same moment.
//!
//! Pure: the seed and the failures come from outside. The generator is no source of secrets.

use std::time::Duration;

use crate::limits::{BACKOFF_FIRST, BACKOFF_MAX, RETRY_AFTER_MAX};

/// The pauses of one destination.
#[derive(Debug, Clone)]
pub struct Backoff {
    seed: u64,
    failures: u32,
}

impl Backoff {
    /// Starts without failures. Sandboxes must differ in their seeds.
    pub fn new(seed: u64) -> Self {
        Self { seed, failures: 0 }
    }

    /// Counts a failure and says how long to pause; never shorter than the other side asked for.
    pub fn failed(&mut self, at_least: Option<Duration>) -> Duration {
        let jitter = fraction_of(self.bound(), self.draw());
        self.failures = self.failures.saturating_add(1);
        match at_least {
            Some(asked) => asked.min(RETRY_AFTER_MAX).saturating_add(jitter),
            None => jitter,
        }
    }

    /// A distance between half of this bound and all of it.
    pub fn spread(&mut self, bound: Duration) -> Duration {
        let half = bound / 2;
        half + fraction_of(half, self.draw())
    }

    /// Forgets the failures.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Upper bound of the next pause.
    fn bound(&self) -> Duration {
        let factor = 2_u32.checked_pow(self.failures).unwrap_or(u32::MAX);
        BACKOFF_FIRST.saturating_mul(factor).min(BACKOFF_MAX)
    }

    /// The next 64 bits: a step of splitmix64.
    fn draw(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.seed;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

/// `bits` as a fraction of 2^64, times `bound`.
fn fraction_of(bound: Duration, bits: u64) -> Duration {
    let micros = (bound.as_micros() * u128::from(bits)) >> 64;
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(seed: u64, count: usize) -> Vec<Duration> {
        let mut backoff = Backoff::new(seed);
        (0..count).map(|_| backoff.failed(None)).collect()
    }

    #[test]
    fn pauses_stay_under_a_bound_that_doubles_up_to_its_cap() {
        let bounds_ms = [
            100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000, 30_000,
        ];
        for seed in 0..200 {
            for (pause, bound_ms) in pauses(seed, bounds_ms.len()).into_iter().zip(bounds_ms) {
                assert!(
                    pause <= Duration::from_millis(bound_ms),
                    "{pause:?} over {bound_ms} ms"
                );
            }
        }
    }

    #[test]
    fn pauses_reach_into_both_ends_of_their_range() {
        let first: Vec<_> = (0..200).flat_map(|seed| pauses(seed, 1)).collect();
        assert!(first.iter().any(|pause| *pause < BACKOFF_FIRST / 10));
        assert!(first.iter().any(|pause| *pause > BACKOFF_FIRST * 9 / 10));
    }

    #[test]
    fn after_very_many_failures_the_cap_still_holds() {
        let mut backoff = Backoff {
            seed: 1,
            failures: u32::MAX,
        };
        assert!(backoff.failed(None) <= BACKOFF_MAX);
        assert_eq!(backoff.failures(), u32::MAX);
    }

    #[test]
    fn a_success_starts_from_the_first_bound_again() {
        let mut backoff = Backoff::new(3);
        for _ in 0..10 {
            backoff.failed(None);
        }
        backoff.succeeded();
        assert_eq!(backoff.failures(), 0);
        assert!(backoff.failed(None) <= BACKOFF_FIRST);
    }

    #[test]
    fn what_was_asked_for_is_waited_in_full_and_jitter_comes_on_top() {
        let asked = Duration::from_secs(5);
        for seed in 0..50 {
            let pause = Backoff::new(seed).failed(Some(asked));
            assert!(pause >= asked && pause <= asked + BACKOFF_FIRST, "{pause:?}");
        }
    }

    #[test]
    fn an_unreasonable_wish_is_shortened() {
        let pause = Backoff::new(1).failed(Some(Duration::from_secs(86_400)));
        assert!(pause <= RETRY_AFTER_MAX + BACKOFF_FIRST);
    }

    #[test]
    fn the_same_seed_gives_the_same_pauses_and_another_seed_others() {
        assert_eq!(pauses(42, 8), pauses(42, 8));
        assert_ne!(pauses(42, 8), pauses(43, 8));
    }
}
