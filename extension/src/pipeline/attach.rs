//! Hangs the function's documents under the segments we make, and watches what they say of each other.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use model::ids::{RequestId, SegmentId};
use model::time::Timestamp;
use model::wire::document_scan::Head;

use super::document::Document;
use super::identity::{Identity, SegmentIds};
use crate::limits::{OBSERVED_IDS, OBSERVED_IDS_IN_ALL};

/// Rewrites the parent of a document that hangs under P or W, where that is not S, to the function's segment.
///
/// Every other document stays as it is.
pub fn attach(document: &mut Document, identity: &Identity, request: &RequestId) {
    let Some(parent) = &document.parent else {
        return;
    };
    let is_callers = [identity.invoke_parent, identity.start_parent].contains(&Some(parent.id));
    if !is_callers || Some(parent.id) == identity.span_id {
        return;
    }
    document.set_parent(identity.function(request));
}

type Ids = HashSet<SegmentId, foldhash::fast::RandomState>;

/// What the documents of one invocation say.
#[derive(Debug, Default)]
pub struct Observed {
    ids: Ids,
    parents: Ids,
    faulty_parents: Ids,
    last_end: Option<Timestamp>,
    is_overfull: bool,
    /// Ids that all invocations remember together.
    in_all: Arc<AtomicUsize>,
}

impl Drop for Observed {
    fn drop(&mut self) {
        self.in_all.fetch_sub(self.remembered(), Ordering::Relaxed);
    }
}

impl Observed {
    /// Remembers nothing yet, and shares the room of those that count here.
    pub fn beside(in_all: &Arc<AtomicUsize>) -> Self {
        Self {
            ids: Ids::default(),
            parents: Ids::default(),
            faulty_parents: Ids::default(),
            last_end: None,
            is_overfull: false,
            in_all: Arc::clone(in_all),
        }
    }

    fn remembered(&self) -> usize {
        self.ids.len() + self.parents.len() + self.faulty_parents.len()
    }

    /// How many more ids may be remembered.
    fn room(&self) -> usize {
        let of_all = OBSERVED_IDS_IN_ALL.saturating_sub(self.in_all.load(Ordering::Relaxed));
        OBSERVED_IDS.saturating_sub(self.remembered()).min(of_all)
    }

    /// Notes a document and the ids of the subsegments nested in it.
    pub fn note(&mut self, head: &Head, nested: impl IntoIterator<Item = SegmentId>) {
        /// Its own id and its parent's, which may be remembered as faulty too.
        const OF_ITSELF: usize = 3;
        self.last_end = self.last_end.max(head.end_time);
        let Some(room) = self.room().checked_sub(OF_ITSELF) else {
            self.is_overfull = true;
            return;
        };
        let before = self.remembered();
        self.ids.insert(head.id);
        let mut nested = nested.into_iter();
        self.ids.extend(nested.by_ref().take(room));
        self.is_overfull |= nested.next().is_some();
        if let Some(parent) = &head.parent {
            self.parents.insert(parent.id);
            if head.fault {
                self.faulty_parents.insert(parent.id);
            }
        }
        self.in_all
            .fetch_add(self.remembered() - before, Ordering::Relaxed);
    }

    /// Whether a document of the invocation has this id.
    pub fn knows(&self, id: SegmentId) -> bool {
        self.ids.contains(&id)
    }

    /// The id that nobody announced but the function's top-level documents hang under (V): an Invocation
    /// subsegment of the sandbox's own. None if there are several such, or none.
    pub fn adopted(&self, identity: &Identity, ids: &SegmentIds) -> Option<SegmentId> {
        if self.is_overfull {
            return None;
        }
        let mut unknown = self
            .parents
            .iter()
            .filter(|&&parent| !self.ids.contains(&parent) && !is_known(parent, identity, ids));
        let only = unknown.next()?;
        unknown.next().is_none().then_some(*only)
    }

    /// Whether a top-level document says `fault`: the nearest to a handler's exception that documents tell.
    pub fn has_top_level_fault(&self) -> bool {
        self.faulty_parents
            .iter()
            .any(|parent| !self.ids.contains(parent))
    }

    /// The latest end of a document.
    pub fn last_end(&self) -> Option<Timestamp> {
        self.last_end
    }
}

fn is_known(parent: SegmentId, identity: &Identity, ids: &SegmentIds) -> bool {
    [
        identity.span_id,
        identity.invoke_parent,
        identity.start_parent,
        Some(ids.function),
        Some(ids.lambda),
    ]
    .contains(&Some(parent))
}

#[cfg(test)]
mod tests {
    use model::ids::TraceId;
    use model::wire::document_scan;

    use super::*;
    use crate::pipeline::document::{Form, Value};

    const P: &str = "1111111111111111";
    const S: &str = "2222222222222222";
    const W: &str = "3333333333333333";
    const V: &str = "4444444444444444";

    fn id(text: &str) -> SegmentId {
        text.parse().unwrap()
    }

    fn request() -> RequestId {
        "r-1".parse().unwrap()
    }

    fn identity(p: Option<&str>, s: Option<&str>, w: Option<&str>) -> (Identity, SegmentIds) {
        let identity = Identity {
            trace_id: TraceId::from_bytes([1; 16]),
            invoke_parent: p.map(id),
            span_id: s.map(id),
            start_parent: w.map(id),
            is_sampled: true,
        };
        (identity, identity.segments(&request()))
    }

    fn json(own: &str, parent: &str, more: &str) -> String {
        format!(
            r#"{{"name":"x","type":"subsegment","trace_id":"1-01010101-010101010101010101010101","id":"{own}","parent_id":"{parent}"{more}}}"#
        )
    }

    /// The parent of a document that hung under `parent`, the function's id as "function".
    #[track_caller]
    fn check(parent: &str, [p, s, w]: [Option<&str>; 3], expected: &str) {
        let (identity, ids) = identity(p, s, w);
        let bytes = json("5555555555555555", parent, "").into_bytes();
        let head = document_scan::scan(&bytes).unwrap();
        let mut document = Document {
            bytes,
            form: Form::Segment,
            trace_id: head.trace_id,
            parent: head.parent,
            arrived: Timestamp::default(),
            is_noted: false,
            value: Value::Ordinary,
        };
        attach(&mut document, &identity, &request());
        let written = document_scan::scan(&document.bytes).unwrap().parent.unwrap().id;
        assert_eq!(document.parent.unwrap().id, written);
        let shown = if Some(written) != identity.span_id && written == ids.function {
            "function".into()
        } else {
            written.to_string()
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn only_what_hangs_under_the_caller_is_rewritten() {
        check(S, [Some(S), Some(S), Some(W)], S); // current: already there
        check(V, [Some(S), Some(S), Some(W)], V); // classic: adopted, not rewritten
        check(W, [Some(S), Some(S), Some(W)], S); // under AWS::Lambda: one level too high
        check(S, [None, Some(S), Some(W)], S); // managed
        check(P, [Some(P), None, Some(P)], "function"); // PassThrough
        check(P, [Some(P), None, None], "function"); // no telemetry
        check(V, [Some(P), None, None], V); // nested: its parent is another document
    }

    #[test]
    fn the_one_parent_that_nobody_has_is_adopted() {
        let (identity, ids) = identity(Some(S), Some(S), Some(W));
        let observe = |documents: &[String]| {
            let mut observed = Observed::default();
            for document in documents {
                let nested = document_scan::nested_ids(document.as_bytes(), 10);
                observed.note(&document_scan::scan(document.as_bytes()).unwrap(), nested);
            }
            observed.adopted(&identity, &ids)
        };
        let a = "aaaaaaaaaaaaaaaa";
        let b = "bbbbbbbbbbbbbbbb";
        assert_eq!(observe(&[]), None);
        assert_eq!(observe(&[json(a, S, ""), json(b, W, "")]), None);
        assert_eq!(observe(&[json(b, a, ""), json(a, V, "")]), Some(id(V))); // the child came first
        assert_eq!(observe(&[json(a, V, ""), json(b, V, "")]), Some(id(V)));
        assert_eq!(observe(&[json(a, V, ""), json(b, P, "")]), None); // two such: no guess
        let tree = json(a, V, r#","subsegments":[{"id":"cccccccccccccccc"}]"#);
        assert_eq!(observe(&[tree, json(b, "cccccccccccccccc", "")]), Some(id(V))); // nested ids count
    }

    #[test]
    fn a_fault_counts_at_the_top_only() {
        let mut observed = Observed::default();
        let nested = json("aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb", r#","fault":true"#);
        observed.note(&document_scan::scan(nested.as_bytes()).unwrap(), []);
        observed.note(
            &document_scan::scan(json("bbbbbbbbbbbbbbbb", S, "").as_bytes()).unwrap(),
            [],
        );
        assert!(!observed.has_top_level_fault());
        observed.note(
            &document_scan::scan(json("cccccccccccccccc", S, r#","fault":true"#).as_bytes()).unwrap(),
            [],
        );
        assert!(observed.has_top_level_fault());
    }

    fn number(number: usize) -> SegmentId {
        format!("{number:016x}").parse().unwrap()
    }

    fn head(number: usize) -> Head {
        let text = format!(
            r#"{{"name":"x","trace_id":"1-67881233-abcdef012345678812345678","id":"{number:016x}","end_time":{number}}}"#
        );
        document_scan::scan(text.as_bytes()).unwrap()
    }

    #[test]
    fn all_invocations_together_remember_so_many_ids_and_one_that_ends_makes_room() {
        let in_all = Arc::default();
        let each = OBSERVED_IDS_IN_ALL / 8;
        let mut others: Vec<Observed> = (0..8).map(|_| Observed::beside(&in_all)).collect();
        for (observed, first) in others.iter_mut().zip((1..).step_by(each)) {
            observed.note(&head(first), (first + 1..first + each).map(number));
        }
        let held = in_all.load(Ordering::Relaxed);
        assert!(
            held <= OBSERVED_IDS_IN_ALL && held > OBSERVED_IDS_IN_ALL - 8,
            "{held}"
        );
        let mut late = Observed::beside(&in_all);
        late.note(&head(OBSERVED_IDS_IN_ALL + 8), []);
        assert!(late.is_overfull && late.last_end().is_some() && !others[0].is_overfull);
        assert!(in_all.load(Ordering::Relaxed) <= OBSERVED_IDS_IN_ALL);
        others.pop();
        let mut next = Observed::beside(&in_all);
        next.note(&head(1), []);
        assert!(next.knows(number(1)) && !next.is_overfull);
        drop((others, late, next));
        assert_eq!(in_all.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn one_invocation_remembers_so_many_ids() {
        let mut observed = Observed::default();
        observed.note(&head(1), (2..2 * OBSERVED_IDS).map(number));
        assert!(observed.is_overfull && observed.remembered() <= OBSERVED_IDS);
    }
}
