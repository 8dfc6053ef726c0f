//! What holds of every span's documents.

use std::collections::HashSet;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value as Json;

use super::super::super::generated;
use super::super::super::mapping::ROWS;
use super::super::super::span::{Attribute, Resource, Scope, Span, Value};
use super::super::{Group, LambdaHandler, Options, documents};
use crate::ids::{SegmentId, TraceId};
use crate::wire::document_scan;
use crate::wire::object::Object;

/// A key that means something, or none of them.
fn key() -> impl Strategy<Value = String> {
    let rows = ROWS
        .iter()
        .flat_map(|row| row.span.iter().chain(row.resource).chain(row.parts));
    let mut keys: Vec<String> = rows.map(|key| (*key).to_owned()).collect();
    keys.extend(
        [
            "aws.span.kind",
            "aws.local.service",
            "aws.remote.service",
            "cloud.provider",
            "cloud.platform",
            "faas.name",
            "service.name",
            "rpc.system",
            "rpc.service",
            "peer.service",
            "aws.service",
            "aws.xray.annotations",
            "aws.xray.metadata.default",
            "aws.xray.metadata.own",
            "aws.xray.document",
            "k8s.cluster.name",
            "message.type",
        ]
        .map(str::to_owned),
    );
    prop_oneof![proptest::sample::select(keys), "[a-z.-]{0,6}"]
}

fn value() -> impl Strategy<Value = Value<'static>> {
    let texts = [
        "aws",
        "aws_lambda",
        "aws_ecs",
        "aws-api",
        "mysql",
        "LOCAL_ROOT",
        "192.0.2.1",
        "443",
        "https",
        "jdbc:mysql://u:p@h/x",
        "{\"a\":{\"b\":[1]}}",
        "{\"http\":{\"x\":1},\"name\":\"n\"}",
        "a&b",
        "arn:a:b:c:d:e:f",
    ];
    prop_oneof![
        proptest::sample::select(texts.to_vec()).prop_map(Value::from),
        generated::value(),
        (0i64..600).prop_map(Value::Integer),
    ]
}

fn attributes() -> impl Strategy<Value = Vec<Attribute<'static>>> {
    vec(
        (key(), value()).prop_map(|(key, value)| Attribute::new(key, value)),
        0..12,
    )
}

prop_compose! {
    fn any_span()(span in generated::span(), attributes in attributes(), exception in attributes(),
        names in vec(proptest::sample::select(vec!["exception", "HTTP request failure", "other"]), 3)) -> Span<'static> {
        let mut span = Span { attributes, ..span };
        for (event, name) in span.events.iter_mut().zip(names) {
            event.name = name.into();
            event.attributes.extend(exception.iter().cloned());
        }
        span
    }
}

prop_compose! {
    fn any_options()(indexed in vec(key(), 0..3), index_all in any::<bool>(), allow_dot in any::<bool>(),
        is_segment in any::<bool>()) -> Options {
        let lambda_handler = if is_segment { LambdaHandler::Segment } else { LambdaHandler::Subsegment };
        Options { indexed, index_all, allow_dot, recent_as_of: None, lambda_handler }
    }
}

/// Whether every object of a text has each name once.
fn names_are_unique(text: &str) -> bool {
    let Some(object) = Object::read(text) else {
        return true;
    };
    let mut names = HashSet::new();
    let members = object.members.iter();
    members
        .into_iter()
        .all(|member| names.insert(member.name.clone()) && names_are_unique(&member.value))
}

proptest! {
    #[test]
    fn documents_are_taken_by_x_ray_and_tell_the_span(
        span in any_span(), resource in attributes(), options in any_options(),
    ) {
        let resource = Resource { attributes: resource, dropped_attributes: 0 };
        let group = Group { resource: &resource, scope: &Scope::default() };
        let made = documents(&span, group, &options).unwrap();
        prop_assert_eq!(&made, &documents(&span, group, &options).unwrap());
        prop_assert!(matches!(made.len(), 1 | 2));
        let overlaid = span.attributes.iter().any(|attribute| attribute.key == "aws.xray.document");
        for document in &made {
            let head = document_scan::scan(document).unwrap();
            prop_assert_eq!(head.trace_id, span.trace_id);
            prop_assert_eq!(head.in_progress, head.end_time.is_none());
            prop_assert!(overlaid || names_are_unique(std::str::from_utf8(document).unwrap()));
        }
        let own: Vec<_> = made.iter().map(|document| document_scan::scan(document).unwrap()).collect();
        prop_assert_eq!(own[0].id, span.span_id);
        let last = own.last().unwrap();
        prop_assert_eq!(last.parent.as_ref().map(|parent| parent.id), span.parent);
        if made.len() == 2 {
            prop_assert_eq!(own[0].parent.as_ref().map(|parent| parent.id), Some(last.id));
        }
    }

    #[test]
    fn every_attribute_is_in_a_document(
        span in any_span(), marked in vec(key(), 1..10), resource in attributes(), options in any_options(),
    ) {
        // Texts that are found again; a second attribute of a name tells nothing.
        let mut names = HashSet::new();
        let mut span = span;
        span.attributes = marked.into_iter().enumerate()
            .filter(|(_, key)| !key.starts_with("aws.xray.") && names.insert(key.clone()))
            .map(|(place, key)| Attribute::new(key, format!("marked-{place}-x")))
            .collect();
        let resource = Resource { attributes: resource, dropped_attributes: 0 };
        let made = documents(&span, Group { resource: &resource, scope: &Scope::default() }, &options).unwrap();
        let text = String::from_utf8(made.concat()).unwrap();
        for attribute in &span.attributes {
            let value = attribute.value.as_text().unwrap();
            prop_assert!(text.contains(value), "{}={value} is not in {text}", attribute.key);
        }
    }
}

#[test]
fn members_of_one_object_stand_together_in_the_table() {
    let mut left: HashSet<&str> = HashSet::new();
    let mut open: Vec<&str> = Vec::new();
    for row in ROWS {
        let mut path: Vec<&str> = row
            .member
            .match_indices('.')
            .filter_map(|(end, _)| row.member.get(..end))
            .collect();
        left.extend(open.iter().filter(|object| !path.contains(object)));
        assert!(
            path.iter().all(|object| !left.contains(object)),
            "{} comes too late",
            row.member
        );
        std::mem::swap(&mut open, &mut path);
    }
    let members: HashSet<&str> = ROWS.iter().map(|row| row.member).collect();
    assert!(members.len() > 50);
}

/// The one document of a span with these attributes.
fn document_of(attributes: Vec<Attribute<'_>>, options: &Options) -> Json {
    let span = Span {
        attributes,
        ..Span::new(TraceId::from_bytes([1; 16]), SegmentId::from_bytes([2; 8]))
    };
    let group = Group {
        resource: &Resource::default(),
        scope: &Scope::default(),
    };
    serde_json::from_slice(&documents(&span, group, options).unwrap()[0]).unwrap()
}

#[test]
fn numbers_that_json_does_not_have_are_texts() {
    let key = |number: f64| Attribute::new(format!("k{number}"), number);
    let options = Options {
        index_all: true,
        ..Options::default()
    };
    let attributes = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.5].map(key);
    let document = document_of(attributes.into(), &options);
    assert_eq!(document["annotations"], serde_json::json!({"k0.5": 0.5}));
    let texts = serde_json::json!({"kNaN": "NaN", "kinf": "Infinity", "k-inf": "-Infinity"});
    assert_eq!(document["metadata"]["default"], texts);
}

#[test]
fn a_document_of_the_largest_span_is_json() {
    let filler = "\u{1}".repeat(crate::limits::SPAN_MAX_BYTES);
    let document = document_of(vec![Attribute::new("k", filler.clone())], &Options::default());
    assert_eq!(document["metadata"]["default"]["k"], filler);
}
