//! Invocations on their way out: their segments made, their documents let go.

use model::ids::RequestId;
use model::time::Timestamp;
use model::wire::segment_document::SegmentDocument;
use model::wire::telemetry::{Report, Status};

use super::super::attach::attach;
use super::super::document::{Document, Form, Value};
use super::super::evidence::Closing;
use super::super::failure::{Failure, FailureKind, is_memory_full};
use super::super::identity::Occasion;
use super::super::invocation::{Ending, Invocation};
use super::super::invocations::Closed;
use super::super::lane::Lanes;
use super::super::platform::{Told, late_report};
use super::super::tally::{Origin, Sign};
use super::opened::still_open;
use super::{Engine, Telemetry};

impl Engine {
    /// Closes an invocation unless it crashed and its report, which may say why, is still to come.
    ///
    /// The report of a crash comes with the SHUTDOWN that follows it.
    pub(super) fn close_unless_report_tells_more(&mut self, now: Timestamp, request: &RequestId) {
        let Some(invocation) = self.invocations.find(request) else {
            return;
        };
        let has_crashed = invocation
            .done
            .as_ref()
            .is_some_and(|(_, done)| done.measure.status == Status::Error);
        if has_crashed && invocation.report.is_none() && !self.config.is_managed {
            self.release(request);
            return;
        }
        self.close(now, request);
    }

    /// Closes an invocation as its records say, or as it stands.
    pub(super) fn close(&mut self, now: Timestamp, request: &RequestId) {
        let Some(invocation) = self.invocations.find(request) else {
            return;
        };
        let ending = invocation.ending().unwrap_or_else(|| {
            // Nobody said when it ended: its last document did not end later, nor did it last until now.
            let last = invocation.observed.last_end().or(invocation.invoked_at);
            Ending::unwatched(last.unwrap_or(now).min(now))
        });
        self.close_with(now, request, &ending);
    }

    /// Closes an invocation with an ending of our own.
    pub(super) fn close_with(&mut self, now: Timestamp, request: &RequestId, ending: &Ending) {
        self.release(request);
        self.blame_start(request, ending);
        if !self.config.is_managed {
            // One request at a time: what still waits belongs to nobody who could still be announced, but for
            // documents that were faster than the INVOKE of the next request.
            let of_others = self.invocations.traces_but(request);
            self.release_waiting(|document| !of_others.contains(&document.trace_id));
        }
        let Some(mut invocation) = self.invocations.take(request) else {
            return;
        };
        let mut open = self.take_open(&mut invocation);
        let failure = Failure::of(&invocation, ending, self.config.function.memory_mb);
        let sandbox_start = self.invocations.take_sandbox_start(invocation.start(ending));
        let identity = invocation.identity();
        let occasion = Occasion {
            is_faulty: failure.is_some() || invocation.has_fault(),
            is_cold: sandbox_start.is_some(),
        };
        let told = identity.map_or(Lanes::NONE, |identity| self.config.told_to(&identity, occasion));
        if let Some(identity) = identity.filter(|_| !told.is_empty()) {
            self.tally.sign(Sign::Rescued, u64::from(!identity.is_sampled));
            open.iter_mut()
                .for_each(|document| attach(document, &identity, request));
            let segments = Told {
                function: &self.config.function,
                invocation: &invocation,
                identity,
                ending,
                sandbox_start: sandbox_start.as_ref(),
                failure: failure.as_ref(),
                still_open: still_open(failure.as_ref(), &open),
            };
            for segment in segments.segments() {
                self.hold_own(now, &segment, told);
            }
        }
        let closing = failure.as_ref().map(|failure| Closing {
            request,
            at: ending.at,
            failure,
        });
        self.hold_open(open, closing.as_ref());
        self.count_failure(failure.as_ref().map(|failure| failure.kind));
        self.invocations.remember(Closed {
            told,
            is_reported: self.is_report_out_of_question(&invocation),
            request_id: invocation.request_id,
            identity,
            failure: failure.map(|failure| failure.kind),
        });
    }

    fn count_failure(&mut self, kind: Option<FailureKind>) {
        if kind == Some(FailureKind::OutOfMemory) {
            self.tally.sign(Sign::OutOfMemory, 1);
        }
    }

    fn is_report_out_of_question(&self, invocation: &Invocation) -> bool {
        invocation.report.is_some() || self.telemetry == Telemetry::Absent
    }

    /// What a report adds to an invocation that is told already.
    pub(super) fn tell_late_report(&mut self, at: Timestamp, report: &Report) {
        let Some(closed) = self.invocations.find_closed(&report.request_id) else {
            return;
        };
        let told = closed.told;
        let identity = closed.identity.filter(|_| !told.is_empty());
        // A crash whose report came too late to say so in the segment's cause.
        let is_out_of_memory = closed.failure == Some(FailureKind::Crash) && is_memory_full(report);
        let document = identity.and_then(|identity| late_report(identity, at, report));
        self.count_failure(is_out_of_memory.then_some(FailureKind::OutOfMemory));
        if let Some(document) = document {
            self.hold_own(self.now, &document, told);
        }
    }

    /// Holds a segment of the platform for those outbounds that get it from us.
    fn hold_own(&mut self, now: Timestamp, segment: &SegmentDocument, lanes: Lanes) {
        let bytes = serde_json::to_vec(segment);
        for lane in lanes.each() {
            self.tally.received_by(lane, Origin::Platform, 1);
            if bytes.is_err() {
                // Strings, numbers and maps with text keys always serialise; should they not, the sum still holds.
                self.tally.rejected_by(lane, "unserialisable");
            }
        }
        if let Ok(bytes) = bytes {
            let shed = self.spool.push(
                Document {
                    bytes,
                    form: Form::Segment,
                    trace_id: segment.trace_id,
                    parent: None,
                    arrived: now,
                    is_noted: true,
                    value: Value::Platform,
                },
                lanes,
            );
            self.count_shed(&shed);
        }
    }
}
