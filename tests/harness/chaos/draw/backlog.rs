//! A sandbox whose files fill while the destination is down, and empty slowly while its processes come and go.

use std::time::Duration;

use super::super::plan::{End, Plan};
use super::super::random::Random;
use super::flood;
use crate::destination::Act;

/// Calls that are slow enough for a process to end among them.
const SLOW_CALLS: u64 = 80;

impl Plan {
    pub(super) fn pile_up(&mut self, random: &mut Random) {
        self.variables
            .retain(|(name, _)| !matches!(*name, "FLUOROSCOPE_MEMORY_BUDGET" | "FLUOROSCOPE_SPILL_LIMIT"));
        self.variables
            .push(("FLUOROSCOPE_MEMORY_BUDGET", "8MiB".to_owned()));
        self.acts = (0..random.within(1..=6)).map(|_| Act::status(503)).collect();
        let slow = |random: &mut Random| Act::TakeLate(Duration::from_millis(random.within(5..=60)));
        self.acts.extend((0..SLOW_CALLS).map(|_| slow(random)));
        for call in self.groups.iter_mut().flatten() {
            if random.in_hundred(30) {
                let documents = random.within(200..=500);
                call.floods = vec![flood(random, call.number, 0, documents)];
            }
            call.works = Duration::from_millis(random.within(0..=200));
            if random.in_hundred(20) {
                call.end = random.one_of(&[End::Exits, End::IsKilled]);
            }
        }
    }
}
