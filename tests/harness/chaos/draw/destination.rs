//! What becomes of calls.

use std::time::Duration;

use super::super::random::Random;
use crate::destination::{Act, CODES_FOR_EVER, CODES_FOR_LATER};

/// One that nobody has heard of.
const CODE_OF_NOBODY: &str = "InvalidId";

pub(super) fn acts(random: &mut Random) -> Vec<Act> {
    let faults_in_hundred = random.one_of(&[0, 15, 15, 50]);
    let calls = random.within(0..=40);
    (0..calls)
        .map(|_| {
            if random.in_hundred(faults_in_hundred) {
                act(random)
            } else {
                Act::Take
            }
        })
        .collect()
}

fn act(random: &mut Random) -> Act {
    let millis = Duration::from_millis;
    match random.within(0..=17) {
        0 => Act::TakeAndClose,
        1 => Act::TakeAndReset,
        2 => Act::TakeAndResetHalfway,
        3 => Act::TakeAndCloseHalfway,
        4 => Act::TakeAndStall,
        5 => Act::TakeSlowly(millis(random.within(1..=3))),
        6 => Act::TakeLate(millis(random.within(1..=400))),
        7 if random.in_hundred(20) => Act::TakeHugely,
        7 => Act::unprocessed(code(random)),
        8 => Act::unprocessed_containing(code(random), "single"),
        9 => Act::throttled(random.one_of(&[None, Some("1"), Some("0")])),
        10 => Act::ResetUnread,
        11 => Act::Reset,
        12 => Act::HalfClose,
        13 => Act::Stall,
        14 => Act::Garbage,
        15 => Act::status(random.one_of(&[400, 413])),
        _ => Act::status(random.one_of(&[408, 500, 502, 503, 504])),
    }
}

fn code(random: &mut Random) -> &'static str {
    let codes: Vec<&str> = [&CODES_FOR_LATER[..], &CODES_FOR_EVER, &[CODE_OF_NOBODY]].concat();
    random.one_of(&codes)
}
