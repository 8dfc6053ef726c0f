//! Spans out: to a destination of OpenTelemetry's protocol, and to X-Ray's endpoint for it.

use std::collections::BTreeSet;
use std::time::Duration;

use emulator::{Config, FunctionCommand, Reason, Request};
use model::trace_header::TraceHeader;
use serde_json::json;
use tests::collector::{Collector, Mood};
use tests::lab::{BOUND, Lab, binary, trace_of};
use tests::script::Script;

use super::clients::opentelemetry::point_at_us;
use super::outbounds::{call, set};

/// Documents go to these, and OpenTelemetry's protocol to this destination. The function's SDK sends to us.
fn to(config: &mut Config, outbounds: &str, collector: &Collector) {
    set(config, "FLUOROSCOPE_OUTBOUND", outbounds);
    set(config, "FLUOROSCOPE_OTLP_ENDPOINT", &collector.url());
    point_at_us(config);
}

/// The id that a caller's header names as the parent, as spans have it.
fn parent_of(header: &str) -> Vec<u8> {
    let parent = TraceHeader::parse(header).parent_id();
    parent.expect("the header has one").to_bytes().to_vec()
}

const FRONT: &str = "Root=1-67881233-abcdef012345678812345678;Parent=53995c3f42cd8ad8;Sampled=1";

#[tokio::test]
async fn a_function_of_opentelemetrys_is_one_trace_there_with_the_platforms_spans_and_no_orphan() {
    let collector = Collector::start().await;
    let lab = Lab::with(|config| {
        config.function = FunctionCommand::new(binary("spanned-function"));
        to(config, "otlp", &collector);
    })
    .await;
    let request = Request::json(json!({}).to_string()).with_trace_header(FRONT);
    let invoked = lab.environment.invoke(request).await;
    assert_eq!(invoked.status, 200, "{}\n{}", invoked.text(), lab.log());
    let xray = lab.xray.store().clone();
    let finished = lab.finish().await;
    finished.assert_all_sent();
    assert_eq!(xray.received_documents(), 0);

    let names = collector.names();
    for name in [
        "AWS::Lambda",
        "AWS::Lambda::Function",
        "Invocation",
        "take order",
        "price",
    ] {
        assert_eq!(names.get(name), Some(&1), "{names:?}");
    }
    let received = collector.received();
    let traces: BTreeSet<_> = received.iter().map(|taken| taken.span.trace_id.clone()).collect();
    assert_eq!(traces.len(), 1);
    let orphans = collector.orphans(&parent_of(FRONT));
    assert!(orphans.is_empty(), "{orphans:?}");
    assert!(received.iter().all(|taken| taken.span.end_time_unix_nano > 0));
}

#[tokio::test]
async fn documents_of_xrays_sdks_and_spans_are_one_trace_in_both_destinations() {
    let collector = Collector::start().await;
    let lab = Lab::with(|config| {
        to(config, "otlp,xray", &collector);
        set(config, "OTEL_SERVICE_NAME", "shop");
    })
    .await;
    let script = Script::new().subsegment("00000000000000a1", "call").otlp(3);
    let invoked = lab.succeed(&script).await;
    let trace = trace_of(&invoked);
    let finished = lab.finish().await;
    for name in ["xray", "otlp"] {
        let of = |pointer: &str| finished.count(&format!("/outbounds/{name}/{pointer}"));
        assert_eq!(
            (of("sent"), of("held")),
            (of("received/total"), 0),
            "{}",
            finished.tally
        );
    }
    let names = collector.names();
    for (name, count) in [
        ("AWS::Lambda", 1),
        ("AWS::Lambda::Function", 1),
        ("call", 1),
        ("span", 3),
    ] {
        assert_eq!(names.get(name), Some(&count), "{names:?}");
        assert_eq!(finished.tree.all(name).len(), count, "{}", finished.tree);
    }
    let received = collector.received();
    let services = received
        .iter()
        .filter(|taken| taken.name() != "span")
        .map(|taken| taken.service.as_str());
    assert_eq!(services.collect::<BTreeSet<_>>(), BTreeSet::from(["shop"]));
    let is_of_trace = |taken: &tests::collector::Taken| taken.span.trace_id == trace.to_bytes();
    assert!(received.iter().all(is_of_trace));
    let orphans = collector.orphans(b"");
    assert!(orphans.is_empty(), "{orphans:?}");
}

#[tokio::test]
async fn shutdown_delivers_what_was_held_with_the_operators_headers() {
    let collector = Collector::start().await;
    let lab = Lab::with(|config| {
        to(config, "otlp", &collector);
        set(config, "FLUOROSCOPE_FLUSH", "periodic:10m");
        set(config, "FLUOROSCOPE_OTLP_HEADERS", "api-key=s3%2Ccr3t");
    })
    .await;
    for number in 1..=3 {
        lab.succeed(&call(number)).await;
    }
    let finished = lab.finish_with(Reason::Spindown).await;
    finished.assert_all_sent();
    assert_eq!(collector.names().get("call"), Some(&3));
    let headers = collector.headers();
    assert!(headers.iter().all(
        |headers| headers["api-key"] == "s3,cr3t" && headers["content-type"] == "application/x-protobuf"
    ));
    let lines = format!("{:?}", finished.lines);
    assert!(
        !lines.contains("s3,cr3t") && !lines.contains("s3%2Ccr3t"),
        "{lines}"
    );
}

#[tokio::test]
async fn a_freeze_within_a_call_loses_nothing() {
    let collector = Collector::start().await;
    let lab = Lab::with(|config| {
        to(config, "otlp", &collector);
        set(config, "FLUOROSCOPE_FLUSH", "end");
    })
    .await;
    // Longer than an end is held: the sandbox freezes with the call under way.
    collector.mood(Mood::Slow(Duration::from_millis(600)), 1);
    for number in 1..=4 {
        lab.succeed(&call(number)).await;
        lab.idle().await;
    }
    let finished = lab.finish().await;
    finished.assert_all_sent();
    let ids: BTreeSet<_> = collector
        .received()
        .iter()
        .filter(|taken| taken.name() == "call")
        .map(|taken| taken.span.span_id.clone())
        .collect();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn what_a_destination_cannot_take_now_is_held_and_what_must_not_be_repeated_is_given_up() {
    for (status, is_given_up) in [(503, false), (429, false), (401, false), (500, true)] {
        let collector = Collector::start().await;
        let lab = Lab::with(|config| {
            to(config, "otlp", &collector);
            set(config, "FLUOROSCOPE_FLUSH", "end");
        })
        .await;
        collector.mood(Mood::Refusing(status), 1);
        lab.succeed(&call(1)).await;
        lab.idle().await;
        let finished = lab.finish().await;
        let rejected = finished.count(&format!("/rejected/otlp {status}"));
        if is_given_up {
            assert!(rejected > 0, "{}", finished.tally);
            assert_eq!(collector.names().get("call"), None);
        } else if status == 401 {
            assert!(finished.count("/held") > 0, "{}", finished.tally);
            let messages = finished.messages();
            let told = messages
                .iter()
                .filter(|message| message.contains("check FLUOROSCOPE_OTLP_HEADERS"));
            assert_eq!(told.count(), 1, "{messages:?}");
        } else {
            finished.assert_all_sent();
            assert_eq!(collector.names().get("call"), Some(&1));
        }
    }
}

#[tokio::test]
async fn a_dead_destination_of_spans_holds_xray_up_for_nothing() {
    let collector = Collector::start().await;
    let lab = Lab::with(|config| to(config, "otlp,xray", &collector)).await;
    collector.mood(Mood::Slow(BOUND), u64::MAX);
    for number in 1..=3 {
        lab.succeed(&call(number)).await;
        lab.idle().await;
    }
    let store = lab.xray.store().clone();
    let finished = lab.finish().await;
    assert_eq!(
        finished.count("/outbounds/xray/sent"),
        finished.count("/outbounds/xray/received/total"),
        "{}",
        finished.tally
    );
    assert!(store.received_documents() >= 3);
}

#[tokio::test]
async fn xrays_endpoint_for_spans_takes_the_same_trace() {
    for packing in ["none", "gzip"] {
        let lab = Lab::with(|config| {
            let collector = format!("http://{}", config.variables["FLUOROSCOPE_OTLP_ADDRESS"]);
            set(config, "OTEL_EXPORTER_OTLP_ENDPOINT", &collector);
            set(config, "FLUOROSCOPE_OUTBOUND", "xray-otlp");
            set(config, "FLUOROSCOPE_OTLP_COMPRESSION", packing);
        })
        .await;
        let script = Script::new().subsegment("00000000000000a1", "call").otlp(2);
        lab.succeed(&script).await;
        let finished = lab.finish().await;
        finished.assert_all_sent();
        for (name, count) in [("call", 1), ("span", 2), ("Invocation", 1)] {
            assert_eq!(
                finished.tree.all(name).len(),
                count,
                "{}\n{}",
                finished.tree,
                finished.tally
            );
        }
    }
}

#[tokio::test]
async fn attributes_that_the_operator_names_are_annotations_in_xray_and_others_are_not() {
    for (indexed, is_annotation) in [
        ("order, filler", true),
        ("*", true),
        ("order", false),
        ("", false),
    ] {
        let lab = Lab::with(|config| {
            let own = format!("http://{}", config.variables["FLUOROSCOPE_OTLP_ADDRESS"]);
            set(config, "OTEL_EXPORTER_OTLP_ENDPOINT", &own);
            set(config, "FLUOROSCOPE_INDEXED_ATTRIBUTES", indexed);
        })
        .await;
        lab.succeed(&Script::new().otlp(1)).await;
        let finished = lab.finish().await;
        finished.assert_all_sent();
        let span = finished.tree.named("span");
        let found = span["annotations"].get("filler").is_some();
        assert_eq!(found, is_annotation, "{indexed}: {span}");
    }
}

#[tokio::test]
async fn spans_are_never_sent_back_to_ourselves() {
    let lab = Lab::with(|config| {
        let own = format!("http://{}", config.variables["FLUOROSCOPE_OTLP_ADDRESS"]);
        set(config, "FLUOROSCOPE_OUTBOUND", "otlp,xray");
        set(config, "FLUOROSCOPE_OTLP_ENDPOINT", &own);
    })
    .await;
    lab.succeed(&call(1)).await;
    let finished = lab.finish().await;
    finished.assert_all_sent();
    assert!(finished.tree.has("call"));
    let messages = finished.messages();
    assert!(
        messages
            .iter()
            .any(|message| message.contains("FLUOROSCOPE_OTLP_ENDPOINT is our own address")),
        "{messages:?}"
    );
}
