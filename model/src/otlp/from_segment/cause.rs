//! Why a segment failed: its exceptions as events.

use std::borrow::Cow;

use super::super::mapping::{
    EXCEPTION_CAUSE, EXCEPTION_EVENT, EXCEPTION_ID, EXCEPTION_REMOTE, EXCEPTION_SKIPPED, EXCEPTION_TRUNCATED,
};
use super::super::span::{Attribute, SpanEvent, Value};
use super::finish::{close, keep};
use super::json;
use super::part::Part;
use super::stack::{self, Frame, Thrown};
use crate::wire::object::{Object, text};

/// Members of an exception that say the same as an attribute of the event.
const SAME: &[(&str, &str)] = &[
    ("type", "exception.type"),
    ("message", "exception.message"),
    ("id", EXCEPTION_ID),
    ("remote", EXCEPTION_REMOTE),
    ("truncated", EXCEPTION_TRUNCATED),
    ("skipped", EXCEPTION_SKIPPED),
    ("cause", EXCEPTION_CAUSE),
];

/// Tells the cause: an event for each exception, in their order.
pub(super) fn tell<'a>(part: &mut Part<'a>) {
    let Some(raw) = part.later.cause else { return };
    let Some(object) = Object::read(raw) else {
        // The id of an exception that another segment tells of.
        if let Some(id) = text(raw) {
            part.span.status.message = id;
        }
        return keep(&mut part.unsaid, "cause", raw);
    };
    let exceptions = object.read_value("exceptions").and_then(json::elements);
    let time = part.span.end_unix_nano.max(part.span.start_unix_nano);
    let mut is_whole = exceptions.is_some();
    for exception in exceptions.unwrap_or_default() {
        let Some(exception) = Object::read(exception) else {
            is_whole = false;
            continue;
        };
        let attributes = event(part, &exception, &mut is_whole);
        part.span.events.push(SpanEvent {
            time_unix_nano: time,
            name: Cow::Borrowed(EXCEPTION_EVENT),
            attributes,
            dropped_attributes: 0,
        });
    }
    let mut unsaid = String::from("{");
    for member in &object.members {
        if member.name != "exceptions" || !is_whole {
            member.write(&member.value, &mut unsaid);
        }
    }
    close(part, "cause", unsaid);
}

/// The attributes of an exception's event. Not whole is what they do not say as it was.
fn event<'a>(part: &Part<'a>, exception: &Object<'a>, is_whole: &mut bool) -> Vec<Attribute<'a>> {
    let mut attributes = Vec::with_capacity(SAME.len() + 1);
    for (member, key) in SAME {
        let Some(raw) = exception.read_value(member) else {
            continue;
        };
        let value = json::scalar(raw);
        let is_text = matches!(value, Some(Value::Text(_)));
        *is_whole &= value.is_some() && is_text != matches!(*member, "remote" | "truncated" | "skipped");
        attributes.extend(value.map(|value| Attribute::new(*key, value)));
    }
    // A stack that could not be taken apart is there as it was.
    let whole = part.later.stacks.as_ref().and_then(|stacks| {
        let id = exception.read_value("id").and_then(text)?;
        stacks.read_value(&id).and_then(text)
    });
    if let Some(stack) = whole.filter(|_| exception.value("stack").is_none()) {
        attributes.push(Attribute::new("exception.stacktrace", stack));
        return attributes;
    }
    let stack = exception.read_value("stack");
    let calls = stack.and_then(json::elements).unwrap_or_default();
    let frames: Vec<Frame<'_>> = calls.iter().filter_map(|raw| frame(raw)).collect();
    *is_whole &= frames.len() == calls.len();
    if !frames.is_empty() {
        let part_of = |name| exception.read_value(name).and_then(text).unwrap_or_default();
        let (kind, message) = (part_of("type"), part_of("message"));
        let thrown = Thrown {
            kind: &kind,
            message: &message,
            frames,
            // X-Ray's Python SDK lists them in the order of their calls, unlike everybody else.
            is_oldest_first: !part.was_span && part.language.as_deref() == Some("python"),
        };
        let (stack, is_read_back) = stack::write(thrown, part.language.as_deref());
        *is_whole &= is_read_back;
        attributes.push(Attribute::new("exception.stacktrace", stack));
    }
    attributes
}

fn frame(raw: &str) -> Option<Frame<'_>> {
    let object = Object::read(raw)?;
    let part = |name| object.read_value(name).and_then(text);
    Some(Frame {
        path: part("path"),
        line: object.read_value("line").and_then(json::integer),
        label: part("label"),
    })
}
