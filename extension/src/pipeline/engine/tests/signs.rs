//! Failures and what they leave behind: evidence, memory that ran out, invocations that sampling left out.

use std::time::Duration;

use model::size::ByteCount;
use model::wire::runtime_error::{Raised, Thrown};
use serde_json::{Value, json};

use super::bench::{Bench, ROOT, S, U, W, done, header, report, start, subsegment, tracing};
use crate::limits::{HOLD_MAX, OPEN_MAX};
use crate::pipeline::event::{Delivery, Effect, Event};
use crate::pipeline::identity::Rescue;
use crate::pipeline::lane::Lane;
use crate::pipeline::runtime_sign::RuntimeSign;
use crate::pipeline::tally::Sign;

const A: &str = "aaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbb";

/// The open form of a subsegment.
fn open(id: &str, parent: &str) -> String {
    subsegment(
        id,
        parent,
        json!({ "in_progress": true, "end_time": null, "start_time": 1_779_358_529.2 }),
    )
    .replace(r#""end_time":null,"#, "")
}

fn failed(kind: &str, status: &str) -> (&'static str, Value) {
    let (kind, mut record) = if kind == "done" {
        done("r-1", status)
    } else {
        report("r-1")
    };
    record["status"] = status.into();
    (kind, record)
}

fn message(document: &Value) -> &str {
    document["cause"]["exceptions"][0]["message"]
        .as_str()
        .unwrap_or("-")
}

/// An invocation that opened A and, in it, B.
fn with_two_open() -> Bench {
    let mut bench = Bench::new();
    bench.invoke("r-1", &header(S));
    bench.records([start("r-1", tracing(Some(S), W))]);
    bench.datagram(&open(A, S));
    bench.datagram(&open(B, A).replace("529.2", "529.25"));
    bench
}

#[test]
fn what_was_open_at_a_timeout_leaves_closed_as_its_evidence() {
    let mut bench = with_two_open();
    bench.wait(Duration::from_millis(2500)); // older than documents get before they are sent
    bench.accept();
    assert_eq!(bench.outline(), [""; 0], "open documents wait for the end");
    bench.records([failed("done", "timeout")]);
    bench.accept();
    let function = bench.document("AWS::Lambda::Function");
    assert_eq!(
        message(function),
        format!("Task timed out after 0.25 seconds; still open: call {B}")
    );
    for id in [A, B] {
        let call = bench.document(&format!("call {id}"));
        assert_eq!(
            (&call["fault"], &call["in_progress"]),
            (&json!(true), &Value::Null)
        );
        assert_eq!(call["end_time"], function["end_time"]);
        assert_eq!(
            message(call),
            "still open at the end: Task timed out after 0.25 seconds"
        );
    }
    let tally = bench.engine.tally().of(Lane::FIRST);
    assert_eq!((tally.times(Sign::Evidence), tally.superseded_total()), (2, 0));
    assert_eq!(tally.sent_total(), 4);
}

#[test]
fn a_completed_form_takes_the_place_of_the_open_one() {
    let mut bench = with_two_open();
    bench.subsegment(B, A);
    // A comes with B nested in it once more.
    bench.datagram(&subsegment(
        A,
        S,
        json!({ "subsegments": [{ "id": B, "name": "b" }] }),
    ));
    bench.records([failed("done", "timeout")]);
    bench.accept();
    assert_eq!(
        message(bench.document("AWS::Lambda::Function")),
        "Task timed out after 0.25 seconds"
    );
    assert_eq!(bench.document(&format!("call {A}"))["fault"], Value::Null);
    let tally = bench.engine.tally().of(Lane::FIRST);
    assert_eq!((tally.times(Sign::Evidence), tally.superseded_total()), (0, 2));
    assert_eq!((tally.received_total(), tally.sent_total()), (6, 4));
}

#[test]
fn a_completed_form_that_lay_in_the_socket_at_the_end_is_no_evidence() {
    let mut bench = with_two_open();
    let (kind, record) = failed("done", "timeout");
    let body = json!([{ "time": bench.now.to_iso8601(), "type": kind, "record": record }]).to_string();
    let delivery: Delivery = model::wire::telemetry::decode(body.as_bytes());
    let effects = bench.engine.handle(bench.now, Event::Delivered(delivery));
    assert!(matches!(effects.as_slice(), [.., Effect::Drain]), "{effects:?}");
    bench.subsegment(B, A);
    bench.event(Event::Drained);
    bench.accept();
    assert_eq!(bench.document(&format!("call {B}"))["fault"], Value::Null);
    assert_eq!(bench.document(&format!("call {A}"))["fault"], true);
    assert!(message(bench.document("AWS::Lambda::Function")).ends_with(&format!("still open: call {A}")));
}

#[test]
fn what_a_good_invocation_left_open_leaves_as_it_came() {
    let mut bench = with_two_open();
    bench.subsegment(B, A);
    bench.records([done("r-1", "success")]);
    bench.accept();
    let call = bench.document(&format!("call {A}"));
    assert_eq!(
        (&call["in_progress"], &call["fault"]),
        (&json!(true), &Value::Null)
    );
    bench.subsegment(A, S); // completed by the next invocation: X-Ray takes it as an update
    bench.invoke("r-2", &header(S));
    bench.records([start("r-2", tracing(Some(S), W)), done("r-2", "success")]);
    bench.accept();
    let forms = bench.outline().iter().filter(|line| line.starts_with(A)).count();
    assert_eq!(
        (forms, bench.engine.tally().of(Lane::FIRST).superseded_total()),
        (2, 1)
    );
}

#[test]
fn an_open_document_that_overtook_its_invoke_is_evidence_too_and_hung_where_it_belongs() {
    let mut bench = Bench::new();
    bench.datagram(&open(A, U));
    bench.invoke("r-1", &header(U));
    bench.records([start("r-1", tracing(None, U))]);
    bench.wait(HOLD_MAX);
    bench.records([failed("done", "timeout")]);
    bench.accept();
    let function = bench.document("AWS::Lambda::Function")["id"].clone();
    let call = bench.document(&format!("call {A}"));
    assert_eq!((&call["parent_id"], &call["fault"]), (&function, &json!(true)));
}

#[test]
fn an_open_document_of_no_invocation_and_one_of_an_endless_one_leave_as_they_came() {
    for (is_invoked, wait) in [(false, HOLD_MAX), (true, OPEN_MAX)] {
        let mut bench = Bench::with(|config| config.is_managed = true);
        if is_invoked {
            bench.records([start("r-1", tracing(Some(S), W))]);
        }
        bench.datagram(&open(A, S));
        bench.wait(wait - Duration::from_millis(1));
        bench.accept();
        assert_eq!(bench.outline().len(), 0, "{is_invoked}");
        bench.wait(Duration::from_secs(2));
        bench.accept();
        assert_eq!(bench.document(&format!("call {A}"))["in_progress"], true);
    }
}

#[test]
fn of_two_requests_in_one_trace_neither_is_blamed_for_the_others_open_documents() {
    let mut bench = Bench::with(|config| config.is_managed = true);
    for request in ["r-1", "r-2"] {
        bench.records([start(request, tracing(Some(S), W))]);
    }
    bench.datagram(&open(A, S));
    bench.records([failed("report", "error")]);
    bench.wait(Duration::from_secs(2));
    bench.accept();
    assert!(
        bench.outline().iter().all(|line| !line.starts_with(A)),
        "{:?}",
        bench.outline()
    );
    bench.records([report("r-2")]);
    bench.wait(Duration::from_secs(2));
    bench.accept();
    assert_eq!(bench.document(&format!("call {A}"))["in_progress"], true);
}

#[test]
fn a_shutdown_for_a_timeout_nobody_announced_leaves_evidence() {
    let mut bench = with_two_open();
    bench.stop("timeout");
    bench.wait(Duration::from_secs(1));
    bench.accept();
    bench.wait(Duration::from_secs(2));
    assert_eq!(bench.document(&format!("call {A}"))["fault"], true);
    assert!(bench.finished.is_some());
    assert_eq!(bench.engine.held_documents(Lane::FIRST), 0);
}

#[test]
fn a_shutdown_keeps_nothing_open_back() {
    let mut bench = Bench::new();
    bench.datagram(&open(A, S)); // nobody's
    bench.stop("spindown");
    bench.wait(Duration::from_millis(200));
    bench.datagram(&open(B, S)); // later still
    bench.accept();
    bench.wait(Duration::from_secs(2));
    bench.accept();
    assert_eq!(bench.outline().len(), 2, "{:?}", bench.outline());
}

#[test]
fn out_of_memory_is_told_and_counted_once_however_many_signs_there_are() {
    let mut bench = with_two_open();
    let (kind, mut full) = failed("report", "error");
    full["errorType"] = "Runtime.OutOfMemory".into();
    full["metrics"]["maxMemoryUsedMB"] = 256.into();
    let mut crashed = failed("done", "error");
    crashed.1["errorType"] = "Runtime.OutOfMemory".into();
    let line = "RequestId: r-1 Error: Runtime exited with error: signal: killed";
    bench.records([
        crashed,
        (kind, full.clone()),
        ("platform.fault", line.into()),
        (kind, full),
    ]);
    bench.stop("failure");
    bench.wait(Duration::from_millis(200));
    bench.accept();
    let function = bench.document("AWS::Lambda::Function");
    assert_eq!(
        message(function),
        format!("the function ran out of memory (256 MB) after 0.25 seconds; still open: call {B}")
    );
    assert_eq!(function["annotations"]["memory_full"], true);
    assert_eq!(bench.document("AWS::Lambda")["http"]["response"]["status"], 502);
    let tally = bench.engine.tally().of(Lane::FIRST);
    assert_eq!(
        (tally.times(Sign::OutOfMemory), tally.times(Sign::Evidence)),
        (1, 2)
    );
}

#[test]
fn a_good_invocation_that_used_all_of_its_memory_is_marked_and_not_failed() {
    let mut bench = Bench::new();
    bench.invoke("r-1", &header(S));
    let (kind, mut full) = report("r-1");
    full["metrics"]["maxMemoryUsedMB"] = 256.into();
    bench.records([
        start("r-1", tracing(Some(S), W)),
        (kind, full),
        done("r-1", "success"),
    ]);
    bench.accept();
    let function = bench.document("AWS::Lambda::Function");
    assert_eq!(
        (&function["fault"], &function["cause"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(function["annotations"]["memory_full"], true);
    assert_eq!(bench.engine.tally().of(Lane::FIRST).times(Sign::OutOfMemory), 0);
}

#[test]
fn a_late_report_that_measures_no_overhead_still_tells_what_was_billed() {
    let mut bench = Bench::new();
    bench.invoke("r-1", &header(S));
    bench.records([start("r-1", tracing(Some(S), W)), done("r-1", "success")]);
    bench.accept();
    let (kind, mut late) = report("r-1");
    late["spans"] = json!([]);
    late["metrics"]["maxMemoryUsedMB"] = 256.into();
    bench.invoke("r-2", &header(S));
    bench.records([
        (kind, late),
        start("r-2", tracing(Some(S), W)),
        done("r-2", "success"),
    ]);
    bench.accept();
    let told = bench.document("Report");
    assert_eq!(
        (&told["parent_id"], &told["start_time"]),
        (&json!(S), &told["end_time"])
    );
    assert_eq!(told["metadata"]["lambda"]["billed_duration_ms"], 301.0);
    assert_eq!(told["annotations"], json!({ "memory_full": true }));
}

/// What is told of an invocation with this sampling decision that ended like this, and how many were rescued.
fn told(rescue: Rescue, sampled: &str, status: &str) -> (Bench, u64) {
    let mut bench = Bench::with(|config| config.emission.rescue = rescue);
    let header = format!("Root={ROOT};Parent={U}{sampled}");
    let unsampled = json!({ "type": "X-Amzn-Trace-Id", "value": header });
    bench.records([(
        "platform.initStart",
        json!({ "initializationType": "on-demand", "phase": "init" }),
    )]);
    for request in ["r-0", "r-1"] {
        bench.invoke(request, &header);
        let status = if request == "r-1" { status } else { "success" };
        bench.records([start(request, unsampled.clone()), done(request, status)]);
        bench.accept();
    }
    bench.stop("spindown");
    bench.wait(Duration::from_secs(2));
    bench.accept();
    let rescued = bench.engine.tally().of(Lane::FIRST).times(Sign::Rescued);
    (bench, rescued)
}

#[test]
fn what_sampling_left_out_is_told_if_it_failed_as_a_trace_of_its_own() {
    for (sampled, status, rescued) in [
        (";Sampled=0", "timeout", 1),
        (";Sampled=0", "error", 1),
        (";Sampled=0", "failure", 1),
        (";Sampled=?", "timeout", 1),
        ("", "timeout", 1),
        (";Sampled=0", "success", 0),
        (";Sampled=1", "timeout", 0),
    ] {
        let (bench, count) = told(Rescue::Faults, sampled, status);
        assert_eq!(count, rescued, "{sampled} {status}");
        if rescued == 0 {
            continue;
        }
        let (lambda, function) = (
            bench.document("AWS::Lambda"),
            bench.document("AWS::Lambda::Function"),
        );
        assert_eq!(lambda["parent_id"], Value::Null, "nobody above recorded anything");
        assert_eq!(function["parent_id"], lambda["id"]);
        assert_eq!(function["annotations"]["rescued"], true);
        assert_eq!(
            (&function["fault"], &lambda["fault"]),
            (&json!(true), &json!(true))
        );
    }
}

#[test]
fn the_setting_decides_which_are_rescued() {
    for (rescue, documents) in [
        (Rescue::None, 0),
        (Rescue::Faults, 2),
        (Rescue::ColdStarts, 4),
        (Rescue::All, 4),
    ] {
        let (bench, _) = told(rescue, ";Sampled=0", "timeout");
        assert_eq!(bench.outline().len(), documents, "{rescue:?}");
    }
    assert_eq!(told(Rescue::All, ";Sampled=0", "success").0.outline().len(), 4);
}

#[test]
fn open_documents_and_the_others_share_one_budget() {
    let budget = ByteCount::bytes(128 * 1024);
    let mut bench = Bench::with(|config| config.spool_budget = budget);
    bench.invoke("r-1", &header(S));
    bench.records([start("r-1", tracing(Some(S), W))]);
    let large = json!({ "metadata": { "d": { "k": "m".repeat(7_000) } } });
    for number in 0..40 {
        bench.datagram(&subsegment(
            &format!("{:016x}", 0xc000 + number),
            S,
            large.clone(),
        ));
        let mut open = large.clone();
        open["in_progress"] = true.into();
        bench.datagram(&subsegment(&format!("{:016x}", 0xd000 + number), S, open));
        let (spool, evidence) = (bench.engine.spool.held(), bench.engine.evidence.held());
        assert!(spool.plus(evidence) <= budget, "{spool:?} and {evidence:?}");
        assert!(evidence.get() <= budget.get() / 8);
    }
    assert_eq!(bench.engine.evidence.documents(), 2);
    assert!(bench.engine.tally().of(Lane::FIRST).shed_total() > 0);
}

#[test]
fn an_exception_that_the_proxy_saw_rescues_its_invocation() {
    let mut bench = Bench::new();
    let header = format!("Root={ROOT};Parent={U};Sampled=0");
    bench.invoke("r-1", &header);
    let thrown = Thrown {
        kind: "ValueError".into(),
        message: "no such order".into(),
        ..Thrown::default()
    };
    let raised = Raised {
        exceptions: vec![thrown],
        ..Raised::default()
    };
    let tracing = json!({ "type": "X-Amzn-Trace-Id", "value": header });
    bench.records([start("r-1", tracing)]);
    bench.event(Event::Runtime(RuntimeSign::Failed(
        "r-1".parse().unwrap(),
        raised,
    )));
    bench.records([done("r-1", "success")]);
    bench.invoke("r-2", &header);
    bench.wait(Duration::from_secs(3));
    bench.accept();
    let function = bench.document("AWS::Lambda::Function");
    assert_eq!(function["cause"]["exceptions"][0]["type"], "ValueError");
    assert_eq!(function["annotations"]["rescued"], true);
    assert_eq!(bench.engine.tally().of(Lane::FIRST).times(Sign::Rescued), 1);
}
