//! Batches in OpenTelemetry's words, read by its own crate.

use std::sync::Arc;

use model::ids::{SegmentId, TraceId};
use model::otlp::encode;
use model::otlp::span::{Resource, Value};
use model::size::ByteCount;
use model::time::Timestamp;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::outbound::segments::tests::{span, text};
use crate::pipeline::span::Surroundings;

const SEGMENT: &str = r#"{"name":"x","id":"00000000000000aa","trace_id":"1-67881233-abcdef012345678812345678",
    "start_time":1736970803.12,"end_time":1736970803.164,
    "subsegments":[{"name":"y","id":"00000000000000bb","start_time":1736970803.13,"end_time":1736970803.14}]}"#;

fn words() -> Words {
    let name = "orders".to_owned();
    Words {
        function: Function {
            name,
            ..Function::default()
        },
        ..Words::default()
    }
}

/// A span of a resource of this name, in so many bytes at the least.
fn of_resource(id: u8, name: &str, bytes: usize) -> Document {
    let mut document = span(id, |_| ());
    let mut resource = Vec::new();
    let filling = "x".repeat(bytes);
    let attributes = vec![
        Attribute::new("service.name", Value::Text(name.into())),
        Attribute::new("filling", Value::Text(filling.as_str().into())),
    ];
    encode::resource(
        &Resource {
            attributes,
            ..Resource::default()
        },
        &mut resource,
    );
    let group = Group::around([&resource, b"r"], [b"", b"s"]);
    document.form = Form::Span(Arc::new(Surroundings::of(&group, 1)));
    document
}

fn requests(batch: &[Document]) -> Vec<ExportTraceServiceRequest> {
    let words = words();
    let told = words.translate(batch);
    let pieces = words.pieces(batch, &told);
    let calls = pieces.calls(CALL).map(|(call, _)| request(call));
    calls
        .map(|bytes| ExportTraceServiceRequest::decode(bytes.as_slice()).unwrap())
        .collect()
}

/// The spans of a request, and for each the name of its service.
fn told(request: &ExportTraceServiceRequest) -> Vec<(String, Span)> {
    let groups = request.resource_spans.iter();
    let groups = groups.flat_map(|group| {
        let resource = group.resource.as_ref().unwrap();
        let service = resource
            .attributes
            .iter()
            .find(|attribute| attribute.key == "service.name");
        let value = service
            .and_then(|service| service.value.clone())
            .unwrap()
            .value
            .unwrap();
        let name = match value {
            opentelemetry_proto::tonic::common::v1::any_value::Value::StringValue(name) => name,
            other => panic!("{other:?}"),
        };
        let spans = group.scope_spans.iter().flat_map(|scope| &scope.spans);
        spans.map(move |span| (name.clone(), span.clone()))
    });
    groups.collect()
}

#[test]
fn a_batch_is_one_request_in_which_spans_of_a_resource_stand_together() {
    let subsegment = SEGMENT.replace(
        "\"name\":\"x\"",
        "\"name\":\"x\",\"type\":\"subsegment\",\"parent_id\":\"0303030303030303\"",
    );
    let batch = [
        of_resource(1, "a", 0),
        of_resource(2, "b", 0),
        of_resource(3, "a", 0),
        text(&subsegment),
        text(&subsegment.replace("aa", "ac").replace("bb", "bc")),
    ];
    let [request] = requests(&batch).try_into().unwrap();
    assert_eq!(request.resource_spans.len(), 3);
    assert_eq!(request.resource_spans[0].schema_url, "r");
    assert_eq!(request.resource_spans[0].scope_spans[0].schema_url, "s");
    let told = told(&request);
    let seen: Vec<_> = told
        .iter()
        .map(|(service, span)| (service.as_str(), span.name.as_str()))
        .collect();
    let expected = [
        ("a", "work"),
        ("a", "work"),
        ("b", "work"),
        ("orders", "x"),
        ("orders", "y"),
        ("orders", "x"),
        ("orders", "y"),
    ];
    assert_eq!(seen, expected);
    assert_eq!(told[4].1.parent_span_id, told[3].1.span_id);
}

#[test]
fn a_span_leaves_with_the_bytes_that_it_came_with() {
    let batch = [of_resource(1, "a", 0)];
    let words = words();
    let told = words.translate(&batch);
    let pieces = words.pieces(&batch, &told);
    let (call, _) = pieces.calls(CALL).next().unwrap();
    assert_eq!(request(call), batch[0].filed().into_owned());
}

#[test]
fn what_is_open_ends_when_it_was_last_heard_of_and_says_so() {
    let open = SEGMENT.replace("\"end_time\":1736970803.164", "\"in_progress\":true");
    let mut document = text(&open);
    document.arrived = Timestamp::from_millis(1_736_970_900_000);
    let [request] = requests(&[document]).try_into().unwrap();
    let [(_, span), (_, nested)] = told(&request).try_into().unwrap();
    assert_eq!(span.end_time_unix_nano, 1_736_970_900_000_000_000);
    assert!(span.attributes.iter().any(|one| one.key == "aws.xray.inprogress"));
    assert_eq!(nested.end_time_unix_nano, 1_736_970_803_140_000_000);
    assert!(
        !nested
            .attributes
            .iter()
            .any(|one| one.key == "aws.xray.inprogress")
    );
}

#[test]
fn what_cannot_be_said_is_refused_and_what_can_in_part_is_remarked() {
    let batch = [
        text("{}"),
        text(&SEGMENT.replace("\"name\":\"y\"", "\"nom\":\"y\"")),
    ];
    let words = words();
    let told = words.translate(&batch);
    let pieces = words.pieces(&batch, &told);
    let untold: Vec<_> = pieces
        .untold
        .iter()
        .map(|item| {
            (
                item.document,
                item.code.as_str(),
                item.message.as_str(),
                item.retriable,
            )
        })
        .collect();
    assert_eq!(untold, [(Some(0), UNTOLD, "missing or invalid trace_id", false)]);
    assert_eq!(pieces.all().len(), 1);
    let left_out = "subsegments that could not be spans: 1, the first for missing or invalid name";
    assert_eq!(told.left_out().as_deref(), Some(left_out));
}

#[test]
fn surroundings_that_are_too_large_for_xray_cost_their_spans_alone_and_others_take_them() {
    let length = |bytes| match &of_resource(1, "a", bytes).form {
        Form::Span(surroundings) => surroundings.group().resource.len(),
        Form::Segment => 0,
    };
    let most = (0..)
        .find(|less| length(XRAY_AROUND_MAX_BYTES - less) == XRAY_AROUND_MAX_BYTES)
        .unwrap();
    let most = XRAY_AROUND_MAX_BYTES - most;
    let batch = [of_resource(1, "a", most), of_resource(2, "b", most + 1)];
    for (is_xray, taken) in [(true, 1), (false, 2)] {
        let words = Words { is_xray, ..words() };
        let told = words.translate(&batch);
        let pieces = words.pieces(&batch, &told);
        assert_eq!(pieces.all().len(), taken);
        let refused: Vec<_> = pieces
            .untold
            .iter()
            .map(|item| (item.document, item.code.as_str()))
            .collect();
        assert_eq!(
            refused,
            &[(Some(1), TOO_LARGE)][taken - 1..],
            "{:?}",
            pieces.untold
        );
    }
}

#[test]
fn a_span_that_is_too_large_costs_itself_alone() {
    for (bytes, taken) in [(SPAN_MAX_BYTES, 1), (SPAN_MAX_BYTES + 1, 0)] {
        let mut document = span(1, |_| ());
        // A field of bytes that nobody knows.
        document.bytes.extend_from_slice(&[0xfa, 0x7f]);
        let rest = bytes - document.bytes.len() - 3;
        let low = |bits: usize| u8::try_from(rest >> bits & 0x7f).unwrap();
        document
            .bytes
            .extend_from_slice(&[low(0) | 0x80, low(7) | 0x80, low(14)]);
        document.bytes.resize(bytes, 0);
        let batch = [document];
        let words = words();
        let told = words.translate(&batch);
        let pieces = words.pieces(&batch, &told);
        assert_eq!(
            (pieces.all().len(), pieces.untold.len()),
            (taken, 1 - taken),
            "{bytes}"
        );
    }
}

#[test]
fn a_request_has_as_many_spans_as_are_taken() {
    let group = Group::default();
    let mut pieces = Pieces::default();
    for owner in 0..=OTLP_SPANS_MAX {
        let piece = SpanPiece {
            group: 0,
            around: group,
            span: b"",
        };
        pieces.push(owner, piece);
    }
    let calls: Vec<_> = pieces.calls(CALL).map(|(call, _)| call.len()).collect();
    assert_eq!(calls, [OTLP_SPANS_MAX, 1]);
}

#[test]
fn a_batch_that_is_larger_than_a_request_leaves_in_several() {
    let large = |id| {
        span(id, |span| {
            let value = Value::Text("x".repeat(100_000).into());
            span.attributes.push(Attribute::new("big", value));
        })
    };
    let batch: Vec<_> = (1..=21).map(large).collect();
    let lengths: Vec<_> = requests(&batch).iter().map(Message::encoded_len).collect();
    assert_eq!(lengths.len(), 3);
    let most = OTLP_BODY_MAX.get();
    assert!(
        lengths
            .iter()
            .all(|length| u64::try_from(*length).unwrap() <= most),
        "{lengths:?}"
    );
    assert!(lengths[0] > 900_000, "{lengths:?}");
}

proptest! {
    #[test]
    fn no_request_weighs_more_than_its_pieces_do(
        spans in proptest::collection::vec((0..3_usize, 0..300_usize), 0..40), around in 0..300_usize, bytes in 1..3000_u64,
    ) {
        let (filling, around) = (vec![0; 300], vec![0; around]);
        let mut pieces = Pieces::default();
        for (owner, (group, length)) in spans.iter().enumerate() {
            let around = Group::around([&around, &around], [&around, b""]);
            pieces.push(owner, SpanPiece { group: *group, around, span: &filling[..*length] });
        }
        let most = Most { pieces: 10, bytes: ByteCount::bytes(bytes) };
        let mut seen = 0;
        for (call, _) in pieces.calls(most) {
            let length = u64::try_from(request(call).len()).unwrap();
            prop_assert!(length <= bytes || call.len() == 1);
            seen += call.len();
        }
        prop_assert_eq!(seen, spans.len());
    }
}

#[test]
fn ids_stay_what_they_are_in_either_form() {
    let [request] = requests(&[text(SEGMENT), of_resource(1, "a", 0)])
        .try_into()
        .unwrap();
    let told = told(&request);
    let traces: Vec<_> = told
        .iter()
        .map(|(_, span)| TraceId::from_bytes(span.trace_id.clone().try_into().unwrap()).to_string())
        .collect();
    assert_eq!(traces[0], "1-67881233-abcdef012345678812345678");
    assert_eq!(traces[2], TraceId::from_bytes([7; 16]).to_string());
    assert_eq!(
        told[0].1.span_id,
        SegmentId::from_bytes([0, 0, 0, 0, 0, 0, 0, 0xaa])
            .to_bytes()
            .to_vec()
    );
}
