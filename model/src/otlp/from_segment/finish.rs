//! What is told of a segment or subsegment once its other members are: how it ended, annotations, metadata, links, and
//! the resource.

use std::borrow::Cow;

use super::super::mapping::{
    ANNOTATIONS, DEFAULT_NAMESPACE, METADATA_PREFIX, RESOURCE_PREFIX, STACKS_NAMESPACE, UNSAID,
};
use super::super::span::{Attribute, Kind, Link, StatusCode, Value};
use super::part::{Part, find};
use super::{cause, json, lambda};
use crate::wire::object::{Object, text};

/// No annotation is an attribute of this prefix: it could be taken for one of ours.
const OWN_PREFIX: &str = "aws.xray.";

/// Finishes a part.
pub(super) fn finish(part: &mut Part<'_>) {
    status(part);
    cause::tell(part);
    annotations(part);
    if part.nature.is_segment {
        lambda::tell(part);
    }
    metadata(part);
    links(part);
    if part.nature.is_top {
        resource(part);
    }
    name(part);
    flags(part);
    if !part.unsaid.is_empty() {
        let unsaid = format!("{{{}}}", part.unsaid);
        part.put_own(UNSAID, unsaid);
    }
}

/// Error, unless the fault is the caller's alone: whoever answers a bad request well has not failed.
fn status(part: &mut Part<'_>) {
    let later = &part.later;
    let is_callers = part.span.kind == Kind::Server && !later.fault && later.cause.is_none();
    let has_failed = later.fault || later.error || later.throttle || later.cause.is_some();
    if has_failed && !is_callers {
        part.span.status.code = StatusCode::Error;
    }
}

/// Flags other than those that follow from HTTP's status and the span's.
fn flags(part: &mut Part<'_>) {
    let status = match find(&part.span.attributes, "http.response.status_code") {
        Some(Value::Integer(status)) => *status,
        _ => 0,
    };
    let is_error = part.span.status.code == StatusCode::Error;
    let derived = match status {
        429 => [true, true, false],
        400..=499 => [true, false, false],
        500..=599 => [false, false, true],
        _ => [false, false, is_error],
    };
    let said = [part.later.error, part.later.throttle, part.later.fault];
    let names = ["error", "throttle", "fault"];
    for ((name, said), derived) in names.into_iter().zip(said).zip(derived) {
        if said != derived {
            keep(&mut part.unsaid, name, if said { "true" } else { "false" });
        }
    }
}

/// Attributes that name a document before its service does, in their order.
const NAMES: &[&str] = &[
    "aws.local.service",
    "aws.remote.service",
    "peer.service",
    "service.peer.name",
    "aws.service",
    "db.name",
    "db.namespace",
];
/// And behind it.
const LATER_NAMES: &[&str] = &["rpc.service", "http.host", "net.peer.name", "server.address"];

/// A name that is not read back from what the span says.
fn name(part: &mut Part<'_>) {
    let first = |names: &[&str]| names.iter().find_map(|key| part.text(key));
    let service = || find(&part.resource.attributes, "service.name").and_then(Value::as_text);
    let named = first(NAMES).or_else(|| match part.span.kind {
        Kind::Server => service(),
        _ => first(LATER_NAMES),
    });
    let is_kept = named.is_some_and(|named| named != part.span.name);
    if is_kept && let Ok(name) = serde_json::to_string(&part.span.name) {
        keep(&mut part.unsaid, "name", &name);
    }
}

fn annotations(part: &mut Part<'_>) {
    let Some(raw) = part.later.annotations else { return };
    let Some(object) = Object::read(raw) else {
        return keep(&mut part.unsaid, "annotations", raw);
    };
    let mut keys = Vec::new();
    let mut unsaid = String::from("{");
    for member in object.members {
        let Some(raw) = member.read() else { continue };
        let is_ours = member.name.is_empty() || member.name.starts_with(OWN_PREFIX);
        let value = json::scalar(raw).filter(|_| !is_ours);
        let is_said = value.is_some_and(|value| part.put(member.name.clone(), value));
        // A key with other characters would come back without them.
        if is_said && is_plain(&member.name) {
            keys.push(Value::Text(member.name));
        } else {
            member.write(raw, &mut unsaid);
        }
    }
    if !keys.is_empty() {
        part.put_own(ANNOTATIONS, Value::List(keys));
    }
    close(part, "annotations", unsaid);
}

fn is_plain(key: &str) -> bool {
    let is_plain = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'_' | b'.');
    key.bytes().all(is_plain)
}

fn metadata<'a>(part: &mut Part<'a>) {
    let Some(object) = part.later.metadata.take() else {
        return;
    };
    let mut unsaid = String::from("{");
    for member in object.members {
        let Some(raw) = member.read() else { continue };
        let is_told = match &*member.name {
            DEFAULT_NAMESPACE => part.was_span && attributes(part, raw),
            // By the events.
            STACKS_NAMESPACE => part.was_span,
            _ => false,
        };
        if is_told {
            continue;
        }
        let is_object = raw.starts_with('{');
        let key = format!("{METADATA_PREFIX}{}", member.name);
        if !(is_object && part.put(key, raw)) {
            member.write(raw, &mut unsaid);
        }
    }
    close(part, "metadata", unsaid);
}

/// The attributes of a span that no member of its document had room for: attributes again.
fn attributes<'a>(part: &mut Part<'a>, raw: &'a str) -> bool {
    let Some(Value::Map(attributes)) = json::value(raw) else {
        return false;
    };
    for Attribute { key, value } in attributes {
        match strip(&key, RESOURCE_PREFIX) {
            Some(key) => part.put_resource(key, value),
            None => part.put(key, value),
        };
    }
    true
}

fn strip<'a>(text: &Cow<'a, str>, prefix: &str) -> Option<Cow<'a, str>> {
    match text {
        Cow::Borrowed(text) => text.strip_prefix(prefix).map(Cow::Borrowed),
        Cow::Owned(text) => text.strip_prefix(prefix).map(|text| Cow::Owned(text.to_owned())),
    }
}

fn links(part: &mut Part<'_>) {
    let Some(raw) = part.later.links else { return };
    let links = json::elements(raw);
    for raw in links.iter().flatten() {
        part.span.links.extend(link(raw));
    }
    // All of them or none.
    if links.map(|links| links.len()) != Some(part.span.links.len()) {
        part.span.links.clear();
        keep(&mut part.unsaid, "links", raw);
    }
}

fn link(raw: &str) -> Option<Link<'_>> {
    let object = Object::read(raw)?;
    let id = |member: &str| object.read_value(member).and_then(text);
    let mut link = Link {
        trace_id: id("trace_id")?.parse().ok()?,
        span_id: id("id")?.parse().ok()?,
        trace_state: "",
        attributes: Vec::new(),
        dropped_attributes: 0,
        flags: 0,
    };
    if let Some(attributes) = object.read_value("attributes") {
        match json::value(attributes)? {
            Value::Map(attributes) => link.attributes = attributes,
            Value::Empty => {}
            _ => return None,
        }
    }
    Some(link)
}

/// The service, the cloud, and what was given of both.
fn resource(part: &mut Part<'_>) {
    let own = part.nature.origin.as_deref();
    let is_lambda = part.platform == Some("aws_lambda");
    let is_elsewhere = part.nature.is_segment && own.is_some() && !is_lambda;
    let is_aws = part.has_aws || own.is_some_and(|origin| origin.starts_with("AWS::"));
    let (name, given) = (part.span.name.clone(), part.given.resource);
    if part.nature.is_segment && !is_lambda {
        part.put_resource("service.name", name.clone());
    }
    if is_aws && part.nature.is_segment {
        part.put_resource("cloud.provider", "aws");
    }
    if let Some(platform) = part.platform {
        part.put_resource("cloud.platform", platform);
    }
    if !is_elsewhere && !part.was_span {
        for Attribute { key, value } in given {
            part.put_resource(&**key, value.clone());
        }
    }
    part.put_resource("service.name", name);
}

/// Keeps a member in JSON.
pub(super) fn keep(unsaid: &mut String, name: &str, raw: &str) {
    if !unsaid.is_empty() {
        unsaid.push(',');
    }
    unsaid.extend(["\"", name, "\":", raw]);
}

/// Keeps what is left of an object, if something is.
pub(super) fn close(part: &mut Part<'_>, name: &str, mut unsaid: String) {
    if unsaid.len() > 1 {
        unsaid.push('}');
        keep(&mut part.unsaid, name, &unsaid);
    }
}
