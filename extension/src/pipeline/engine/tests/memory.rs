//! Readings of memory.

use std::time::Duration;

use model::size::ByteCount;

use super::bench::{Bench, S, W, done, header, reading, start, subsegment, tracing};
use crate::limits::HEAP_PAUSE;
use crate::pipeline::event::Event;
use crate::pipeline::lane::Lane;
use crate::pipeline::memory::{Level, Process, Reading};
use serde_json::json;

#[test]
fn a_level_is_logged_once_and_kept_in_the_tally() {
    let mut bench = Bench::new();
    // 256 MB: low below 32, critical below 16.
    for available in [100, 31, 30, 15, 14, 100, 31] {
        bench.event(Event::Memory(reading(5, available)));
    }
    assert_eq!(bench.engine.level(), Level::Low);
    let levels: Vec<_> = bench
        .lines
        .iter()
        .map(|line| &line.fields["level_of_memory"])
        .collect();
    assert_eq!(levels, ["low", "critical"]);
    bench.stop("spindown");
    let told = &bench.finished.as_ref().unwrap().fields["memory"];
    assert_eq!(
        told,
        &json!({ "peak_resident": 5 << 20, "level": "low", "level_changes": 4 })
    );
}

#[test]
fn a_process_that_grows_takes_its_room_from_documents() {
    let mut bench = Bench::new();
    bench.invoke("r-1", &header(S));
    // Without `platform.start` all of them wait.
    let large = json!({ "metadata": { "d": { "k": "m".repeat(60_000) } } });
    for id in 1..=40 {
        bench.datagram(&subsegment(&format!("{id:016x}"), S, large.clone()));
    }
    let held = bench.engine.held_documents(Lane::FIRST);
    assert_eq!((held, bench.engine.tally().of(Lane::FIRST).shed_total()), (40, 0));
    // They take 2.3 MiB, and 12.7 of 16 are something else's; 2 stay free for a batch.
    bench.event(Event::Memory(reading(15, 200)));
    let shed = bench.engine.tally().of(Lane::FIRST).shed_total();
    assert!((15..20).contains(&shed), "{shed}");
    assert_eq!(bench.engine.held_documents(Lane::FIRST), held - shed);
}

/// A reading whose memory is all heap.
fn heap(mib: u64) -> Event {
    let process = Some(Process {
        resident: ByteCount::mib(mib),
        anonymous: ByteCount::mib(mib),
        queued: ByteCount::ZERO,
    });
    Event::Memory(Reading {
        process,
        ..Reading::default()
    })
}

#[test]
fn what_the_allocator_keeps_after_a_burst_is_given_back_once_next_was_asked_for() {
    let mut bench = Bench::new();
    bench.invoke("r-1", &header(S));
    bench.event(heap(1));
    bench.event(heap(6));
    bench.records([done("r-1", "success")]);
    bench.accept();
    assert_eq!((bench.nexts, bench.given_back), (1, 0));
    bench.wait(HEAP_PAUSE);
    assert_eq!(bench.given_back, 1);
    // It kept five MiB all the same: they are in use.
    bench.event(heap(6));
    bench.wait(Duration::from_secs(9));
    bench.invoke("r-2", &header(S));
    bench.records([done("r-2", "success")]);
    bench.accept();
    bench.wait(Duration::from_secs(9));
    assert_eq!((bench.nexts, bench.given_back), (2, 1));
}

#[test]
fn where_memory_gets_low_queues_and_the_allocator_give_back_what_they_keep_at_once() {
    let mut bench = Bench::new();
    bench.invoke("r-1", &header(S));
    bench.records([start("r-1", tracing(Some(S), W))]);
    for id in 1..=1000 {
        bench.subsegment(&format!("{id:016x}"), S);
    }
    bench.accept();
    bench.records([done("r-1", "success")]);
    bench.accept();
    assert_eq!(bench.engine.held_documents(Lane::FIRST), 0);
    // 256 MB: low below 32, critical below 16.
    for (available, given_back) in [(200, 0), (32, 0), (31, 1), (30, 1), (15, 2)] {
        bench.event(Event::Memory(reading(5, available)));
        assert_eq!(bench.given_back, given_back, "{available}");
        assert_eq!(
            bench.engine.places_for_documents() == 0,
            given_back > 0,
            "{available}"
        );
    }
}

#[test]
fn nothing_is_shed_for_room_that_the_allocator_keeps() {
    let mut bench = Bench::new();
    bench.event(heap(1));
    bench.invoke("r-1", &header(S));
    let large = json!({ "metadata": { "d": { "k": "m".repeat(60_000) } } });
    for id in 1..=40 {
        bench.datagram(&subsegment(&format!("{id:016x}"), S, large.clone()));
    }
    bench.event(heap(15));
    assert_eq!(
        (
            bench.given_back,
            bench.engine.tally().of(Lane::FIRST).shed_total()
        ),
        (1, 0)
    );
    bench.event(heap(4));
    assert_eq!(
        (
            bench.given_back,
            bench.engine.tally().of(Lane::FIRST).shed_total()
        ),
        (1, 0)
    );
}
