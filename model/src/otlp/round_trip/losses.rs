//! Each loss has an example that shows it and nothing else.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::super::losses::{LOSSES, Way};
use super::super::span::{Kind, Link, Resource, Scope, Span, SpanEvent, Status, StatusCode};
use super::{attributes_of, lost, shown, through_segments, through_spans};
use crate::ids::{SegmentId, TraceId};

/// A document of these members.
fn documented(members: &Json) -> Json {
    let mut document = json!({ "name": "checkout", "id": "00f067aa0ba902b7", "trace_id": "1-67881233-abcdef012345678812345678",
        "start_time": 1736970803.125, "end_time": 1736970803.25 });
    document
        .as_object_mut()
        .unwrap()
        .extend(members.as_object().unwrap().clone());
    document
}

fn text(json: &Json) -> String {
    json.as_str().unwrap_or_default().to_owned()
}

/// W3C's state, which is borrowed.
fn state(json: &Json) -> &'static str {
    Box::leak(text(json).into_boxed_str())
}

fn count(json: &Json, otherwise: u32) -> u32 {
    json.as_u64()
        .map_or(otherwise, |count| u32::try_from(count).unwrap())
}

fn list(json: &Json) -> impl Iterator<Item = &Json> {
    json.as_array().into_iter().flatten()
}

/// A span that is told so.
fn told(members: &Json) -> Span<'static> {
    let end = 1_700_000_001_000_000_000;
    let kinds = [Kind::Server, Kind::Client, Kind::Producer, Kind::Consumer];
    let kind = kinds
        .into_iter()
        .find(|kind| members["kind"] == format!("{kind:?}"));
    let codes = [StatusCode::Ok, StatusCode::Error];
    let code = codes
        .into_iter()
        .find(|code| members["status"] == format!("{code:?}"));
    let events = list(&members["events"]).map(|event| SpanEvent {
        time_unix_nano: event["time"].as_u64().unwrap_or(end),
        name: text(&event["name"]).into(),
        attributes: attributes_of(&event["attributes"]),
        dropped_attributes: 0,
    });
    let links = list(&members["links"]).map(|link| Link {
        trace_id: TraceId::from_bytes([9; 16]),
        span_id: SegmentId::from_bytes([9; 8]),
        trace_state: state(&link["state"]),
        attributes: Vec::new(),
        dropped_attributes: 0,
        flags: 0,
    });
    Span {
        trace_state: state(&members["state"]),
        parent: (members["parent"] != false).then(|| SegmentId::from_bytes([3; 8])),
        flags: count(&members["flags"], 0x101),
        name: members["name"].as_str().unwrap_or("work").to_owned().into(),
        kind: kind.unwrap_or(Kind::Internal),
        start_unix_nano: members["start"].as_u64().unwrap_or(1_700_000_000_000_000_000),
        end_unix_nano: end,
        attributes: attributes_of(&members["attributes"]),
        events: events.collect(),
        links: links.collect(),
        status: Status {
            code: code.unwrap_or_default(),
            message: text(&members["message"]).into(),
        },
        dropped_attributes: count(&members["dropped"], 0),
        ..Span::new(TraceId::from_bytes([7; 16]), SegmentId::from_bytes([2; 8]))
    }
}

/// What a span of these members came with.
fn resource(members: &Json) -> Resource<'static> {
    let mut about = BTreeMap::from([
        ("service.name", json!("work")),
        ("telemetry.sdk.name", json!("opentelemetry")),
        ("telemetry.sdk.language", json!("rust")),
    ]);
    let own = members["resource"].as_object().into_iter().flatten();
    about.extend(own.map(|(key, value)| (key.as_str(), value.clone())));
    about.retain(|_, value| !value.is_null());
    Resource {
        attributes: attributes_of(&json!(about)),
        dropped_attributes: 0,
    }
}

#[test]
fn each_loss_is_shown_by_its_example_and_nothing_else_is_lost() {
    let mut wrong = Vec::new();
    for loss in LOSSES {
        let members: Json = serde_json::from_str(loss.example).unwrap();
        let found = match loss.way {
            Way::ThroughSpans => {
                let document = documented(&members);
                lost(&document, &through_spans(&document)["00f067aa0ba902b7"])
            }
            Way::ThroughSegments => {
                let (span, resource) = (told(&members), resource(&members));
                let scope = Scope {
                    name: text(&members["scope"]).into(),
                    ..Scope::default()
                };
                lost(
                    &shown(&span, &resource, &scope),
                    &through_segments(&span, &resource, &scope)[0],
                )
            }
        };
        let is_as_told = |((place, now), (told, instead)): (&(String, Json), &(&str, &str))| {
            place == told && (*instead == "*" || serde_json::from_str::<Json>(instead).unwrap() == *now)
        };
        let is_whole = found.len() == loss.lost.len() && found.iter().zip(loss.lost).all(is_as_told);
        if !is_whole || found.is_empty() {
            wrong.push(format!("{:?}: {}: {found:?}", loss.way, loss.what));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
