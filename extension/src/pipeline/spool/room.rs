//! Who goes when room runs out.
//!
//! First what the lane that is furthest behind still has and others have not, whatever it is worth if they are to get
//! the newcomer: a dead destination makes room for those that live. Else what is missed least goes, the oldest of it,
//! out of every lane that still has it.

use model::size::ByteCount;

use super::waiting::Entry;
use super::{Held, Queue, Shed, Spool};
use crate::pipeline::document::{Document, Value};
use crate::pipeline::lane::{Lane, Lanes};

/// For what room is made.
#[derive(Clone, Copy)]
struct Newcomer {
    cost: ByteCount,
    value: Value,
    lanes: Lanes,
}

impl Spool {
    /// Changes the budget, giving up what no longer fits. Batches on their way stay.
    pub fn set_budget(&mut self, budget: ByteCount) -> Shed {
        self.budget = budget;
        let mut shed = Shed::default();
        let anything = Newcomer {
            cost: ByteCount::ZERO,
            value: Value::Platform,
            lanes: Lanes::NONE,
        };
        self.make_room(anything, &mut shed);
        shed
    }

    /// Finds room for a document, or gives it up.
    pub(super) fn admit(&mut self, document: Document, lanes: Lanes) -> (Shed, Option<Entry>) {
        let newcomer = Newcomer {
            cost: document.cost(),
            value: document.value,
            lanes,
        };
        let mut shed = Shed::default();
        self.next_sequence += 1;
        let sequence = self.next_sequence;
        // What is on its way and what is worth more than the newcomer stays, whatever comes.
        let stays = self.held.minus(self.loose_for(newcomer));
        if self.budget >= stays.plus(newcomer.cost) {
            self.make_room(newcomer, &mut shed);
            if self.budget >= self.held.plus(newcomer.cost) {
                self.held = self.held.plus(newcomer.cost);
                let loose = self.loose.of_mut(newcomer.value);
                *loose = loose.plus(newcomer.cost);
                return (shed, Some(Entry { sequence, document }));
            }
        }
        let held = Held::new(document, sequence);
        for lane in lanes.each() {
            let tier = &mut self.queues.of_mut(lane).tier;
            tier.overflow(lane, held.clone(), &mut shed);
        }
        (shed, None)
    }

    /// What giving up everything that may go for this newcomer would free, at most.
    fn loose_for(&self, newcomer: Newcomer) -> ByteCount {
        let values = Value::ALL.into_iter();
        values
            .filter(|value| self.queues.are_several() || *value <= newcomer.value)
            .fold(ByteCount::ZERO, |sum, value| sum.plus(*self.loose.of(value)))
    }

    /// Gives up documents until the newcomer fits.
    fn make_room(&mut self, mut newcomer: Newcomer, shed: &mut Shed) {
        if self.budget >= self.held.plus(newcomer.cost) {
            return;
        }
        let batches = self.queues.each().map(|(_, queue)| queue.tier.batch(self.budget));
        newcomer.cost = newcomer.cost.plus(batches.max().unwrap_or_default());
        while self.budget < self.held.plus(newcomer.cost) {
            if !self.give_up_of_last(newcomer, shed) && !self.give_up_least(newcomer.value, shed) {
                return;
            }
        }
    }

    /// Gives up what the lane that is furthest behind still has, and the one that is furthest ahead has not. False
    /// if there is nothing that may go.
    fn give_up_of_last(&mut self, newcomer: Newcomer, shed: &mut Shed) -> bool {
        let behind = |(_, queue): &(Lane, &Queue)| queue.shelves.cost();
        let first = self.queues.each().min_by_key(behind);
        let last = self.queues.each().max_by_key(behind);
        let (Some((first, ahead)), Some((last, queue))) = (first, last) else {
            return false;
        };
        if ahead.shelves.cost() == queue.shelves.cost() {
            return false;
        }
        let may_go = |value: &Value| newcomer.lanes.has(first) || *value <= newcomer.value;
        let is_its_own = |held: &Held| held.owed() == Lanes::only(last);
        let is_behind = |held: &Held| held.under_way().is_empty() && !held.owed().has(first);
        let of = |is_meant: &dyn Fn(&Held) -> bool| {
            let found = Value::ALL.into_iter().filter(may_go);
            let found = found
                .filter_map(|value| queue.shelves.find(value, is_meant))
                .next();
            found.map(|held| (held.value, held.sequence()))
        };
        let Some((value, sequence)) = of(&is_its_own).or_else(|| of(&is_behind)) else {
            return false;
        };
        self.give_up(value, sequence, shed);
        true
    }

    /// Gives up what is missed least, up to this value. False if there is nothing.
    fn give_up_least(&mut self, at_most: Value, shed: &mut Shed) -> bool {
        for value in Value::ALL.into_iter().filter(|value| *value <= at_most) {
            // What is on another lane's way would free nothing.
            let is_loose = |held: &Held| held.under_way().is_empty();
            let queues = self.queues.each();
            let oldest = queues.filter_map(|(_, queue)| queue.shelves.find(value, is_loose));
            let oldest = oldest.map(Held::sequence).min();
            match (oldest, self.waiting.oldest_of(value)) {
                (Some(sequence), waiting) if waiting.is_none_or(|waiting| sequence < waiting) => {
                    self.give_up(value, sequence, shed);
                    return true;
                }
                (_, Some(_)) => {
                    self.give_up_waiting(value, shed);
                    return true;
                }
                _ => {}
            }
        }
        false
    }

    /// Takes a document out of every queue it stands in.
    fn give_up(&mut self, value: Value, sequence: u64, shed: &mut Shed) {
        for (lane, queue) in self.queues.each_mut() {
            let Some(held) = queue.shelves.remove(value, sequence) else {
                continue;
            };
            held.leave(lane);
            if held.owed().is_empty() {
                self.held = self.held.minus(held.cost());
                let loose = self.loose.of_mut(value);
                *loose = loose.minus(held.cost());
            }
            queue.tier.overflow(lane, held, shed);
        }
    }

    fn give_up_waiting(&mut self, value: Value, shed: &mut Shed) {
        let Some(Entry { sequence, document }) = self.waiting.pop(value) else {
            return;
        };
        self.held = self.held.minus(document.cost());
        let loose = self.loose.of_mut(value);
        *loose = loose.minus(document.cost());
        let held = Held::new(document, sequence);
        for (lane, queue) in self.queues.each_mut() {
            queue.tier.overflow(lane, held.clone(), shed);
        }
    }

    /// Takes the next document out of one lane's queue, for its files.
    pub(super) fn pull(&mut self, lane: Lane, order: super::Order) -> Option<Held> {
        let held = self.queues.of_mut(lane).shelves.pop(order)?;
        held.leave(lane);
        if held.owed().is_empty() {
            self.held = self.held.minus(held.cost());
            let loose = self.loose.of_mut(held.value);
            *loose = loose.minus(held.cost());
        }
        Some(held)
    }
}
