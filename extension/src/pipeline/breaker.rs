//! Whether anybody waits for the destination, and how often one that does not answer is tried.
//!
//! A destination out of reach (a VPC without egress) would cost every invocation its wait. So the first wait in
//! vain is the last one of this sandbox until the destination has answered as quickly as a flush can wait.
//! Meanwhile it is called only while a handler runs, where nobody waits: freely if it answers late, at growing
//! distances if it does not answer.
//!
//! Pure: no clock. A call that a freeze may have interrupted says nothing of the destination.

use std::time::Duration;

use super::backoff::Backoff;
use super::outcome::{FailureKind, Unreached};
use crate::limits::{FLUSH_CALL_MAX, PROBE_FIRST, PROBE_MAX};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It answers in time, as far as anybody knows.
    Closed,
    /// It answers later than a flush waits, or has not answered yet. So many calls were answered behind a freeze.
    Late { unmeasured: u32 },
    /// It has not answered so many times in a row.
    Open { silences: u32 },
}

/// See the module.
#[derive(Debug)]
pub struct Breaker {
    state: State,
    /// Calls answered behind a freeze after which waiting is tried again: doubles with each wait in vain.
    patience: u32,
    /// Waits without an answer that deadlines cut short, since the last answer in time.
    waited: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            state: State::Closed,
            patience: 1,
            waited: Duration::ZERO,
        }
    }
}

impl Breaker {
    /// Whether the end of an invocation may wait for the destination.
    pub fn may_wait(&self) -> bool {
        self.state == State::Closed
    }

    /// How long the end of an invocation may wait for a call.
    pub fn wait_max(&self) -> Duration {
        FLUSH_CALL_MAX.saturating_sub(self.waited)
    }

    /// An invocation waited so long, and the call has no answer yet. Where invocations end close to their deadlines
    /// no single wait would ever be a whole one: so they add up.
    pub fn waited_in_vain(&mut self, waited: Duration) {
        self.waited = self.waited.saturating_add(waited);
        if self.state == State::Closed && self.waited >= FLUSH_CALL_MAX {
            self.leave(State::Late { unmeasured: 0 });
        }
    }

    /// Nobody waits any more.
    fn leave(&mut self, state: State) {
        if self.state == State::Closed {
            self.patience = self.patience.saturating_mul(2);
        }
        self.state = state;
        self.waited = Duration::ZERO;
    }

    /// The destination took a call after this time; unknown if a freeze lay between.
    ///
    /// Where handlers are shorter than a call every answer is behind a freeze: then waiting is tried again, ever
    /// more rarely if it is in vain each time.
    pub fn answered(&mut self, after: Option<Duration>) {
        let unmeasured = match (after, self.state) {
            (Some(after), _) if after <= FLUSH_CALL_MAX => {
                *self = Self::default();
                return;
            }
            (Some(_), _) => 0,
            (None, State::Closed) => return,
            (None, State::Late { unmeasured }) => unmeasured.saturating_add(1),
            (None, State::Open { .. }) => 1,
        };
        self.state = if unmeasured >= self.patience {
            State::Closed
        } else {
            State::Late { unmeasured }
        };
    }

    /// A call failed. How far off the next one is, if the breaker has a say in it.
    pub fn failed(&mut self, kind: &FailureKind, backoff: &mut Backoff) -> Option<Duration> {
        let is_silent = matches!(
            kind,
            FailureKind::Silent | FailureKind::Unreachable(Unreached::TimedOut)
        );
        let silences = match self.state {
            State::Open { silences } => silences,
            State::Closed | State::Late { .. } if is_silent => 0,
            // It answers, if only to refuse.
            State::Closed | State::Late { .. } => return None,
        };
        self.leave(State::Open {
            silences: silences.saturating_add(1),
        });
        let factor = 2_u32.checked_pow(silences).unwrap_or(u32::MAX);
        Some(backoff.spread(PROBE_FIRST.saturating_mul(factor).min(PROBE_MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Answered(u64),
        AnsweredAfterFreeze,
        InVain,
        CutShort(u64),
        Silent,
        Refused,
    }
    use Step::{Answered, AnsweredAfterFreeze, CutShort, InVain, Refused, Silent};

    /// Whether somebody may wait after these steps, and what bounds the distance of the next call in milliseconds.
    #[track_caller]
    fn check(steps: &[Step], may_wait: bool, bound_ms: Option<u64>) {
        let mut breaker = Breaker::default();
        let mut backoff = Backoff::new(1);
        let mut distance = None;
        for step in steps {
            distance = match step {
                Answered(ms) => {
                    breaker.answered(Some(Duration::from_millis(*ms)));
                    None
                }
                AnsweredAfterFreeze => {
                    breaker.answered(None);
                    None
                }
                InVain => {
                    breaker.waited_in_vain(breaker.wait_max());
                    None
                }
                CutShort(ms) => {
                    breaker.waited_in_vain(Duration::from_millis(*ms));
                    None
                }
                Silent => breaker.failed(&FailureKind::Silent, &mut backoff),
                Refused => breaker.failed(
                    &FailureKind::Unreachable(Unreached::ConnectionRefused),
                    &mut backoff,
                ),
            };
        }
        assert_eq!(breaker.may_wait(), may_wait, "{steps:?}");
        let bound = bound_ms.map(Duration::from_millis);
        let fits = match (distance, bound) {
            (Some(distance), Some(bound)) => bound / 2 <= distance && distance <= bound,
            (distance, bound) => distance == bound,
        };
        assert!(fits, "{steps:?}: {distance:?}, expected up to {bound:?}");
    }

    #[test]
    fn the_first_wait_in_vain_is_the_last() {
        check(&[], true, None);
        check(&[InVain], false, None);
        check(&[Silent], false, Some(1000));
        check(&[InVain, Silent], false, Some(1000));
        check(&[Answered(10), InVain], false, None);
    }

    #[test]
    fn waits_that_were_cut_short_add_up_to_a_whole_one() {
        check(&[CutShort(299)], true, None);
        check(&[CutShort(150), CutShort(150)], false, None);
        check(&[CutShort(150), AnsweredAfterFreeze, CutShort(150)], false, None);
        check(&[CutShort(150), Answered(20), CutShort(150)], true, None);
        let again = [InVain, AnsweredAfterFreeze, AnsweredAfterFreeze, CutShort(299)];
        check(&again, true, None);
    }

    #[test]
    fn probes_grow_apart_up_to_a_bound() {
        check(&[Silent, Silent], false, Some(2000));
        check(&[Silent, Silent, Silent, Silent], false, Some(8000));
        check(&[Silent; 40], false, Some(60_000));
        check(&[Silent, Refused], false, Some(2000));
    }

    #[test]
    fn an_answer_in_time_closes_it_and_a_late_one_only_lets_calls_through() {
        check(&[Silent, Answered(300)], true, None);
        check(&[Silent, Answered(301)], false, None);
        check(&[InVain, Answered(400)], false, None);
        check(&[InVain, Answered(400), Answered(20)], true, None);
        check(&[Silent, Answered(400), Silent], false, Some(1000));
    }

    #[test]
    fn an_answer_behind_a_freeze_proves_nothing_of_the_time() {
        check(&[AnsweredAfterFreeze], true, None);
        check(&[InVain, AnsweredAfterFreeze], false, None);
        check(&[Silent, AnsweredAfterFreeze], false, None);
        check(&[InVain, AnsweredAfterFreeze, AnsweredAfterFreeze], true, None);
        // In vain once more: twice as many.
        let mut steps = vec![InVain, AnsweredAfterFreeze, AnsweredAfterFreeze, InVain];
        for may_wait in [false, false, false, true] {
            steps.push(AnsweredAfterFreeze);
            check(&steps, may_wait, None);
        }
        // An answer in time makes up for everything.
        steps.extend([
            InVain,
            Answered(10),
            InVain,
            AnsweredAfterFreeze,
            AnsweredAfterFreeze,
        ]);
        check(&steps, true, None);
    }

    #[test]
    fn a_quick_refusal_is_no_reason_to_open() {
        check(&[Refused], true, None);
        check(&[InVain, Refused], false, None);
    }
}
