//! Whether a call's answer was heard: only then is the next call with the same documents a needless one.

use std::time::{Duration, Instant};

use emulator::What;
use extension::limits::{DEADLINE_MARGIN, SHUTDOWN_MARGIN};

use crate::chaos::evidence::Evidence;
use crate::chaos::plan::Plan;
use crate::destination::{Act, Call};

/// An answer that takes longer may come when the call's time is over: a flush lets it go on for a second.
const PROMPT: Duration = Duration::from_millis(900);
/// The time that Lambda gives extensions at a shutdown.
const SHUTDOWN: Duration = Duration::from_secs(2);
/// What of it may pass before they are told.
const SHUTDOWN_OF_RUNTIME: Duration = Duration::from_millis(600);
/// How well the times of deadlines are known.
const AROUND: Duration = Duration::from_millis(10);
/// What is known of a call's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// It was there, and somebody read it.
    Surely,
    /// It was there, but nobody may have been awake to read it in time.
    Maybe,
    /// It never was.
    Not,
}

/// What is there while a process stands still, or waits for a processor, lies in its socket and is read when it goes
/// on, whatever time it is then: neither is an excuse. What comes when the call's own time is over may find that
/// the process has given it up: that repeat is forced.
pub(super) fn heard(call: &Call, evidence: &Evidence, deadlines: &[(Instant, Instant)]) -> Heard {
    let Some(at) = call.acknowledged_at.filter(|_| call.is_acknowledged) else {
        return if call.is_answered {
            Heard::Maybe
        } else {
            Heard::Not
        };
    };
    let ended = evidence.journal.iter().any(|entry| {
        let is_exit = matches!(&entry.what, What::ProcessExited { name, .. } if &**name != "runtime");
        is_exit && entry.at > call.at && entry.at < at + Duration::from_millis(1)
    });
    let mut deadlines = deadlines.iter();
    let is_late =
        at - call.at > PROMPT || deadlines.any(|(earliest, latest)| call.at <= *latest && *earliest <= at);
    if ended || is_late || call.act == Act::TakeHugely {
        Heard::Maybe
    } else {
        Heard::Surely
    }
}

/// When the extension had to be through with invocations and shutdowns that went on until then, at the earliest and at
/// the latest: no call of theirs goes on beyond it.
pub(super) fn deadlines(plan: &Plan, evidence: &Evidence) -> Vec<(Instant, Instant)> {
    let journal = &evidence.journal;
    let ranges = journal.iter().enumerate().filter_map(|(place, entry)| {
        let (time, before) = match &entry.what {
            What::InvocationStarted { .. } => (plan.timeout - DEADLINE_MARGIN, AROUND),
            // The runtime may have used up a part of it before the extension heard of it.
            What::ShutdownSent { .. } => (SHUTDOWN - SHUTDOWN_MARGIN, SHUTDOWN_OF_RUNTIME),
            _ => return None,
        };
        let (earliest, latest) = (entry.at + time - before, entry.at + time + AROUND);
        let later = journal.iter().skip(place);
        let mut before_it = later.take_while(|later| later.at < earliest);
        let was_over = before_it.any(|later| ends(&entry.what, &later.what));
        (!was_over).then_some((earliest, latest))
    });
    ranges.collect()
}

/// Whether this is the end of what began there.
fn ends(began: &What, what: &What) -> bool {
    match (began, what) {
        (
            What::InvocationStarted { request_id },
            What::InvocationEnded {
                request_id: ended, ..
            },
        ) => request_id == ended,
        (What::ShutdownSent { extension, .. }, What::ProcessExited { name, .. }) => extension == name,
        _ => false,
    }
}
