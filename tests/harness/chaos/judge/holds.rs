//! How long invocations were held after their end was told, against what is promised:
//! - at most [`FLUSH_MAX`] for all calls together;
//! - at most [`FLUSH_CALL_MAX`] in all, over any number of invocations, for a destination that does not answer.
//!
//! A standstill takes its own time off, and so does what processes wait for a processor, and work on it: all of it
//! is measured. Those that wait for each other wait twice.

use std::time::{Duration, Instant};

use emulator::What;
use extension::limits::{FLUSH_CALL_MAX, FLUSH_MAX};

use crate::chaos::evidence::Evidence;

/// From the end of an invocation that was told to the extension's next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hold {
    /// The plan's number of the call.
    pub(super) call: u64,
    /// When the end was told.
    pub(super) from: Instant,
    /// When the extension was through.
    pub(super) until: Instant,
}

/// Holds that are longer than promised.
pub(super) fn check(evidence: &Evidence, mut holds: Vec<Hold>) -> Vec<String> {
    let mut problems = Vec::new();
    holds.sort_by_key(|hold| hold.from);
    let mut vain = Vain::default();
    for hold in holds {
        let took = hold.until.saturating_duration_since(hold.from);
        let slack = slack(evidence, hold.from, hold.until);
        if took > FLUSH_MAX + slack {
            problems.push(format!(
                "call {} was held for {took:?} after its end was told, {slack:?} of it for want of a processor",
                hold.call
            ));
        }
        if vain
            .until
            .is_none_or(|until| knows_better(evidence, until, hold.from))
        {
            vain = Vain::default();
        }
        let answered = last_answer(evidence, hold.from, hold.until);
        if let Some(answered) = answered {
            vain = Vain::default();
            vain.add(evidence, answered, hold.until);
        } else {
            vain.add(evidence, hold.from, hold.until);
        }
        if vain.held > FLUSH_CALL_MAX + vain.slack {
            problems.push(format!(
                "up to call {} {:?} were spent on waiting since the destination answered last, {:?} of it for want of a \
                 processor",
                hold.call, vain.held, vain.slack
            ));
        }
    }
    problems
}

/// What was spent on waiting for a destination that has not answered since.
#[derive(Debug, Default)]
struct Vain {
    held: Duration,
    slack: Duration,
    until: Option<Instant>,
}

impl Vain {
    fn add(&mut self, evidence: &Evidence, from: Instant, until: Instant) {
        self.held += until.saturating_duration_since(from);
        self.slack += slack(evidence, from, until);
        self.until = Some(until);
    }
}

fn slack(evidence: &Evidence, from: Instant, until: Instant) -> Duration {
    let times = evidence.kernel.times(from, until);
    evidence.stood_still(from, until) + times.worked + 2 * times.waited
}

/// The destination's last answer in this time.
fn last_answer(evidence: &Evidence, from: Instant, until: Instant) -> Option<Instant> {
    let answers = evidence
        .received
        .calls
        .iter()
        .filter_map(|call| call.acknowledged_at);
    answers.filter(|at| (from..=until).contains(at)).max()
}

/// Whether the destination has answered between two times, or another process of the extension has begun.
fn knows_better(evidence: &Evidence, from: Instant, until: Instant) -> bool {
    let begins = |what: &What| matches!(what, What::ProcessStarted { name, .. } if &**name != "runtime");
    let mut entries = evidence.journal.iter();
    last_answer(evidence, from, until).is_some()
        || entries.any(|entry| (from..=until).contains(&entry.at) && begins(&entry.what))
}
