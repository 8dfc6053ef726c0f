//! Documents in memory: one shelf for each value, in the order of arrival on each.
//!
//! Invariants
//! - On a shelf the documents that may leave stand in the order of their sequence; so do those that wait.
//! - Nothing here goes through all documents but `release` and what follows a failed batch.

use std::collections::VecDeque;

use model::size::ByteCount;

use crate::pipeline::document::{ByValue, Document, Value};

/// Which documents leave first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The oldest, one trace in one call where it fits.
    Oldest,
    /// The most valuable, the oldest of them first: for the last chance.
    Valuable,
}

/// A document and its place in the order of arrival.
pub(super) struct Entry {
    pub(super) sequence: u64,
    pub(super) document: Document,
}

impl Entry {
    pub(super) fn length(&self) -> ByteCount {
        ByteCount::of(self.document.bytes.len())
    }
}

#[derive(Default)]
struct Shelf {
    /// May leave.
    ready: VecDeque<Entry>,
    /// Wait for the start of their trace.
    waiting: VecDeque<Entry>,
    cost: ByteCount,
}

impl Shelf {
    fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.waiting.is_empty()
    }

    fn pop_oldest(&mut self) -> Option<Entry> {
        if sequence(&self.ready) <= sequence(&self.waiting) {
            self.ready.pop_front()
        } else {
            self.waiting.pop_front()
        }
    }

    fn sort(&mut self) {
        if !self.ready.iter().is_sorted_by_key(|entry| entry.sequence) {
            self.ready.make_contiguous().sort_by_key(|entry| entry.sequence);
        }
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Shelves {
    shelves: ByValue<Shelf>,
    documents: usize,
    ready_documents: usize,
    ready_cost: ByteCount,
}

impl Shelves {
    pub(super) fn put_ready(&mut self, entry: Entry) {
        self.count_ready(&entry);
        self.shelf_for(&entry).ready.push_back(entry);
    }

    pub(super) fn put_waiting(&mut self, entry: Entry) {
        self.documents += 1;
        self.shelf_for(&entry).waiting.push_back(entry);
    }

    /// Puts documents back that may leave, the oldest first.
    pub(super) fn put_back(&mut self, entries: Vec<Entry>) {
        if entries.is_empty() {
            return;
        }
        for entry in entries.into_iter().rev() {
            self.count_ready(&entry);
            self.shelf_for(&entry).ready.push_front(entry);
        }
        // Where documents of other traces were passed over, older ones stand in front already.
        for value in Value::ALL {
            self.shelves.of_mut(value).sort();
        }
    }

    fn count_ready(&mut self, entry: &Entry) {
        self.documents += 1;
        self.ready_documents += 1;
        self.ready_cost = self.ready_cost.plus(entry.document.cost());
    }

    fn shelf_for(&mut self, entry: &Entry) -> &mut Shelf {
        let shelf = self.shelves.of_mut(entry.document.value);
        shelf.cost = shelf.cost.plus(entry.document.cost());
        shelf
    }

    /// The next document that may leave.
    pub(super) fn pop_ready(&mut self, order: Order) -> Option<Entry> {
        let with_any = |value: &Value| !self.shelves.of(*value).ready.is_empty();
        let value = match order {
            Order::Oldest => Value::ALL
                .into_iter()
                .filter(with_any)
                .min_by_key(|value| sequence(&self.shelves.of(*value).ready)),
            Order::Valuable => Value::ALL.into_iter().rfind(with_any),
        }?;
        let shelf = self.shelves.of_mut(value);
        let entry = shelf.ready.pop_front()?;
        shelf.cost = shelf.cost.minus(entry.document.cost());
        self.uncount_ready(&entry);
        Some(entry)
    }

    /// The document that is missed least: the oldest of the least value, if that is no more than `at_most`.
    pub(super) fn pop_least(&mut self, at_most: Value) -> Option<Entry> {
        let with_any = |value: &Value| !self.shelves.of(*value).is_empty();
        let value = Value::ALL
            .into_iter()
            .filter(|value| *value <= at_most)
            .find(with_any)?;
        let shelf = self.shelves.of_mut(value);
        let was_ready = shelf.ready.len();
        let entry = shelf.pop_oldest()?;
        let is_ready = shelf.ready.len() < was_ready;
        shelf.cost = shelf.cost.minus(entry.document.cost());
        if is_ready {
            self.uncount_ready(&entry);
        } else {
            self.documents -= 1;
        }
        Some(entry)
    }

    fn uncount_ready(&mut self, entry: &Entry) {
        self.documents -= 1;
        self.ready_documents -= 1;
        self.ready_cost = self.ready_cost.minus(entry.document.cost());
    }

    /// What giving up everything of no more than this value would free.
    pub(super) fn cost_up_to(&self, value: Value) -> ByteCount {
        Value::ALL
            .into_iter()
            .filter(|one| *one <= value)
            .fold(ByteCount::ZERO, |sum, one| sum.plus(self.shelves.of(one).cost))
    }

    /// Lets waiting documents leave for which `is_due` holds, after `attach` has seen them.
    pub(super) fn release(
        &mut self,
        is_due: impl Fn(&Document) -> bool,
        mut attach: impl FnMut(&mut Document),
    ) {
        for value in Value::ALL {
            let shelf = self.shelves.of_mut(value);
            let before = shelf.ready.len();
            for mut entry in std::mem::take(&mut shelf.waiting) {
                if is_due(&entry.document) {
                    attach(&mut entry.document);
                    self.ready_cost = self.ready_cost.plus(entry.document.cost());
                    shelf.ready.push_back(entry);
                } else {
                    shelf.waiting.push_back(entry);
                }
            }
            self.ready_documents += shelf.ready.len() - before;
            if shelf.ready.len() > before {
                shelf.sort();
            }
        }
    }

    /// Documents that may leave, the oldest first.
    pub(super) fn ready_in_order(&self) -> impl Iterator<Item = &Entry> {
        let mut queues = Value::ALL.map(|value| self.shelves.of(value).ready.iter().peekable());
        std::iter::from_fn(move || {
            let next = queues
                .iter_mut()
                .filter_map(|queue| Some((queue.peek()?.sequence, queue)))
                .min_by_key(|(sequence, _)| *sequence);
            next.and_then(|(_, queue)| queue.next())
        })
    }

    pub(super) fn oldest_ready(&self) -> Option<&Entry> {
        let fronts = Value::ALL.map(|value| self.shelves.of(value).ready.front());
        fronts.into_iter().flatten().min_by_key(|entry| entry.sequence)
    }

    pub(super) fn oldest_waiting(&self) -> Option<&Entry> {
        let fronts = Value::ALL.map(|value| self.shelves.of(value).waiting.front());
        fronts.into_iter().flatten().min_by_key(|entry| entry.sequence)
    }

    /// Gives back the room that a burst made it take.
    pub(super) fn shrink(&mut self) {
        for value in Value::ALL {
            let shelf = self.shelves.of_mut(value);
            shelf.ready.shrink_to_fit();
            shelf.waiting.shrink_to_fit();
        }
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        let places = Value::ALL.map(|value| {
            let shelf = self.shelves.of(value);
            shelf.ready.capacity() + shelf.waiting.capacity()
        });
        places.iter().sum()
    }

    pub(super) fn documents(&self) -> usize {
        self.documents
    }

    pub(super) fn ready_documents(&self) -> usize {
        self.ready_documents
    }

    pub(super) fn ready_cost(&self) -> ByteCount {
        self.ready_cost
    }
}

fn sequence(queue: &VecDeque<Entry>) -> u64 {
    queue.front().map_or(u64::MAX, |entry| entry.sequence)
}
