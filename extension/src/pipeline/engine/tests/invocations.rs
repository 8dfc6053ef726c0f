//! What an invocation's trace looks like, in every style of sandbox.

use std::time::Duration;

use model::otlp::decode;
use model::otlp::from_segment::{self, Given};
use serde_json::{Value, json};

use super::bench::{Bench, S, U, V, W, done, header, report, start, subsegment, tracing};
use crate::pipeline::event::Event;
use crate::pipeline::identity::PlatformSegments;
use crate::pipeline::lane::Lanes;

const MS: Duration = Duration::from_millis(1);
const A: &str = "aaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbb";

/// Plays one invocation whose SDK hangs its documents under `sdk_parent`: a nested call first, then its parent.
fn play(bench: &mut Bench, invoke_parent: &str, start_tracing: Value, sdk_parent: &str) {
    bench.invoke("r-1", &header(invoke_parent));
    bench.subsegment(B, A);
    bench.subsegment(A, sdk_parent);
    bench.wait(20 * MS);
    bench.records([start("r-1", start_tracing)]);
    bench.records([done("r-1", "success")]);
    bench.accept();
}

fn id_of(bench: &Bench, name: &str) -> String {
    bench.document(name)["id"].as_str().unwrap().to_owned()
}

#[test]
fn an_active_function_keeps_its_announced_id() {
    let mut bench = Bench::new();
    play(&mut bench, S, tracing(Some(S), W), S);
    let lambda = id_of(&bench, "AWS::Lambda");
    assert_eq!(
        bench.outline(),
        [
            format!("{B} call {B} under {A}"),
            format!("{A} call {A} under {S}"),
            format!("{lambda} AWS::Lambda under {W}"),
            format!("{S} AWS::Lambda::Function under {lambda}"),
        ]
    );
    assert_eq!(bench.parts(), ["Invocation"]);
}

#[test]
fn a_classic_sandboxs_invocation_takes_the_id_that_nobody_announced() {
    let mut bench = Bench::new();
    play(&mut bench, S, tracing(Some(S), W), V);
    assert_eq!(bench.document(&format!("call {A}"))["parent_id"], V);
    assert_eq!(bench.document("AWS::Lambda::Function")["subsegments"][0]["id"], V);
    assert_eq!(id_of(&bench, "AWS::Lambda::Function"), S);
}

#[test]
fn in_pass_through_documents_move_from_the_caller_to_the_function() {
    let mut bench = Bench::new();
    play(&mut bench, U, tracing(None, U), U);
    let function = id_of(&bench, "AWS::Lambda::Function");
    assert_eq!(bench.document(&format!("call {A}"))["parent_id"], *function);
    assert_eq!(bench.document(&format!("call {B}"))["parent_id"], A);
    assert_eq!(bench.document("AWS::Lambda")["parent_id"], U);
}

/// The parent of AWS::Lambda's span and of the function's, as they go to an OTLP backend.
fn parents_of_spans(bench: &Bench) -> [String; 2] {
    ["AWS::Lambda", "AWS::Lambda::Function"].map(|name| {
        let document = bench.document(name).to_string();
        let made = from_segment::spans(document.as_bytes(), &Given::default());
        let span = decode::span(&made.spans[0]).unwrap();
        span.parent.map_or("none".into(), |id| id.to_string())
    })
}

#[test]
fn no_platform_span_hangs_under_a_segment_that_x_ray_alone_gets() {
    let mut bench = Bench::new();
    play(&mut bench, S, tracing(Some(S), W), S);
    assert_eq!(
        parents_of_spans(&bench),
        ["none".into(), id_of(&bench, "AWS::Lambda")]
    );
    assert_eq!(
        bench.document("AWS::Lambda")["metadata"],
        json!({ "lambda": { "parent": "front-end" } })
    );
    let mut bench = Bench::new();
    play(&mut bench, U, tracing(None, U), U);
    assert_eq!(parents_of_spans(&bench), [U.into(), id_of(&bench, "AWS::Lambda")]);
    assert_eq!(bench.document("AWS::Lambda")["metadata"], Value::Null);
}

#[test]
fn without_telemetry_documents_move_at_once_and_the_segments_follow_at_the_next_event() {
    let mut bench = Bench::new();
    bench.event(Event::Subscribed(false));
    bench.invoke("r-1", &header(U));
    bench.subsegment(A, U);
    bench.wait(1500 * MS);
    bench.accept();
    let moved = bench.document(&format!("call {A}"))["parent_id"].clone();
    bench.invoke("r-2", "");
    bench.stop("spindown");
    bench.accept();
    assert_eq!(bench.document("AWS::Lambda::Function")["id"], moved);
    // Nobody said when it ended: the last document did.
    assert_eq!(
        bench.document("AWS::Lambda::Function")["end_time"],
        json!(1_779_358_529.3)
    );
}

#[test]
fn managed_instances_close_on_the_report_whichever_comes_first() {
    let mut bench = Bench::with(|config| config.is_managed = true);
    let other = json!({ "spanId": "2222222222222222", "type": "X-Amzn-Trace-Id",
        "value": format!("Root=1-6a0edb41-ffffffffffffffffffffffff;Parent={U};Sampled=1") });
    bench.records([start("r-1", tracing(Some(S), U)), start("r-2", other)]);
    bench.subsegment(A, S);
    let timed = |request: &str| {
        (
            "platform.report",
            json!({ "requestId": request, "status": "success", "metrics": { "durationMs": 8.5 },
        "spans": [{ "name": "responseLatency", "start": "2026-05-21T10:15:29.000Z", "durationMs": 8.0 }] }),
        )
    };
    bench.wait(9 * MS);
    bench.records([timed("r-2")]);
    bench.records([timed("r-1")]);
    bench.wait(1000 * MS);
    bench.accept();
    let functions: Vec<&Value> = bench
        .delivered
        .iter()
        .filter(|one| one["origin"] == "AWS::Lambda::Function")
        .map(|one| &one["id"])
        .collect();
    assert_eq!(functions, ["2222222222222222", S]);
    assert_eq!(bench.document(&format!("call {A}"))["parent_id"], S);
}

#[test]
fn lambdas_own_segments_are_not_made_twice() {
    let mut bench = Bench::with(|config| config.emission.aws = Lanes::FIRST);
    play(&mut bench, S, tracing(Some(S), W), W);
    assert_eq!(
        bench.outline(),
        [
            format!("{B} call {B} under {A}"),
            format!("{A} call {A} under {W}")
        ]
    ); // nor rewritten
    let mut bench = Bench::with(|config| config.emission.aws = Lanes::FIRST);
    play(&mut bench, U, tracing(None, U), U);
    assert_eq!(bench.delivered.len(), 4);
    let mut bench = Bench::with(|config| config.emission.setting = PlatformSegments::Never);
    play(&mut bench, U, tracing(None, U), U);
    assert_eq!(bench.delivered.len(), 2);
}

#[test]
fn what_is_not_sampled_gets_no_segments() {
    for head in [
        "",
        &format!("Root={};Sampled=0", super::bench::ROOT),
        &format!("Root={}", super::bench::ROOT),
    ] {
        let mut bench = Bench::new();
        bench.invoke("r-1", head);
        bench.records([("platform.start", json!({ "requestId": "r-1" }))]);
        bench.records([done("r-1", "success")]);
        assert_eq!((bench.sending.len(), bench.nexts), (0, 1), "{head}");
    }
}

fn init(bench: &mut Bench, kind: &str, phase: &str) {
    bench.records([(
        "platform.initStart",
        json!({ "initializationType": kind, "phase": phase, "runtimeVersion": "python:3.13.v40" }),
    )]);
    bench.wait(500 * MS);
    bench.records([("platform.initReport", json!({ "initializationType": kind, "phase": phase, "status": "success", "metrics": { "durationMs": 498.0 } }))]);
}

#[test]
fn a_cold_start_shows_initialization_once_and_lambda_waited_for_it() {
    let mut bench = Bench::new();
    let begin = bench.now.as_seconds();
    init(&mut bench, "on-demand", "init");
    bench.wait(10 * MS);
    play(&mut bench, S, tracing(Some(S), W), S);
    assert_eq!(bench.parts(), ["Initialization", "Invocation"]);
    let function = bench.document("AWS::Lambda::Function");
    assert_eq!(function["annotations"]["cold_start"], true);
    assert_eq!(function["metadata"]["lambda"]["init_type"], "on-demand");
    assert_eq!(
        function["metadata"]["lambda"]["runtime_version"],
        "python:3.13.v40"
    );
    assert_eq!(function["subsegments"][0]["start_time"], json!(begin));
    assert_eq!(bench.document("AWS::Lambda")["start_time"], json!(begin));
    assert!(function["start_time"].as_f64().unwrap() > begin + 0.5);

    bench.delivered.clear();
    bench.invoke("r-2", &header(S));
    bench.records([start("r-2", tracing(Some(S), W)), done("r-2", "success")]);
    bench.accept();
    assert_eq!(bench.parts(), ["Invocation"]);
    assert_eq!(
        bench.document("AWS::Lambda::Function")["annotations"]["cold_start"],
        false
    );
}

#[test]
fn an_environment_that_was_ready_long_before_did_not_make_its_request_wait() {
    for (kind, hours, parts) in [
        (
            "provisioned-concurrency",
            11,
            vec!["Initialization", "Invocation"],
        ),
        ("on-demand", 11, vec!["Initialization", "Invocation"]), // initialised ahead of any request
        ("on-demand", 25, vec!["Invocation"]),                   // of another sandbox's life
    ] {
        let mut bench = Bench::new();
        init(&mut bench, kind, "init");
        bench.wait(Duration::from_secs(hours * 3600));
        let begin = bench.now.after(20 * MS).as_seconds();
        play(&mut bench, S, tracing(Some(S), W), S);
        assert_eq!(bench.parts(), parts, "{kind} {hours}");
        assert_eq!(
            bench.document("AWS::Lambda")["start_time"],
            json!(begin),
            "{kind} {hours}"
        );
    }
}

#[test]
fn a_restored_snapshot_shows_restore_and_forgets_what_it_knew() {
    let mut bench = Bench::new();
    init(&mut bench, "snap-start", "snap-start"); // replayed from publish time
    bench.wait(Duration::from_secs(3 * 24 * 3600));
    bench.records([("platform.restoreStart", json!({}))]);
    bench.records([(
        "platform.restoreReport",
        json!({ "status": "success", "metrics": { "durationMs": 412.7 } }),
    )]);
    assert_eq!(bench.forgotten, 1);
    play(&mut bench, S, tracing(Some(S), W), S);
    assert_eq!(bench.parts(), ["Restore", "Invocation"]);
}

#[test]
fn overhead_and_invocation_are_as_the_platform_measured_them() {
    let mut bench = Bench::new();
    bench.invoke("r-1", &header(S));
    let (kind, mut record) = done("r-1", "success");
    record["spans"] = json!([
        { "name": "responseLatency", "start": "2026-05-21T10:15:29.001Z", "durationMs": 248.0 },
        { "name": "responseDuration", "start": "2026-05-21T10:15:29.249Z", "durationMs": 1.0 },
        { "name": "runtimeOverhead", "start": "2026-05-21T10:15:29.250Z", "durationMs": 2.5 },
    ]);
    bench.records([start("r-1", tracing(Some(S), W))]);
    bench.wait(253 * MS);
    bench.records([(kind, record)]);
    bench.accept();
    let parts = &bench.document("AWS::Lambda::Function")["subsegments"];
    let shown: Vec<_> = parts
        .as_array()
        .unwrap()
        .iter()
        .map(|part| {
            (
                part["name"].as_str().unwrap(),
                part["start_time"].as_f64().unwrap(),
                part["end_time"].as_f64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("Invocation", 1_779_358_529.001, 1_779_358_529.25),
            ("Overhead", 1_779_358_529.25, 1_779_358_529.252_5)
        ]
    );
    let function = bench.document("AWS::Lambda::Function");
    assert_eq!(
        function["aws"]["function_arn"],
        "arn:aws:lambda:eu-west-1:111122223333:function:orders-fn"
    );
    assert_eq!(function["aws"]["account_id"], "111122223333");
    assert_eq!(
        function["aws"]["cloudwatch_logs"][0]["log_group"],
        "/aws/lambda/orders-fn"
    );
    assert_eq!(function["metadata"]["lambda"]["produced_bytes"], 84);
}

#[test]
fn a_late_report_adds_one_subsegment_and_a_repeated_record_nothing() {
    let mut bench = Bench::new();
    play(&mut bench, S, tracing(Some(S), W), S);
    bench.delivered.clear();
    bench.invoke("r-2", &header(S));
    bench.records([
        report("r-1"),
        done("r-1", "success"),
        start("r-1", tracing(Some(S), W)),
        report("r-1"),
    ]);
    bench.records([start("r-2", tracing(Some(S), W)), done("r-2", "success")]);
    bench.records([done("r-2", "success")]);
    bench.accept();
    assert_eq!(bench.delivered.len(), 3, "{:?}", bench.outline());
    let overhead = bench.document("ExtensionOverhead");
    assert_eq!(
        (&overhead["parent_id"], &overhead["type"]),
        (&json!(S), &json!("subsegment"))
    );
    assert_eq!(overhead["metadata"]["lambda"]["billed_duration_ms"], 301.0);
    assert_eq!(overhead["metadata"]["lambda"]["max_memory_used_mb"], 91);
    assert_eq!(bench.nexts, 2);
}

#[test]
fn a_top_level_fault_is_the_functions_fault() {
    let mut bench = Bench::new();
    bench.invoke("r-1", &header(S));
    bench.datagram(&subsegment(A, S, json!({ "fault": true })));
    bench.records([start("r-1", tracing(Some(S), W)), done("r-1", "success")]);
    bench.accept();
    let function = bench.document("AWS::Lambda::Function");
    assert_eq!(
        (&function["fault"], &function["cause"]),
        (&json!(true), &Value::Null)
    );
    let lambda = bench.document("AWS::Lambda");
    assert_eq!(
        (&lambda["fault"], &lambda["http"]["response"]["status"]),
        (&json!(true), &json!(200))
    );
}

#[test]
fn a_straggler_of_a_told_invocation_is_attached_like_its_siblings() {
    let mut bench = Bench::new();
    play(&mut bench, U, tracing(None, U), U);
    let function = id_of(&bench, "AWS::Lambda::Function");
    bench.invoke("r-2", "");
    bench.subsegment("cccccccccccccccc", U);
    bench.records([done("r-2", "success")]);
    bench.accept();
    assert_eq!(bench.document("call cccccccccccccccc")["parent_id"], *function);
}

#[test]
fn a_document_that_came_before_its_invocation_was_known_is_attached_too() {
    let mut bench = Bench::new();
    bench.subsegment(A, V);
    bench.invoke("r-1", &header(S));
    bench.records([start("r-1", tracing(Some(S), W)), done("r-1", "success")]);
    bench.accept();
    assert_eq!(bench.document("AWS::Lambda::Function")["subsegments"][0]["id"], V);
}

#[test]
fn a_lost_start_and_a_lost_runtime_done_are_made_up_for() {
    let mut bench = Bench::new();
    bench.invoke("r-1", &header(S));
    bench.wait(250 * MS);
    let (kind, mut record) = done("r-1", "success");
    record["tracing"] = tracing(Some(S), W);
    bench.records([(kind, record)]);
    bench.accept();
    assert_eq!(bench.document("AWS::Lambda::Function")["id"], S);
    assert_eq!(
        bench.document("AWS::Lambda::Function")["start_time"],
        json!(1_779_358_529.0)
    );
    bench.delivered.clear();
    bench.invoke("r-2", &header(S));
    bench.records([start("r-2", tracing(Some(S), W))]);
    bench.wait(250 * MS);
    bench.records([report("r-2")]);
    bench.accept();
    assert_eq!((bench.nexts, bench.delivered.len()), (2, 2));
}

/// A document of the second invocation is faster than its INVOKE, while the first is still open.
fn overtaken(is_subscribed: bool) -> Bench {
    let mut bench = Bench::new();
    bench.event(Event::Subscribed(is_subscribed));
    bench.invoke("r-1", "");
    bench.wait(10 * MS);
    bench.subsegment(A, U);
    bench.invoke("r-2", &header(U));
    bench
}

#[test]
fn a_document_that_overtook_its_invoke_is_attached_without_telemetry() {
    let mut bench = overtaken(false);
    bench.stop("spindown");
    bench.accept();
    let function = id_of(&bench, "AWS::Lambda::Function");
    assert_eq!(bench.document(&format!("call {A}"))["parent_id"], *function);
}

#[test]
fn a_document_that_overtook_its_invoke_is_attached_with_telemetry() {
    let mut bench = overtaken(true);
    bench.records([start("r-2", tracing(None, U)), done("r-2", "success")]);
    bench.accept();
    let function = id_of(&bench, "AWS::Lambda::Function");
    assert_eq!(bench.document(&format!("call {A}"))["parent_id"], *function);
}
