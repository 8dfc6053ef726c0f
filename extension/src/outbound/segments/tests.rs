//! Spans in X-Ray's words, and what X-Ray says of them.

use std::sync::Arc;

use model::ids::{SegmentId, TraceId};
use model::otlp::encode;
use model::otlp::span::{Attribute, Kind, Span, Value as Attributed};
use model::time::Timestamp;
use serde_json::Value;

use super::*;
use crate::pipeline::document;
use crate::pipeline::span::head;

const SEGMENT: &str =
    r#"{"name":"x","id":"00f067aa0ba902b7","trace_id":"1-67881233-abcdef012345678812345678"}"#;

fn segment() -> Document {
    text(SEGMENT)
}

/// A document of these bytes, whatever they are.
pub(in crate::outbound) fn text(text: &str) -> Document {
    Document {
        bytes: text.into(),
        form: Form::Segment,
        trace_id: TraceId::from_bytes([7; 16]),
        parent: None,
        arrived: Timestamp::default(),
        is_noted: true,
        value: document::Value::Ordinary,
    }
}

pub(in crate::outbound) fn span(id: u8, change: impl FnOnce(&mut Span<'_>)) -> Document {
    let mut span = Span::new(TraceId::from_bytes([7; 16]), SegmentId::from_bytes([id; 8]));
    span.name = "work".into();
    span.start_unix_nano = 1_736_970_803_120_000_000;
    span.end_unix_nano = 1_736_970_803_164_000_000;
    change(&mut span);
    let mut bytes = Vec::new();
    encode::span(&span, &mut bytes);
    Document {
        trace_id: span.trace_id,
        parent: head(&bytes).unwrap().parent,
        bytes,
        form: Form::Span(Arc::default()),
        arrived: Timestamp::default(),
        is_noted: true,
        value: document::Value::Ordinary,
    }
}

/// A span that is the root of a service and a call of another one at once: two documents.
pub(in crate::outbound) fn both(span: &mut Span<'_>) {
    span.kind = Kind::Client;
    for (key, value) in [
        ("aws.span.kind", "LOCAL_ROOT"),
        ("aws.local.service", "shop"),
        ("aws.remote.service", "stock"),
    ] {
        span.attributes
            .push(Attribute::new(key, Attributed::Text(value.into())));
    }
}

/// For each call: the places of the documents whose texts are in it.
fn calls(texts: &Pieces<Text<'_>>) -> Vec<Vec<usize>> {
    let owners = texts
        .calls(CALL)
        .map(|(_, range)| range.map(|place| texts.owner(place).unwrap()).collect());
    owners.collect()
}

#[test]
fn segments_stay_as_they_are_and_spans_are_said_in_xrays_words() {
    let batch = [segment(), span(1, |_| ()), span(2, both)];
    let told = texts(&batch, &Options::default());
    assert!(told.untold.is_empty());
    assert_eq!(calls(&told), [[0, 1, 2, 2]]);
    let (call, _) = told.calls(CALL).next().unwrap();
    assert!(matches!(call[0], Cow::Borrowed(text) if text == SEGMENT.as_bytes()));
    let told: Value = serde_json::from_slice(&call[1]).unwrap();
    assert_eq!(
        (&told["id"], &told["trace_id"]),
        (
            &Value::from("0101010101010101"),
            &Value::from("1-07070707-070707070707070707070707")
        )
    );
}

#[test]
fn a_span_that_is_too_large_in_xrays_words_is_cut() {
    let long = "x".repeat(SEGMENT_DOCUMENT_MAX_BYTES);
    let batch = [span(1, |span| {
        let value = Attributed::Text(long.clone().into());
        span.attributes.push(Attribute::new("big", value));
    })];
    let told = texts(&batch, &Options::default());
    assert!(told.untold.is_empty());
    let (call, _) = told.calls(CALL).next().unwrap();
    assert!(call.iter().all(|text| text.len() <= SEGMENT_DOCUMENT_MAX_BYTES));
    let told: Value = serde_json::from_slice(&call[0]).unwrap();
    assert!(told["metadata"]["fluoroscope"]["cut"].is_object(), "{told}");
}

#[test]
fn a_batch_leaves_in_calls_that_xray_takes() {
    let many: Vec<_> = (1..=30).map(|id| span(id, both)).collect();
    let options = Options::default();
    let told = texts(&many, &options);
    let lengths: Vec<_> = told.calls(CALL).map(|(call, _)| call.len()).collect();
    assert_eq!(lengths, [DOCUMENTS_PER_CALL_MAX, 10]);
    let large: Vec<_> = (1..=20)
        .map(|id| {
            span(id, |span| {
                let value = Attributed::Text("x".repeat(40_000).into());
                span.attributes.push(Attribute::new("big", value));
            })
        })
        .collect();
    let told = texts(&large, &options);
    let most = BATCH_MAX.get();
    for (call, _) in told.calls(CALL) {
        let bytes: usize = call.iter().map(|text| text.len()).sum();
        assert!(u64::try_from(bytes).unwrap() <= most, "{bytes}");
    }
    assert_eq!(told.calls(CALL).map(|(call, _)| call.len()).sum::<usize>(), 20);
}

#[test]
fn a_span_that_was_tampered_with_is_refused_and_costs_itself_alone() {
    let mut bad = span(1, |_| ());
    bad.bytes.truncate(10);
    let batch = [bad, span(2, |_| ())];
    let told = texts(&batch, &Options::default());
    let untold: Vec<_> = told
        .untold
        .iter()
        .map(|item| (item.document, item.code.as_str(), item.retriable))
        .collect();
    assert_eq!(untold, [(Some(0), UNTOLD, false)]);
    assert_eq!(calls(&told), [[1]]);
}
