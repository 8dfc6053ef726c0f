//! Holds documents between arrival and sending, within a byte budget.
//!
//! The extension lives in the function's memory, so a slow X-Ray must cost traces, never the function. When
//! room runs out the documents that are missed least go first, the oldest of them first: the newest describe
//! the invocation somebody is looking at.
//!
//! Invariants
//! - `held` is the sum of the costs of everything waiting, ready and on its way, and never exceeds `budget` but
//!   for a batch that was on its way when the budget was lowered.
//! - A document leaves exactly once: taken by X-Ray, refused, counted as shed, or gone to the files.
//! - A batch on its way belongs to the outbound until it is settled; it is never shed.
//! - A document never goes for one of less value.
//!
//! Pure: no clock, no I/O, no logging.

mod batch;
mod shelves;
mod tier;

use std::sync::Arc;

use model::size::ByteCount;
use model::time::Timestamp;

use super::document::{ByValue, Document, Value};
use shelves::{Entry, Shelves};
use tier::Tier;

pub use shelves::Order;
pub use tier::Overflow;

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
    /// How many of each value.
    pub documents: ByValue<u64>,
}

impl Shed {
    fn add(&mut self, value: Value) {
        *self.documents.of_mut(value) += 1;
    }
}

/// The order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Sequence(u64);

/// The one batch on its way.
struct OnItsWay {
    documents: Arc<Vec<Document>>,
    origin: BatchOrigin,
}

/// Where a batch came from.
enum BatchOrigin {
    /// The shelves, where each document has its place.
    Memory { sequences: Vec<u64>, cost: ByteCount },
    /// The files, which hold it until it is settled.
    Files,
}

/// The spool.
pub struct Spool {
    budget: ByteCount,
    held: ByteCount,
    next_sequence: u64,
    shelves: Shelves,
    on_its_way: Option<OnItsWay>,
    tier: Tier,
}

impl Spool {
    /// An empty spool of this budget.
    pub fn new(budget: ByteCount) -> Self {
        Self {
            budget,
            held: ByteCount::ZERO,
            next_sequence: 0,
            shelves: Shelves::default(),
            on_its_way: None,
            tier: Tier::none(),
        }
    }

    /// Bytes it may hold.
    pub fn budget(&self) -> ByteCount {
        self.budget
    }

    /// Changes the budget, giving up what no longer fits. A batch on its way stays.
    pub fn set_budget(&mut self, budget: ByteCount) -> Shed {
        self.budget = budget;
        let mut shed = Shed::default();
        self.make_room(ByteCount::ZERO, Value::Platform, &mut shed);
        shed
    }

    /// Takes in a document that may leave at once, first giving up what it needs room from.
    pub fn push(&mut self, document: Document) -> Shed {
        let (shed, entry) = self.admit(document);
        if let Some(entry) = entry {
            self.shelves.put_ready(entry);
        }
        shed
    }

    /// Takes in a document that waits for its trace to be known.
    pub fn push_waiting(&mut self, document: Document) -> Shed {
        let (shed, entry) = self.admit(document);
        if let Some(entry) = entry {
            self.shelves.put_waiting(entry);
        }
        shed
    }

    fn admit(&mut self, document: Document) -> (Shed, Option<Entry>) {
        let cost = document.cost();
        let mut shed = Shed::default();
        // What is on its way and what is worth more than the newcomer stays, whatever comes.
        let stays = self.held.minus(self.shelves.cost_up_to(document.value));
        if self.budget < stays.plus(cost) {
            self.tier.overflow(document, &mut shed);
            return (shed, None);
        }
        self.make_room(cost, document.value, &mut shed);
        self.held = self.held.plus(cost);
        self.next_sequence += 1;
        let sequence = self.next_sequence;
        (shed, Some(Entry { sequence, document }))
    }

    /// Gives up documents of no more than this value until `cost` fits.
    fn make_room(&mut self, cost: ByteCount, at_most: Value, shed: &mut Shed) {
        if self.budget >= self.held.plus(cost) {
            return;
        }
        let cost = cost.plus(self.tier.batch(self.budget));
        while self.budget < self.held.plus(cost) {
            let Some(least) = self.shelves.pop_least(at_most) else {
                return;
            };
            self.held = self.held.minus(least.document.cost());
            self.tier.overflow(least.document, shed);
        }
    }

    /// Lets waiting documents leave for which `is_due` holds, after `attach` has seen them.
    pub fn release(&mut self, is_due: impl Fn(&Document) -> bool, attach: impl FnMut(&mut Document)) {
        self.shelves.release(is_due, attach);
    }

    /// Gives back the room that a burst of documents made its queues take.
    pub fn shrink(&mut self) {
        self.shelves.shrink();
    }

    /// Places in the queues, taken or not.
    #[cfg(test)]
    pub(crate) fn places(&self) -> usize {
        self.shelves.places()
    }

    /// Takes ready documents for sending. None while a batch is on its way or nothing is ready.
    pub fn take(&mut self, limits: BatchLimits, order: Order) -> Option<Batch> {
        if self.is_sending() || self.shelves.ready_documents() == 0 {
            return None;
        }
        let entries = batch::take(&mut self.shelves, limits, order);
        let sequences = entries.iter().map(|entry| entry.sequence).collect();
        let cost = entries.iter().map(|entry| entry.document.cost());
        let cost = cost.fold(ByteCount::ZERO, ByteCount::plus);
        let documents: Arc<Vec<Document>> =
            Arc::new(entries.into_iter().map(|entry| entry.document).collect());
        self.on_its_way = Some(OnItsWay {
            documents: Arc::clone(&documents),
            origin: BatchOrigin::Memory { sequences, cost },
        });
        Some(Batch { documents })
    }

    /// Settles the batch on its way: documents for which `keep` holds (by their place) go back where they stood.
    ///
    /// Returns how many left the spool.
    pub fn settle(&mut self, keep: impl Fn(usize) -> bool) -> u64 {
        let Some(way) = self.on_its_way.take() else {
            return 0;
        };
        let (sequences, cost) = match way.origin {
            BatchOrigin::Memory { sequences, cost } => (sequences, cost),
            BatchOrigin::Files => {
                let keep: Vec<bool> = (0..way.documents.len()).map(keep).collect();
                let left = keep.iter().filter(|keep| !**keep).count();
                self.tier.settle(keep);
                return u64::try_from(left).unwrap_or(u64::MAX);
            }
        };
        let documents = Arc::try_unwrap(way.documents).unwrap_or_else(|shared| shared.as_ref().clone());
        self.held = self.held.minus(cost);
        let mut left = 0;
        let mut back = Vec::new();
        for (place, (document, sequence)) in documents.into_iter().zip(sequences).enumerate() {
            if keep(place) {
                self.held = self.held.plus(document.cost());
                back.push(Entry { sequence, document });
            } else {
                left += 1;
            }
        }
        self.shelves.put_back(back);
        left
    }

    /// The document that arrived last.
    pub fn last_sequence(&self) -> Sequence {
        Sequence(self.next_sequence)
    }

    /// Whether a document in memory that may leave arrived no later than this one.
    pub fn is_ready_up_to(&self, last: Sequence) -> bool {
        let oldest = self.shelves.oldest_ready();
        oldest.is_some_and(|entry| entry.sequence <= last.0)
    }

    /// Documents held in memory in any state. What the files hold is their own account.
    pub fn held_documents(&self) -> u64 {
        let on_its_way = match &self.on_its_way {
            Some(OnItsWay {
                documents,
                origin: BatchOrigin::Memory { .. },
            }) => documents.len(),
            _ => 0,
        };
        u64::try_from(self.shelves.documents() + on_its_way + self.tier.leaving()).unwrap_or(u64::MAX)
    }

    /// Bytes held in memory in any state, with their overhead; without what is leaving for the files.
    pub fn held(&self) -> ByteCount {
        self.held
    }

    /// Documents that may leave. Those in the files, of which nobody knows how many there are, count as one.
    pub fn ready_documents(&self) -> usize {
        self.shelves.ready_documents() + usize::from(self.tier.has_more())
    }

    /// Bytes of documents that may leave are at least this many.
    pub fn is_ready_over(&self, bytes: ByteCount) -> bool {
        self.shelves.ready_cost() >= bytes
    }

    /// Whether a batch is on its way.
    pub fn is_sending(&self) -> bool {
        self.on_its_way.is_some() || self.tier.is_recalling()
    }

    /// How many documents the batch on its way has.
    pub fn documents_on_their_way(&self) -> u64 {
        let documents = self.on_its_way.as_ref().map_or(0, |way| way.documents.len());
        u64::try_from(documents).unwrap_or(u64::MAX)
    }

    /// Arrival of the oldest document that may leave. What is in the files has waited long enough.
    pub fn oldest_ready(&self) -> Option<Timestamp> {
        if self.tier.has_more() {
            return Some(Timestamp::default());
        }
        self.shelves.oldest_ready().map(|entry| entry.document.arrived)
    }

    /// Arrival of the oldest document that waits.
    pub fn oldest_waiting(&self) -> Option<Timestamp> {
        self.shelves.oldest_waiting().map(|entry| entry.document.arrived)
    }
}

#[cfg(test)]
mod tests;
