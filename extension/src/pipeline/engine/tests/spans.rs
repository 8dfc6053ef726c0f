//! Spans of OpenTelemetry's protocol on their way through the engine.

use model::ids::{SegmentId, TraceId};
use model::otlp::request::{Group, Writer};
use model::otlp::span::{Span, Status, StatusCode};
use model::otlp::{datagram, encode};
use model::size::ByteCount;
use serde_json::{Value, json};

use super::bench::{Bench, ROOT, S, TIMEOUT, U, W, done, header, start, tracing};
use crate::pipeline::event::{Event, Posted};
use crate::pipeline::lane::Lane;
use crate::pipeline::span::Export;
use crate::pipeline::tally::Foreign;
use crate::spill::temporary::Temporary;

fn trace() -> TraceId {
    ROOT.parse().unwrap()
}

fn span(id: u8, parent: &str) -> Vec<u8> {
    let mut span = Span::new(trace(), SegmentId::from_bytes([id; 8]));
    span.name = "work".into();
    span.parent = parent.parse().ok();
    let mut bytes = Vec::new();
    encode::span(&span, &mut bytes);
    bytes
}

fn request(spans: &[Vec<u8>]) -> Vec<u8> {
    let mut request = Writer::default();
    request.begin(&Group::around([&[], b"schema"], [&[], &[]]));
    spans.iter().for_each(|span| request.span(span));
    request.finish()
}

fn post(bench: &mut Bench, spans: &[Vec<u8>]) {
    bench.event(Event::Posted(Posted::Spans(Export::read(&request(spans)))));
}

/// Ids and parents of the spans that were delivered.
fn delivered(bench: &Bench) -> Vec<(&str, Option<&str>)> {
    let spans = bench
        .delivered
        .iter()
        .filter(|document| document["name"] == "work");
    spans
        .map(|span| (span["id"].as_str().unwrap(), span["parent_id"].as_str()))
        .collect()
}

fn tally(bench: &Bench) -> serde_json::Map<String, Value> {
    bench.engine.tally().fields(|lane| bench.engine.held_by(lane))
}

#[test]
fn spans_hang_under_the_function_as_segments_do() {
    let mut bench = Bench::new();
    bench.invoke("one", &header(U));
    post(
        &mut bench,
        &[span(1, U), span(2, "0101010101010101"), span(3, "")],
    );
    bench.records([start("one", tracing(Some(S), W))]);
    bench.records([done("one", "success")]);
    bench.accept();
    let expected = [
        ("0101010101010101", Some(S)),
        ("0202020202020202", Some("0101010101010101")),
        ("0303030303030303", None),
    ];
    assert_eq!(delivered(&bench), expected);
}

#[test]
fn spans_in_datagrams_are_taken_one_by_one() {
    let mut bench = Bench::new();
    bench.invoke("one", &header(S));
    let sampled = datagram::write(&request(&[span(1, S), span(2, S)]));
    let row = format!("{sampled}{}", datagram::write(&request(&[span(3, S)])));
    bench.datagram(&row);
    assert_eq!(bench.engine.held_documents(Lane::FIRST), 3);
    bench.datagram(&sampled);
    let tally = tally(&bench);
    assert_eq!(
        (tally["received"]["udp"].as_u64(), tally["repeated"].as_u64()),
        (Some(5), Some(2))
    );
    assert_eq!(bench.engine.held_documents(Lane::FIRST), 3);
}

#[test]
fn what_is_no_trace_is_passed_over_and_counted() {
    let mut bench = Bench::new();
    bench.invoke("one", &header(S));
    let unsampled = datagram::write(&request(&[span(1, S), span(2, S)])).replacen("T1S", "T1U", 1);
    bench.datagram(&unsampled);
    bench.datagram("M1AAAA");
    bench.event(Event::Posted(Posted::Foreign(Foreign::Logs)));
    let tally = tally(&bench);
    assert_eq!(
        tally["passed_over"],
        json!({"metrics": 1, "logs": 1, "unsampled_spans": 2})
    );
    assert_eq!(tally["received"]["total"], 0);
    assert!(bench.lines.is_empty(), "{:?}", bench.lines);
}

#[test]
fn a_bad_span_or_request_is_rejected_by_its_reason() {
    let mut bench = Bench::new();
    bench.invoke("one", &header(S));
    let nobody = {
        let mut bytes = Vec::new();
        encode::span(
            &Span::new(TraceId::from_bytes([0; 16]), SegmentId::from_bytes([1; 8])),
            &mut bytes,
        );
        bytes
    };
    bench.datagram(&datagram::write(&request(&[nobody, span(1, S)])));
    bench.datagram("T1S!");
    bench.datagram(&datagram::write(b"nonsense"));
    bench.event(Event::Posted(Posted::Damaged("the body is not gzip")));
    let tally = tally(&bench);
    assert_eq!(
        tally["rejected"],
        json!({"total": 4, "span_bad_trace_id": 1, "otlp_damaged": 3})
    );
    assert_eq!(
        tally["received"],
        json!({"total": 5, "udp": 4, "tcp": 0, "otlp": 1, "platform": 0, "recovered": 0, "part": 0})
    );
}

#[test]
fn a_failed_span_is_worth_more_than_one_that_went_well() {
    let mut bench = Bench::with(|config| config.spool_budget = ByteCount::bytes(1200));
    bench.invoke("one", &header(S));
    let failed = {
        let mut span = Span::new(trace(), SegmentId::from_bytes([9; 8]));
        span.status = Status {
            code: StatusCode::Error,
            ..Status::default()
        };
        let mut bytes = Vec::new();
        encode::span(&span, &mut bytes);
        bytes
    };
    post(&mut bench, &[failed]);
    for id in 1..20 {
        post(&mut bench, &[span(id, S)]);
    }
    let tally = tally(&bench);
    assert!(tally["shed"]["budget"].as_u64() > Some(5), "{tally:?}");
    assert_eq!(tally["shed_by_value"]["faulty"], Value::Null, "{tally:?}");
}

#[test]
fn spans_go_to_files_and_come_back_with_all_that_they_came_with() {
    let temporary = Temporary::new();
    let mut bench = Bench::spilling(&temporary, ByteCount::bytes(1200), ByteCount::mib(1));
    bench.invoke("one", &header(S));
    let spans: Vec<Vec<u8>> = (1..20).map(|id| span(id, S)).collect();
    post(&mut bench, &spans);
    assert!(bench.engine.held_by(Lane::FIRST).in_file > 5);
    bench.records([done("one", "success")]);
    bench.accept();
    bench.stop("spindown");
    bench.wait(TIMEOUT);
    while bench.answer() {
        bench.wait(TIMEOUT);
    }
    let mut ids: Vec<&str> = delivered(&bench).into_iter().map(|(id, _)| id).collect();
    ids.sort_unstable();
    let expected: Vec<String> = (1..20)
        .map(|id| SegmentId::from_bytes([id; 8]).to_string())
        .collect();
    assert_eq!(ids, expected);
    assert!(
        bench
            .delivered
            .iter()
            .all(|document| document["name"] != "work" || document["schema"] == "schema")
    );
}
