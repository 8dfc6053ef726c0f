//! What readings of memory lead to.

use model::time::Timestamp;

use super::super::event::Effect;
use super::super::memory::{Level, Reading};
use super::Engine;
use crate::limits::{HEAP_PAUSE, HEAP_ROOM};
use crate::logging;

impl Engine {
    /// Places in the queues of documents, taken or not.
    #[cfg(test)]
    pub(super) fn places_for_documents(&self) -> usize {
        self.spool.places()
    }

    /// How much room the sandbox has left.
    pub fn level(&self) -> Level {
        self.memory.level()
    }

    /// Has queues and the allocator give back what they keep: now, or a moment after `next` was asked for.
    fn give_back(&mut self) {
        self.spool.shrink();
        self.memory.expect_less();
        self.effects.push(Effect::GiveBack);
    }

    pub(super) fn give_back_soon(&mut self) {
        if self.memory.is_heap_loose() {
            self.memory.give_back_after(self.now.after(HEAP_PAUSE));
        }
    }

    pub(super) fn give_back_if_due(&mut self, now: Timestamp) {
        if self.memory.give_back_at().is_some_and(|when| now >= when) {
            self.give_back();
        }
    }

    pub(super) fn sense(&mut self, now: Timestamp, reading: &Reading) {
        let held = self.spool.held().plus(self.evidence.held());
        let is_changed = self.memory.note(reading, held);
        self.spill_everything(self.level() == Level::Critical);
        let room = self.memory.share().minus(held);
        if self.memory.is_heap_loose() && room < HEAP_ROOM {
            // The next reading says what is left for documents: none is shed for room that the allocator keeps.
            self.give_back();
        } else {
            self.share_out(self.memory.share());
        }
        if is_changed && self.level() > Level::Normal {
            // Once, however little it may be.
            self.give_back();
            let name = self.level().name();
            let line = logging::Line::new(logging::Level::Warn, "little memory is left in the sandbox")
                .with("level_of_memory", name)
                .with("available", reading.available.unwrap_or_default().get());
            self.notice(now, &format!("memory {name}"), line);
        }
    }
}
