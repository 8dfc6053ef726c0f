//! Documents on their way in: decoded, judged, attached, held.

use std::borrow::Cow;

use model::ids::RequestId;
use model::time::Timestamp;
use model::wire::document_scan::{self, Head, Refusal};
use model::wire::done;
use model::wire::oversize;
use model::wire::udp_frame::{self, Body, FrameError};

use super::super::attach::attach;
use super::super::document::{Document, Value};
use super::super::event::Posted;
use super::super::sampler::Asked;
use super::super::spool::Shed;
use super::super::tally::{Origin, ShedReason, Sign};
use super::Engine;
use crate::limits::{HOLD_MAX, OBSERVED_IDS};
use crate::logging::{Level, Line};

impl Engine {
    pub(super) fn take_in(&mut self, now: Timestamp, datagrams: Vec<Box<[u8]>>) {
        let origin = Origin::Udp;
        for datagram in datagrams {
            match udp_frame::decode(&datagram) {
                // By far the most are one document, which stays where the socket put it.
                Ok(Body::Json(body)) if body.starts_with(b"{") && !may_be_done(body) => {
                    let header = datagram.len() - body.len();
                    let end = header + body.trim_ascii_end().len();
                    let mut document = datagram.into_vec();
                    document.truncate(end);
                    document.drain(..header);
                    self.take_document(now, origin, document.into());
                }
                Ok(Body::Json(body)) => self.take_body(now, origin, body),
                Ok(Body::OtlpSpans(_)) => {
                    self.refuse(origin, "otlp_spans", "OTLP over UDP is not supported yet")
                }
                Ok(Body::OtlpMetrics(_)) => self.refuse(origin, "otlp_metrics", "metrics are not supported"),
                Err(FrameError::Empty) => {}
                Err(error) => self.refuse(origin, frame_reason(error), error.to_string()),
            }
        }
    }

    pub(super) fn take_posted(&mut self, now: Timestamp, posted: Posted) {
        match posted {
            Posted::Documents(documents) => {
                for document in documents {
                    self.take_body(now, Origin::Tcp, document.as_bytes());
                }
            }
            Posted::Asked(asked) => self.count_question(now, asked),
        }
    }

    /// A sampler's question, which was answered elsewhere.
    fn count_question(&mut self, now: Timestamp, asked: Asked) {
        let (sign, cause) = match asked {
            Asked::Forwarded => (Sign::SamplingForwarded, None),
            Asked::Cached => (Sign::SamplingCached, None),
            Asked::Failed(cause) => (Sign::SamplingFailed, cause),
        };
        self.tally.sign(sign, 1);
        if let Some(cause) = cause {
            let line = Line::new(Level::Warn, "X-Ray does not answer the function's sampler");
            self.notice(now, "sampling", line.with("cause", cause));
        }
    }

    pub(super) fn overrun(&mut self, now: Timestamp, datagrams: u64) {
        self.tally.received(Origin::Udp, datagrams);
        self.tally.shed_unknown(ShedReason::Overrun, datagrams);
        let line = Line::new(
            Level::Warn,
            "documents came faster than they could be looked at; the oldest were shed",
        );
        self.notice(now, "overrun", line.with("documents", datagrams));
    }

    pub(super) fn dropped_by_system(&mut self, now: Timestamp, datagrams: u64) {
        self.tally.dropped_by_system(datagrams);
        let line = Line::new(
            Level::Warn,
            "datagrams came faster than they could be received; the system dropped some",
        );
        self.notice(now, "dropped_by_system", line.with("datagrams", datagrams));
    }

    fn take_body(&mut self, now: Timestamp, origin: Origin, body: &[u8]) {
        if may_be_done(body)
            && let Some(request) = done::decode(body)
        {
            self.end_signalled(&request);
            return;
        }
        let (documents, refusal) = document_scan::split(body);
        for document in documents {
            self.take_document(now, origin, document.into());
        }
        if let Some(refusal) = refusal {
            self.refuse(origin, refusal_reason(refusal), refusal.to_string());
        }
    }

    fn take_document(&mut self, now: Timestamp, origin: Origin, document: Cow<'_, [u8]>) {
        let taken = match document_scan::scan(&document) {
            Ok(_) if self.repeats.is_repeat(&document) => {
                self.tally.received(origin, 1);
                self.tally.repeated(1);
                Ok(())
            }
            Ok(head) => {
                self.tally.received(origin, 1);
                self.keep(now, head, document);
                Ok(())
            }
            Err(Refusal::TooLarge) => self.take_in_parts(now, origin, &document),
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = taken {
            self.refuse(origin, refusal_reason(refusal), refusal.to_string());
        }
    }

    /// A document over X-Ray's size leaves as several.
    fn take_in_parts(&mut self, now: Timestamp, origin: Origin, document: &[u8]) -> Result<(), Refusal> {
        let cut = oversize::cut(document)?;
        self.tally.received(origin, 1);
        if self.repeats.is_repeat(document) {
            self.tally.repeated(1);
            return Ok(());
        }
        for _ in cut.parts.iter().skip(1) {
            self.tally.received(Origin::Part, 1);
        }
        self.tally.sign(Sign::Split, 1);
        for (kind, bytes) in &cut.trimmed {
            self.tally.trimmed(*kind, *bytes);
        }
        for part in cut.parts {
            match document_scan::scan(&part) {
                Ok(head) => self.keep(now, head, part.into_vec().into()),
                // The cutter's promise, broken: counted like everything else.
                Err(refusal) => self.tally.rejected(refusal_reason(refusal)),
            }
        }
        Ok(())
    }

    fn refuse(&mut self, origin: Origin, reason: &'static str, why: impl Into<Cow<'static, str>>) {
        self.tally.received(origin, 1);
        self.tally.rejected(reason);
        let line = Line::new(Level::Warn, "a document was rejected")
            .with("reason", reason)
            .with("detail", why.into().into_owned());
        self.notice(self.now, reason, line);
    }

    /// Holds a document that was judged good.
    fn keep(&mut self, now: Timestamp, head: Head, bytes: Cow<'_, [u8]>) {
        let mut document = Document {
            value: Value::of(&head, &bytes),
            bytes: bytes.into_owned(),
            trace_id: head.trace_id,
            parent: head.parent.clone(),
            arrived: now,
            is_noted: false,
        };
        let keeps_open = head.in_progress && self.keeps_open(head.trace_id);
        if !head.in_progress {
            self.complete(&head, &document.bytes);
        }
        let may_wait = self.expects_records() && self.config.emission.is_possible();
        // Then nothing that `platform.start` says changes where a document hangs.
        let is_parent_final = self.passing.is_parent_final;
        self.passing.has_fault |= head.fault;
        let waits = if let Some(invocation) = self.invocations.of_trace(head.trace_id) {
            let nested = head
                .has_subsegments
                .then(|| document_scan::nested_ids(&document.bytes, OBSERVED_IDS));
            let parent = head.parent.as_ref().map(|parent| parent.id);
            let is_nested = parent.is_none_or(|parent| invocation.observed.knows(parent));
            invocation.observed.note(&head, nested.into_iter().flatten());
            document.is_noted = true;
            let is_final = invocation.is_started() || !may_wait;
            if let (true, Some(identity)) = (is_final, invocation.identity())
                && self.config.is_told(&identity)
            {
                attach(&mut document, &identity, &invocation.request_id);
            }
            !is_final && !is_nested && !is_parent_final
        } else if let Some(closed) = self.invocations.closed_of_trace(head.trace_id) {
            if let Some(identity) = closed.identity.filter(|_| !closed.told.is_empty()) {
                attach(&mut document, &identity, &closed.request_id);
            }
            false
        } else {
            // Of a trace nobody has announced yet: records and datagrams race each other.
            self.config.emission.is_possible() && head.parent.is_some() && !self.is_closing()
        };
        if keeps_open {
            self.keep_open(now, &head, document);
        } else {
            self.hold(document, waits);
        }
    }

    pub(super) fn hold(&mut self, document: Document, waits: bool) {
        let shed = if waits {
            self.spool.push_waiting(document)
        } else {
            self.spool.push(document, self.lanes.lanes())
        };
        self.count_shed(&shed);
    }

    /// Counts what was given up for lack of room.
    pub(super) fn count_shed(&mut self, shed: &Shed) {
        for (lane, documents) in shed.each() {
            self.tally.shed(lane, ShedReason::Budget, documents);
        }
    }

    /// Lets the waiting documents of an invocation's trace leave, now that its identity is known.
    pub(super) fn release(&mut self, request: &RequestId) {
        let Some(trace) = self
            .invocations
            .find(request)
            .and_then(|invocation| invocation.trace_id())
        else {
            return;
        };
        // One trace may have called the function twice in a row: each gets its own.
        let is_shared = self.invocations.traces_but(request).contains(&trace);
        let Some(invocation) = self.invocations.find_mut(request) else {
            return;
        };
        let Some(identity) = invocation.identity() else {
            return;
        };
        let applies = self.config.is_told(&identity);
        let known = [identity.invoke_parent, identity.span_id, identity.start_parent];
        let is_own = |document: &Document| {
            let parent = document.parent.as_ref();
            parent.is_none_or(|parent| known.contains(&Some(parent.id)))
        };
        let is_due = |document: &Document| document.trace_id == trace && (!is_shared || is_own(document));
        self.spool.release(is_due, |document| {
            if !document.is_noted
                && let Ok(head) = document_scan::scan(&document.bytes)
            {
                let nested = head
                    .has_subsegments
                    .then(|| document_scan::nested_ids(&document.bytes, OBSERVED_IDS));
                invocation.observed.note(&head, nested.into_iter().flatten());
                document.is_noted = true;
            }
            if applies {
                attach(document, &identity, &invocation.request_id);
            }
        });
    }

    /// Lets waiting documents leave as they came.
    pub(super) fn release_waiting(&mut self, is_due: impl Fn(&Document) -> bool) {
        self.spool.release(is_due, |_| ());
    }

    /// No document waits longer than [`HOLD_MAX`] for a trace to be announced, not counting a freeze.
    pub(super) fn release_overdue(&mut self, now: Timestamp) {
        if self.wake_to_release().is_some_and(|when| now >= when) {
            let thawed_at = self.passing.thawed_at;
            self.release_waiting(|document| now >= document.arrived.max(thawed_at).after(HOLD_MAX));
        }
    }

    pub(super) fn wake_to_release(&self) -> Option<Timestamp> {
        let thawed_at = self.passing.thawed_at;
        self.spool
            .oldest_waiting()
            .map(|arrived| arrived.max(thawed_at).after(HOLD_MAX))
    }
}

/// Longest body that is looked at for a recorder's word, with the longest request id; documents are longer as a rule.
const DONE_MAX_BYTES: usize = 256;

/// Whether a body is worth being read as a recorder's word rather than as a document.
fn may_be_done(body: &[u8]) -> bool {
    let mut texts = body.split(|byte| *byte == b'"');
    body.len() <= DONE_MAX_BYTES && texts.any(|text| text == b"fluoroscope")
}

const fn frame_reason(error: FrameError) -> &'static str {
    match error {
        FrameError::Empty => "empty",
        FrameError::NoHeader => "no_header",
        FrameError::BadHeader => "bad_header",
        FrameError::NoBody => "no_body",
    }
}

const fn refusal_reason(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::TooLarge => "too_large",
        Refusal::NotUtf8 => "not_utf8",
        Refusal::NotJson => "not_json",
        Refusal::NotObject => "not_object",
        Refusal::EmptyArray => "empty_array",
        Refusal::BadTraceId => "bad_trace_id",
        Refusal::BadId => "bad_id",
        Refusal::BadParentId => "bad_parent_id",
        Refusal::BadName => "bad_name",
    }
}
