//! Invocations whose next was asked for before their end was told.
//!
//! Lambda may freeze us as soon as their handler is done, and the records of their end come after the thaw, which
//! is an invocation later, or several: they stay open until then, and their times are those of the records.
//! What a freeze may have interrupted is not judged by our clock.

use std::collections::VecDeque;

use model::ids::RequestId;
use model::time::Timestamp;
use model::wire::telemetry::Status;

use super::super::lane::Lane;
use super::super::outcome::{Failure, FailureKind, Unreached};
use super::super::spool::Sequence;
use super::{Engine, Phase, Telemetry};
use crate::limits::{LINGERING_INVOCATIONS, OVERTAKEN_MAX, THAW_SLACK};

/// How a signalled end of a request that is not known is counted.
const STRAY_END: &str = "end of an unknown request";

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Passing {
    /// Open invocations that are over or about to be, oldest first.
    lingering: VecDeque<Lingering>,
    /// The latest invocation.
    pub(super) current: Option<RequestId>,
    /// The end of an invocation was signalled, whose INVOKE is still to be read.
    early_end: Option<RequestId>,
    /// Something failed since an invocation last delivered at its end.
    pub(super) has_fault: bool,
    /// What leaves alongside handlers: everything up to here, over as many of them as it takes.
    pub(super) last: Sequence,
    /// The last moment at which we may have come out of a freeze.
    pub(super) thawed_at: Timestamp,
    /// Whether the function's own segment has the id that INVOKE named, as the last `platform.start` had it.
    pub(super) is_parent_final: bool,
}

#[derive(Debug)]
struct Lingering {
    request: RequestId,
    /// Later invocations whose end was told.
    overtaken: u32,
}

impl Passing {
    /// Whether this invocation's end was signalled before its INVOKE was read.
    pub(super) fn take_early_end(&mut self, request: &RequestId) -> bool {
        self.early_end.take_if(|early| early == request).is_some()
    }
}

impl Engine {
    /// Asks for next while the handler runs, and lets what there is leave meanwhile.
    pub(super) fn pass(&mut self, now: Timestamp, request: RequestId) {
        self.next();
        self.phase = Phase::Passing {
            request: request.clone(),
            since: now,
        };
        self.end(now, request);
    }

    /// Closes an invocation whose end was told, or leaves it open until it is.
    pub(super) fn end(&mut self, now: Timestamp, request: RequestId) {
        let is_told = self
            .invocations
            .find(&request)
            .is_none_or(|invocation| invocation.done.is_some() || invocation.report.is_some());
        if is_told {
            self.close_unless_report_tells_more(now, &request);
            return;
        }
        self.passing.lingering.push_back(Lingering {
            request,
            overtaken: 0,
        });
        if self.passing.lingering.len() > LINGERING_INVOCATIONS {
            // Their ends are not told at all.
            self.telemetry = match self.telemetry {
                Telemetry::Promised => Telemetry::Absent,
                Telemetry::Proven => Telemetry::Doubted,
                known => known,
            };
            self.release_waiting(|_| true);
        }
    }

    /// Open invocations that are over now that this one begins.
    pub(super) fn over_with(&mut self, request: &RequestId) -> Vec<RequestId> {
        let invocations = &self.invocations;
        self.passing
            .lingering
            .retain(|one| invocations.find(&one.request).is_some());
        let lingers = |id: &RequestId| {
            self.expects_records() && self.passing.lingering.iter().any(|one| one.request == *id)
        };
        let mut open = self.invocations.open_ids();
        // One that crashed has waited for its report long enough.
        open.retain(|id| id != request && (!lingers(id) || self.has_ended(id)));
        open
    }

    fn has_ended(&self, request: &RequestId) -> bool {
        self.invocations
            .find(request)
            .is_some_and(|invocation| invocation.done.is_some())
    }

    /// The end of an invocation was told: those before it will not be told much longer.
    pub(super) fn passed(&mut self, now: Timestamp, request: &RequestId) {
        if matches!(&self.phase, Phase::Passing { request: passing, .. } if passing == request) {
            self.phase = Phase::Waiting;
        }
        let lingering = &mut self.passing.lingering;
        let Some(place) = lingering.iter().position(|one| one.request == *request) else {
            return;
        };
        lingering.remove(place);
        for earlier in lingering.iter_mut().take(place) {
            earlier.overtaken += 1;
        }
        while let Some(lost) = self
            .passing
            .lingering
            .pop_front_if(|first| first.overtaken >= OVERTAKEN_MAX)
        {
            self.close(now, &lost.request);
        }
    }

    /// Records were lost, the ends of invocations perhaps among them: none is waited for.
    pub(super) fn expect_no_ends(&mut self) {
        self.passing.lingering.clear();
        if let Phase::Running { request, since, .. } = &self.phase {
            let (request, since) = (request.clone(), *since);
            self.next();
            self.phase = Phase::Passing { request, since };
        }
    }

    /// The identity of an invocation is known.
    pub(super) fn started(&mut self, request: &RequestId) {
        if let Some(identity) = self.invocations.find(request).and_then(|one| one.identity()) {
            self.passing.is_parent_final =
                identity.span_id.is_some() && identity.span_id == identity.invoke_parent;
        }
        self.extend_open(request);
        self.release(request);
    }

    /// The end of an invocation was signalled by somebody who saw its response: nothing more is waited for.
    ///
    /// Its times are still those of its records, which come later. What is no request of ours is counted.
    pub fn end_signalled(&mut self, request: &RequestId) {
        match &mut self.phase {
            Phase::Running {
                request: running,
                is_signalled,
                ..
            } if running == request => {
                *is_signalled = true;
                self.drain(request);
            }
            _ if self.invocations.find(request).is_some()
                || self.invocations.find_closed(request).is_some() => {}
            // Faster than the INVOKE event, perhaps.
            Phase::Waiting | Phase::Passing { .. } => {
                let earlier = self.passing.early_end.replace(request.clone());
                let is_stray = earlier.is_some_and(|earlier| earlier != *request);
                self.tally.telemetry(STRAY_END, u64::from(is_stray));
            }
            _ => self.tally.telemetry(STRAY_END, 1),
        }
    }

    /// Whether documents of an invocation wait for its `platform.start`.
    pub(super) fn awaits_start(&self, request: &RequestId) -> bool {
        let is_unknown = self
            .invocations
            .find(request)
            .is_some_and(|invocation| !invocation.is_started() && invocation.done.is_none());
        is_unknown && self.spool.oldest_waiting().is_some()
    }

    /// Notes whether an invocation failed.
    pub(super) fn note_ending(&mut self, request: &RequestId) {
        let ending = self.invocations.find(request).and_then(|one| one.ending());
        self.passing.has_fault |= ending
            .is_some_and(|ending| matches!(ending.status, Status::Error | Status::Failure | Status::Timeout));
    }

    /// Time that passed unnoticed while Lambda had our next was a freeze.
    pub(super) fn note_freeze(&mut self, now: Timestamp) {
        let may_freeze =
            !self.config.is_managed && matches!(self.phase, Phase::Waiting | Phase::Passing { .. });
        if may_freeze && self.wake_at().is_some_and(|wake| now > wake.after(THAW_SLACK)) {
            self.thawed(now);
        }
    }

    pub(super) fn thawed(&mut self, now: Timestamp) {
        self.passing.thawed_at = now;
        for (lane, state) in self.lanes.each_mut() {
            state.sending.is_behind_freeze |= self.spool.is_sending(lane);
        }
    }

    /// Whether a call failed for no other reason than a freeze, as far as anybody knows.
    pub(super) fn is_freezes_fault(&mut self, lane: Lane, failure: &Failure) -> bool {
        let is_of_connection = match failure.kind {
            FailureKind::Silent | FailureKind::Disconnected => true,
            FailureKind::Unreachable(unreached) => unreached != Unreached::Untrusted,
            _ => false,
        };
        let sending = &mut self.lanes.of_mut(lane).sending;
        let is_excused = is_of_connection && sending.is_behind_freeze && !sending.is_excused;
        sending.is_excused = is_excused;
        is_excused
    }
}
