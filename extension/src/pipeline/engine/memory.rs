//! What readings of memory lead to.

use model::time::Timestamp;

use super::super::memory::{Level, Reading};
use super::super::tally::ShedReason;
use super::Engine;
use crate::logging;

impl Engine {
    /// How much room the sandbox has left.
    pub fn level(&self) -> Level {
        self.memory.level()
    }

    pub(super) fn sense(&mut self, now: Timestamp, reading: &Reading) {
        let is_changed = self.memory.note(reading, self.spool.held());
        let shed = self.spool.set_budget(self.memory.share());
        self.tally.shed(ShedReason::Budget, shed.documents);
        if is_changed && self.level() > Level::Normal {
            let name = self.level().name();
            let line = logging::Line::new(logging::Level::Warn, "little memory is left in the sandbox")
                .with("level", name)
                .with("available", reading.available.unwrap_or_default().get());
            self.notice(now, &format!("memory {name}"), line);
        }
    }
}
