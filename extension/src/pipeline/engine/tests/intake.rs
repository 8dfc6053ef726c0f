//! Documents that are too large, that come twice, that come over TCP.

use model::ids::SegmentId;
use model::limits::{OVERSIZE_MAX_BYTES, SEGMENT_DOCUMENT_MAX_BYTES};
use serde_json::{Value, json};

use super::bench::{Bench, S, U, W, done, header, start, subsegment, tracing};
use crate::limits::NOTICE_INTERVAL;
use crate::pipeline::event::{Event, Posted};
use crate::pipeline::lane::Lane;
use crate::pipeline::sampler::Asked;
use crate::pipeline::tally::Sign;

fn post(bench: &mut Bench, documents: &[String]) {
    bench.event(Event::Posted(Posted::Documents(documents.to_vec())));
}

fn nested(id: u64, filler: usize) -> Value {
    json!({ "id": format!("{id:016x}"), "name": format!("nested {id}"), "start_time": 1.5, "end_time": 2.5,
        "metadata": { "d": { "k": "m".repeat(filler) } } })
}

/// An invocation of a function whose caller's ids have to be rewritten.
fn bench_with(documents: &[String]) -> Bench {
    let mut bench = Bench::new();
    bench.invoke("r-1", &header(U));
    bench.records([start("r-1", tracing(Some(S), W))]);
    post(&mut bench, documents);
    bench.records([done("r-1", "success")]);
    bench.accept();
    bench
}

#[test]
fn a_document_over_64_kb_leaves_in_parts_that_hang_together() {
    let large = subsegment(
        "5555555555555555",
        W,
        json!({ "subsegments": [nested(1, 10), nested(2, 50_000), nested(3, 40_000)] }),
    );
    let bench = bench_with(&[large]);
    let tally = bench.engine.tally().of(Lane::FIRST);
    assert_eq!((tally.times(Sign::Split), tally.rejected_total()), (1, 0));
    let whole = bench.document("call 5555555555555555");
    assert_eq!(whole["parent_id"], S, "it is attached like any other document");
    assert_eq!(whole["subsegments"].as_array().unwrap().len(), 2);
    let part = bench.document("nested 2");
    assert_eq!(
        (&part["parent_id"], &part["type"]),
        (&json!("5555555555555555"), &json!("subsegment"))
    );
    assert_eq!(tally.received_total(), 2 + 2, "two of the platform");
}

#[test]
fn what_is_cut_off_is_counted_by_what_it_was() {
    let large = subsegment(
        "5555555555555555",
        S,
        json!({ "metadata": { "d": { "k": "m".repeat(SEGMENT_DOCUMENT_MAX_BYTES) } } }),
    );
    let bench = bench_with(&[large]);
    let cut = &bench.document("call 5555555555555555")["metadata"]["fluoroscope"]["cut"];
    assert_eq!(cut["bytes"]["metadata.d.k"], SEGMENT_DOCUMENT_MAX_BYTES + 7);
    let line = bench.engine.last_word();
    assert_eq!(
        line.fields["trimmed_bytes"],
        json!({ "metadata": SEGMENT_DOCUMENT_MAX_BYTES + 7 })
    );
    assert_eq!(line.fields["split"], 1);
}

#[test]
fn a_document_larger_than_can_be_cut_is_rejected_by_its_size() {
    let large = subsegment(
        "5555555555555555",
        S,
        json!({ "x": "m".repeat(OVERSIZE_MAX_BYTES) }),
    );
    let bench = bench_with(&[large.clone(), large]);
    assert_eq!(
        bench.engine.tally().of(Lane::FIRST).rejected_total(),
        2,
        "no repeat: it was never taken"
    );
    assert_eq!(bench.lines[0].fields["reason"], "too_large");
}

#[test]
fn an_exact_repeat_is_dropped_and_counted() {
    let open = subsegment(
        "5555555555555555",
        S,
        json!({ "in_progress": true, "end_time": null }),
    );
    let complete = subsegment("5555555555555555", S, json!({}));
    let mut bench = Bench::new();
    bench.invoke("r-1", &header(S));
    for document in [&open, &open, &complete, &open, &complete] {
        bench.datagram(document);
    }
    post(&mut bench, &[format!("[{complete}]")]);
    assert_eq!(
        bench.engine.tally().of(Lane::FIRST).repeated_total(),
        4,
        "by whatever way it comes"
    );
    assert_eq!(bench.engine.tally().of(Lane::FIRST).received_total(), 6);
    let large = subsegment(
        "6666666666666666",
        S,
        json!({ "subsegments": [nested(1, 40_000), nested(2, 40_000)] }),
    );
    post(&mut bench, &[large.clone(), large]);
    assert_eq!(bench.engine.tally().of(Lane::FIRST).repeated_total(), 5);
    assert_eq!(bench.engine.tally().of(Lane::FIRST).times(Sign::Split), 1);
}

#[test]
fn parts_of_one_document_are_no_repeats_of_each_other() {
    let same: Vec<Value> = (1..=4).map(|id| nested(id, 30_000)).collect();
    let bench = bench_with(&[subsegment("5555555555555555", S, json!({ "subsegments": same }))]);
    let names = (1..=4u64).filter(|id| {
        let id = SegmentId::from_bytes(id.to_be_bytes()).to_string();
        bench
            .delivered
            .iter()
            .any(|document| document.to_string().contains(&id))
    });
    assert_eq!(names.count(), 4);
    assert_eq!(bench.engine.tally().of(Lane::FIRST).repeated_total(), 0);
}

#[test]
fn posted_strings_are_documents_or_arrays_of_them() {
    let one = |id: &str| subsegment(id, S, json!({}));
    let bench = bench_with(&[
        one("5555555555555555"),
        format!("[{},7,{}]", one("6666666666666666"), one("7777777777777777")),
        "not json".into(),
        String::new(),
    ]);
    let tally = bench.engine.tally().of(Lane::FIRST);
    assert_eq!((tally.rejected_total(), tally.sent_total()), (3, 3 + 2));
}

#[test]
fn a_samplers_questions_are_counted_beside_the_sum_and_a_failure_is_told_once_a_minute() {
    let mut bench = Bench::new();
    let failed = |cause: Option<&str>| Asked::Failed(cause.map(str::to_owned));
    for asked in [
        Asked::Forwarded,
        Asked::Cached,
        Asked::Cached,
        failed(Some("403 to GetSamplingRules")),
        failed(None),
        failed(Some("403 to GetSamplingTargets")),
    ] {
        bench.event(Event::Posted(Posted::Asked(asked)));
    }
    assert_eq!(bench.lines.len(), 1);
    assert_eq!(bench.lines[0].fields["cause"], "403 to GetSamplingRules");
    bench.now = bench.now.after(NOTICE_INTERVAL);
    bench.event(Event::Posted(Posted::Asked(failed(Some("silence")))));
    assert_eq!(bench.lines.len(), 2);
    assert_eq!(
        (
            &bench.lines[1].fields["cause"],
            &bench.lines[1].fields["left_out"]
        ),
        (&json!("silence"), &json!(1))
    );
    let tally = bench.engine.tally().of(Lane::FIRST);
    let times = [
        Sign::SamplingForwarded,
        Sign::SamplingCached,
        Sign::SamplingFailed,
    ];
    assert_eq!(times.map(|sign| tally.times(sign)), [1, 2, 4]);
    assert!(tally.is_balanced(0));
}
