use model::otlp::span::{Attribute, Kind, Value as Otlp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::document::Form;
use crate::samples::{TRACE, bytes, id, lambda, request, request_of, request_with, span};

fn tell(request: &[u8]) -> Vec<Result<Told, Refusal>> {
    Teller::new(usize::MAX).tell(request)
}

#[track_caller]
fn one(request: &[u8]) -> Document {
    let mut told = tell(request);
    assert_eq!(told.len(), 1);
    told.remove(0).unwrap().document().unwrap()
}

fn describe(told: Vec<Result<Told, Refusal>>) -> Vec<String> {
    let one = |outcome: Result<Document, Refusal>| match outcome {
        Ok(document) => format!("{} of {} nodes", document.id, document.nodes.len()),
        Err(refusal) => format!("{} {}", refusal.code.as_str(), refusal.id.unwrap_or("-".into())),
    };
    told.into_iter()
        .map(|told| one(told.and_then(|told| told.document())))
        .collect()
}

#[test]
fn a_span_is_a_document_by_its_own_id() {
    let document = one(&request(&lambda(), &[span(2, "handler", Some(1))]));
    assert_eq!(
        (document.trace_id.to_string().as_str(), document.id.as_str()),
        (TRACE, "0000000000000002")
    );
    let node = &document.nodes[0];
    assert_eq!((node.form, node.parent), (Form::Independent, Some(id(1))));
    assert_eq!(node.members["name"], "handler");
    assert_eq!(
        node.end,
        Some(node.start.after(std::time::Duration::from_millis(40)))
    );
}

#[test]
fn a_call_that_begins_its_service_is_one_document_of_two_nodes() {
    let mut call = span(2, "call", Some(1));
    call.kind = Kind::Client;
    call.attributes = vec![
        Attribute::new("aws.span.kind", "LOCAL_ROOT"),
        Attribute::new("aws.local.service", "orders"),
    ];
    let document = one(&request(&[], &[call]));
    assert_eq!(document.id, "0000000000000002");
    let forms: Vec<Form> = document.nodes.iter().map(|node| node.form).collect();
    assert_eq!(forms, [Form::Independent, Form::Segment]);
    assert_eq!(
        (document.nodes[0].id, document.nodes[0].parent),
        (id(2), Some(document.nodes[1].id))
    );
}

#[test]
fn a_bad_span_costs_itself_and_a_bad_resource_its_own_spans() {
    let good = || bytes(&span(1, "good", None));
    let mut traceless = span(2, "traceless", None);
    traceless.trace_id = model::ids::TraceId::from_bytes([0; 16]);
    let mut nameless_id = span(0, "no id", None);
    nameless_id.span_id = model::ids::SegmentId::from_bytes([0; 8]);
    let spans = [
        good(),
        bytes(&traceless),
        bytes(&nameless_id),
        b"\x0a\x05no".to_vec(),
        good(),
    ];
    let mut body = request_of(&[], spans);
    // An attribute that ends early; a key, and a scope's name, that are no text.
    body.extend(request_of(b"\x0a\x05no", [good()]));
    body.extend(request_of(b"\x0a\x03\x0a\x01\xff", [good()]));
    body.extend(request_with(&[], b"\x0a\x01\xff", [good()]));
    body.extend(request_of(&[], [good()]));
    assert_eq!(
        describe(tell(&body)),
        [
            "0000000000000001 of 1 nodes",
            "InvalidTraceId -",
            "InvalidId -",
            "OTLPFormatError -",
            "0000000000000001 of 1 nodes",
            "OTLPFormatError 0000000000000001",
            "OTLPFormatError 0000000000000001",
            "OTLPFormatError 0000000000000001",
            "0000000000000001 of 1 nodes",
        ]
    );
}

#[test]
fn a_span_is_taken_up_to_its_limit_to_the_byte() {
    const MAX_BYTES: usize = model::limits::SPAN_MAX_BYTES;
    let padded = |bytes_of_pad: usize| {
        let mut span = span(1, "large", None);
        span.attributes = vec![Attribute::new("pad", "x".repeat(bytes_of_pad))];
        span
    };
    let room = 2 * MAX_BYTES - bytes(&padded(MAX_BYTES)).len();
    for (room, expected) in [
        (room, "0000000000000001 of 1 nodes"),
        (room + 1, "InvalidSegment -"),
    ] {
        assert_eq!(describe(tell(&request(&[], &[padded(room)]))), [expected]);
    }
    assert_eq!(bytes(&padded(room)).len(), MAX_BYTES);
}

#[test]
fn what_spans_become_is_bounded_for_the_whole_call() {
    let body = request(
        &lambda(),
        &[span(1, "a", None), span(2, "b", None), span(3, "c", None)],
    );
    let lengths: Vec<usize> = tell(&body)
        .iter()
        .flatten()
        .map(|told| told.texts[0].len())
        .collect();
    let two = lengths[0] + lengths[1];
    let taken = |max_bytes| describe(Teller::new(max_bytes).tell(&body));
    let [first, second, third] = [1, 2, 3].map(|number| format!("000000000000000{number} of 1 nodes"));
    assert_eq!(taken(two), [&*first, &*second, "InvalidSegment 0000000000000003"]);
    assert_eq!(taken(two + lengths[2]), [first, second, third]);
    let mut teller = Teller::new(two);
    assert_eq!(teller.tell(&body).iter().flatten().count(), 2);
    assert_eq!(teller.tell(&body).iter().flatten().count(), 0);
}

#[test]
fn aws_collectors_say_in_the_resource_which_attributes_are_indexed() {
    let told = |resource: &[Attribute<'static>]| {
        let mut span = span(1, "indexed", None);
        span.attributes = vec![Attribute::new("tenant", "blue"), Attribute::new("cart", "7")];
        let document = one(&request(resource, &[span]));
        let members = Value::Object(document.nodes[0].members.clone());
        assert!(!members.to_string().contains("exporter.config"), "{members}");
        members["annotations"].clone()
    };
    let keys = Otlp::List(vec!["tenant".into()]);
    assert_eq!(told(&[]), json!(null));
    assert_eq!(
        told(&[Attribute::new(INDEXED, keys)]),
        json!({ "tenant": "blue" })
    );
    assert_eq!(
        told(&[Attribute::new(INDEX_ALL, true)]),
        json!({ "tenant": "blue", "cart": "7" })
    );
}

proptest! {
    #[test]
    fn no_damage_to_a_request_makes_it_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut body = request(&lambda(), &[span(1, "a", None), span(2, "b", Some(1))]);
        let at = at.index(body.len());
        body[at] = byte;
        let _ = describe(tell(&body));
    }

    #[test]
    fn attributes_of_any_kind_are_told_or_refused(
        key in "(aws.xray.document|aws.xray.metadata.m|http.url|db.system|.{0,5})",
        value in prop_oneof![
            r#"\{"(id|name|trace_id|parent_id|type|start_time|end_time|subsegments|in_progress)":([0-9]|"a"|\[\{\}\]|null)\}"#
                .prop_map(Otlp::from),
            any::<f64>().prop_map(Otlp::from),
            any::<i64>().prop_map(Otlp::from),
            ".{0,9}".prop_map(Otlp::from),
        ],
    ) {
        let mut span = span(1, "a", None);
        span.attributes = vec![Attribute::new(key, value)];
        prop_assert_eq!(describe(tell(&request(&[], &[span]))).len(), 1);
    }
}
