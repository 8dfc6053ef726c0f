//! The spool's second tier: what leaves memory for the files, and what comes from there to be sent.
//!
//! Documents in the files are older than those in memory, as far as anybody asks. They never come back to the
//! shelves: a batch is read, sent, and settled in the files.

use std::sync::Arc;

use model::size::ByteCount;

use super::shelves::{Entry, Order};
use super::{Batch, OnItsWay, Shed, Spool};
use crate::limits::SPILL_BATCH;
use crate::pipeline::document::Document;

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
    leaving: Vec<Document>,
    /// Whether there is something to recall.
    has_more: bool,
    is_recalling: bool,
    /// What became of the batch that was recalled.
    settled: Option<Vec<bool>>,
}

impl Tier {
    pub(super) fn none() -> Self {
        Self {
            overflow: Overflow::Shed,
            leaving: Vec::new(),
            has_more: false,
            is_recalling: false,
            settled: None,
        }
    }

    pub(super) fn spills(&self) -> bool {
        self.overflow != Overflow::Shed
    }

    /// A document that memory has no room for.
    pub(super) fn overflow(&mut self, document: Document, shed: &mut Shed) {
        if self.spills() {
            self.leaving.push(document);
        } else {
            shed.add(document.value);
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
    /// Says what becomes of documents that find no room from now on.
    pub fn set_overflow(&mut self, overflow: Overflow) {
        self.tier.overflow = overflow;
    }

    /// See [`Overflow`].
    pub fn overflow(&self) -> Overflow {
        self.tier.overflow
    }

    /// Whether the files have something to recall.
    pub fn set_file_has_more(&mut self, has_more: bool) {
        self.tier.has_more = has_more;
    }

    /// See [`Self::set_file_has_more`].
    pub fn file_has_more(&self) -> bool {
        self.tier.has_more
    }

    /// Whether a batch is read from the files, or came from there and is on its way.
    pub fn is_sending_from_files(&self) -> bool {
        let is_on_its_way = self
            .on_its_way
            .as_ref()
            .is_some_and(|way| matches!(way.origin, super::BatchOrigin::Files));
        is_on_its_way || self.tier.is_recalling
    }

    /// Whether something has left the shelves and is still to be taken to the files.
    pub fn is_leaving(&self) -> bool {
        !self.tier.leaving.is_empty()
    }

    /// The documents that go to the files next: `at_most` so many bytes, or up to one document more.
    pub fn take_spilling(&mut self, at_most: ByteCount) -> Vec<Document> {
        let mut bytes = ByteCount::ZERO;
        let has_room = |document: &&Document| {
            let is_in = bytes < at_most;
            bytes = bytes.plus(document.cost());
            is_in
        };
        let first = self.tier.leaving.iter().take_while(has_room).count();
        let rest = self.tier.leaving.split_off(first);
        let mut documents = std::mem::replace(&mut self.tier.leaving, rest);
        while let Overflow::SpillAll(order) = self.tier.overflow
            && bytes < at_most
        {
            let Some(Entry { document, .. }) = self.shelves.pop_ready(order) else {
                break;
            };
            self.held = self.held.minus(document.cost());
            bytes = bytes.plus(document.cost());
            documents.push(document);
        }
        documents
    }

    /// Documents that the files did not take come back if there is room.
    pub fn take_back(&mut self, documents: Vec<Document>) -> Shed {
        let mut shed = Shed::default();
        let mut back = Vec::new();
        let is_welcome = !self.tier.spills();
        for document in documents {
            let held = self.held.plus(document.cost());
            if is_welcome && held <= self.budget {
                self.held = held;
                back.push(Entry {
                    sequence: 0,
                    document,
                });
            } else {
                shed.add(document.value);
            }
        }
        self.shelves.put_back(back);
        shed
    }

    /// Whether documents in the files are what is to be sent next. If so, none else is until they come.
    pub fn recall(&mut self) -> bool {
        let is_wanted = self.tier.has_more && !self.is_sending() && self.shelves.ready_documents() == 0;
        self.tier.is_recalling = is_wanted;
        is_wanted
    }

    /// The answer to a recall. None if there was nothing after all.
    pub fn recalled(&mut self, documents: Vec<Document>) -> Option<Batch> {
        self.tier.is_recalling = false;
        if documents.is_empty() {
            return None;
        }
        let documents = Arc::new(documents);
        self.on_its_way = Some(OnItsWay {
            documents: Arc::clone(&documents),
            origin: super::BatchOrigin::Files,
        });
        Some(Batch { documents })
    }

    /// What became of the batch that was recalled last, once.
    pub fn take_settled(&mut self) -> Option<Vec<bool>> {
        self.tier.settled.take()
    }
}
