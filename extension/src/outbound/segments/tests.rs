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
fn calls(texts: &Texts<'_>) -> Vec<Vec<usize>> {
    let owners = texts
        .calls()
        .map(|(_, range)| texts.owners.get(range).unwrap().to_vec());
    owners.collect()
}

fn said(document: Option<usize>, code: &str, retriable: bool) -> Unprocessed {
    Unprocessed {
        document,
        code: code.to_owned(),
        message: String::new(),
        retriable,
    }
}

#[test]
fn segments_stay_as_they_are_and_spans_are_said_in_xrays_words() {
    let batch = [segment(), span(1, |_| ()), span(2, both)];
    let texts = Texts::of(&batch, &Options::default());
    assert!(texts.untold.is_empty());
    assert_eq!(calls(&texts), [[0, 1, 2, 2]]);
    let (call, _) = texts.calls().next().unwrap();
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
    let texts = Texts::of(&batch, &Options::default());
    assert!(texts.untold.is_empty());
    let (call, _) = texts.calls().next().unwrap();
    assert!(call.iter().all(|text| text.len() <= SEGMENT_DOCUMENT_MAX_BYTES));
    let told: Value = serde_json::from_slice(&call[0]).unwrap();
    assert!(told["metadata"]["fluoroscope"]["cut"].is_object(), "{told}");
}

#[test]
fn a_batch_leaves_in_calls_that_xray_takes() {
    let many: Vec<_> = (1..=30).map(|id| span(id, both)).collect();
    let options = Options::default();
    let texts = Texts::of(&many, &options);
    let lengths: Vec<_> = texts.calls().map(|(call, _)| call.len()).collect();
    assert_eq!(lengths, [DOCUMENTS_PER_CALL_MAX, 10]);
    let large: Vec<_> = (1..=20)
        .map(|id| {
            span(id, |span| {
                let value = Attributed::Text("x".repeat(40_000).into());
                span.attributes.push(Attribute::new("big", value));
            })
        })
        .collect();
    let texts = Texts::of(&large, &options);
    let most = BATCH_MAX.get();
    for (call, _) in texts.calls() {
        let bytes: usize = call.iter().map(|text| text.len()).sum();
        assert!(u64::try_from(bytes).unwrap() <= most, "{bytes}");
    }
    assert_eq!(texts.calls().map(|(call, _)| call.len()).sum::<usize>(), 20);
}

#[test]
fn what_is_said_of_a_text_is_said_of_its_document() {
    let batch = [span(1, both), span(2, |_| ()), span(3, both)];
    let texts = Texts::of(&batch, &Options::default());
    let items = vec![
        said(Some(0), "InvalidName", false),
        said(Some(3), "ThrottledException", true),
        said(None, "unknown", false),
    ];
    let attributed = texts.attributed(&(1..5), items);
    let places: Vec<_> = attributed.iter().map(|item| item.document).collect();
    assert_eq!(places, [Some(0), Some(2), None]);
    let left: Vec<_> = texts.left(3).map(|item| item.document).collect();
    assert_eq!(left, [Some(2), Some(2)]);
}

#[test]
fn a_document_is_named_once_and_tried_again_if_one_of_its_texts_may_be() {
    let items = vec![
        said(None, "unknown", false),
        said(Some(1), "InvalidName", false),
        said(Some(1), "ThrottledException", true),
        said(Some(0), "InvalidName", false),
        said(None, "unknown", false),
    ];
    let once: Vec<_> = once_each(items.clone(), 9)
        .into_iter()
        .map(|item| (item.document, item.retriable))
        .collect();
    assert_eq!(
        once,
        [(Some(0), false), (Some(1), true), (None, false), (None, false)]
    );
    assert_eq!(once_each(items, 3).len(), 3);
}

#[test]
fn a_span_that_was_tampered_with_is_refused_and_costs_itself_alone() {
    let mut bad = span(1, |_| ());
    bad.bytes.truncate(10);
    let batch = [bad, span(2, |_| ())];
    let texts = Texts::of(&batch, &Options::default());
    let untold: Vec<_> = texts
        .untold
        .iter()
        .map(|item| (item.document, item.code.as_str(), item.retriable))
        .collect();
    assert_eq!(untold, [(Some(0), UNTOLD, false)]);
    assert_eq!(calls(&texts), [[1]]);
}
