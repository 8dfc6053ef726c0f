//! SHUTDOWN: from the source down. Empty the socket, wait a moment for the last records, tell what is open,
//! send what is held, tell the tally, leave.

use std::time::Duration;

use model::ids::RequestId;
use model::time::Timestamp;
use model::wire::telemetry::Status;

use super::super::event::{Effect, Stopping};
use super::super::invocation::Ending;
use super::{Engine, Phase, Telemetry};
use crate::limits::{SHUTDOWN_MARGIN, SHUTDOWN_TELEMETRY_WAIT, SHUTDOWN_UNNAMED, TELL_MAX};

/// How far the shutdown is.
#[derive(Debug)]
pub(super) struct Stop {
    reason: String,
    deadline: Timestamp,
    /// What of the time before it is left for putting documents into files, and the most that may be.
    saving: Duration,
    saving_max: Duration,
    /// Until then records that are still to come are waited for.
    records_until: Timestamp,
    /// The socket is empty.
    pub(super) is_drained: bool,
    /// Every invocation is told.
    pub(super) is_closed: bool,
    /// The tally is on its way to X-Ray.
    is_telling: bool,
    /// The tally was told, or will not be.
    is_told: bool,
}

impl Stop {
    /// The last moment for work.
    pub(super) fn until(&self) -> Timestamp {
        self.deadline.before(SHUTDOWN_MARGIN + self.saving)
    }

    pub(super) fn wake_at(&self) -> Timestamp {
        if self.is_closed {
            self.until()
        } else {
            self.records_until.min(self.until())
        }
    }
}

impl Engine {
    pub(super) fn stop(&mut self, now: Timestamp, stopping: Stopping) {
        let Stopping { reason, deadline } = stopping;
        self.thawed(now);
        // Some emulators name no time; Lambda gives two seconds.
        let is_named = deadline > Timestamp::default();
        let deadline = if is_named {
            deadline
        } else {
            now.after(SHUTDOWN_UNNAMED)
        };
        let lanes = self.lanes.each_mut();
        lanes.for_each(|(_, state)| state.filing.prepare(&reason, deadline));
        let wait = if self.telemetry == Telemetry::Absent {
            now
        } else {
            now.after(SHUTDOWN_TELEMETRY_WAIT)
        };
        let records_until = wait.min(deadline.before(SHUTDOWN_MARGIN)).max(now);
        self.phase = Phase::Stopping(Stop {
            reason,
            deadline,
            saving: Duration::ZERO,
            // Else a late word of the shutdown would leave no time to tell what is open.
            saving_max: deadline.before(SHUTDOWN_MARGIN).since(now) / 2,
            records_until,
            is_drained: false,
            is_closed: false,
            is_telling: false,
            is_told: false,
        });
        self.effects.push(Effect::Drain);
    }

    pub(super) fn told_at_the_end(&mut self) {
        if let Phase::Stopping(stop) = &mut self.phase
            && stop.is_telling
        {
            stop.is_told = true;
        }
    }

    pub(super) fn move_on_stopping(&mut self, now: Timestamp) {
        let saving = self.time_to_save();
        let Phase::Stopping(stop) = &mut self.phase else {
            return;
        };
        stop.saving = saving.min(stop.saving_max);
        let is_late = now >= stop.records_until.min(stop.until());
        if !stop.is_closed && stop.is_drained && (is_late || !self.invocations.awaits_records()) {
            self.close_all(now);
            self.pump(now);
        }
        self.tell(now);
        self.finish_if_done(now);
    }

    fn close_all(&mut self, now: Timestamp) {
        let Phase::Stopping(stop) = &mut self.phase else {
            return;
        };
        stop.is_closed = true;
        let reason = stop.reason.clone();
        for request in self.invocations.open_ids() {
            let Some(invocation) = self.invocations.find(&request) else {
                continue;
            };
            match invocation.ending() {
                None if self.telemetry != Telemetry::Absent && self.may_have_failed(&request, &reason) => {
                    // It never ended: the reason of the shutdown is the reason of its end.
                    let at = invocation.deadline.map_or(now, |deadline| deadline.min(now));
                    let ending = Ending {
                        status: status_of(&reason),
                        ..Ending::unwatched(at)
                    };
                    self.close_with(now, &request, &ending);
                }
                _ => self.close(now, &request),
            }
        }
        self.release_all_open();
        self.release_waiting(|_| true);
        let lanes = self.lanes.each_mut();
        lanes.for_each(|(_, state)| state.sending.hurry(now));
    }

    /// Whether the reason of the shutdown can be the reason of this invocation's end: those before the last one
    /// had ended by then.
    fn may_have_failed(&self, request: &RequestId, reason: &str) -> bool {
        let is_last = self.passing.current.as_ref() == Some(request);
        self.config.is_managed || (is_last && status_of(reason) != Status::Unknown)
    }

    /// Everything that could be sent is sent: X-Ray gets the tally, if it is there to take it.
    fn tell(&mut self, now: Timestamp) {
        let Phase::Stopping(stop) = &self.phase else {
            return;
        };
        let wait = stop.until().since(now).min(TELL_MAX);
        // What others still owe is no reason to keep the account from it.
        let teller = self.reports.teller();
        let is_sent = teller.is_none_or(|lane| !self.is_busy(now, lane)) && self.has_received();
        if !stop.is_closed || stop.is_telling || !is_sent || self.reports.is_telling() {
            return;
        }
        let lane = teller.filter(|lane| {
            self.lanes.of(*lane).sending.is_healthy() && self.tally.of(*lane).sent_total() > 0
        });
        let record = lane.filter(|_| !wait.is_zero());
        let record = record.and_then(|lane| Some((lane, self.begin_telling(now)?)));
        if let Phase::Stopping(stop) = &mut self.phase {
            stop.is_telling = true;
            stop.is_told = record.is_none();
        }
        self.effects
            .extend(record.map(|(lane, record)| Effect::Tell(lane, record, wait)));
    }

    fn finish_if_done(&mut self, now: Timestamp) {
        let Phase::Stopping(stop) = &self.phase else {
            return;
        };
        let is_over = now >= stop.until();
        let is_idle = stop.is_closed && !self.is_filing() && !self.is_any_busy(now);
        let has_nothing_to_tell = !self.has_received();
        if !is_over && !(is_idle && (stop.is_told || has_nothing_to_tell)) {
            return;
        }
        self.phase = Phase::Stopped(stop.reason.clone());
        self.effects.push(Effect::Finish);
    }
}

/// How an open invocation ended if the sandbox was shut down for this reason.
fn status_of(reason: &str) -> Status {
    if reason.eq_ignore_ascii_case("timeout") {
        Status::Timeout
    } else if reason.eq_ignore_ascii_case("failure") {
        Status::Error
    } else {
        Status::Unknown
    }
}
