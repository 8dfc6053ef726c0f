//! Writes OTLP's messages as protobuf: a span, a resource, a scope. Fields in the order of their numbers.

use super::protobuf::{
    close, open, put_bytes, put_bytes_always, put_fixed32, put_fixed64, put_fixed64_always, put_varint,
    put_varint_always,
};
use super::span::{Attribute, Link, Resource, Scope, Span, SpanEvent, Status, Value};

/// Writes a span behind what `out` holds.
pub fn span(span: &Span<'_>, out: &mut Vec<u8>) {
    put_bytes_always(out, 1, &span.trace_id.to_bytes());
    put_bytes_always(out, 2, &span.span_id.to_bytes());
    put_bytes(out, 3, span.trace_state.as_bytes());
    if let Some(parent) = span.parent {
        put_bytes_always(out, 4, &parent.to_bytes());
    }
    put_bytes(out, 5, span.name.as_bytes());
    put_varint(out, 6, span.kind.number());
    put_fixed64(out, 7, span.start_unix_nano);
    put_fixed64(out, 8, span.end_unix_nano);
    attributes(&span.attributes, 9, out);
    put_varint(out, 10, span.dropped_attributes.into());
    for happened in &span.events {
        event(happened, out);
    }
    put_varint(out, 12, span.dropped_events.into());
    for linked in &span.links {
        link(linked, out);
    }
    put_varint(out, 14, span.dropped_links.into());
    status(&span.status, out);
    put_fixed32(out, 16, span.flags);
}

/// Writes a resource behind what `out` holds.
pub fn resource(resource: &Resource<'_>, out: &mut Vec<u8>) {
    attributes(&resource.attributes, 1, out);
    put_varint(out, 2, resource.dropped_attributes.into());
}

/// Writes an instrumentation scope behind what `out` holds.
pub fn scope(scope: &Scope<'_>, out: &mut Vec<u8>) {
    put_bytes(out, 1, scope.name.as_bytes());
    put_bytes(out, 2, scope.version.as_bytes());
    attributes(&scope.attributes, 3, out);
    put_varint(out, 4, scope.dropped_attributes.into());
}

fn event(event: &SpanEvent<'_>, out: &mut Vec<u8>) {
    let message = open(out, 11);
    put_fixed64(out, 1, event.time_unix_nano);
    put_bytes(out, 2, event.name.as_bytes());
    attributes(&event.attributes, 3, out);
    put_varint(out, 4, event.dropped_attributes.into());
    close(out, message);
}

fn link(link: &Link<'_>, out: &mut Vec<u8>) {
    let message = open(out, 13);
    put_bytes_always(out, 1, &link.trace_id.to_bytes());
    put_bytes_always(out, 2, &link.span_id.to_bytes());
    put_bytes(out, 3, link.trace_state.as_bytes());
    attributes(&link.attributes, 4, out);
    put_varint(out, 5, link.dropped_attributes.into());
    put_fixed32(out, 6, link.flags);
    close(out, message);
}

fn status(status: &Status<'_>, out: &mut Vec<u8>) {
    if *status == Status::default() {
        return;
    }
    let message = open(out, 15);
    put_bytes(out, 2, status.message.as_bytes());
    put_varint(out, 3, status.code.number());
    close(out, message);
}

fn attributes(attributes: &[Attribute<'_>], number: u32, out: &mut Vec<u8>) {
    for attribute in attributes {
        let message = open(out, number);
        put_bytes(out, 1, attribute.key.as_bytes());
        value(&attribute.value, 2, out);
        close(out, message);
    }
}

/// Exactly one of a value's fields is there, whatever it holds: its number says of which kind the value is.
fn value(value: &Value<'_>, number: u32, out: &mut Vec<u8>) {
    let message = open(out, number);
    match value {
        Value::Text(text) => put_bytes_always(out, 1, text.as_bytes()),
        Value::Flag(flag) => put_varint_always(out, 2, u64::from(*flag)),
        Value::Integer(integer) => put_varint_always(out, 3, integer.cast_unsigned()),
        Value::Double(double) => put_fixed64_always(out, 4, double.to_bits()),
        Value::List(values) => {
            let list = open(out, 5);
            for element in values {
                self::value(element, 1, out);
            }
            close(out, list);
        }
        Value::Map(entries) => {
            let map = open(out, 6);
            attributes(entries, 1, out);
            close(out, map);
        }
        Value::Bytes(bytes) => put_bytes_always(out, 7, bytes),
        Value::Empty => {}
    }
    close(out, message);
}
