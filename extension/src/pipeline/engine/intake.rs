//! Documents on their way in: decoded, judged, attached, held.

use std::borrow::Cow;

use model::ids::RequestId;
use model::otlp::{datagram, request, scan};
use model::time::Timestamp;
use model::wire::document_scan::{self, Head, Refusal};
use model::wire::done;
use model::wire::oversize;
use model::wire::udp_frame::{self, Body, FrameError};

use super::super::attach::attach;
use super::super::document::{Document, Form, Value};
use super::super::event::Posted;
use super::super::sampler::Asked;
use super::super::span::Export;
use super::super::spool::Shed;
use super::super::tally::{Foreign, Origin, ShedReason, Sign};
use super::Engine;
use crate::limits::{HOLD_MAX, OBSERVED_IDS};
use crate::logging::{Level, Line};

impl Engine {
    pub(super) fn take_in(&mut self, datagrams: Vec<Box<[u8]>>) {
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
                    self.take_document(origin, document.into());
                }
                Ok(Body::Json(body)) => self.take_body(origin, body),
                Ok(Body::OtlpSpans(body)) => self.take_requests(body),
                Ok(Body::OtlpMetrics(_)) => self.tally.passed_over(Foreign::Metrics, 1),
                Err(FrameError::Empty) => {}
                Err(error) => self.refuse(origin, frame_reason(error), error.to_string()),
            }
        }
    }

    pub(super) fn take_posted(&mut self, now: Timestamp, posted: Posted) {
        match posted {
            Posted::Documents(documents) => {
                for document in documents {
                    self.take_body(Origin::Tcp, document.as_bytes());
                }
            }
            Posted::Asked(asked) => self.count_question(now, asked),
            Posted::Spans(export) => self.take_export(Origin::Otlp, export),
            Posted::Damaged(why) => self.refuse(Origin::Otlp, DAMAGED_REQUEST, why),
            Posted::Foreign(kind) => self.tally.passed_over(kind, 1),
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

    /// Requests of OTLP in a datagram: what is behind `T1U` was not sampled, and is sent by SDKs for figures alone.
    fn take_requests(&mut self, body: &[u8]) {
        for part in datagram::parts(body) {
            match part.request {
                Some(request) if request::check(&request).is_err() => {
                    self.refuse(
                        Origin::Udp,
                        DAMAGED_REQUEST,
                        "not an OTLP request, or one cut short",
                    );
                }
                Some(request) if part.is_sampled => {
                    self.take_export(Origin::Udp, Export::read(&request));
                }
                Some(request) => {
                    let spans = request::groups(&request).map(|group| group.spans().count());
                    let spans = u64::try_from(spans.sum::<usize>()).unwrap_or(u64::MAX);
                    self.tally.passed_over(Foreign::UnsampledSpans, spans);
                }
                None => self.refuse(Origin::Udp, DAMAGED_REQUEST, "not base64 behind T1S or T1U"),
            }
        }
    }

    fn take_export(&mut self, origin: Origin, export: Export) {
        for refusal in export.refused {
            self.refuse(origin, span_refusal_reason(refusal), refusal.to_string());
        }
        for span in export.spans {
            self.tally.received(origin, 1);
            if self.repeats.is_repeat(&span.bytes) {
                self.tally.repeated(1);
            } else {
                self.keep(span.head, span.bytes, Form::Span(span.surroundings));
            }
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

    fn take_body(&mut self, origin: Origin, body: &[u8]) {
        if may_be_done(body)
            && let Some(request) = done::decode(body)
        {
            self.end_signalled(&request);
            return;
        }
        let (documents, refusal) = document_scan::split(body);
        for document in documents {
            self.take_document(origin, document.into());
        }
        if let Some(refusal) = refusal {
            self.refuse(origin, refusal_reason(refusal), refusal.to_string());
        }
    }

    fn take_document(&mut self, origin: Origin, document: Cow<'_, [u8]>) {
        let taken = match document_scan::scan(&document) {
            Ok(_) if self.repeats.is_repeat(&document) => {
                self.tally.received(origin, 1);
                self.tally.repeated(1);
                Ok(())
            }
            Ok(head) => {
                self.tally.received(origin, 1);
                self.keep(head, document.into_owned(), Form::Segment);
                Ok(())
            }
            Err(Refusal::TooLarge) => self.take_in_parts(origin, &document),
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = taken {
            self.refuse(origin, refusal_reason(refusal), refusal.to_string());
        }
    }

    /// A document over X-Ray's size leaves as several.
    fn take_in_parts(&mut self, origin: Origin, document: &[u8]) -> Result<(), Refusal> {
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
                Ok(head) => self.keep(head, part.into_vec(), Form::Segment),
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
    fn keep(&mut self, head: Head, bytes: Vec<u8>, form: Form) {
        let now = self.now;
        let mut document = Document {
            value: Value::of(&head, &bytes),
            bytes,
            form,
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
                && let Some(head) = document.look()
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

/// A request of OTLP that cannot be read: nobody knows how many spans it had.
const DAMAGED_REQUEST: &str = "otlp_damaged";

const fn span_refusal_reason(refusal: scan::Refusal) -> &'static str {
    match refusal {
        scan::Refusal::TooLarge => "span_too_large",
        scan::Refusal::Damaged => "span_damaged",
        scan::Refusal::NotUtf8 => "span_not_utf8",
        scan::Refusal::TooDeep => "span_too_deep",
        scan::Refusal::BadTraceId => "span_bad_trace_id",
        scan::Refusal::BadSpanId => "span_bad_span_id",
        scan::Refusal::BadParentId => "span_bad_parent_id",
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
