//! Holds documents between arrival and sending, within a byte budget.
//!
//! The extension lives in the function's memory, so a slow X-Ray must cost traces, never the function. When
//! room runs out the oldest documents go first: the newest describe the invocation somebody is looking at.
//!
//! Invariants
//! - `held` is the sum of the costs of everything waiting, ready and on its way, and never exceeds `budget`.
//! - A document leaves exactly once: taken by X-Ray, refused, or counted as shed.
//! - A batch on its way belongs to the outbound until it is settled; it is never shed.
//!
//! Pure: no clock, no I/O, no logging.

use std::collections::VecDeque;
use std::sync::Arc;

use model::ids::TraceId;
use model::size::ByteCount;
use model::time::Timestamp;
use model::wire::document_scan::Parent;

use crate::limits::DOCUMENT_OVERHEAD;

/// A document and the little we know of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The JSON text, as it came but for a rewritten parent.
    pub bytes: Box<[u8]>,
    /// Its trace.
    pub trace_id: TraceId,
    /// Its parent, and where the digits stand.
    pub parent: Option<Parent>,
    /// When it arrived or was made.
    pub arrived: Timestamp,
    /// Whether its invocation has taken note of it.
    pub is_noted: bool,
}

impl AsRef<[u8]> for Document {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Document {
    /// What it costs to hold it.
    pub fn cost(&self) -> ByteCount {
        ByteCount::of(self.bytes.len()).plus(DOCUMENT_OVERHEAD)
    }
}

/// How much may leave in one batch.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Documents.
    pub documents: usize,
    /// Bytes of documents; the first document may be larger.
    pub bytes: ByteCount,
}

/// Documents on their way.
#[derive(Debug, Clone)]
pub struct Batch {
    /// In the order of arrival. Shared with the spool until the outbound has settled them.
    pub documents: Arc<Vec<Document>>,
}

/// Documents given up for lack of room.
#[must_use = "every loss is counted"]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Shed {
    /// How many.
    pub documents: u64,
}

/// The order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Sequence(u64);

struct Entry {
    sequence: u64,
    document: Document,
}

/// The spool.
pub struct Spool {
    budget: ByteCount,
    held: ByteCount,
    next_sequence: u64,
    /// Documents that may leave, oldest first.
    ready: VecDeque<Entry>,
    /// Documents that wait for the start of their trace, oldest first.
    waiting: VecDeque<Entry>,
    /// The one batch on its way, with the sequence of its first document.
    on_its_way: Option<(Arc<Vec<Document>>, u64)>,
}

impl Spool {
    /// An empty spool of this budget.
    pub fn new(budget: ByteCount) -> Self {
        Self {
            budget,
            held: ByteCount::ZERO,
            next_sequence: 0,
            ready: VecDeque::new(),
            waiting: VecDeque::new(),
            on_its_way: None,
        }
    }

    /// Changes the budget, giving up the oldest documents that no longer fit. A batch on its way stays.
    pub fn set_budget(&mut self, budget: ByteCount) -> Shed {
        self.budget = budget;
        let mut shed = Shed::default();
        self.make_room(ByteCount::ZERO, &mut shed);
        shed
    }

    /// Bytes it may hold.
    pub fn budget(&self) -> ByteCount {
        self.budget
    }

    /// Takes in a document that may leave at once, first giving up the oldest ones it needs room from.
    pub fn push(&mut self, document: Document) -> Shed {
        let (shed, entry) = self.admit(document);
        self.ready.extend(entry);
        shed
    }

    /// Takes in a document that waits for its trace to be known.
    pub fn push_waiting(&mut self, document: Document) -> Shed {
        let (shed, entry) = self.admit(document);
        self.waiting.extend(entry);
        shed
    }

    fn admit(&mut self, document: Document) -> (Shed, Option<Entry>) {
        let cost = document.cost();
        let mut shed = Shed::default();
        if !self.make_room(cost, &mut shed) {
            // Only a batch on its way is left: the newcomer is the one that has no room.
            shed.documents += 1;
            return (shed, None);
        }
        self.held = self.held.plus(cost);
        self.next_sequence += 1;
        (
            shed,
            Some(Entry {
                sequence: self.next_sequence,
                document,
            }),
        )
    }

    /// Gives up the oldest documents until `cost` fits. False if only a batch on its way is left.
    fn make_room(&mut self, cost: ByteCount, shed: &mut Shed) -> bool {
        while self.budget < self.held.plus(cost) {
            let Some(oldest) = self.take_oldest() else {
                return false;
            };
            self.held = self.held.minus(oldest.document.cost());
            shed.documents += 1;
        }
        true
    }

    fn take_oldest(&mut self) -> Option<Entry> {
        let of = |queue: &VecDeque<Entry>| queue.front().map_or(u64::MAX, |entry| entry.sequence);
        if of(&self.ready) <= of(&self.waiting) {
            self.ready.pop_front()
        } else {
            self.waiting.pop_front()
        }
    }

    /// Lets waiting documents leave for which `is_due` holds, after `attach` has seen them.
    pub fn release(&mut self, is_due: impl Fn(&Document) -> bool, mut attach: impl FnMut(&mut Document)) {
        let waiting = std::mem::take(&mut self.waiting);
        let (due, waiting): (VecDeque<_>, VecDeque<_>) =
            waiting.into_iter().partition(|entry| is_due(&entry.document));
        self.waiting = waiting;
        let any = !due.is_empty();
        for mut entry in due {
            attach(&mut entry.document);
            self.ready.push_back(entry);
        }
        if any {
            self.ready.make_contiguous().sort_by_key(|entry| entry.sequence);
        }
    }

    /// Takes the oldest ready documents for sending. None while a batch is on its way or nothing is ready.
    pub fn take(&mut self, limits: BatchLimits) -> Option<Batch> {
        if self.on_its_way.is_some() {
            return None;
        }
        let first = self.ready.front()?.sequence;
        let mut documents = Vec::new();
        let mut bytes = ByteCount::ZERO;
        while let Some(next) = self.ready.front() {
            bytes = bytes.plus(ByteCount::of(next.document.bytes.len()));
            let is_full = documents.len() >= limits.documents || bytes > limits.bytes;
            if is_full && !documents.is_empty() {
                break;
            }
            documents.extend(self.ready.pop_front().map(|entry| entry.document));
        }
        let documents = Arc::new(documents);
        self.on_its_way = Some((Arc::clone(&documents), first));
        Some(Batch { documents })
    }

    /// Settles the batch on its way: documents for which `keep` holds (by their place) go back to the front.
    ///
    /// Returns how many left the spool.
    pub fn settle(&mut self, keep: impl Fn(usize) -> bool) -> u64 {
        let Some((documents, first)) = self.on_its_way.take() else {
            return 0;
        };
        let documents = Arc::try_unwrap(documents).unwrap_or_else(|shared| shared.as_ref().clone());
        let mut left = 0;
        let mut back = Vec::new();
        for (place, document) in documents.into_iter().enumerate() {
            if keep(place) {
                back.push(Entry {
                    sequence: first,
                    document,
                });
            } else {
                self.held = self.held.minus(document.cost());
                left += 1;
            }
        }
        for entry in back.into_iter().rev() {
            self.ready.push_front(entry);
        }
        left
    }

    /// The document that arrived last.
    pub fn last_sequence(&self) -> Sequence {
        Sequence(self.next_sequence)
    }

    /// Whether a document that may leave arrived no later than this one.
    pub fn is_ready_up_to(&self, last: Sequence) -> bool {
        self.ready.front().is_some_and(|entry| entry.sequence <= last.0)
    }

    /// Documents held in any state.
    pub fn held_documents(&self) -> u64 {
        let on_its_way = self
            .on_its_way
            .as_ref()
            .map_or(0, |(documents, _)| documents.len());
        u64::try_from(self.ready.len() + self.waiting.len() + on_its_way).unwrap_or(u64::MAX)
    }

    /// Bytes held in any state, with their overhead.
    pub fn held(&self) -> ByteCount {
        self.held
    }

    /// Documents that may leave.
    pub fn ready_documents(&self) -> usize {
        self.ready.len()
    }

    /// Bytes of documents that may leave are at least this many.
    pub fn is_ready_over(&self, bytes: ByteCount) -> bool {
        let mut sum = ByteCount::ZERO;
        self.ready.iter().any(|entry| {
            sum = sum.plus(entry.document.cost());
            sum >= bytes
        })
    }

    /// Whether a batch is on its way.
    pub fn is_sending(&self) -> bool {
        self.on_its_way.is_some()
    }

    /// Arrival of the oldest document that may leave.
    pub fn oldest_ready(&self) -> Option<Timestamp> {
        self.ready.front().map(|entry| entry.document.arrived)
    }

    /// Arrival of the oldest document that waits.
    pub fn oldest_waiting(&self) -> Option<Timestamp> {
        self.waiting.front().map(|entry| entry.document.arrived)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn document(size: usize, mark: u8) -> Document {
        Document {
            bytes: vec![mark; size].into(),
            trace_id: TraceId::from_bytes([mark; 16]),
            parent: None,
            arrived: Timestamp::from_micros(i64::from(mark)),
            is_noted: true,
        }
    }

    const ANY: BatchLimits = BatchLimits {
        documents: 50,
        bytes: ByteCount::mib(1),
    };

    fn marks(batch: &Batch) -> Vec<u8> {
        batch.documents.iter().map(|document| document.bytes[0]).collect()
    }

    fn budget(documents: u64, size: u64) -> ByteCount {
        ByteCount::bytes(documents * (size + DOCUMENT_OVERHEAD.get()))
    }

    #[test]
    fn the_oldest_go_first_when_room_runs_out() {
        let mut spool = Spool::new(budget(3, 100));
        for mark in 1..=3 {
            assert_eq!(spool.push(document(100, mark)), Shed::default());
        }
        assert_eq!(spool.push_waiting(document(100, 4)), Shed { documents: 1 });
        assert_eq!(spool.push(document(100, 5)), Shed { documents: 1 });
        assert_eq!(marks(&spool.take(ANY).unwrap()), [3, 5]);
        assert_eq!(spool.held_documents(), 3);
    }

    #[test]
    fn the_budget_holds_to_the_byte() {
        let mut spool = Spool::new(budget(1, 100));
        assert_eq!(spool.push(document(100, 1)).documents, 0);
        assert_eq!(spool.push(document(101, 2)).documents, 2); // the oldest, and itself: it can never fit
        assert_eq!((spool.held_documents(), spool.held()), (0, ByteCount::ZERO));
    }

    #[test]
    fn a_smaller_budget_gives_up_the_oldest_that_no_longer_fit_but_no_batch_on_its_way() {
        let mut spool = Spool::new(budget(4, 100));
        for mark in 1..=2 {
            let _ = spool.push(document(100, mark));
        }
        let batch = spool.take(ANY).unwrap();
        for mark in 3..=4 {
            let _ = spool.push(document(100, mark));
        }
        assert_eq!(spool.set_budget(budget(3, 100)).documents, 1);
        assert_eq!(spool.set_budget(ByteCount::ZERO).documents, 1);
        assert_eq!((marks(&batch), spool.held_documents()), (vec![1, 2], 2));
    }

    #[test]
    fn a_batch_on_its_way_is_never_shed() {
        let mut spool = Spool::new(budget(2, 100));
        let _ = spool.push(document(100, 1));
        let _ = spool.push(document(100, 2));
        let batch = spool.take(ANY).unwrap();
        assert_eq!(spool.push(document(100, 3)).documents, 1);
        assert!(spool.take(ANY).is_none());
        assert_eq!(marks(&batch), [1, 2]);
        assert_eq!(spool.settle(|_| false), 2);
        assert_eq!(spool.held(), ByteCount::ZERO);
    }

    #[test]
    fn what_was_not_taken_goes_back_to_the_front() {
        let mut spool = Spool::new(budget(10, 100));
        for mark in 1..=4 {
            let _ = spool.push(document(100, mark));
        }
        let limits = BatchLimits { documents: 3, ..ANY };
        assert_eq!(marks(&spool.take(limits).unwrap()), [1, 2, 3]);
        assert_eq!(spool.settle(|place| place != 1), 1);
        assert_eq!(marks(&spool.take(limits).unwrap()), [1, 3, 4]);
    }

    #[test]
    fn a_batch_ends_before_its_bytes_do_but_a_large_document_leaves_alone() {
        let mut spool = Spool::new(budget(10, 100));
        for (size, mark) in [(60, 1), (40, 2), (1, 3), (200, 4), (10, 5)] {
            let _ = spool.push(document(size, mark));
        }
        let limits = BatchLimits {
            documents: 50,
            bytes: ByteCount::bytes(100),
        };
        let mut batches = Vec::new();
        while let Some(batch) = spool.take(limits) {
            batches.push(marks(&batch));
            spool.settle(|_| false);
        }
        assert_eq!(batches, [vec![1, 2], vec![3], vec![4], vec![5]]);
    }

    #[test]
    fn released_documents_take_their_old_place() {
        let mut spool = Spool::new(budget(10, 100));
        let _ = spool.push_waiting(document(10, 1));
        let _ = spool.push(document(10, 2));
        let _ = spool.push_waiting(document(10, 3));
        assert_eq!(marks(&spool.take(ANY).unwrap()), [2]);
        spool.settle(|_| true);
        let mut seen = 0;
        spool.release(|document| document.bytes[0] == 1, |_| seen += 1);
        assert_eq!((seen, marks(&spool.take(ANY).unwrap())), (1, vec![1, 2]));
        assert_eq!(spool.oldest_waiting(), Some(Timestamp::from_micros(3)));
    }

    proptest! {
        #[test]
        fn the_budget_and_the_sum_hold_whatever_happens(
            steps in proptest::collection::vec((0u8..5, 1usize..400), 1..200),
        ) {
            let limit = ByteCount::bytes(2000);
            let mut spool = Spool::new(limit);
            let (mut received, mut left) = (0, 0);
            for (step, size) in steps {
                match step {
                    0 => { received += 1; left += spool.push(document(size, 1)).documents; }
                    1 => { received += 1; left += spool.push_waiting(document(size, 2)).documents; }
                    2 => { let _ = spool.take(BatchLimits { documents: 3, bytes: ByteCount::bytes(500) }); }
                    3 => left += spool.settle(|place| place % 2 == 0),
                    _ => spool.release(|_| true, |_| ()),
                }
                prop_assert!(spool.held() <= limit);
                prop_assert_eq!(received, left + spool.held_documents());
                prop_assert_eq!(spool.held() == ByteCount::ZERO, spool.held_documents() == 0);
            }
        }
    }
}
