//! Spans and what their documents must hold.

mod cases;
mod members;
mod others;
mod properties;
mod stacks;

use serde_json::{Value as Json, json};

use super::super::span::{
    Attribute, Kind, Link, Resource, Scope, Span, SpanEvent, Status, StatusCode, Value,
};
use super::{Group, Options, documents};
use crate::ids::{SegmentId, TraceId};

/// A span as a test tells it: `kind`, `parent`, `name`, `status`, `attributes`, `events`, and the `resource`.
struct Told {
    span: Span<'static>,
    resource: Resource<'static>,
}

fn told(told: &Json) -> Told {
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    let kinds = ["", "internal", "server", "client", "producer", "consumer"];
    let kind = kinds.iter().position(|kind| *kind == text("kind")).unwrap();
    let status = ["unset", "ok", "error"]
        .iter()
        .position(|code| *code == text("status"));
    let events = told["events"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|event| SpanEvent {
            time_unix_nano: 1_700_000_000_500_000_000,
            name: event["name"].as_str().unwrap_or("exception").to_owned().into(),
            attributes: attributes(&event["attributes"]),
            dropped_attributes: 0,
        });
    let links = told["links"].as_array().into_iter().flatten().map(|link| Link {
        trace_id: TraceId::from_bytes([9; 16]),
        span_id: SegmentId::from_bytes([9; 8]),
        trace_state: "",
        attributes: attributes(link),
        dropped_attributes: 0,
        flags: 0,
    });
    let span = Span {
        name: if told["name"].is_string() {
            text("name")
        } else {
            "work".to_owned()
        }
        .into(),
        kind: Kind::from_number(u64::try_from(kind).unwrap()),
        parent: (told["parent"] != false).then(|| SegmentId::from_bytes([3; 8])),
        start_unix_nano: 1_700_000_000_123_456_789,
        end_unix_nano: told["end"].as_u64().unwrap_or(1_700_000_001_000_000_000),
        attributes: attributes(&told["attributes"]),
        events: events.collect(),
        links: links.collect(),
        status: Status {
            code: StatusCode::from_number(u64::try_from(status.unwrap_or_default()).unwrap()),
            message: text("message").into(),
        },
        ..Span::new(TraceId::from_bytes([1; 16]), SegmentId::from_bytes([2; 8]))
    };
    let resource = Resource {
        attributes: attributes(&told["resource"]),
        dropped_attributes: 0,
    };
    Told { span, resource }
}

fn attributes(object: &Json) -> Vec<Attribute<'static>> {
    let members = object.as_object().into_iter().flatten();
    members
        .map(|(key, value)| Attribute::new(key.clone(), otlp(value)))
        .collect()
}

fn otlp(value: &Json) -> Value<'static> {
    match value {
        Json::Null => Value::Empty,
        Json::Bool(flag) => Value::Flag(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Integer(number),
            None => Value::Double(number.as_f64().unwrap()),
        },
        Json::String(text) => Value::Text(text.clone().into()),
        Json::Array(values) => Value::List(values.iter().map(otlp).collect()),
        Json::Object(_) => Value::Map(attributes(value)),
    }
}

fn made_with(told: &Told, options: &Options) -> Vec<Json> {
    let group = Group {
        resource: &told.resource,
        scope: &Scope::default(),
    };
    let texts = documents(&told.span, group, options).unwrap();
    texts
        .iter()
        .map(|text| serde_json::from_slice(text).unwrap())
        .collect()
}

/// The span's first document.
fn made(story: &Json) -> Json {
    made_with(&told(story), &Options::default())
        .into_iter()
        .next()
        .unwrap()
}

/// Whether a document has these members, and none where null stands.
#[track_caller]
fn check_has(document: &Json, wanted: &Json) {
    let has = holds(document, wanted);
    assert!(has, "{document:#}\nshould have\n{wanted:#}");
}

fn holds(value: &Json, wanted: &Json) -> bool {
    match (value, wanted) {
        (Json::Object(members), Json::Object(wanted)) => wanted.iter().all(|(name, wanted)| {
            let value = members.get(name);
            if wanted.is_null() {
                value.is_none()
            } else {
                value.is_some_and(|value| holds(value, wanted))
            }
        }),
        (Json::Array(elements), Json::Array(wanted)) => {
            elements.len() == wanted.len()
                && elements
                    .iter()
                    .zip(wanted)
                    .all(|(element, wanted)| holds(element, wanted))
        }
        (value, wanted) => value == wanted,
    }
}

/// What a span becomes.
#[track_caller]
fn check(story: Json, wanted: Json) {
    check_has(&made(&story), &wanted);
}

#[test]
fn a_document_is_told_whole() {
    let story = json!({
        "kind": "server", "name": "GET /q", "parent": false, "status": "error", "message": "no luck",
        "attributes": {"http.request.method": "GET", "http.response.status_code": 503, "order": 7},
        "resource": {"service.name": "shop"},
    });
    let told = told(&story);
    let scope = Scope {
        name: "tracer".into(),
        version: "1.2".into(),
        ..Scope::default()
    };
    let group = Group {
        resource: &told.resource,
        scope: &scope,
    };
    let text = documents(&told.span, group, &Options::default())
        .unwrap()
        .remove(0);
    assert_eq!(
        String::from_utf8(text).unwrap(),
        concat!(
            r#"{"name":"shop","id":"0202020202020202","trace_id":"1-01010101-010101010101010101010101","#,
            r#""start_time":1700000000.123456,"end_time":1700000001.000000,"fault":true,"#,
            r#""http":{"request":{"method":"GET"},"response":{"status":503}},"#,
            r#""cause":{"exceptions":[{"id":"8e9c0f72d2c96b56","message":"no luck"}]},"#,
            r#""metadata":{"default":{"otel.resource.service.name":"shop","order":7,"#,
            r#""otel.scope.name":"tracer","otel.scope.version":"1.2"}}}"#,
        )
    );
}
