//! The account on its way out.

use std::time::Duration;

use model::wire::xray_api::TelemetryRecord;

use super::bench::{Bench, S, W, done, header, start, tracing};
use crate::pipeline::lane::Lane;
use crate::pipeline::metrics::MetricsFormat;

const A: &str = "aaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbb";

/// A handler that runs for minutes and sends a subsegment every two seconds, which X-Ray takes.
fn long_handler(bench: &mut Bench, subsegments: std::ops::Range<u64>) {
    for number in subsegments {
        bench.wait(Duration::from_secs(2));
        bench.subsegment(&format!("{:016x}", 0xb000 + number), S);
        bench.wait(Duration::from_secs(1));
        bench.accept();
    }
}

#[test]
fn xray_hears_the_account_once_a_minute_and_the_records_add_up_to_the_tally() {
    let mut bench = Bench::with(|config| config.is_managed = true);
    bench.records([start("r-1", tracing(Some(S), W))]);
    long_handler(&mut bench, 0..50); // 150 s
    assert_eq!(bench.records.len(), 2);
    bench.takes_records = false;
    long_handler(&mut bench, 50..70); // 60 s: the third is lost
    assert_eq!(bench.records.len(), 3);
    let lost = bench.records.remove(2);
    bench.takes_records = true;
    bench.stop("spindown");
    bench.wait(Duration::from_secs(1));
    bench.accept();
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.records.len(), 3);
    assert!(bench.records[2].segments_sent_count > lost.segments_sent_count);
    let sum = |of: fn(&TelemetryRecord) -> u64| bench.records.iter().map(of).sum::<u64>();
    let tally = bench.engine.tally().of(Lane::FIRST);
    assert_eq!(
        sum(|record| record.segments_received_count),
        tally.received_total()
    );
    assert_eq!(sum(|record| record.segments_sent_count), tally.sent_total());
    assert_eq!(tally.sent_total(), 72);
}

#[test]
fn nobody_waits_for_the_account_at_the_end_of_an_invocation() {
    let mut bench = Bench::new();
    for request in ["r-1", "r-2"] {
        bench.invoke(request, &header(S));
        bench.subsegment(if request == "r-1" { A } else { B }, S);
        bench.records([start(request, tracing(Some(S), W)), done(request, "success")]);
        bench.accept();
        bench.now = bench.now.after(Duration::from_secs(120));
    }
    assert_eq!((bench.records.len(), bench.nexts), (0, 2));
    bench.stop("spindown");
    bench.wait(Duration::from_secs(2));
    assert_eq!(bench.records.len(), 1);
    assert_eq!(
        bench.records[0].segments_sent_count,
        bench.engine.tally().of(Lane::FIRST).sent_total()
    );
}

#[test]
fn metrics_are_written_once_a_minute_at_most_and_the_rest_at_shutdown() {
    let mut bench = Bench::with(|config| config.metrics = MetricsFormat::Emf);
    for number in 0..10 {
        bench.invoke(&format!("r-{number}"), &header(S));
        bench.records([
            start(&format!("r-{number}"), tracing(Some(S), W)),
            done(&format!("r-{number}"), "success"),
        ]);
        bench.accept();
        bench.now = bench.now.after(Duration::from_secs(15)); // frozen
    }
    assert_eq!(bench.metrics.len(), 2);
    bench.stop("spindown");
    bench.wait(Duration::from_secs(2));
    assert_eq!(bench.metrics.len(), 3);
    let sum: u64 = bench
        .metrics
        .iter()
        .filter_map(|line| line["DocumentsSent"].as_u64())
        .sum();
    assert_eq!((sum, bench.engine.tally().of(Lane::FIRST).sent_total()), (20, 20));
    let silent = Bench::with(|_| ());
    assert!(silent.metrics.is_empty());
}
