//! What a destination that does not answer, or answers late, costs over many invocations.

use std::time::Duration;

use super::bench::{Bench, S, TIMEOUT, W, done, header, start, tracing};
use crate::limits::{ATTEMPT_MAX, DEADLINE_MARGIN, FLUSH_CALL_MAX, PROBE_FIRST};
use crate::pipeline::event::Event;
use crate::pipeline::flush::Mode;
use crate::pipeline::lane::Lane;
use crate::pipeline::outcome::FailureKind;

const MS: Duration = Duration::from_millis(1);

/// A destination that answers after this time; never, if there is none.
struct Destination(Option<Duration>);

/// Plays invocations a minute apart whose handler runs so long. The time each was held after its end.
fn play(
    bench: &mut Bench,
    destination: &Destination,
    handler: Duration,
    invocations: usize,
) -> Vec<Duration> {
    (0..invocations)
        .map(|_| invocation(bench, destination, (Duration::ZERO, handler)))
        .collect()
}

/// One whose handler works so long before and after its document, and the freeze behind it. The time it was held.
fn invocation(
    bench: &mut Bench,
    destination: &Destination,
    (before, after): (Duration, Duration),
) -> Duration {
    let request = format!("r-{}", bench.now.as_micros());
    let nexts = bench.nexts;
    bench.invoke(&request, &header(S));
    bench.records([start(&request, tracing(Some(S), W))]);
    pass(bench, destination, before);
    bench.subsegment(&format!("{:016x}", bench.now.as_micros()), S);
    pass(bench, destination, after);
    bench.records([done(&request, "success")]);
    let ended = bench.now;
    while bench.nexts == nexts {
        pass(bench, destination, MS);
    }
    let held = bench.now.since(ended);
    bench.freeze(Duration::from_secs(60));
    held
}

/// Lets time pass, in which the destination answers what it can and a call without answer fails.
fn pass(bench: &mut Bench, destination: &Destination, time: Duration) {
    for _ in 0..time.as_millis() {
        bench.wait(MS);
        let Some((_, wait)) = bench.sending.first() else {
            continue;
        };
        let (wait, since) = (*wait, bench.now.since(bench.called));
        if destination.0.is_some_and(|after| since >= after) {
            bench.answer();
        } else if since >= wait {
            bench.fail(FailureKind::Silent);
        }
    }
}

fn bench(mode: Mode) -> Bench {
    let mut bench = Bench::with(|config| config.flush = mode);
    bench.event(Event::Subscribed(true));
    bench
}

const NEVER: Destination = Destination(None);
const QUICK: Destination = Destination(Some(Duration::from_millis(10)));
const SLOW: Destination = Destination(Some(Duration::from_millis(400)));

#[test]
fn a_black_hole_costs_one_short_wait_in_the_life_of_a_sandbox() {
    for mode in [Mode::Adaptive, Mode::End] {
        for handler in [5 * MS, 3000 * MS] {
            let mut bench = bench(mode);
            let held = play(&mut bench, &NEVER, handler, 20);
            let total: Duration = held.iter().sum();
            assert!(total <= FLUSH_CALL_MAX + MS, "{mode:?} {handler:?}: {held:?}");
        }
    }
}

#[test]
fn waits_that_deadlines_cut_short_cost_together_what_one_whole_wait_costs() {
    for mode in [Mode::Adaptive, Mode::End] {
        for left in [110 * MS, 200 * MS, 350 * MS] {
            let mut bench = bench(mode);
            let late = TIMEOUT - DEADLINE_MARGIN - left;
            let works = [[late, 20 * MS]; 10].concat();
            let play = |work| invocation(&mut bench, &NEVER, (work, Duration::ZERO));
            let held: Vec<Duration> = works.into_iter().map(play).collect();
            let total: Duration = held.iter().sum();
            assert!(total <= FLUSH_CALL_MAX + MS, "{mode:?} {left:?}: {held:?}");
        }
    }
}

#[test]
fn a_destination_that_goes_away_costs_one_short_wait_and_is_waited_for_again_when_it_is_back() {
    let mut bench = bench(Mode::End);
    play(&mut bench, &QUICK, 50 * MS, 3);
    let held = play(&mut bench, &NEVER, 50 * MS, 10);
    assert!(held.iter().sum::<Duration>() <= FLUSH_CALL_MAX + MS, "{held:?}");
    play(&mut bench, &QUICK, 50 * MS, 3);
    let before = bench.delivered.len();
    let held = play(&mut bench, &QUICK, 50 * MS, 1);
    assert!(held[0] >= 10 * MS, "{held:?}");
    assert_eq!(
        (bench.delivered.len(), bench.engine.held_documents(Lane::FIRST)),
        (before + 3, 0)
    );
}

#[test]
fn probes_are_made_while_a_handler_runs_at_growing_distances() {
    let mut bench = bench(Mode::End);
    play(&mut bench, &NEVER, 50 * MS, 1);
    bench.invoke("r-long", &header(S));
    let mut probes = Vec::new();
    for _ in 0..60_000 {
        let waits = bench.sending.len();
        pass(&mut bench, &NEVER, MS);
        if bench.sending.len() > waits {
            assert_eq!(bench.sending[0].1, ATTEMPT_MAX);
            probes.push(bench.now);
        }
    }
    assert!((4..=6).contains(&probes.len()), "{probes:?}");
    let gaps: Vec<Duration> = probes.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    assert!(gaps.is_sorted() && gaps[0] >= PROBE_FIRST / 2, "{gaps:?}");
}

#[test]
fn a_slow_destination_gets_its_documents_while_handlers_run() {
    let mut bench = bench(Mode::End);
    let held = play(&mut bench, &SLOW, 500 * MS, 10);
    assert!(held.iter().sum::<Duration>() <= FLUSH_CALL_MAX + MS, "{held:?}");
    // All but those of the last invocation.
    assert!(bench.delivered.len() >= 9 * 3, "{}", bench.delivered.len());
}

#[test]
fn a_restored_sandbox_waits_again() {
    let mut bench = bench(Mode::End);
    play(&mut bench, &NEVER, 50 * MS, 3);
    bench.records([
        ("platform.restoreStart", serde_json::json!({})),
        (
            "platform.restoreReport",
            serde_json::json!({ "status": "success" }),
        ),
    ]);
    let held = play(&mut bench, &QUICK, 50 * MS, 2);
    assert!(held[1] >= 10 * MS, "{held:?}");
}
