//! The spool's second tier, a lane's own: what leaves memory for the files, and what comes from there to be sent.
//!
//! Documents in the files are older than those in memory, as far as anybody asks. They never come back to the
//! shelves: a batch is read, sent, and settled in the files.

use std::sync::Arc;

use model::size::ByteCount;

use super::{Batch, Held, OnItsWay, Order, Shed, Spool};
use crate::limits::SPILL_BATCH;
use crate::pipeline::document::Document;
use crate::pipeline::lane::Lane;

/// What becomes of documents that memory has no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// They are shed.
    Shed,
    /// They go to the files.
    Spill,
    /// Everything that may leave goes there, in this order, room or not. What waits for its trace follows when it
    /// is released.
    SpillAll(Order),
}

/// The way to the files and back.
pub(super) struct Tier {
    pub(super) overflow: Overflow,
    /// Documents that have left the shelves for the files.
    leaving: Vec<Held>,
    /// Whether there is something to recall.
    has_more: bool,
    is_recalling: bool,
    /// What became of the batch that was recalled.
    settled: Option<Vec<bool>>,
}

impl Default for Tier {
    fn default() -> Self {
        Self {
            overflow: Overflow::Shed,
            leaving: Vec::new(),
            has_more: false,
            is_recalling: false,
            settled: None,
        }
    }
}

impl Tier {
    pub(super) fn spills(&self) -> bool {
        self.overflow != Overflow::Shed
    }

    /// A document that memory has no room for.
    pub(super) fn overflow(&mut self, lane: Lane, held: Held, shed: &mut Shed) {
        if self.spills() {
            self.leaving.push(held);
        } else {
            shed.add(lane, held.value);
        }
    }

    /// How much room to make at once, so that not every document costs a write.
    pub(super) fn batch(&self, budget: ByteCount) -> ByteCount {
        if self.spills() {
            SPILL_BATCH.min(ByteCount::bytes(budget.get() / 4))
        } else {
            ByteCount::ZERO
        }
    }

    pub(super) fn leaving(&self) -> usize {
        self.leaving.len()
    }

    pub(super) fn has_more(&self) -> bool {
        self.has_more
    }

    pub(super) fn is_recalling(&self) -> bool {
        self.is_recalling
    }

    /// What became of the batch that was recalled, to be told to the files.
    pub(super) fn settle(&mut self, keep: Vec<bool>) {
        self.settled = Some(keep);
    }
}

impl Spool {
    /// Says what becomes of a lane's documents that find no room from now on.
    pub fn set_overflow(&mut self, lane: Lane, overflow: Overflow) {
        self.queues.of_mut(lane).tier.overflow = overflow;
    }

    /// Whether a lane's files have something to recall.
    pub fn set_file_has_more(&mut self, lane: Lane, has_more: bool) {
        self.queues.of_mut(lane).tier.has_more = has_more;
    }

    /// See [`Self::set_file_has_more`].
    pub fn file_has_more(&self, lane: Lane) -> bool {
        self.queues.of(lane).tier.has_more
    }

    /// Whether a lane's batch is read from the files, or came from there and is on its way.
    pub fn is_sending_from_files(&self, lane: Lane) -> bool {
        let queue = self.queues.of(lane);
        let is_on_its_way = queue.on_its_way.as_ref().is_some_and(|way| way.are_from_files);
        is_on_its_way || queue.tier.is_recalling
    }

    /// Whether something has left a lane's queue and is still to be taken to the files.
    pub fn is_leaving(&self, lane: Lane) -> bool {
        !self.queues.of(lane).tier.leaving.is_empty()
    }

    /// The documents that go to a lane's files next: `at_most` so many bytes, or up to one document more.
    pub fn take_spilling(&mut self, lane: Lane, at_most: ByteCount) -> Vec<Held> {
        let mut bytes = ByteCount::ZERO;
        let has_room = |held: &&Held| {
            let is_in = bytes < at_most;
            bytes = bytes.plus(held.cost());
            is_in
        };
        let tier = &mut self.queues.of_mut(lane).tier;
        let first = tier.leaving.iter().take_while(has_room).count();
        let rest = tier.leaving.split_off(first);
        let overflow = tier.overflow;
        let mut documents = std::mem::replace(&mut tier.leaving, rest);
        while let Overflow::SpillAll(order) = overflow
            && bytes < at_most
        {
            let Some(held) = self.pull(lane, order) else {
                break;
            };
            bytes = bytes.plus(held.cost());
            documents.push(held);
        }
        documents
    }

    /// Documents that a lane's files did not take come back if there is room.
    pub fn take_back(&mut self, lane: Lane, documents: Vec<Held>) -> Shed {
        let mut shed = Shed::default();
        let mut back = Vec::new();
        let is_welcome = !self.queues.of(lane).tier.spills();
        for held in documents {
            // Another lane may have it still: then it takes no more room.
            let is_new = held.owed().is_empty();
            let total = if is_new {
                self.held.plus(held.cost())
            } else {
                self.held
            };
            if is_welcome && total <= self.budget {
                self.held = total;
                if is_new {
                    let loose = self.loose.of_mut(held.value);
                    *loose = loose.plus(held.cost());
                }
                held.queue(lane);
                back.push(held);
            } else {
                shed.add(lane, held.value);
            }
        }
        self.queues.of_mut(lane).shelves.put_back(back);
        shed
    }

    /// Whether documents in a lane's files are what is to be sent next. If so, none else is until they come.
    pub fn recall(&mut self, lane: Lane) -> bool {
        let is_sending = self.is_sending(lane);
        let queue = self.queues.of_mut(lane);
        let is_wanted = queue.tier.has_more && !is_sending && queue.shelves.documents() == 0;
        queue.tier.is_recalling = is_wanted;
        is_wanted
    }

    /// The answer to a recall. None if there was nothing after all.
    pub fn recalled(&mut self, lane: Lane, documents: Vec<Document>) -> Option<Batch> {
        let queue = self.queues.of_mut(lane);
        queue.tier.is_recalling = false;
        if documents.is_empty() {
            return None;
        }
        let documents = Arc::new(documents.into_iter().map(Held::from).collect::<Vec<_>>());
        queue.on_its_way = Some(OnItsWay {
            documents: Arc::clone(&documents),
            are_from_files: true,
        });
        Some(Batch { documents })
    }

    /// What became of a lane's batch that was recalled last, once.
    pub fn take_settled(&mut self, lane: Lane) -> Option<Vec<bool>> {
        self.queues.of_mut(lane).tier.settled.take()
    }
}
