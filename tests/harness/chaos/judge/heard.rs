//! Whether a call's answer was heard: only then is the next call with the same documents a needless one.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use emulator::What;
use extension::limits::{DEADLINE_MARGIN, FLUSH_MAX, SHUTDOWN_MARGIN};
use extension::outbound::limits::OLDER_CONNECTION_SHARE;

use crate::chaos::evidence::Evidence;
use crate::chaos::plan::Plan;
use crate::destination::{Act, Call};

/// So long before a call was seen it may have been made, on a machine that was too busy to see it.
const UNSEEN: Duration = Duration::from_millis(100);
/// The time that Lambda gives extensions at a shutdown.
pub(super) const SHUTDOWN: Duration = Duration::from_secs(2);
/// What of it may pass before they are told.
const SHUTDOWN_OF_RUNTIME: Duration = Duration::from_millis(600);
/// After a queue was filled up, it is full for a second at most, and who found it so has its place three later.
const QUEUED_MAX: Duration = Duration::from_secs(4);
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
/// the process has given it up: that repeat is forced. Of a busy machine it is known only how long processes waited,
/// not which of them when; so that is added to what the answer took.
pub(super) fn heard(call: &Call, evidence: &Evidence, bounds: &Bounds) -> Heard {
    if call.act == Act::TakeHugely {
        // As much of it as anybody reads may have been read.
        return Heard::Maybe;
    }
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
    let starved = evidence.kernel.waited(call.at - UNSEEN, at);
    let is_late = at - call.at + starved + AROUND >= bounds.time_of(call);
    if ended || is_late {
        Heard::Maybe
    } else {
        Heard::Surely
    }
}

/// A time by which the extension has to be through with an invocation or a shutdown.
#[derive(Debug, Clone, Copy)]
struct Deadline {
    began: Instant,
    over: Option<Instant>,
    /// As well as it is known.
    earliest: Instant,
    latest: Instant,
}

impl Deadline {
    /// Whether it bounds what is begun at this time.
    fn bounds(&self, at: Instant) -> bool {
        self.began <= at && at <= self.latest && self.over.is_none_or(|over| at <= over)
    }
}

/// What bounds the time of calls.
pub(super) struct Bounds {
    deadlines: Vec<Deadline>,
    /// First calls on connections that may have had to wait for their place in a full queue: the system asks for it again
    /// after one and after two seconds more, and nobody knows how much of the call's time that took.
    queued: Vec<Instant>,
}

impl Bounds {
    pub(super) fn of(plan: &Plan, evidence: &Evidence) -> Self {
        let mut known = BTreeSet::new();
        let firsts = evidence.received.calls.iter();
        let firsts = firsts.filter(|call| known.insert(call.connection));
        let was_full = |at: Instant| {
            let mut filled = evidence.filled.iter();
            filled.any(|filled| (*filled..*filled + QUEUED_MAX).contains(&at))
        };
        Self {
            deadlines: deadlines(plan, evidence),
            queued: firsts.map(|call| call.at).filter(|at| was_full(*at)).collect(),
        }
    }

    /// The least time that a call has: a flush lets it go on for a second, deadlines for less, and on an older
    /// connection it has a share of that, since what is dead without telling must leave time for a fresh one.
    fn time_of(&self, call: &Call) -> Duration {
        if self.queued.contains(&call.at) {
            return Duration::ZERO;
        }
        let bounds = self.deadlines.iter().filter(|deadline| deadline.bounds(call.at));
        let left = bounds.map(|deadline| deadline.earliest.saturating_duration_since(call.at));
        left.min().unwrap_or(FLUSH_MAX).min(FLUSH_MAX) / OLDER_CONNECTION_SHARE
    }
}

/// Those of all invocations and shutdowns.
fn deadlines(plan: &Plan, evidence: &Evidence) -> Vec<Deadline> {
    let journal = &evidence.journal;
    let deadlines = journal.iter().enumerate().filter_map(|(place, entry)| {
        let (time, before) = match &entry.what {
            What::InvocationStarted { .. } => (plan.timeout - DEADLINE_MARGIN, AROUND),
            // The runtime may have used up a part of it before the extension heard of it.
            What::ShutdownSent { .. } => (SHUTDOWN - SHUTDOWN_MARGIN, SHUTDOWN_OF_RUNTIME),
            _ => return None,
        };
        let mut later = journal.iter().skip(place);
        let over = later.find(|later| ends(&entry.what, &later.what));
        Some(Deadline {
            began: entry.at,
            over: over.map(|over| over.at),
            earliest: entry.at + time - before,
            latest: entry.at + time + AROUND,
        })
    });
    deadlines.collect()
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
