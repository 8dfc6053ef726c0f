//! Readings of memory.

use super::bench::{Bench, S, header, reading, subsegment};
use crate::pipeline::event::Event;
use crate::pipeline::memory::Level;
use serde_json::json;

#[test]
fn a_level_is_logged_once_and_kept_in_the_tally() {
    let mut bench = Bench::new();
    // 256 MB: low below 32, critical below 16.
    for available in [100, 31, 30, 15, 14, 100, 31] {
        bench.event(Event::Memory(reading(5, available)));
    }
    assert_eq!(bench.engine.level(), Level::Low);
    let levels: Vec<_> = bench.lines.iter().map(|line| &line.fields["level"]).collect();
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
    let held = bench.engine.held_documents();
    assert_eq!((held, bench.engine.tally().shed_total()), (40, 0));
    // They take 2.3 MiB, and 12.7 of 16 are something else's; 2 stay free for a batch.
    bench.event(Event::Memory(reading(15, 200)));
    let shed = bench.engine.tally().shed_total();
    assert!((15..20).contains(&shed), "{shed}");
    assert_eq!(bench.engine.held_documents(), held - shed);
}
