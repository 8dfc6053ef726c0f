//! One lane's documents in memory that may leave: a shelf for each value, in the order of arrival on each.
//!
//! Invariants
//! - On a shelf documents stand in the order of their sequence.
//! - Nothing here goes through all documents but what follows a release or a failed batch.

use std::collections::VecDeque;

use model::size::ByteCount;

use super::held::Held;
use crate::limits::LANE_LOOK;
use crate::pipeline::document::{ByValue, Value};

/// Which documents leave first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The oldest, one trace in one call where it fits.
    Oldest,
    /// The most valuable, the oldest of them first: for the last chance.
    Valuable,
}

/// See the module.
#[derive(Default)]
pub(super) struct Shelves {
    shelves: ByValue<VecDeque<Held>>,
    documents: usize,
    cost: ByteCount,
}

impl Shelves {
    /// Puts a document behind all others of its value.
    pub(super) fn put(&mut self, held: Held) {
        self.count(&held);
        self.shelves.of_mut(held.value).push_back(held);
    }

    /// Puts documents back, the oldest first.
    pub(super) fn put_back(&mut self, documents: Vec<Held>) {
        if documents.is_empty() {
            return;
        }
        for held in documents.into_iter().rev() {
            self.count(&held);
            self.shelves.of_mut(held.value).push_front(held);
        }
        // Where documents of other traces were passed over, older ones stand in front already.
        self.sort();
    }

    /// Puts in order what was put behind younger documents.
    pub(super) fn sort(&mut self) {
        for value in Value::ALL {
            let shelf = self.shelves.of_mut(value);
            if !shelf.iter().is_sorted_by_key(Held::sequence) {
                shelf.make_contiguous().sort_by_key(Held::sequence);
            }
        }
    }

    fn count(&mut self, held: &Held) {
        self.documents += 1;
        self.cost = self.cost.plus(held.cost());
    }

    fn uncount(&mut self, held: &Held) {
        self.documents -= 1;
        self.cost = self.cost.minus(held.cost());
    }

    /// The next document to leave.
    pub(super) fn pop(&mut self, order: Order) -> Option<Held> {
        let with_any = |value: &Value| !self.shelves.of(*value).is_empty();
        let value = match order {
            Order::Oldest => Value::ALL
                .into_iter()
                .filter(with_any)
                .min_by_key(|value| self.shelves.of(*value).front().map(Held::sequence)),
            Order::Valuable => Value::ALL.into_iter().rfind(with_any),
        }?;
        let held = self.shelves.of_mut(value).pop_front()?;
        self.uncount(&held);
        Some(held)
    }

    /// The oldest of this value for which something holds, among the first few.
    pub(super) fn find(&self, value: Value, is_meant: impl Fn(&Held) -> bool) -> Option<&Held> {
        let shelf = self.shelves.of(value).iter();
        shelf.take(LANE_LOOK).find(|held| is_meant(held))
    }

    /// Takes a document away if it is here.
    pub(super) fn remove(&mut self, value: Value, sequence: u64) -> Option<Held> {
        let shelf = self.shelves.of_mut(value);
        let place = shelf.binary_search_by_key(&sequence, Held::sequence).ok()?;
        let held = shelf.remove(place)?;
        self.uncount(&held);
        Some(held)
    }

    /// All documents, the oldest first.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &Held> {
        let mut queues = Value::ALL.map(|value| self.shelves.of(value).iter().peekable());
        std::iter::from_fn(move || {
            let next = queues
                .iter_mut()
                .filter_map(|queue| Some((queue.peek()?.sequence(), queue)))
                .min_by_key(|(sequence, _)| *sequence);
            next.and_then(|(_, queue)| queue.next())
        })
    }

    pub(super) fn oldest(&self) -> Option<&Held> {
        let fronts = Value::ALL.map(|value| self.shelves.of(value).front());
        fronts.into_iter().flatten().min_by_key(|held| held.sequence())
    }

    /// Gives back the room that a burst made it take.
    pub(super) fn shrink(&mut self) {
        for value in Value::ALL {
            self.shelves.of_mut(value).shrink_to_fit();
        }
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        Value::ALL
            .map(|value| self.shelves.of(value).capacity())
            .iter()
            .sum()
    }

    pub(super) fn documents(&self) -> usize {
        self.documents
    }

    pub(super) fn cost(&self) -> ByteCount {
        self.cost
    }
}
