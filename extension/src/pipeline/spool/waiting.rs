//! Documents that wait for their trace to be known, by value, in the order of arrival on each. They are owed to every
//! lane: nobody has been given them yet.

use std::collections::VecDeque;

use crate::pipeline::document::{ByValue, Document, Value};

/// A document and its place in the order of arrival.
pub(super) struct Entry {
    pub(super) sequence: u64,
    pub(super) document: Document,
}

/// See the module.
#[derive(Default)]
pub(super) struct Waiting {
    shelves: ByValue<VecDeque<Entry>>,
    documents: usize,
}

impl Waiting {
    pub(super) fn put(&mut self, entry: Entry) {
        self.documents += 1;
        self.shelves.of_mut(entry.document.value).push_back(entry);
    }

    /// Place in the order of arrival of the oldest of this value.
    pub(super) fn oldest_of(&self, value: Value) -> Option<u64> {
        self.shelves.of(value).front().map(|entry| entry.sequence)
    }

    pub(super) fn pop(&mut self, value: Value) -> Option<Entry> {
        let entry = self.shelves.of_mut(value).pop_front()?;
        self.documents -= 1;
        Some(entry)
    }

    /// Takes out documents for which `is_due` holds.
    pub(super) fn take(&mut self, value: Value, is_due: impl Fn(&Document) -> bool) -> Vec<Entry> {
        let mut due = Vec::new();
        let shelf = self.shelves.of_mut(value);
        for entry in std::mem::take(shelf) {
            if is_due(&entry.document) {
                due.push(entry);
            } else {
                shelf.push_back(entry);
            }
        }
        self.documents -= due.len();
        due
    }

    pub(super) fn oldest(&self) -> Option<&Entry> {
        let fronts = Value::ALL.map(|value| self.shelves.of(value).front());
        fronts.into_iter().flatten().min_by_key(|entry| entry.sequence)
    }

    /// Gives back the room that a burst made it take.
    pub(super) fn shrink(&mut self) {
        for value in Value::ALL {
            self.shelves.of_mut(value).shrink_to_fit();
        }
    }

    #[cfg(test)]
    pub(super) fn cost(&self, value: Value) -> model::size::ByteCount {
        let costs = self.shelves.of(value).iter().map(|entry| entry.document.cost());
        costs.fold(model::size::ByteCount::ZERO, model::size::ByteCount::plus)
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
}
