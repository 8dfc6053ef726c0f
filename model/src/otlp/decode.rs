//! Reads OTLP's messages from protobuf: a span, a resource, a scope.
//!
//! Lenient where OTLP's own definition lets it be: unknown fields are passed over, a text that is not UTF-8 is read as
//! far as it is. Whether a span is taken at all was said by [`scan`](super::scan) before.

use std::borrow::Cow;

use super::protobuf::{Content, Damaged, Fields};
use super::span::{Attribute, Kind, Link, Resource, Scope, Span, SpanEvent, Status, StatusCode, Value};
use crate::ids::{SegmentId, TraceId};
use crate::limits::ATTRIBUTE_DEPTH_MAX;

/// Reads a span. Ids of another length are read as zeros.
///
/// # Errors
/// [`Damaged`] if the bytes are no protobuf message. Values nested deeper than [`ATTRIBUTE_DEPTH_MAX`] are read as
/// empty.
pub fn span(bytes: &[u8]) -> Result<Span<'_>, Damaged> {
    let mut span = Span::new(TraceId::from_bytes([0; 16]), SegmentId::from_bytes([0; 8]));
    for field in Fields::of(bytes) {
        match field? {
            (1, Content::Bytes(id)) => span.trace_id = trace_id(id),
            (2, Content::Bytes(id)) => span.span_id = span_id(id),
            (3, Content::Bytes(state)) => span.trace_state = plain_text(state),
            (4, Content::Bytes(id)) => span.parent = Some(span_id(id)).filter(|id| !id.is_zero()),
            (5, Content::Bytes(name)) => span.name = text(name),
            (6, Content::Varint(kind)) => span.kind = Kind::from_number(kind),
            (7, Content::Fixed64(nanos)) => span.start_unix_nano = nanos,
            (8, Content::Fixed64(nanos)) => span.end_unix_nano = nanos,
            (9, Content::Bytes(bytes)) => span.attributes.push(attribute(bytes, 0)?),
            (10, Content::Varint(count)) => span.dropped_attributes = low_bits(count),
            (11, Content::Bytes(bytes)) => span.events.push(event(bytes)?),
            (12, Content::Varint(count)) => span.dropped_events = low_bits(count),
            (13, Content::Bytes(bytes)) => span.links.push(link(bytes)?),
            (14, Content::Varint(count)) => span.dropped_links = low_bits(count),
            (15, Content::Bytes(bytes)) => status(bytes, &mut span.status)?,
            (16, Content::Fixed32(flags)) => span.flags = flags,
            _ => {}
        }
    }
    Ok(span)
}

/// Reads a resource.
///
/// # Errors
/// [`Damaged`] if the bytes are no protobuf message.
pub fn resource(bytes: &[u8]) -> Result<Resource<'_>, Damaged> {
    let mut resource = Resource::default();
    for field in Fields::of(bytes) {
        match field? {
            (1, Content::Bytes(bytes)) => resource.attributes.push(attribute(bytes, 0)?),
            (2, Content::Varint(count)) => resource.dropped_attributes = low_bits(count),
            _ => {}
        }
    }
    Ok(resource)
}

/// Reads an instrumentation scope.
///
/// # Errors
/// [`Damaged`] if the bytes are no protobuf message.
pub fn scope(bytes: &[u8]) -> Result<Scope<'_>, Damaged> {
    let mut scope = Scope::default();
    for field in Fields::of(bytes) {
        match field? {
            (1, Content::Bytes(name)) => scope.name = text(name),
            (2, Content::Bytes(version)) => scope.version = text(version),
            (3, Content::Bytes(bytes)) => scope.attributes.push(attribute(bytes, 0)?),
            (4, Content::Varint(count)) => scope.dropped_attributes = low_bits(count),
            _ => {}
        }
    }
    Ok(scope)
}

fn event(bytes: &[u8]) -> Result<SpanEvent<'_>, Damaged> {
    let mut event = SpanEvent::default();
    for field in Fields::of(bytes) {
        match field? {
            (1, Content::Fixed64(nanos)) => event.time_unix_nano = nanos,
            (2, Content::Bytes(name)) => event.name = text(name),
            (3, Content::Bytes(bytes)) => event.attributes.push(attribute(bytes, 0)?),
            (4, Content::Varint(count)) => event.dropped_attributes = low_bits(count),
            _ => {}
        }
    }
    Ok(event)
}

fn link(bytes: &[u8]) -> Result<Link<'_>, Damaged> {
    let mut link = Link {
        trace_id: trace_id(&[]),
        span_id: span_id(&[]),
        trace_state: "",
        attributes: Vec::new(),
        dropped_attributes: 0,
        flags: 0,
    };
    for field in Fields::of(bytes) {
        match field? {
            (1, Content::Bytes(id)) => link.trace_id = trace_id(id),
            (2, Content::Bytes(id)) => link.span_id = span_id(id),
            (3, Content::Bytes(state)) => link.trace_state = plain_text(state),
            (4, Content::Bytes(bytes)) => link.attributes.push(attribute(bytes, 0)?),
            (5, Content::Varint(count)) => link.dropped_attributes = low_bits(count),
            (6, Content::Fixed32(flags)) => link.flags = flags,
            _ => {}
        }
    }
    Ok(link)
}

/// A second status adds to the first: so protobuf reads a message that comes twice.
fn status<'a>(bytes: &'a [u8], status: &mut Status<'a>) -> Result<(), Damaged> {
    for field in Fields::of(bytes) {
        match field? {
            (2, Content::Bytes(message)) => status.message = text(message),
            (3, Content::Varint(code)) => status.code = StatusCode::from_number(code),
            _ => {}
        }
    }
    Ok(())
}

fn attribute(bytes: &[u8], depth: usize) -> Result<Attribute<'_>, Damaged> {
    let mut attribute = Attribute::new("", Value::Empty);
    for field in Fields::of(bytes) {
        match field? {
            (1, Content::Bytes(key)) => attribute.key = text(key),
            (2, Content::Bytes(bytes)) => attribute.value = value(bytes, depth)?,
            _ => {}
        }
    }
    Ok(attribute)
}

fn value(bytes: &[u8], depth: usize) -> Result<Value<'_>, Damaged> {
    let mut value = Value::Empty;
    for field in Fields::of(bytes) {
        match field? {
            (1, Content::Bytes(bytes)) => value = Value::Text(text(bytes)),
            (2, Content::Varint(flag)) => value = Value::Flag(flag != 0),
            (3, Content::Varint(number)) => value = Value::Integer(number.cast_signed()),
            (4, Content::Fixed64(bits)) => value = Value::Double(f64::from_bits(bits)),
            (5 | 6, Content::Bytes(_)) if depth >= ATTRIBUTE_DEPTH_MAX => value = Value::Empty,
            (5, Content::Bytes(bytes)) => value = Value::List(elements(bytes, depth + 1, self::value)?),
            (6, Content::Bytes(bytes)) => value = Value::Map(elements(bytes, depth + 1, attribute)?),
            (7, Content::Bytes(bytes)) => value = Value::Bytes(Cow::Borrowed(bytes)),
            _ => {}
        }
    }
    Ok(value)
}

/// The messages in field 1: what both lists and maps are.
fn elements<'a, T>(
    bytes: &'a [u8],
    depth: usize,
    read: fn(&'a [u8], usize) -> Result<T, Damaged>,
) -> Result<Vec<T>, Damaged> {
    let mut elements = Vec::new();
    for field in Fields::of(bytes) {
        if let (1, Content::Bytes(bytes)) = field? {
            elements.push(read(bytes, depth)?);
        }
    }
    Ok(elements)
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// A text that is of no use in part.
fn plain_text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

fn trace_id(bytes: &[u8]) -> TraceId {
    TraceId::from_bytes(bytes.try_into().unwrap_or_default())
}

fn span_id(bytes: &[u8]) -> SegmentId {
    SegmentId::from_bytes(bytes.try_into().unwrap_or_default())
}

/// A number of 32 bits, which protobuf reads from the lowest of 64.
fn low_bits(number: u64) -> u32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
