//! Holds documents between arrival and sending, within a byte budget, for every outbound that is to get them.
//!
//! The extension lives in the function's memory, so a slow destination must cost traces, never the function. When
//! room runs out the documents that are missed least go first, the oldest of them first: the newest describe
//! the invocation somebody is looking at.
//!
//! A document is held once, and each outbound (a [`Lane`]) has a queue of those it still owes. So one that is slow
//! or dead is ahead of nobody: what it alone still has goes first when room runs out, and what the others owe does
//! not go for it.
//!
//! Invariants
//! - `held` is the sum of the costs of everything waiting, ready and on its way, each document once, and never
//!   exceeds `budget` but for batches that were on their way when the budget was lowered.
//! - A document leaves each lane exactly once: taken, refused, counted as shed, or gone to the files.
//! - A batch on its way belongs to its outbound until it is settled; it is never shed.
//! - A document never goes for one of less value that is owed to the same lanes.
//!
//! Pure: no clock, no I/O, no logging.

mod batch;
mod held;
mod room;
mod shelves;
mod tier;
mod waiting;

use std::sync::Arc;

use model::size::ByteCount;
use model::time::Timestamp;

use super::document::{ByValue, Document, Value};
use super::lane::{Lane, Lanes, PerLane};
use crate::limits::LANES_MAX;
use shelves::Shelves;
use tier::Tier;
use waiting::{Entry, Waiting};

pub use held::Held;
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
    pub documents: Arc<Vec<Held>>,
}

/// Documents given up for lack of room.
#[must_use = "every loss is counted"]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Shed {
    /// How many of each value, by lane.
    lanes: [ByValue<u64>; LANES_MAX],
}

impl Shed {
    /// What each lane lost, where it lost something.
    pub fn each(&self) -> impl Iterator<Item = (Lane, ByValue<u64>)> {
        let lanes = Lane::all().zip(self.lanes);
        lanes.filter(|(_, documents)| *documents != ByValue::default())
    }

    fn add(&mut self, lane: Lane, value: Value) {
        for (one, documents) in Lane::all().zip(&mut self.lanes) {
            *documents.of_mut(value) += u64::from(one == lane);
        }
    }
}

/// The order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Sequence(u64);

/// The one batch of a lane that is on its way.
struct OnItsWay {
    documents: Arc<Vec<Held>>,
    /// They came from the files, which hold them until they are settled.
    are_from_files: bool,
}

/// What an outbound still owes.
#[derive(Default)]
struct Queue {
    shelves: Shelves,
    on_its_way: Option<OnItsWay>,
    tier: Tier,
}

/// The spool.
pub struct Spool {
    budget: ByteCount,
    held: ByteCount,
    /// Of it, what is on no lane's way: what giving documents up would free.
    loose: ByValue<ByteCount>,
    next_sequence: u64,
    waiting: Waiting,
    queues: PerLane<Queue>,
}

impl Spool {
    /// An empty spool of this budget, with a queue for each of these.
    pub fn new<T>(budget: ByteCount, lanes: &PerLane<T>) -> Self {
        Self {
            budget,
            held: ByteCount::ZERO,
            loose: ByValue::default(),
            next_sequence: 0,
            waiting: Waiting::default(),
            queues: lanes.map(|_| Queue::default()),
        }
    }

    /// Bytes it may hold.
    pub fn budget(&self) -> ByteCount {
        self.budget
    }

    /// Takes in a document that may leave these lanes at once, first giving up what it needs room from.
    pub fn push(&mut self, document: Document, lanes: Lanes) -> Shed {
        let (shed, entry) = self.admit(document, lanes);
        if let Some(entry) = entry {
            self.put(entry, lanes);
        }
        shed
    }

    /// Takes in a document that waits for its trace to be known, and will leave every lane.
    pub fn push_waiting(&mut self, document: Document) -> Shed {
        let (shed, entry) = self.admit(document, self.queues.lanes());
        if let Some(entry) = entry {
            self.waiting.put(entry);
        }
        shed
    }

    /// Puts a document into the queues of these lanes.
    fn put(&mut self, entry: Entry, lanes: Lanes) {
        let held = Held::new(entry.document, entry.sequence);
        for lane in lanes.each() {
            held.queue(lane);
            self.queues.of_mut(lane).shelves.put(held.clone());
        }
    }

    /// Lets waiting documents leave for which `is_due` holds, after `attach` has seen them.
    pub fn release(&mut self, is_due: impl Fn(&Document) -> bool, mut attach: impl FnMut(&mut Document)) {
        let mut is_any = false;
        for value in Value::ALL {
            for mut entry in self.waiting.take(value, &is_due) {
                attach(&mut entry.document);
                self.put(entry, self.queues.lanes());
                is_any = true;
            }
        }
        if is_any {
            self.queues.each_mut().for_each(|(_, queue)| queue.shelves.sort());
        }
    }

    /// Gives back the room that a burst of documents made its queues take.
    pub fn shrink(&mut self) {
        self.waiting.shrink();
        self.queues
            .each_mut()
            .for_each(|(_, queue)| queue.shelves.shrink());
    }

    /// Places in the queues, taken or not.
    #[cfg(test)]
    pub(crate) fn places(&self) -> usize {
        let places = self.queues.each().map(|(_, queue)| queue.shelves.places());
        self.waiting.places() + places.sum::<usize>()
    }

    /// Takes ready documents for sending. None while a batch of this lane is on its way or nothing is ready.
    pub fn take(&mut self, lane: Lane, limits: BatchLimits, order: Order) -> Option<Batch> {
        if self.is_sending(lane) {
            return None;
        }
        let queue = self.queues.of_mut(lane);
        if queue.shelves.documents() == 0 {
            return None;
        }
        let documents = batch::take(&mut queue.shelves, limits, order);
        for held in &documents {
            if held.under_way().is_empty() {
                let loose = self.loose.of_mut(held.value);
                *loose = loose.minus(held.cost());
            }
            held.depart(lane);
        }
        let documents = Arc::new(documents);
        queue.on_its_way = Some(OnItsWay {
            documents: Arc::clone(&documents),
            are_from_files: false,
        });
        Some(Batch { documents })
    }

    /// Settles a lane's batch on its way: documents for which `keep` holds (by their place) go back where they stood.
    ///
    /// Returns how many left the lane.
    pub fn settle(&mut self, lane: Lane, keep: impl Fn(usize) -> bool) -> u64 {
        let queue = self.queues.of_mut(lane);
        let Some(way) = queue.on_its_way.take() else {
            return 0;
        };
        if way.are_from_files {
            let keep: Vec<bool> = (0..way.documents.len()).map(keep).collect();
            let left = keep.iter().filter(|keep| !**keep).count();
            queue.tier.settle(keep);
            return u64::try_from(left).unwrap_or(u64::MAX);
        }
        let documents = Arc::try_unwrap(way.documents).unwrap_or_else(|shared| shared.as_ref().clone());
        let mut left = 0;
        let mut back = Vec::new();
        for (place, held) in documents.into_iter().enumerate() {
            if keep(place) {
                held.queue(lane);
                self.loosen(&held);
                back.push(held);
            } else {
                held.leave(lane);
                self.let_go(&held);
                left += 1;
            }
        }
        self.queues.of_mut(lane).shelves.put_back(back);
        left
    }

    /// A document was on a lane's way, which has it no more.
    fn let_go(&mut self, held: &Held) {
        if held.owed().is_empty() {
            self.held = self.held.minus(held.cost());
        } else {
            self.loosen(held);
        }
    }

    /// A document was on a lane's way, and is in some queue now.
    fn loosen(&mut self, held: &Held) {
        if held.under_way().is_empty() {
            let loose = self.loose.of_mut(held.value);
            *loose = loose.plus(held.cost());
        }
    }

    /// The document that arrived last.
    pub fn last_sequence(&self) -> Sequence {
        Sequence(self.next_sequence)
    }

    /// Whether a document in memory that may leave a lane arrived no later than this one.
    pub fn is_ready_up_to(&self, lane: Lane, last: Sequence) -> bool {
        let oldest = self.queues.of(lane).shelves.oldest();
        oldest.is_some_and(|held| held.sequence() <= last.0)
    }

    /// Documents held in memory for a lane in any state. What the files hold is their own account.
    pub fn held_documents(&self, lane: Lane) -> u64 {
        let queue = self.queues.of(lane);
        let on_its_way = match &queue.on_its_way {
            Some(way) if !way.are_from_files => way.documents.len(),
            _ => 0,
        };
        let documents =
            self.waiting.documents() + queue.shelves.documents() + on_its_way + queue.tier.leaving();
        u64::try_from(documents).unwrap_or(u64::MAX)
    }

    /// Bytes held in memory in any state, with their overhead; without what is leaving for the files.
    pub fn held(&self) -> ByteCount {
        self.held
    }

    /// Documents that may leave a lane. Those in its files, of which nobody knows how many there are, count as one.
    pub fn ready_documents(&self, lane: Lane) -> usize {
        let queue = self.queues.of(lane);
        queue.shelves.documents() + usize::from(queue.tier.has_more())
    }

    /// Bytes of documents that may leave a lane are at least this many.
    pub fn is_ready_over(&self, lane: Lane, bytes: ByteCount) -> bool {
        self.queues.of(lane).shelves.cost() >= bytes
    }

    /// Whether a lane's batch is on its way.
    pub fn is_sending(&self, lane: Lane) -> bool {
        let queue = self.queues.of(lane);
        queue.on_its_way.is_some() || queue.tier.is_recalling()
    }

    /// How many documents a lane's batch on its way has.
    pub fn documents_on_their_way(&self, lane: Lane) -> u64 {
        let way = self.queues.of(lane).on_its_way.as_ref();
        u64::try_from(way.map_or(0, |way| way.documents.len())).unwrap_or(u64::MAX)
    }

    /// Arrival of the oldest document that may leave a lane. What is in its files has waited long enough.
    pub fn oldest_ready(&self, lane: Lane) -> Option<Timestamp> {
        let queue = self.queues.of(lane);
        if queue.tier.has_more() {
            return Some(Timestamp::default());
        }
        queue.shelves.oldest().map(|held| held.arrived)
    }

    /// Arrival of the oldest document that waits.
    pub fn oldest_waiting(&self) -> Option<Timestamp> {
        self.waiting.oldest().map(|entry| entry.document.arrived)
    }
}

#[cfg(test)]
mod tests;
