use proptest::prelude::*;

use super::*;

const CALM: Situation = Situation {
    is_in_vain: false,
    is_memory_short: false,
    is_spool_large: false,
    has_fault: false,
};
const SHORT_MS: u64 = 2000;
const LONG_MS: u64 = 2001;

/// The plan of the last of several invocations, which begin after these gaps.
#[track_caller]
fn check(mode: &str, gaps_ms: &[u64], last: Situation, expected: Plan) {
    let mut policy = Policy::new(mode.parse().unwrap());
    let mut now = Timestamp::from_millis(1_000_000);
    let (last_gap, gaps) = gaps_ms.split_last().unwrap();
    for gap in gaps {
        now = now.after(Duration::from_millis(*gap));
        policy.begin(now, CALM);
    }
    now = now.after(Duration::from_millis(*last_gap));
    assert_eq!(policy.begin(now, last), expected, "{mode} {gaps_ms:?} {last:?}");
}

#[test]
fn settings_are_read_strictly() {
    let ms = Duration::from_millis;
    for (text, mode) in [
        ("adaptive", Some(Mode::Adaptive)),
        (" End ", Some(Mode::End)),
        ("CONTINUOUS", Some(Mode::Continuous)),
        ("periodic:20s", Some(Mode::Periodic(ms(20_000)))),
        ("periodic:1ms", Some(Mode::Periodic(ms(1)))),
        ("periodic:15m", Some(Mode::Periodic(PERIOD_MAX))),
        ("periodic:900001ms", None),
        ("periodic:0s", None),
        ("periodic:20", None),
        ("periodic:s", None),
        ("periodic:-1s", None),
        ("periodic:99999999999999999999s", None),
        ("periodic:9999999999999999999m", None),
        ("periodic", None),
        ("often", None),
    ] {
        assert_eq!(text.parse().ok(), mode, "{text}");
    }
}

#[test]
fn rare_invocations_deliver_at_their_end_and_a_quick_rhythm_alongside() {
    use Plan::{Alongside, AtEnd};
    let quick = [0, SHORT_MS, SHORT_MS, SHORT_MS, SHORT_MS];
    check("adaptive", &[0], CALM, AtEnd);
    check("adaptive", &quick[..4], CALM, AtEnd);
    check("adaptive", &quick, CALM, Alongside);
    check("adaptive", &[0, LONG_MS, LONG_MS, LONG_MS, LONG_MS], CALM, AtEnd);
    // The rhythm broke, and has to come back in full.
    check("adaptive", &[0, 10, 10, 10, 10, LONG_MS], CALM, AtEnd);
    check("adaptive", &[0, 10, 10, 10, 10, LONG_MS, 10, 10, 10], CALM, AtEnd);
    check("adaptive", &[0, LONG_MS, 10, 10, 10, 10], CALM, Alongside);
}

#[test]
fn a_set_mode_is_kept() {
    for gaps in [&[0][..], &[0, 10, 10, 10, 10, 10]] {
        check("end", gaps, CALM, Plan::AtEnd);
        check("continuous", gaps, CALM, Plan::Alongside);
        check("periodic:20s", gaps, CALM, Plan::Alongside);
    }
}

#[test]
fn what_must_not_wait_leaves_at_the_end_even_in_a_rhythm() {
    let quick = [0, 10, 10, 10, 10];
    let short = Situation {
        is_memory_short: true,
        ..CALM
    };
    let large = Situation {
        is_spool_large: true,
        ..CALM
    };
    let fault = Situation {
        has_fault: true,
        ..CALM
    };
    for situation in [short, large, fault] {
        check("adaptive", &quick, situation, Plan::AtEnd);
    }
    for mode in ["continuous", "periodic:20s"] {
        check(mode, &quick, short, Plan::AtEnd);
        check(mode, &quick, large, Plan::Alongside);
        check(mode, &quick, fault, Plan::Alongside);
    }
}

#[test]
fn nobody_waits_in_vain() {
    let in_vain = Situation {
        is_in_vain: true,
        is_memory_short: true,
        is_spool_large: true,
        has_fault: true,
    };
    for mode in ["adaptive", "end", "continuous", "periodic:1s"] {
        check(mode, &[0], in_vain, Plan::Alongside);
    }
}

#[test]
fn faults_in_a_row_cost_one_invocation_in_a_while() {
    let mut policy = Policy::new(Mode::Adaptive);
    let fault = Situation {
        has_fault: true,
        ..CALM
    };
    let mut now = Timestamp::from_millis(1_000_000);
    for _ in 0..=RHYTHM_GAPS {
        now = now.after(Duration::from_millis(10));
        policy.begin(now, CALM);
    }
    let mut at_end = 0;
    for _ in 0..FAULT_END_EVERY.as_secs() * 100 {
        now = now.after(Duration::from_millis(10));
        at_end += u32::from(policy.begin(now, fault) == Plan::AtEnd);
    }
    assert_eq!(at_end, 1);
    assert_eq!(
        policy.begin(now.after(Duration::from_millis(10)), fault),
        Plan::AtEnd
    );
}

#[test]
fn a_period_begins_with_the_first_invocation_and_with_each_flush() {
    let mut policy = Policy::new(Mode::Periodic(Duration::from_secs(20)));
    let now = Timestamp::from_millis(1_000_000);
    policy.begin(now, CALM);
    assert_eq!(policy.not_before(), now.after(Duration::from_secs(20)));
    policy.begin(now.after(Duration::from_secs(1)), CALM);
    assert_eq!(policy.not_before(), now.after(Duration::from_secs(20)));
    policy.flushed(now.after(Duration::from_secs(25)));
    assert_eq!(policy.not_before(), now.after(Duration::from_secs(45)));
}

#[test]
fn a_restored_sandbox_learns_its_rhythm_anew() {
    let mut policy = Policy::new(Mode::Adaptive);
    let now = Timestamp::from_millis(1_000_000);
    for _ in 0..9 {
        policy.begin(now, CALM);
    }
    assert_eq!(policy.begin(now, CALM), Plan::Alongside);
    policy.forget();
    assert_eq!(policy.begin(now, CALM), Plan::AtEnd);
}

proptest! {
    #[test]
    fn any_setting_is_read_or_refused(text in "(periodic:)?[0-9a-z:]{0,24}") {
        if let Ok(Mode::Periodic(period)) = text.parse() {
            prop_assert!(period > Duration::ZERO && period <= PERIOD_MAX);
        }
    }
}
