//! How long to pause between failed attempts: full jitter under a bound that doubles.
//!
//! Many sandboxes fail at the same moment; a pause drawn evenly from zero to the bound keeps them from
//! coming back at the same moment.
//!
//! A hiccup is over in a moment, and pauses made for an outage would be all of its cost. So a few refusals in a row
//! are tried again soon. What they take of that allowance, successes give back one by one: neither an outage nor a
//! destination that is well every other moment gets many calls.
//!
//! Pure: the seed and the failures come from outside. The generator is no source of secrets.

use std::time::Duration;

use crate::limits::{BACKOFF_FIRST, BACKOFF_MAX, RETRY_AFTER_MAX, SOON_MAX, SOON_RETRIES};

/// The pauses of one destination.
#[derive(Debug, Clone)]
pub struct Backoff {
    seed: u64,
    failures: u32,
    /// Of the failures in a row, those that made the bound double.
    doublings: u32,
    /// Attempts that may still be made soon.
    soon: u32,
}

impl Backoff {
    /// Starts without failures. Sandboxes must differ in their seeds.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            failures: 0,
            doublings: 0,
            soon: SOON_RETRIES,
        }
    }

    /// Counts a failure and says how long to pause; never shorter than the other side asked for.
    pub fn failed(&mut self, at_least: Option<Duration>) -> Duration {
        let jitter = fraction_of(self.bound(), self.draw());
        self.failures = self.failures.saturating_add(1);
        self.doublings = self.doublings.saturating_add(1);
        match at_least {
            Some(asked) => asked.min(RETRY_AFTER_MAX).saturating_add(jitter),
            None => jitter,
        }
    }

    /// The same for a destination that answered at once and asked for nothing: a short pause, a few times.
    pub fn failed_at_once(&mut self) -> Duration {
        let Some(soon) = self.soon.checked_sub(1) else {
            return self.failed(None);
        };
        self.soon = soon;
        self.failures = self.failures.saturating_add(1);
        fraction_of(SOON_MAX, self.draw())
    }

    /// A distance between half of this bound and all of it.
    pub fn spread(&mut self, bound: Duration) -> Duration {
        let half = bound / 2;
        half + fraction_of(half, self.draw())
    }

    /// Forgets the failures, and earns another attempt made soon.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.doublings = 0;
        self.soon = self.soon.saturating_add(1).min(SOON_RETRIES);
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Upper bound of the next pause.
    fn bound(&self) -> Duration {
        let factor = 2_u32.checked_pow(self.doublings).unwrap_or(u32::MAX);
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
            failures: u32::MAX,
            doublings: u32::MAX,
            ..Backoff::new(1)
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

    /// Upper bounds of the pauses after these outcomes, `.` for a success, `s` for a refusal at once, `f` for another
    /// failure, over many seeds: each is at least half reached and never exceeded.
    #[track_caller]
    fn check_bounds(outcomes: &str, bounds_ms: &[u64]) {
        let mut largest = vec![Duration::ZERO; bounds_ms.len()];
        for seed in 0..200 {
            let mut backoff = Backoff::new(seed);
            let pauses = outcomes.chars().filter_map(|outcome| match outcome {
                's' => Some(backoff.failed_at_once()),
                'f' => Some(backoff.failed(None)),
                _ => {
                    backoff.succeeded();
                    None
                }
            });
            for (largest, pause) in largest.iter_mut().zip(pauses) {
                *largest = pause.max(*largest);
            }
        }
        for (pause, bound_ms) in largest.into_iter().zip(bounds_ms) {
            let bound = Duration::from_millis(*bound_ms);
            assert!(
                bound / 2 < pause && pause <= bound,
                "{outcomes}: {pause:?} of {bound:?}"
            );
        }
    }

    #[test]
    fn ten_refusals_are_tried_again_soon_and_then_the_bound_doubles() {
        let mut bounds_ms = vec![20; 10];
        bounds_ms.extend([100, 200, 400]);
        check_bounds("sssssssssssss", &bounds_ms);
        // What else fails meanwhile has its own pauses.
        check_bounds("sfsfs", &[20, 100, 20, 200, 20]);
    }

    #[test]
    fn successes_earn_soon_attempts_one_by_one_and_no_more_than_there_were() {
        let mut bounds_ms = vec![20; 10];
        bounds_ms.extend([100, 20, 100, 200, 20, 20, 100]);
        check_bounds("sssssssssss.sss..sss", &bounds_ms);
        let mut bounds_ms = vec![20; 10];
        bounds_ms.push(100);
        check_bounds("....................sssssssssss", &bounds_ms);
    }

    #[test]
    fn an_outage_of_a_minute_gets_few_calls() {
        let minute = Duration::from_secs(60);
        for seed in 0..500 {
            let mut backoff = Backoff::new(seed);
            let mut calls = 1;
            let mut now = Duration::ZERO;
            loop {
                now += backoff.failed_at_once();
                if now >= minute {
                    break;
                }
                calls += 1;
            }
            assert!((15..=40).contains(&calls), "{calls} calls of seed {seed}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_pauses_and_another_seed_others() {
        assert_eq!(pauses(42, 8), pauses(42, 8));
        assert_ne!(pauses(42, 8), pauses(43, 8));
    }
}
