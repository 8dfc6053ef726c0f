//! What goes wrong around the destination, the memory and the files, each for a while.

use std::time::Duration;

use emulator::InitType;

use super::super::plan::{Plan, Spell};
use super::super::random::Random;
use super::super::trouble::{Damage, Headroom, Reach, Trouble};
use super::{CLOCKS_S, spells};
use crate::destination::{Certificate, Door};
use crate::resolver::Answers;

impl Reach {
    pub(super) fn draw(random: &mut Random) -> Self {
        Self {
            is_secure: random.in_hundred(30),
            is_named: random.in_hundred(25),
        }
    }
}

impl Plan {
    /// Rows of troubles that go on at the same time.
    pub(super) fn draw_troubles(&mut self, random: &mut Random) {
        // Credentials are given out by the destination, whose certificate only calls to X-Ray know.
        let is_restored = matches!(self.init_type, InitType::SnapStart { .. });
        self.is_renewed = is_restored && self.reach == Reach::default();
        let mut row = |in_hundred: u64, lasts: u64, draw: &dyn Fn(&mut Random) -> Trouble| {
            if !random.in_hundred(in_hundred) {
                return;
            }
            let count = random.within(1..=4);
            let spell = |random: &mut Random| Spell {
                after: Duration::from_millis(random.within(1..=400)),
                what: draw(random),
                lasts: Duration::from_millis(random.within(1..=lasts)),
            };
            self.troubles.push(spells(random, count, spell));
        };
        row(40, 900, &|random| Trouble::Door(door(random)));
        if self.reach.is_secure {
            row(40, 900, &|random| Trouble::Certificate(certificate(random)));
        }
        if self.reach.is_named {
            row(50, 900, &|random| Trouble::Name(answers(random)));
        }
        row(10, 900, &|random| Trouble::Clock(random.one_of(&CLOCKS_S)));
        row(if self.is_renewed { 90 } else { 4 }, 1, &|_| Trouble::Expiry);
        row(20, 600, &|random| {
            Trouble::Memory(random.one_of(&[Headroom::Low, Headroom::Critical]))
        });
        // Nothing stops a managed instance, and the files are damaged while everything stands still.
        if !self.init_type.is_managed() {
            row(15, 1, &|random| Trouble::Files(Damage::draw(random)));
        }
        if !self.init_type.is_managed() && random.in_hundred(30) {
            for call in self.groups.iter_mut().flatten() {
                call.damage = random.in_hundred(25).then(|| Damage::draw(random));
            }
        }
    }
}

impl Damage {
    fn draw(random: &mut Random) -> Self {
        let place = random.number();
        match random.within(0..=9) {
            0..=2 => Self::Flip { place },
            3 | 4 => Self::Noise { place },
            5 | 6 => Self::Cut { place },
            7 => Self::Gone { place },
            8 => Self::Swept,
            _ => Self::Link,
        }
    }
}

fn door(random: &mut Random) -> Door {
    random.one_of(&[
        Door::Closed,
        Door::Closed,
        Door::Full,
        Door::Silent,
        Door::Resets,
        Door::Babbles,
    ])
}

fn certificate(random: &mut Random) -> Certificate {
    random.one_of(&[
        Certificate::OfAnotherName,
        Certificate::Expired,
        Certificate::OfNobody,
    ])
}

fn answers(random: &mut Random) -> Answers {
    random.one_of(&[Answers::Unknown, Answers::Failure, Answers::Silence])
}
