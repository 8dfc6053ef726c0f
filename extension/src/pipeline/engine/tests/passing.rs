//! Next asked for before the end of the invocation: in a rhythm, or because the end was signalled.

use std::time::Duration;

use serde_json::json;

use super::bench::{Bench, S, U, W, done, header, report, start, tracing};
use crate::limits::{GATHER_AGE, LINGERING_INVOCATIONS, OVERTAKEN_MAX, RHYTHM_GAPS, SEND_AGE};
use crate::pipeline::event::Event;
use crate::pipeline::flush::Mode;
use crate::pipeline::lane::Lane;
use crate::pipeline::outcome::FailureKind;

const MS: Duration = Duration::from_millis(1);

fn bench(mode: Mode) -> Bench {
    let mut bench = Bench::with(|config| config.flush = mode);
    bench.event(Event::Subscribed(true));
    bench
}

/// INVOKE, its start and a document of its own.
fn begin(bench: &mut Bench, request: &str) {
    bench.invoke(request, &header(S));
    bench.records([start(request, tracing(Some(S), W))]);
    bench.subsegment(&format!("{:016x}", bench.now.as_micros()), S);
}

/// A whole invocation that delivers at its end.
fn invocation(bench: &mut Bench, request: &str) {
    begin(bench, request);
    bench.wait(5 * MS);
    bench.records([done(request, "success")]);
    bench.accept();
}

/// As many as make a rhythm of this gap.
fn rhythm(gap: Duration) -> Bench {
    let mut bench = bench(Mode::Adaptive);
    for number in 0..RHYTHM_GAPS {
        invocation(&mut bench, &format!("r-{number}"));
        assert_eq!(bench.nexts, number + 1);
        bench.freeze(gap - 5 * MS);
    }
    bench
}

#[test]
fn in_a_rhythm_next_is_asked_for_at_once_and_documents_leave_alongside_the_next_handler() {
    let mut bench = rhythm(1000 * MS);
    let (nexts, delivered) = (bench.nexts, bench.delivered.len());
    begin(&mut bench, "r-a");
    assert_eq!((bench.nexts, bench.sending.len()), (nexts + 1, 0));
    bench.freeze(1000 * MS);
    begin(&mut bench, "r-b");
    assert_eq!((bench.nexts, bench.sending.len()), (nexts + 2, 1));
    bench.accept();
    assert_eq!(bench.delivered.len(), delivered + 1); // the end of r-a is still to be told
}

#[test]
fn an_end_that_is_told_after_the_thaw_has_the_times_of_its_record() {
    let mut bench = bench(Mode::Continuous);
    begin(&mut bench, "r-1");
    let ended = bench.now.after(250 * MS);
    bench.freeze(60_000 * MS);
    bench.invoke("r-2", &header(U));
    let (kind, record) = done("r-1", "success");
    bench.deliver(&json!([{ "time": ended.to_iso8601(), "type": kind, "record": record }]));
    bench.wait(GATHER_AGE);
    bench.wait(SEND_AGE);
    bench.accept();
    let function = bench.document("AWS::Lambda::Function");
    assert_eq!(function["end_time"], json!(ended.as_seconds()));
    assert_eq!(function["aws"]["request_id"], "r-1");
}

#[test]
fn at_a_high_rate_several_invocations_share_a_call() {
    let mut bench = bench(Mode::Continuous);
    let mut calls = 0;
    for number in 0..100 {
        begin(&mut bench, &format!("r-{number}"));
        bench.wait(5 * MS);
        bench.records([done(&format!("r-{number}"), "success")]);
        bench.freeze(5 * MS);
        while bench.answer() {
            calls += 1;
        }
    }
    // A second's worth of documents, each no older than GATHER_AGE and an invocation when it leaves.
    assert!((8..=10).contains(&calls), "{calls} calls");
    assert_eq!(bench.nexts, 100);
}

#[test]
fn a_large_invocation_sends_while_its_handler_runs() {
    for mode in [Mode::Adaptive, Mode::End, Mode::Continuous] {
        let mut bench = bench(mode);
        begin(&mut bench, "r-1");
        for number in 0..60 {
            bench.subsegment(&format!("{number:016x}"), S);
        }
        assert_eq!(bench.sending.len(), 1, "{mode:?}");
    }
}

#[test]
fn a_period_has_one_flush_and_a_longer_gap_ends_with_one() {
    let mut bench = bench(Mode::Periodic(Duration::from_secs(20)));
    let mut calls = Vec::new();
    for second in 0..30 {
        begin(&mut bench, &format!("r-{second}"));
        bench.records([done(&format!("r-{second}"), "success")]);
        bench.freeze(2000 * MS);
        if bench.answer() {
            calls.push(second);
            bench.accept();
        }
    }
    assert_eq!(calls, [10, 20]);
    bench.freeze(Duration::from_secs(3600));
    bench.invoke("r-late", &header(S));
    assert_eq!(bench.sending.len(), 1);
}

#[test]
fn a_flush_that_takes_several_calls_goes_on_over_several_handlers() {
    let mut bench = bench(Mode::Periodic(Duration::from_secs(20)));
    for number in 0..200 {
        begin(&mut bench, &format!("r-{number}"));
        bench.records([done(&format!("r-{number}"), "success")]);
        bench.freeze(101 * MS);
    }
    // One call fits into each handler from here on.
    for number in 0..20 {
        begin(&mut bench, &format!("s-{number}"));
        bench.answer();
        bench.freeze(10 * MS);
    }
    assert!(bench.delivered.len() >= 600, "{}", bench.delivered.len());
}

#[test]
fn a_lost_end_is_not_waited_for_much_longer_than_those_after_it() {
    let mut bench = bench(Mode::Continuous);
    begin(&mut bench, "r-lost");
    for number in 0..OVERTAKEN_MAX {
        bench.freeze(10 * MS);
        begin(&mut bench, &format!("r-{number}"));
        assert!(bench.engine.level() == crate::pipeline::memory::Level::Normal);
        bench.records([done(&format!("r-{number}"), "success")]);
    }
    bench.freeze(10_000 * MS);
    bench.invoke("r-last", &header(U));
    bench.accept();
    let functions = bench.outline();
    let functions = functions
        .iter()
        .filter(|line| line.contains("AWS::Lambda::Function"));
    assert_eq!(functions.count(), usize::try_from(OVERTAKEN_MAX).unwrap() + 1);
}

#[test]
fn where_ends_are_never_told_invocations_are_told_all_the_same() {
    let mut bench = bench(Mode::Continuous);
    for number in 0..LINGERING_INVOCATIONS + 2 {
        begin(&mut bench, &format!("r-{number}"));
        bench.freeze(1000 * MS);
        bench.accept();
    }
    assert_eq!(bench.nexts, LINGERING_INVOCATIONS + 2);
    let told = bench
        .outline()
        .iter()
        .filter(|line| line.contains("AWS::Lambda::Function"))
        .count();
    assert!(told >= LINGERING_INVOCATIONS - 50, "{told}");
}

#[test]
fn a_report_ends_an_invocation_whose_end_was_not_told() {
    let mut bench = bench(Mode::Continuous);
    begin(&mut bench, "r-1");
    bench.freeze(1000 * MS);
    bench.invoke("r-2", &header(U));
    bench.records([report("r-1")]);
    bench.wait(SEND_AGE);
    bench.accept();
    assert_eq!(
        bench.document("AWS::Lambda::Function")["aws"]["request_id"],
        "r-1"
    );
}

#[test]
fn an_end_told_by_datagram_is_not_waited_for_any_longer() {
    let mut bench = bench(Mode::End);
    begin(&mut bench, "r-1");
    bench.wait(5 * MS);
    bench.done_datagram("r-1");
    assert_eq!((bench.nexts, bench.sending.len()), (0, 1));
    bench.done_datagram("r-1");
    bench.accept();
    assert_eq!((bench.nexts, bench.delivered.len()), (1, 1));
    // Its times come with its records.
    bench.freeze(60_000 * MS);
    bench.records([done("r-1", "success")]);
    begin(&mut bench, "r-2");
    bench.done_datagram("r-2");
    bench.accept();
    assert_eq!((bench.nexts, bench.delivered.len()), (2, 4));
}

#[test]
fn an_end_of_another_request_is_counted_and_changes_nothing() {
    let mut bench = bench(Mode::End);
    begin(&mut bench, "r-1");
    bench.done_datagram("r-0");
    bench.done_datagram("r-9");
    assert_eq!((bench.nexts, bench.sending.len()), (0, 0));
    assert_eq!(bench.engine.tally().of(Lane::FIRST).received_total(), 1);
    bench.stop("spindown");
    bench.wait(2000 * MS);
    let tally = bench.finished.unwrap();
    let stray = tally
        .fields
        .iter()
        .find(|(name, _)| *name == "telemetry_rejected");
    assert_eq!(stray.unwrap().1["end of an unknown request"], 2);
}

#[test]
fn an_end_told_before_its_invoke_was_read_is_known_when_it_is() {
    let mut bench = bench(Mode::End);
    bench.done_datagram("r-1");
    bench.invoke("r-1", &header(S));
    assert_eq!(bench.nexts, 1);
}

#[test]
fn documents_that_wait_for_their_start_are_waited_for_after_a_told_end_unless_it_changes_nothing() {
    let mut bench = bench(Mode::End);
    bench.invoke("r-1", &header(S));
    bench.subsegment("5555555555555555", S);
    bench.done_datagram("r-1");
    assert_eq!((bench.nexts, bench.sending.len()), (0, 0));
    bench.records([start("r-1", tracing(Some(S), W))]);
    bench.accept();
    assert_eq!((bench.nexts, bench.delivered.len()), (1, 1));
    // From now on it is known that documents stay where INVOKE says.
    bench.freeze(60_000 * MS);
    bench.invoke("r-2", &header(S));
    bench.subsegment("6666666666666666", S);
    bench.done_datagram("r-2");
    bench.accept();
    assert_eq!((bench.nexts, bench.delivered.len()), (2, 2));
}

#[test]
fn a_document_does_not_give_up_on_its_start_because_of_a_freeze() {
    let mut bench = bench(Mode::Continuous);
    bench.invoke("r-1", &header(U));
    bench.subsegment("5555555555555555", U);
    bench.freeze(60_000 * MS);
    bench.event(Event::Tick);
    bench.invoke("r-2", &header(S));
    bench.records([start("r-1", tracing(None, U)), done("r-1", "success")]);
    bench.wait(SEND_AGE);
    bench.accept();
    let function = bench.document("AWS::Lambda::Function")["id"].clone();
    assert_eq!(bench.document("call 5555555555555555")["parent_id"], function);
}

#[test]
fn a_call_that_a_freeze_interrupted_is_repeated_at_once_and_held_against_nobody() {
    let mut bench = bench(Mode::Continuous);
    begin(&mut bench, "r-1");
    bench.freeze(1000 * MS);
    begin(&mut bench, "r-2");
    assert_eq!(bench.sending.len(), 1);
    bench.freeze(60_000 * MS);
    bench.invoke("r-3", &header(S));
    bench.fail(FailureKind::Silent);
    assert_eq!((bench.sending.len(), bench.lines.len()), (1, 0));
    bench.fail(FailureKind::Silent);
    assert_eq!((bench.sending.len(), bench.lines.len()), (0, 1));
}

#[test]
fn a_fault_makes_the_next_invocation_deliver_at_its_end() {
    let mut bench = rhythm(1000 * MS);
    let nexts = bench.nexts;
    bench.invoke("r-a", &header(S));
    assert_eq!(bench.nexts, nexts + 1);
    bench.records([start("r-a", tracing(Some(S), W)), done("r-a", "error")]);
    bench.freeze(1000 * MS);
    bench.invoke("r-b", &header(S));
    assert_eq!(bench.nexts, nexts + 1);
}

#[test]
fn records_that_lambda_dropped_hold_up_no_later_invocation_either() {
    let mut bench = bench(Mode::Continuous);
    begin(&mut bench, "r-1");
    bench.records([("platform.logsDropped", json!({ "droppedRecords": 7 }))]);
    bench.freeze(1000 * MS);
    bench.invoke("r-2", &header(U));
    bench.accept();
    assert_eq!(
        bench.document("AWS::Lambda::Function")["aws"]["request_id"],
        "r-1"
    );
}

#[test]
fn a_sandbox_that_ends_in_its_sleep_tells_what_was_left_open() {
    let mut bench = bench(Mode::Continuous);
    begin(&mut bench, "r-1");
    let ended = bench.now.after(250 * MS);
    bench.freeze(300_000 * MS);
    bench.stop("spindown");
    let (kind, record) = done("r-1", "success");
    bench.deliver(&json!([{ "time": ended.to_iso8601(), "type": kind, "record": record }]));
    bench.wait(200 * MS);
    bench.accept();
    assert_eq!(bench.delivered.len(), 3);
    assert_eq!(
        bench.document("AWS::Lambda::Function")["end_time"],
        json!(ended.as_seconds())
    );
}

#[test]
fn only_the_last_invocation_can_have_timed_out() {
    let mut bench = bench(Mode::Continuous);
    begin(&mut bench, "r-1");
    bench.freeze(1000 * MS);
    bench.invoke("r-2", &header(U));
    bench.wait(3000 * MS);
    bench.stop("timeout");
    bench.wait(200 * MS);
    bench.accept();
    let faults: Vec<_> = bench
        .delivered
        .iter()
        .filter(|document| document["origin"] == "AWS::Lambda::Function")
        .map(|document| (document["aws"]["request_id"].clone(), document["fault"] == true))
        .collect();
    assert_eq!(faults, [(json!("r-1"), false), (json!("r-2"), true)]);
}
