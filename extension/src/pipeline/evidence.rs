//! Keeps the open forms of documents (`in_progress`) until their completed form comes or their invocation ends.
//!
//! The call that hangs is the one worth seeing: of an invocation that times out or crashes, what was still open
//! leaves closed, as a fault. Otherwise the completed form takes the open one's place, and what an invocation that
//! ended well left open leaves as it came.
//!
//! Invariants
//! - `held` is the sum of the costs of everything kept, and never exceeds `budget`.
//! - A document leaves exactly once: superseded, or handed back to be sent.
//! - Nothing is kept beyond its `until`.

use std::collections::VecDeque;

use model::ids::{RequestId, SegmentId, TraceId};
use model::limits::{NAME_MAX_CHARS, SEGMENT_DOCUMENT_MAX_BYTES};
use model::size::ByteCount;
use model::time::Timestamp;
use serde_json::{Map, Value, json};

use super::document::Document;
use super::failure::Failure;
use super::identity::derived;
use crate::limits::OPEN_DOCUMENTS;

struct Open {
    id: SegmentId,
    until: Timestamp,
    document: Document,
}

/// What keeping a document led to.
#[must_use = "every document leaves exactly once"]
#[derive(Debug, Default, PartialEq)]
pub struct Kept {
    /// Older open forms of the same document, which are gone.
    pub superseded: u64,
    /// Documents there is no room for: they leave as they came.
    pub let_go: Vec<Document>,
}

/// See the module.
pub struct Evidence {
    budget: ByteCount,
    held: ByteCount,
    /// Oldest first.
    open: VecDeque<Open>,
}

impl Evidence {
    /// Nothing kept yet, within this budget.
    pub fn new(budget: ByteCount) -> Self {
        Self {
            budget,
            held: ByteCount::ZERO,
            open: VecDeque::new(),
        }
    }

    /// Keeps the open form of a document. What is beyond the budget or [`OPEN_DOCUMENTS`], the oldest first, is
    /// let go.
    pub fn keep(&mut self, id: SegmentId, document: Document, until: Timestamp) -> Kept {
        let superseded = self.complete(document.trace_id, id);
        self.held = self.held.plus(document.cost());
        self.open.push_back(Open { id, until, document });
        let let_go = self.make_room();
        Kept { superseded, let_go }
    }

    /// Keeps no more than this from now on. What is beyond it, the oldest first, is let go.
    #[must_use = "every document leaves exactly once"]
    pub fn set_budget(&mut self, budget: ByteCount) -> Vec<Document> {
        self.budget = budget;
        self.make_room()
    }

    fn make_room(&mut self) -> Vec<Document> {
        let mut let_go = Vec::new();
        while self.held > self.budget || self.open.len() > OPEN_DOCUMENTS {
            let Some(oldest) = self.open.pop_front() else {
                break;
            };
            self.held = self.held.minus(oldest.document.cost());
            let_go.push(oldest.document);
        }
        let_go
    }

    /// A newer form of this document came. Returns how many older ones are gone.
    pub fn complete(&mut self, trace: TraceId, id: SegmentId) -> u64 {
        let gone = self.extract(|open| open.id == id && open.document.trace_id == trace);
        u64::try_from(gone.len()).unwrap_or(u64::MAX)
    }

    /// The trace has an invocation now: its documents are kept until it ends, at the latest until then.
    pub fn extend(&mut self, trace: TraceId, until: Timestamp) {
        let of_trace = self
            .open
            .iter_mut()
            .filter(|open| open.document.trace_id == trace);
        of_trace.for_each(|open| open.until = open.until.max(until));
    }

    /// Hands back what is open in this trace, oldest first.
    pub fn take(&mut self, trace: TraceId) -> Vec<(SegmentId, Document)> {
        self.extract(|open| open.document.trace_id == trace)
    }

    /// Hands back what was kept long enough.
    pub fn take_overdue(&mut self, now: Timestamp) -> Vec<Document> {
        let overdue = self.extract(|open| now >= open.until);
        overdue.into_iter().map(|(_, document)| document).collect()
    }

    /// Hands back everything.
    pub fn take_all(&mut self) -> Vec<Document> {
        self.extract(|_| true)
            .into_iter()
            .map(|(_, document)| document)
            .collect()
    }

    fn extract(&mut self, is_due: impl Fn(&Open) -> bool) -> Vec<(SegmentId, Document)> {
        if !self.open.iter().any(&is_due) {
            return Vec::new();
        }
        let (due, open): (VecDeque<_>, VecDeque<_>) = self.open.drain(..).partition(is_due);
        self.open = open;
        let held = self.open.iter().map(|open| open.document.cost());
        self.held = held.fold(ByteCount::ZERO, ByteCount::plus);
        due.into_iter().map(|open| (open.id, open.document)).collect()
    }

    /// When the first document will have been kept long enough.
    pub fn first_until(&self) -> Option<Timestamp> {
        self.open.iter().map(|open| open.until).min()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Documents kept.
    pub fn documents(&self) -> u64 {
        u64::try_from(self.open.len()).unwrap_or(u64::MAX)
    }

    /// What they cost.
    pub fn held(&self) -> ByteCount {
        self.held
    }
}

/// The innermost subsegment that is open in these documents: the one that began last.
pub fn innermost<'a>(documents: impl IntoIterator<Item = &'a [u8]>) -> Option<Box<str>> {
    let mut latest: Option<(f64, Box<str>)> = None;
    for document in documents {
        if let Ok(Value::Object(entity)) = serde_json::from_slice(document) {
            note_latest(&entity, &mut latest);
        }
    }
    latest.map(|(_, name)| name)
}

fn note_latest(entity: &Map<String, Value>, latest: &mut Option<(f64, Box<str>)>) {
    let start = entity.get("start_time").and_then(Value::as_f64).unwrap_or(0.0);
    let name = entity.get("name").and_then(Value::as_str).unwrap_or_default();
    // Of two that began at once the one further in.
    if is_open(entity) && latest.as_ref().is_none_or(|(known, _)| start >= *known) {
        *latest = Some((start, name.chars().take(NAME_MAX_CHARS).collect()));
    }
    for nested in nested(entity) {
        note_latest(nested, latest);
    }
}

fn is_open(entity: &Map<String, Value>) -> bool {
    entity.get("in_progress") == Some(&Value::Bool(true))
}

fn nested(entity: &Map<String, Value>) -> impl Iterator<Item = &Map<String, Value>> {
    let nested = entity.get("subsegments").and_then(Value::as_array);
    nested.into_iter().flatten().filter_map(Value::as_object)
}

/// How what is still open is closed.
#[derive(Debug, Clone, Copy)]
pub struct Closing<'a> {
    /// The invocation that failed.
    pub request: &'a RequestId,
    /// When.
    pub at: Timestamp,
    /// How.
    pub failure: &'a Failure,
}

impl Closing<'_> {
    /// The document with everything in it that is open closed as a fault.
    ///
    /// None if it is no JSON object, or would outgrow [`SEGMENT_DOCUMENT_MAX_BYTES`]: it leaves as it came then.
    pub fn close(&self, document: &[u8]) -> Option<Vec<u8>> {
        let mut entity: Map<String, Value> = serde_json::from_slice(document).ok()?;
        self.close_entity(&mut entity);
        let closed = serde_json::to_vec(&entity).ok()?;
        (closed.len() <= SEGMENT_DOCUMENT_MAX_BYTES).then_some(closed)
    }

    fn close_entity(&self, entity: &mut Map<String, Value>) {
        if is_open(entity) {
            let end = self.at.as_seconds();
            let start = entity.get("start_time").and_then(Value::as_f64).unwrap_or(end);
            let id = entity.get("id").and_then(Value::as_str).unwrap_or_default();
            let exception = derived(self.request, &format!("open {id}"));
            entity.remove("in_progress");
            entity.insert("end_time".into(), end.max(start).into());
            entity.insert("fault".into(), true.into());
            let message = format!("still open at the end: {}", self.failure.what);
            let cause = json!({ "exceptions": [{
                "id": exception.to_string(), "type": self.failure.error_type, "message": message,
            }] });
            // A cause that the function gave says more.
            entity.entry("cause").or_insert(cause);
        }
        if let Some(Value::Array(nested)) = entity.get_mut("subsegments") {
            let nested = nested.iter_mut().filter_map(Value::as_object_mut);
            nested.for_each(|nested| self.close_entity(nested));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::failure::FailureKind;
    use super::*;
    use crate::pipeline::document::Form;

    fn id(number: u8) -> SegmentId {
        SegmentId::from_bytes([number; 8])
    }

    fn trace(number: u8) -> TraceId {
        TraceId::from_bytes([number; 16])
    }

    fn document(trace_number: u8, size: usize) -> Document {
        Document {
            bytes: vec![trace_number; size],
            form: Form::Segment,
            trace_id: trace(trace_number),
            parent: None,
            arrived: Timestamp::default(),
            is_noted: false,
            value: super::super::document::Value::Ordinary,
        }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn failure() -> Failure {
        Failure {
            kind: FailureKind::Timeout,
            error_type: "Sandbox.Timeout".into(),
            what: "Task timed out after 1.00 seconds".into(),
        }
    }

    fn close(document: &Value) -> Option<Value> {
        let request = "r-1".parse().unwrap();
        let failure = failure();
        let closing = Closing {
            request: &request,
            at: at(5_000),
            failure: &failure,
        };
        let closed = closing.close(document.to_string().as_bytes())?;
        Some(serde_json::from_slice(&closed).unwrap())
    }

    #[test]
    fn a_newer_form_takes_the_place_of_an_open_one() {
        let mut evidence = Evidence::new(ByteCount::mib(1));
        assert_eq!(evidence.keep(id(1), document(1, 10), at(9)), Kept::default());
        assert_eq!(evidence.keep(id(1), document(2, 10), at(9)), Kept::default()); // another trace's
        let kept = evidence.keep(id(1), document(1, 20), at(9));
        assert_eq!((kept.superseded, kept.let_go.len()), (1, 0));
        assert_eq!((evidence.complete(trace(1), id(2)), evidence.documents()), (0, 2));
        assert_eq!((evidence.complete(trace(1), id(1)), evidence.documents()), (1, 1));
        assert_eq!(evidence.take(trace(2)).len(), 1);
        assert!(evidence.is_empty() && evidence.held() == ByteCount::ZERO);
    }

    #[test]
    fn the_oldest_is_let_go_when_there_are_too_many_or_too_large_ones() {
        let cost = document(1, 100).cost().get();
        let mut evidence = Evidence::new(ByteCount::bytes(2 * cost));
        for number in [1, 2] {
            assert_eq!(
                evidence.keep(id(number), document(1, 100), at(9)),
                Kept::default()
            );
        }
        assert_eq!(evidence.keep(id(3), document(3, 101), at(9)).let_go.len(), 2);
        assert_eq!(evidence.documents(), 1);
        assert_eq!(evidence.keep(id(4), document(4, 1000), at(9)).let_go.len(), 2); // it can never fit

        assert_eq!(evidence.keep(id(5), document(5, 100), at(9)), Kept::default());
        assert_eq!(evidence.set_budget(ByteCount::bytes(cost)), []);
        assert_eq!(evidence.set_budget(ByteCount::bytes(cost - 1)).len(), 1);

        let mut evidence = Evidence::new(ByteCount::mib(1));
        let mut let_go = 0;
        for number in 0..OPEN_DOCUMENTS + 1 {
            let id = SegmentId::from_bytes(u64::try_from(number + 1).unwrap().to_be_bytes());
            let_go += evidence.keep(id, document(1, 1), at(9)).let_go.len();
        }
        assert_eq!(let_go, 1);
    }

    #[test]
    fn nothing_is_kept_for_ever() {
        let mut evidence = Evidence::new(ByteCount::mib(1));
        let _ = evidence.keep(id(1), document(1, 10), at(2_000));
        let _ = evidence.keep(id(2), document(2, 10), at(3_000));
        evidence.extend(trace(1), at(9_000));
        assert_eq!(evidence.first_until(), Some(at(3_000)));
        assert_eq!(evidence.take_overdue(at(2_999)), []);
        assert_eq!(evidence.take_overdue(at(3_000)), [document(2, 10)]);
        assert_eq!(evidence.take_overdue(at(9_000)), [document(1, 10)]);
        assert_eq!(evidence.first_until(), None);
    }

    #[test]
    fn everything_open_in_a_document_is_closed_as_a_fault_and_nothing_else_changes() {
        let closed = close(&json!({
            "id": "1111111111111111", "name": "outer", "in_progress": true, "start_time": 1.5, "unknown": [1],
            "subsegments": [
                { "id": "2222222222222222", "name": "done", "start_time": 1.6, "end_time": 1.7 },
                { "id": "3333333333333333", "name": "inner", "in_progress": true, "start_time": 7.5 },
                { "id": "4444444444444444", "name": "told", "in_progress": true, "start_time": 2, "cause": "x" },
            ],
        }))
        .unwrap();
        assert_eq!(
            (&closed["end_time"], &closed["fault"]),
            (&json!(5.0), &json!(true))
        );
        assert_eq!(closed["in_progress"], Value::Null);
        assert_eq!(closed["unknown"], json!([1]));
        let exception = &closed["cause"]["exceptions"][0];
        assert_eq!(exception["type"], "Sandbox.Timeout");
        assert_eq!(
            exception["message"],
            "still open at the end: Task timed out after 1.00 seconds"
        );
        let [done, inner, told] = [0, 1, 2].map(|place| &closed["subsegments"][place]);
        assert_eq!(
            *done,
            json!({ "id": "2222222222222222", "name": "done", "start_time": 1.6, "end_time": 1.7 })
        );
        assert_eq!((&inner["end_time"], &inner["fault"]), (&json!(7.5), &json!(true))); // never before its start
        assert_ne!(inner["cause"]["exceptions"][0]["id"], exception["id"]);
        assert_eq!((&told["cause"], &told["fault"]), (&json!("x"), &json!(true)));
    }

    #[test]
    fn a_document_that_closing_would_make_too_large_leaves_as_it_came() {
        let sized = |size: usize| json!({ "id": "1111111111111111", "in_progress": true, "start_time": 1.0, "filler": "x".repeat(size) });
        let grown = close(&sized(0)).unwrap().to_string().len();
        let most = SEGMENT_DOCUMENT_MAX_BYTES - grown;
        assert!(close(&sized(most)).is_some());
        assert!(close(&sized(most + 1)).is_none());
    }

    #[test]
    fn the_innermost_is_the_one_that_began_last() {
        let of = |documents: &[Value]| {
            let texts: Vec<String> = documents.iter().map(Value::to_string).collect();
            innermost(texts.iter().map(String::as_bytes)).map(String::from)
        };
        let open = |name: &str, start: f64| json!({ "name": name, "in_progress": true, "start_time": start });
        let mut outer = open("outer", 1.0);
        outer["subsegments"] = json!([open("inner", 3.0), { "name": "done", "start_time": 9.0 }]);
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[json!({ "name": "done", "start_time": 9.0 })]), None);
        assert_eq!(
            of(&[outer.clone(), open("between", 2.0)]).as_deref(),
            Some("inner")
        );
        assert_eq!(of(&[outer, open("after", 4.0)]).as_deref(), Some("after"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_closing_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let request = "r-1".parse().unwrap();
            let failure = failure();
            let closing = Closing { request: &request, at: at(1), failure: &failure };
            let _ = (closing.close(&bytes), innermost([bytes.as_slice()]));
        }

        #[test]
        fn what_is_kept_is_what_it_costs(steps in proptest::collection::vec((0u8..4, 1u8..9, 1usize..300), 1..80)) {
            let budget = ByteCount::bytes(2_000);
            let mut evidence = Evidence::new(budget);
            let (mut came, mut gone) = (0, 0);
            for (step, number, size) in steps {
                let len = |documents: usize| u64::try_from(documents).unwrap();
                match step {
                    0 | 1 => {
                        came += 1;
                        let kept = evidence.keep(id(number), document(number % 3, size), at(i64::from(number)));
                        gone += kept.superseded + len(kept.let_go.len());
                    }
                    2 => gone += evidence.complete(trace(number % 3), id(number)),
                    _ => gone += len(evidence.take_overdue(at(i64::from(number))).len()),
                }
                prop_assert!(evidence.held() <= budget);
                prop_assert_eq!(came, gone + evidence.documents());
                prop_assert_eq!(evidence.is_empty(), evidence.held() == ByteCount::ZERO);
            }
        }
    }
}
