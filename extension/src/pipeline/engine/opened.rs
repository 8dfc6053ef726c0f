//! Documents that are still open: kept until they are completed or their invocation ends.

use model::ids::{RequestId, TraceId};
use model::size::ByteCount;
use model::time::Timestamp;
use model::wire::document_scan::{self, Head};

use super::super::attach::attach;
use super::super::document::{Document, Value};
use super::super::evidence::{Closing, innermost};
use super::super::failure::Failure;
use super::super::invocation::Invocation;
use super::super::tally::Sign;
use super::{Engine, Phase};
use crate::limits::{HOLD_MAX, OBSERVED_IDS, OPEN_MAX, OPEN_SHARE};

impl Engine {
    /// Whether the end of an invocation will be known, so that its open documents can wait for it.
    pub(super) fn keeps_open(&self, trace: TraceId) -> bool {
        !self.is_closing() && self.expects_records() && self.invocations.closed_of_trace(trace).is_none()
    }

    /// SHUTDOWN has closed everything: nothing waits any more.
    pub(super) fn is_closing(&self) -> bool {
        match &self.phase {
            Phase::Stopping(stop) => stop.is_closed,
            Phase::Stopped(_) => true,
            _ => false,
        }
    }

    /// Keeps an open document.
    pub(super) fn keep_open(&mut self, now: Timestamp, head: &Head, document: Document) {
        let is_known = self.invocations.of_trace(head.trace_id).is_some();
        let until = now.after(if is_known { OPEN_MAX } else { HOLD_MAX });
        let kept = self.evidence.keep(head.id, document, until);
        self.tally.superseded(kept.superseded);
        for document in kept.let_go {
            self.let_go(document);
        }
    }

    /// What a document that is complete leaves behind of its open forms.
    pub(super) fn complete(&mut self, head: &Head, bytes: &[u8]) {
        if self.evidence.is_empty() {
            return;
        }
        let nested = head
            .has_subsegments
            .then(|| document_scan::nested_ids(bytes, OBSERVED_IDS));
        for id in nested.into_iter().flatten().chain([head.id]) {
            let superseded = self.evidence.complete(head.trace_id, id);
            self.tally.superseded(superseded);
        }
    }

    /// An open document leaves as it came, hung where it belongs as far as that is known.
    fn let_go(&mut self, mut document: Document) {
        let invocation = self.invocations.of_trace(document.trace_id);
        if let Some((invocation, identity)) = invocation.and_then(|one| Some((&*one, one.identity()?)))
            && self.config.is_told(&identity)
        {
            attach(&mut document, &identity, &invocation.request_id);
        }
        self.hold(document, false);
    }

    /// The open documents of an invocation that ends, each noted in it.
    ///
    /// Where another open invocation has the same trace they stay: nobody can say whose they are.
    pub(super) fn take_open(&mut self, invocation: &mut Invocation) -> Vec<Document> {
        let Some(trace) = invocation.trace_id() else {
            return Vec::new();
        };
        if self.evidence.is_empty()
            || self
                .invocations
                .traces_but(&invocation.request_id)
                .contains(&trace)
        {
            return Vec::new();
        }
        let documents = self.evidence.take(trace).into_iter().map(|(_, mut document)| {
            if !document.is_noted
                && let Some(head) = document.look()
            {
                invocation
                    .observed
                    .note(&head, document_scan::nested_ids(&document.bytes, OBSERVED_IDS));
                document.is_noted = true;
            }
            document
        });
        documents.collect()
    }

    /// What was open when an invocation ended leaves: as evidence if it failed, else as it came.
    pub(super) fn hold_open(&mut self, documents: Vec<Document>, closing: Option<&Closing<'_>>) {
        for mut document in documents {
            if let Some(closed) = closing.and_then(|closing| closing.close(&document.bytes)) {
                document.parent = document_scan::scan(&closed).ok().and_then(|head| head.parent);
                document.bytes = closed;
                document.value = Value::Faulty;
                self.tally.sign(Sign::Evidence, 1);
            }
            self.hold(document, false);
        }
    }

    /// The trace has an invocation now: what is open in it waits for its end.
    pub(super) fn extend_open(&mut self, request: &RequestId) {
        let trace = self.invocations.find(request).and_then(Invocation::trace_id);
        if let Some(trace) = trace {
            self.evidence.extend(trace, self.now.after(OPEN_MAX));
        }
    }

    /// Nothing open is kept beyond its time.
    pub(super) fn release_open(&mut self, now: Timestamp) {
        if self.evidence.first_until().is_some_and(|until| now >= until) {
            for document in self.evidence.take_overdue(now) {
                self.let_go(document);
            }
        }
    }

    /// Documents may take up this much from now on.
    pub(super) fn share_out(&mut self, share: ByteCount) {
        self.share = share;
        for document in self.evidence.set_budget(open_share(share)) {
            self.let_go(document);
        }
    }

    /// The spool has what open documents leave it.
    pub(super) fn leave_room(&mut self) {
        let rest = self.share.minus(self.evidence.held());
        if rest != self.spool.budget() {
            let shed = self.spool.set_budget(rest);
            self.count_shed(&shed);
        }
    }

    /// SHUTDOWN: what belongs to nobody leaves as it came.
    pub(super) fn release_all_open(&mut self) {
        for document in self.evidence.take_all() {
            self.let_go(document);
        }
    }
}

/// What open documents may take of what documents may take.
pub(super) fn open_share(share: ByteCount) -> ByteCount {
    ByteCount::bytes(share.get() / OPEN_SHARE)
}

/// What hung, for the cause of the failure.
pub(super) fn still_open(failure: Option<&Failure>, documents: &[Document]) -> Option<Box<str>> {
    failure?;
    innermost(documents.iter().map(AsRef::as_ref))
}
