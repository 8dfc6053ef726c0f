//! Invocations on their way out: their segments made, their documents let go.

use model::ids::RequestId;
use model::time::Timestamp;
use model::wire::segment_document::SegmentDocument;
use model::wire::telemetry::{Report, Status};

use super::super::document::{Document, Value};
use super::super::invocation::{Ending, Invocation};
use super::super::invocations::Closed;
use super::super::platform::{Told, late_report};
use super::super::tally::Origin;
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
        if !self.config.is_managed {
            // One request at a time: what still waits belongs to nobody who could still be announced, but for
            // documents that were faster than the INVOKE of the next request.
            let of_others = self.invocations.traces_but(request);
            self.release_waiting(|document| !of_others.contains(&document.trace_id));
        }
        let Some(invocation) = self.invocations.take(request) else {
            return;
        };
        let sandbox_start = self.invocations.take_sandbox_start(invocation.start(ending));
        let identity = invocation.identity();
        let emitted = identity.filter(|identity| self.config.emission.applies(identity));
        if let Some(identity) = emitted {
            let told = Told {
                function: &self.config.function,
                invocation: &invocation,
                identity,
                ending,
                sandbox_start: sandbox_start.as_ref(),
            };
            for segment in told.segments() {
                self.hold_own(now, &segment);
            }
        }
        self.invocations.remember(Closed {
            is_emitted: emitted.is_some(),
            is_reported: self.is_report_out_of_question(&invocation),
            request_id: invocation.request_id,
            identity,
        });
    }

    fn is_report_out_of_question(&self, invocation: &Invocation) -> bool {
        invocation.report.is_some() || self.telemetry == Telemetry::Absent
    }

    pub(super) fn tell_late_report(&mut self, now: Timestamp, request: &RequestId, report: &Report) {
        let Some(closed) = self
            .invocations
            .find_closed(request)
            .filter(|closed| closed.is_emitted)
        else {
            return;
        };
        let document = closed
            .identity
            .and_then(|identity| late_report(request, identity, report));
        if let Some(document) = document {
            self.hold_own(now, &document);
        }
    }

    fn hold_own(&mut self, now: Timestamp, segment: &SegmentDocument) {
        self.tally.received(Origin::Platform, 1);
        match serde_json::to_vec(segment) {
            Ok(bytes) => self.hold(
                Document {
                    bytes: bytes.into(),
                    trace_id: segment.trace_id,
                    parent: None,
                    arrived: now,
                    is_noted: true,
                    value: Value::Platform,
                },
                false,
            ),
            // Strings, numbers and maps with text keys always serialise; should they not, the sum still holds.
            Err(_) => self.tally.rejected("unserialisable"),
        }
    }
}
