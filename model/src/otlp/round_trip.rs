//! There and back: what one form can express survives the way through the other, and what does not is listed.
//!
//! [`LOSSES`](super::losses::LOSSES) is the list. Everything that the properties draw comes back.

mod documents;
mod losses;
mod spans;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::span::{Attribute, Resource, Scope, Span, Value};
use super::{decode, from_segment, to_segment};

/// A document by way of its spans: the documents that come back, by id.
fn through_spans(document: &Json) -> BTreeMap<String, Json> {
    let made = from_segment::spans(document.to_string().as_bytes(), &from_segment::Given::default());
    assert_eq!(made.rejects, [], "{document}");
    let resource = decode::resource(&made.resource).unwrap();
    let spans = made.spans.iter().map(|span| decode::span(span).unwrap());
    let scope = Scope::default();
    let documents = spans.flat_map(|span| documents_of(&span, &resource, &scope));
    let by_id = documents.map(|document| (document["id"].as_str().unwrap().to_owned(), document));
    by_id.collect()
}

fn documents_of(span: &Span<'_>, resource: &Resource<'_>, scope: &Scope<'_>) -> Vec<Json> {
    let group = to_segment::Group { resource, scope };
    let made = to_segment::documents(span, group, &to_segment::Options::default()).unwrap();
    made.iter()
        .map(|document| serde_json::from_slice(document).unwrap())
        .collect()
}

/// A span and its resource by way of documents, as [`shown`].
fn through_segments(span: &Span<'_>, resource: &Resource<'_>, scope: &Scope<'_>) -> Vec<Json> {
    let mut all = Vec::new();
    for document in documents_of(span, resource, scope) {
        let made = from_segment::spans(document.to_string().as_bytes(), &from_segment::Given::default());
        assert_eq!(made.rejects, [], "{document}");
        let resource = decode::resource(&made.resource).unwrap();
        all.extend(
            made.spans
                .iter()
                .map(|span| shown(&decode::span(span).unwrap(), &resource, &Scope::default())),
        );
    }
    all
}

/// A span for people, and for comparing.
fn shown(span: &Span<'_>, resource: &Resource<'_>, scope: &Scope<'_>) -> Json {
    let events = span.events.iter().map(|event| {
        json!({ "time": event.time_unix_nano, "name": event.name, "attributes": attributes(&event.attributes) })
    });
    let links = span.links.iter().map(|link| {
        json!({ "trace_id": link.trace_id.to_w3c(), "span_id": link.span_id.to_string(), "state": link.trace_state,
            "attributes": attributes(&link.attributes) })
    });
    json!({
        "trace_id": span.trace_id.to_w3c(), "span_id": span.span_id.to_string(),
        "parent": span.parent.map(|id| id.to_string()), "state": span.trace_state, "name": span.name,
        "kind": format!("{:?}", span.kind), "start": span.start_unix_nano, "end": span.end_unix_nano,
        "status": format!("{:?}", span.status.code), "message": span.status.message,
        "attributes": attributes(&span.attributes), "events": events.collect::<Vec<_>>(),
        "links": links.collect::<Vec<_>>(), "resource": attributes(&resource.attributes),
        "scope": scope.name, "flags": span.flags,
        "dropped": span.dropped_attributes + span.dropped_events + span.dropped_links,
    })
}

fn attributes(attributes: &[Attribute<'_>]) -> Json {
    let members = attributes
        .iter()
        .map(|one| (one.key.to_string(), plain(&one.value)));
    Json::Object(members.collect())
}

fn plain(value: &Value<'_>) -> Json {
    match value {
        Value::Text(text) => text.clone().into(),
        Value::Flag(flag) => (*flag).into(),
        Value::Integer(number) => (*number).into(),
        Value::Double(number) => (*number).into(),
        Value::Bytes(bytes) => json!({ "bytes": bytes }),
        Value::List(values) => values.iter().map(plain).collect(),
        Value::Map(entries) => attributes(entries),
        Value::Empty => json!({ "empty": true }),
    }
}

/// The attribute's value that JSON shows so.
fn value(json: &Json) -> Value<'static> {
    match json {
        Json::Null => Value::Empty,
        Json::Bool(flag) => Value::Flag(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Integer(whole),
            None => Value::Double(number.as_f64().unwrap()),
        },
        Json::String(text) => text.clone().into(),
        Json::Array(values) => Value::List(values.iter().map(value).collect()),
        Json::Object(members) => match members.get("bytes") {
            Some(Json::Array(bytes)) => {
                let bytes = bytes
                    .iter()
                    .map(|byte| u8::try_from(byte.as_u64().unwrap()).unwrap());
                Value::Bytes(Cow::Owned(bytes.collect()))
            }
            _ => Value::Map(attributes_of(json)),
        },
    }
}

fn attributes_of(json: &Json) -> Vec<Attribute<'static>> {
    let members = json.as_object().into_iter().flatten();
    members
        .map(|(key, json)| Attribute::new(key.clone(), value(json)))
        .collect()
}

/// A document, and each subsegment nested in it as the document of its own that it comes back as.
fn apart(document: &Json) -> Vec<Json> {
    let mut own = document.clone();
    let nested = own
        .as_object_mut()
        .unwrap()
        .remove("subsegments")
        .unwrap_or_default();
    let mut all = vec![own];
    for mut child in nested.as_array().cloned().unwrap_or_default() {
        child["type"] = json!("subsegment");
        child["trace_id"] = document["trace_id"].clone();
        child["parent_id"] = document["id"].clone();
        all.extend(apart(&child));
    }
    all
}

/// What was said before and is not said after: the place, and what is there now. There may be more after.
fn lost(before: &Json, after: &Json) -> Vec<(String, Json)> {
    let mut found = Vec::new();
    compare(String::new(), before, after, &mut found);
    found
}

fn compare(place: String, before: &Json, after: &Json, found: &mut Vec<(String, Json)>) {
    match (before, after) {
        (Json::Object(before), Json::Object(after)) => {
            for (name, before) in before {
                let after = after.get(name).unwrap_or(&Json::Null);
                compare(format!("{place}/{name}"), before, after, found);
            }
        }
        (Json::Array(one), Json::Array(other)) if one.len() == other.len() => {
            for (index, (before, after)) in one.iter().zip(other).enumerate() {
                compare(format!("{place}/{index}"), before, after, found);
            }
        }
        (Json::Number(one), Json::Number(other)) if one.as_f64() == other.as_f64() => {}
        _ if before == after => {}
        _ => found.push((place, after.clone())),
    }
}
