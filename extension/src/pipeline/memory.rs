//! How much memory there is: for this process within its budget, and in the sandbox it shares with the function.
//!
//! Invariants
//! - The share of documents is what the process's budget leaves when everything else that is resident, and a
//!   reserve for the batch on its way, has been taken from it.
//! - A level is left only once there is clearly more room than at the moment it was entered: it does not flicker.
//!
//! Pure: the readings come from outside.

use model::size::ByteCount;
use model::time::Timestamp;
use serde_json::{Value, json};

use crate::limits::{
    CRITICAL_HEADROOM_MAX, CRITICAL_HEADROOM_SHARE, CRITICAL_SPOOL, HEAP_SLACK, HEAP_SLACK_IF_LOW,
    LOW_HEADROOM_MAX, LOW_HEADROOM_SHARE, MEMORY_RESERVE, PROCESS_BASE, SPOOL_BUDGET_MIN,
};

/// What the system says at one moment. What it does not say changes nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// Memory of this process.
    pub process: Option<Process>,
    /// What the sandbox could still give to whoever asks.
    pub available: Option<ByteCount>,
    /// The most that the sandbox has.
    pub limit: Option<ByteCount>,
}

/// Memory of this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Process {
    /// All resident pages.
    pub resident: ByteCount,
    /// Those that no file stands behind.
    pub anonymous: ByteCount,
    /// Datagrams in it that are still to be looked at.
    pub queued: ByteCount,
}

/// How much room the sandbox has left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Enough.
    #[default]
    Normal,
    /// Little: send at the end of this invocation, give back what is not needed.
    Low,
    /// Next to none, Lambda would have killed its own daemon: documents go to the disk, not into memory.
    Critical,
}

impl Level {
    /// As the log and the tally name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Low => "low",
            Self::Critical => "critical",
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Memory {
    /// Of the whole process.
    budget: ByteCount,
    /// The function's memory as configured.
    function: Option<ByteCount>,
    level: Level,
    changes: u64,
    peak: ByteCount,
    share: ByteCount,
    /// Heap beyond documents: now, and the least it can be as far as we know.
    heap: ByteCount,
    heap_floor: Option<ByteCount>,
    /// When the allocator is asked for the difference.
    give_back_at: Option<Timestamp>,
}

impl Memory {
    /// Until the first reading the rest of the process is taken to need [`PROCESS_BASE`].
    pub fn new(budget: ByteCount, function: Option<ByteCount>) -> Self {
        Self {
            budget,
            function,
            level: Level::Normal,
            changes: 0,
            peak: ByteCount::ZERO,
            share: budget.minus(PROCESS_BASE),
            heap: ByteCount::ZERO,
            heap_floor: None,
            give_back_at: None,
        }
    }

    /// Takes a reading in, made while documents took `held` bytes. True if the level has changed.
    pub fn note(&mut self, reading: &Reading, held: ByteCount) -> bool {
        let before = self.level;
        if let Some(available) = reading.available {
            self.level = level(before, available, self.size(reading.limit));
        }
        if let Some(process) = reading.process {
            self.peak = self.peak.max(process.resident);
            let others = process.resident.minus(held).minus(process.queued);
            self.share = self.budget.minus(others).minus(MEMORY_RESERVE);
            self.heap = process.anonymous.minus(held).minus(process.queued);
            self.heap_floor = Some(self.heap_floor.unwrap_or(self.heap).min(self.heap));
        }
        let is_changed = self.level != before;
        self.changes += u64::from(is_changed);
        is_changed
    }

    /// What the function may have at most: as configured, or less where the system says so.
    fn size(&self, limit: Option<ByteCount>) -> Option<ByteCount> {
        [self.function, limit].into_iter().flatten().min()
    }

    /// How much room the sandbox has left.
    pub fn level(&self) -> Level {
        self.level
    }

    /// What documents may take up in memory.
    pub fn share(&self) -> ByteCount {
        let share = match self.level {
            Level::Critical => self.share.min(CRITICAL_SPOOL),
            Level::Normal | Level::Low => self.share,
        };
        share.max(SPOOL_BUDGET_MIN)
    }

    /// Whether the allocator keeps enough without need to be asked for it.
    pub fn is_heap_loose(&self) -> bool {
        let slack = match self.level {
            Level::Normal => HEAP_SLACK,
            Level::Low | Level::Critical => HEAP_SLACK_IF_LOW,
        };
        self.heap_floor
            .is_some_and(|floor| self.heap.minus(floor) > slack)
    }

    /// The allocator is about to give back what it can: what the next reading finds is needed.
    pub fn expect_less(&mut self) {
        self.heap_floor = None;
        self.give_back_at = None;
    }

    /// Remembers to ask the allocator.
    pub fn give_back_after(&mut self, when: Timestamp) {
        self.give_back_at = Some(when);
    }

    /// When to ask the allocator.
    pub fn give_back_at(&self) -> Option<Timestamp> {
        self.give_back_at
    }

    /// The most that this process has had resident when it was looked at.
    pub fn peak(&self) -> ByteCount {
        self.peak
    }

    /// For the tally.
    pub fn fields(&self) -> Value {
        json!({
            "peak_resident": self.peak.get(),
            "level": self.level.name(),
            "level_changes": self.changes,
        })
    }
}

/// The level at this headroom in a sandbox of this size.
fn level(before: Level, available: ByteCount, size: Option<ByteCount>) -> Level {
    let is_below = |level: Level, share: u64, max: ByteCount| {
        let threshold = size.map_or(max, |size| ByteCount::bytes(size.get() / share).min(max));
        let threshold = if before >= level {
            // Half as much again to leave it.
            threshold.plus(ByteCount::bytes(threshold.get() / 2))
        } else {
            threshold
        };
        available < threshold
    };
    if is_below(Level::Critical, CRITICAL_HEADROOM_SHARE, CRITICAL_HEADROOM_MAX) {
        Level::Critical
    } else if is_below(Level::Low, LOW_HEADROOM_SHARE, LOW_HEADROOM_MAX) {
        Level::Low
    } else {
        Level::Normal
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: ByteCount = ByteCount::mib(1);

    fn of_128_mb() -> Memory {
        Memory::new(ByteCount::mib(16), Some(ByteCount::mib(128)))
    }

    fn headroom(available: ByteCount) -> Reading {
        Reading {
            available: Some(available),
            ..Reading::default()
        }
    }

    fn resident(resident: ByteCount, queued: ByteCount) -> Reading {
        let anonymous = ByteCount::ZERO;
        Reading {
            process: Some(Process {
                resident,
                anonymous,
                queued,
            }),
            ..Reading::default()
        }
    }

    #[test]
    fn levels_are_entered_at_their_thresholds_and_left_half_as_far_above() {
        let mut memory = of_128_mb();
        let byte = ByteCount::bytes(1);
        for (available, level) in [
            (ByteCount::mib(16), Level::Normal),
            (ByteCount::mib(16).minus(byte), Level::Low),
            (ByteCount::mib(24).minus(byte), Level::Low),
            (ByteCount::mib(24), Level::Normal),
            (ByteCount::mib(8), Level::Low),
            (ByteCount::mib(8).minus(byte), Level::Critical),
            (ByteCount::mib(12).minus(byte), Level::Critical),
            (ByteCount::mib(12), Level::Low),
            (ByteCount::ZERO, Level::Critical),
            (ByteCount::mib(100), Level::Normal),
        ] {
            let before = memory.level();
            let is_changed = memory.note(&headroom(available), ByteCount::ZERO);
            assert_eq!(
                (memory.level(), is_changed),
                (level, level != before),
                "{available}"
            );
        }
        assert_eq!(memory.fields()["level_changes"], 7);
    }

    #[test]
    fn a_large_function_is_short_of_memory_by_bytes_not_by_share() {
        let mut memory = Memory::new(ByteCount::mib(307), Some(ByteCount::mib(10_240)));
        memory.note(&headroom(LOW_HEADROOM_MAX), ByteCount::ZERO);
        assert_eq!(memory.level(), Level::Normal);
        memory.note(&headroom(CRITICAL_HEADROOM_MAX.minus(MIB)), ByteCount::ZERO);
        assert_eq!(memory.level(), Level::Critical);
    }

    #[test]
    fn a_limit_below_the_configured_size_counts() {
        let mut memory = Memory::new(ByteCount::mib(16), Some(ByteCount::mib(512)));
        let reading = Reading {
            limit: Some(ByteCount::mib(128)),
            ..headroom(ByteCount::mib(20))
        };
        memory.note(&reading, ByteCount::ZERO);
        assert_eq!(memory.level(), Level::Normal);
    }

    #[test]
    fn documents_have_what_the_rest_of_the_process_and_the_reserve_leave() {
        let mut memory = of_128_mb();
        // 5 MiB of code and heap, 4 MiB of documents, 1 MiB of datagrams on their way to them.
        memory.note(&resident(ByteCount::mib(10), MIB), ByteCount::mib(4));
        assert_eq!(memory.share(), ByteCount::mib(11).minus(MEMORY_RESERVE));
        assert_eq!(memory.fields()["peak_resident"], ByteCount::mib(10).get());
        // Over its budget it still holds one document.
        memory.note(&resident(ByteCount::mib(30), ByteCount::ZERO), ByteCount::ZERO);
        assert_eq!(memory.share(), SPOOL_BUDGET_MIN);
    }

    #[test]
    fn at_the_critical_level_documents_have_next_to_nothing() {
        let mut memory = of_128_mb();
        memory.note(&resident(ByteCount::mib(5), ByteCount::ZERO), ByteCount::ZERO);
        memory.note(&headroom(ByteCount::ZERO), ByteCount::ZERO);
        assert_eq!(memory.share(), CRITICAL_SPOOL);
        memory.note(&headroom(ByteCount::mib(100)), ByteCount::ZERO);
        assert_eq!(memory.share(), ByteCount::mib(11).minus(MEMORY_RESERVE));
    }

    #[test]
    fn what_the_system_does_not_say_changes_nothing() {
        let mut memory = of_128_mb();
        memory.note(&headroom(ByteCount::ZERO), ByteCount::ZERO);
        let before = memory.fields();
        assert!(!memory.note(&Reading::default(), MIB));
        assert_eq!(memory.fields(), before);
    }

    fn anonymous(bytes: ByteCount) -> Reading {
        Reading {
            process: Some(Process {
                resident: bytes,
                anonymous: bytes,
                queued: ByteCount::ZERO,
            }),
            ..Reading::default()
        }
    }

    #[test]
    fn heap_that_nothing_is_held_in_is_loose_until_it_was_asked_for() {
        let mut memory = of_128_mb();
        let at_rest = ByteCount::mib(2);
        memory.note(&anonymous(at_rest), ByteCount::ZERO);
        // Documents are no slack.
        memory.note(&anonymous(at_rest.plus(ByteCount::mib(5))), ByteCount::mib(5));
        assert!(!memory.is_heap_loose());
        memory.note(&anonymous(at_rest.plus(HEAP_SLACK)), ByteCount::ZERO);
        assert!(!memory.is_heap_loose());
        let over = anonymous(at_rest.plus(HEAP_SLACK).plus(ByteCount::bytes(1)));
        memory.note(&over, ByteCount::ZERO);
        assert!(memory.is_heap_loose());
        // In vain: it is not asked for again.
        memory.expect_less();
        memory.note(&over, ByteCount::ZERO);
        assert!(!memory.is_heap_loose());
        // Where memory is low, less is worth asking for.
        memory.note(&anonymous(at_rest), ByteCount::ZERO);
        memory.note(&headroom(ByteCount::ZERO), ByteCount::ZERO);
        memory.note(&anonymous(at_rest.plus(HEAP_SLACK)), ByteCount::ZERO);
        assert!(memory.is_heap_loose());
    }

    proptest! {
        #[test]
        fn documents_and_the_rest_never_exceed_the_budget_together(
            resident_bytes in 0u64..40_000_000, held in 0u64..40_000_000, queued in 0u64..2_000_000,
        ) {
            let mut memory = of_128_mb();
            let held = ByteCount::bytes(held.min(resident_bytes));
            let queued = ByteCount::bytes(queued.min(resident_bytes - held.get()));
            let reading = resident(ByteCount::bytes(resident_bytes), queued);
            memory.note(&reading, held);
            let others = ByteCount::bytes(resident_bytes).minus(held).minus(queued);
            let together = others.plus(memory.share());
            let room = ByteCount::mib(16).minus(MEMORY_RESERVE);
            prop_assert!(together <= room.max(others.plus(SPOOL_BUDGET_MIN)));
        }
    }
}
