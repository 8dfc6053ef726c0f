//! SHUTDOWN: what is told of an invocation that never ended, and when the process ends.

use std::time::Duration;

use serde_json::{Value, json};

use super::bench::{Bench, S, TIMEOUT, W, done, header, report, start, subsegment, tracing};
use crate::limits::{SHUTDOWN_MARGIN, SHUTDOWN_TELEMETRY_WAIT};
use crate::pipeline::event::Event;
use crate::pipeline::outcome::FailureKind;

const MS: Duration = Duration::from_millis(1);
const SHUTDOWN: Duration = Duration::from_millis(2000);

fn running() -> Bench {
    let mut bench = Bench::new();
    bench.invoke("r-1", &header(S));
    bench.records([start("r-1", tracing(Some(S), W))]);
    bench
}

fn cause(bench: &Bench) -> (String, String) {
    let exception = &bench.document("AWS::Lambda::Function")["cause"]["exceptions"][0];
    (
        exception["type"].as_str().unwrap().to_owned(),
        exception["message"].as_str().unwrap().to_owned(),
    )
}

#[test]
fn a_timeout_says_so_after_how_long_and_what_hung() {
    let mut bench = running();
    bench.datagram(&subsegment(
        "5555555555555555",
        S,
        json!({ "in_progress": true, "name": "charge card" }),
    ));
    bench.wait(TIMEOUT);
    bench.accept();
    bench.stop("TIMEOUT");
    let (kind, mut record) = done("r-1", "timeout");
    record["metrics"]["durationMs"] = json!(3000.0);
    bench.records([(kind, record), report("r-1")]);
    bench.accept();
    let message = "Task timed out after 3.00 seconds; still open: charge card";
    assert_eq!(cause(&bench), ("Sandbox.Timeout".into(), message.into()));
    let function = bench.document("AWS::Lambda::Function");
    assert_eq!(function["fault"], true);
    assert_eq!(function["metadata"]["lambda"]["billed_duration_ms"], 301.0);
    let lambda = bench.document("AWS::Lambda");
    assert_eq!(
        (&lambda["fault"], &lambda["http"]["response"]["status"]),
        (&json!(true), &json!(504))
    );
    assert!(bench.finished.is_some());
}

#[test]
fn a_timeout_without_records_is_told_by_the_shutdowns_reason() {
    let mut bench = running();
    bench.wait(TIMEOUT + 3 * MS);
    bench.stop("timeout");
    bench.wait(SHUTDOWN_TELEMETRY_WAIT);
    bench.accept();
    assert_eq!(cause(&bench).1, "Task timed out after 3.00 seconds");
    assert_eq!(
        bench.document("AWS::Lambda::Function")["end_time"],
        json!(1_779_358_532.0)
    ); // its deadline
}

#[test]
fn a_crash_waits_for_the_report_that_tells_whether_memory_ran_out() {
    for (used, expected) in [
        (
            256,
            (
                "Runtime.OutOfMemory",
                "the function ran out of memory (256 MB) after 0.25 seconds",
            ),
        ),
        (
            91,
            (
                "Runtime.ExitError",
                "the invocation ended with Runtime.ExitError after 0.25 seconds",
            ),
        ),
    ] {
        let mut bench = running();
        let (kind, mut record) = done("r-1", "error");
        record["errorType"] = "Runtime.ExitError".into();
        bench.records([(kind, record)]);
        assert_eq!((bench.nexts, bench.sending.len()), (1, 0));
        bench.stop("failure");
        let (kind, mut record) = report("r-1");
        record["metrics"]["maxMemoryUsedMB"] = used.into();
        bench.records([(kind, record)]);
        bench.accept();
        assert_eq!(cause(&bench), (expected.0.into(), expected.1.into()));
        assert_eq!(bench.document("AWS::Lambda")["http"]["response"]["status"], 502);
        assert_eq!(
            bench.document("AWS::Lambda::Function")["subsegments"][0]["fault"],
            true
        );
    }
}

#[test]
fn out_of_memory_is_believed_by_its_name() {
    let mut bench = running();
    let (kind, mut record) = done("r-1", "error");
    record["errorType"] = "Runtime.OutOfMemory".into();
    bench.records([(kind, record)]);
    bench.stop("failure");
    bench.wait(SHUTDOWN_TELEMETRY_WAIT);
    bench.accept();
    assert_eq!(cause(&bench).0, "Runtime.OutOfMemory");
}

#[test]
fn the_last_report_is_waited_for_briefly_and_not_without_cause() {
    let mut bench = running();
    bench.records([done("r-1", "success")]);
    bench.accept();
    bench.stop("spindown");
    assert!(bench.finished.is_none());
    bench.wait(10 * MS);
    bench.records([report("r-1")]);
    bench.accept();
    assert!(bench.finished.is_some());
    assert_eq!(bench.document("ExtensionOverhead")["parent_id"], S);

    let mut bench = Bench::new();
    bench.stop("spindown");
    assert!(bench.finished.is_some()); // nothing ran, nothing is awaited
}

#[test]
fn a_dead_destination_ends_at_the_margin_with_everything_accounted_for() {
    let mut bench = running();
    bench.records([done("r-1", "success")]);
    bench.accept();
    bench.subsegment("5555555555555555", S);
    bench.stop("spindown");
    let begin = bench.now;
    while bench.finished.is_none() {
        if bench.sending.is_empty() {
            bench.wait(MS);
        } else {
            bench.fail(FailureKind::Silent);
        }
        assert!(bench.now <= begin.after(SHUTDOWN));
    }
    assert!(bench.now <= begin.after(SHUTDOWN - SHUTDOWN_MARGIN));
    assert_eq!(bench.finished.unwrap().fields["held"], 1);
}

#[test]
fn a_call_that_never_ends_does_not_outlast_the_margin() {
    let mut bench = running();
    bench.stop("spindown");
    bench.wait(SHUTDOWN - SHUTDOWN_MARGIN - MS);
    assert_eq!((bench.sending.len(), bench.finished.is_none()), (1, true));
    bench.wait(MS);
    assert_eq!(bench.finished.unwrap().fields["held"], 2);
}

#[test]
fn the_tally_tells_every_document_by_reason() {
    let mut bench = running();
    bench.subsegment("5555555555555555", S);
    bench.datagram("not json");
    bench.datagram("[]");
    bench.datagram("T1SAAAA");
    bench.records([done("r-1", "success")]);
    bench.accept();
    bench.stop("spindown");
    bench.wait(SHUTDOWN_TELEMETRY_WAIT);
    bench.accept();
    let line = bench.finished.unwrap();
    assert_eq!(
        (line.message.as_str(), &line.fields["shutdown"]),
        ("tally", &json!("spindown"))
    );
    let fields = Value::Object(line.fields);
    assert_eq!(
        fields["received"],
        json!({ "total": 6, "udp": 4, "tcp": 0, "otlp": 0, "platform": 2, "recovered": 0, "part": 0 })
    );
    assert_eq!(fields["sent"], 3);
    assert_eq!(
        fields["rejected"],
        json!({ "total": 3, "not_json": 1, "empty_array": 1, "otlp_damaged": 1 })
    );
    assert_eq!(
        (&fields["held"], &fields["shed"]["total"]),
        (&json!(0), &json!(0))
    );
}

#[test]
fn nothing_happens_after_the_end() {
    let mut bench = Bench::new();
    bench.stop("spindown");
    assert!(bench.finished.take().is_some());
    bench.stop("spindown");
    bench.event(Event::Tick);
    assert_eq!((bench.finished, bench.engine.wake_at()), (None, None));
}

#[test]
fn what_lay_in_the_socket_at_the_very_end_is_counted() {
    let mut bench = Bench::new();
    bench.stop("spindown");
    assert!(bench.finished.is_some());
    bench.subsegment("5555555555555555", S);
    bench.event(Event::Overrun(2));
    let fields = Value::Object(bench.engine.last_word().fields);
    assert_eq!(
        (
            &fields["received"]["total"],
            &fields["held"],
            &fields["shed"]["overrun"]
        ),
        (&json!(3), &json!(1), &json!(2))
    );
}

#[test]
fn a_shutdown_that_names_no_time_has_the_usual_one() {
    let mut bench = running();
    bench.event(Event::Stopping(crate::pipeline::event::Stopping {
        reason: "spindown".into(),
        deadline: model::time::Timestamp::default(),
    }));
    bench.wait(SHUTDOWN_TELEMETRY_WAIT);
    bench.accept();
    assert_eq!(bench.finished.unwrap().fields["sent"], 2);
}

#[test]
fn failed_calls_are_told_by_kind() {
    let mut bench = running();
    bench.records([done("r-1", "success")]);
    bench.fail(FailureKind::Silent);
    bench.stop("spindown");
    bench.wait(SHUTDOWN_TELEMETRY_WAIT);
    bench.accept();
    assert_eq!(
        bench
            .told
            .as_ref()
            .unwrap()
            .backend_connection_errors
            .timeout_count,
        1
    );
}

#[test]
fn the_socket_is_emptied_until_the_margin_whether_or_not_records_are_awaited() {
    for is_subscribed in [true, false] {
        let mut bench = Bench::new();
        bench.event(Event::Subscribed(is_subscribed));
        bench.invoke("r-1", &header(S));
        let deadline = bench.now.after(SHUTDOWN);
        let stopping = crate::pipeline::event::Stopping {
            reason: "spindown".into(),
            deadline,
        };
        bench.engine.handle(bench.now, Event::Stopping(stopping));
        assert_eq!(bench.engine.drain_until(), Some(deadline.before(SHUTDOWN_MARGIN)));
    }
}
