//! Spans for the property tests: any that the types can hold.

use std::borrow::Cow;

use proptest::collection::vec;
use proptest::prelude::*;

use super::span::{Attribute, Kind, Link, Resource, Scope, Span, SpanEvent, Status, StatusCode, Value};
use crate::ids::{SegmentId, TraceId};

/// A trace id that is not all zeros.
pub(crate) fn trace_id() -> impl Strategy<Value = TraceId> {
    any::<[u8; 16]>()
        .prop_map(TraceId::from_bytes)
        .prop_filter("zero", |id| !id.is_zero())
}

/// A span id that is not all zeros.
pub(crate) fn span_id() -> impl Strategy<Value = SegmentId> {
    any::<[u8; 8]>()
        .prop_map(SegmentId::from_bytes)
        .prop_filter("zero", |id| !id.is_zero())
}

fn text() -> impl Strategy<Value = Cow<'static, str>> {
    prop_oneof!["[a-z.]{0,12}", ".{0,8}"].prop_map(Cow::Owned)
}

/// A value of any kind, nested a few levels.
pub(crate) fn value() -> impl Strategy<Value = Value<'static>> {
    let scalar = prop_oneof![
        text().prop_map(Value::Text),
        any::<bool>().prop_map(Value::Flag),
        any::<i64>().prop_map(Value::Integer),
        any::<i32>().prop_map(|whole| Value::Double(f64::from(whole) / 64.0)),
        vec(any::<u8>(), 0..8).prop_map(|bytes| Value::Bytes(Cow::Owned(bytes))),
        Just(Value::Empty),
    ];
    scalar.prop_recursive(3, 12, 3, |inner| {
        let entry = (text(), inner.clone()).prop_map(|(key, value)| Attribute { key, value });
        prop_oneof![
            vec(inner, 0..3).prop_map(Value::List),
            vec(entry, 0..3).prop_map(Value::Map),
        ]
    })
}

/// Attributes of any name.
pub(crate) fn attributes() -> impl Strategy<Value = Vec<Attribute<'static>>> {
    vec(
        (text(), value()).prop_map(|(key, value)| Attribute { key, value }),
        0..4,
    )
}

fn kind() -> impl Strategy<Value = Kind> {
    (0u64..6).prop_map(Kind::from_number)
}

fn event() -> impl Strategy<Value = SpanEvent<'static>> {
    (any::<u64>(), text(), attributes(), any::<u32>()).prop_map(
        |(time_unix_nano, name, attributes, dropped_attributes)| SpanEvent {
            time_unix_nano,
            name,
            attributes,
            dropped_attributes,
        },
    )
}

fn link() -> impl Strategy<Value = Link<'static>> {
    (trace_id(), span_id(), attributes(), any::<u32>(), any::<u32>()).prop_map(
        |(trace_id, span_id, attributes, dropped_attributes, flags)| Link {
            trace_id,
            span_id,
            trace_state: "a=b",
            attributes,
            dropped_attributes,
            flags,
        },
    )
}

fn status() -> impl Strategy<Value = Status<'static>> {
    (0u64..3, text()).prop_map(|(code, message)| Status {
        code: StatusCode::from_number(code),
        message,
    })
}

/// A span with valid ids and anything else.
pub(crate) fn span() -> impl Strategy<Value = Span<'static>> {
    let place = (
        trace_id(),
        span_id(),
        proptest::option::of(span_id()),
        any::<u32>(),
    );
    let times = (any::<u64>(), any::<u64>());
    let contents = (attributes(), vec(event(), 0..3), vec(link(), 0..3), status());
    let dropped = (any::<u32>(), any::<u32>(), any::<u32>());
    (place, text(), kind(), times, contents, dropped).prop_map(
        |(place, name, kind, (start, end), (attributes, events, links, status), dropped)| Span {
            parent: place.2,
            flags: place.3,
            trace_state: if place.3 % 2 == 0 { "" } else { "k=v" },
            name,
            kind,
            start_unix_nano: start,
            end_unix_nano: end,
            attributes,
            events,
            links,
            status,
            dropped_attributes: dropped.0,
            dropped_events: dropped.1,
            dropped_links: dropped.2,
            ..Span::new(place.0, place.1)
        },
    )
}

/// A resource with any attributes.
pub(crate) fn resource() -> impl Strategy<Value = Resource<'static>> {
    (attributes(), any::<u32>()).prop_map(|(attributes, dropped_attributes)| Resource {
        attributes,
        dropped_attributes,
    })
}

/// A scope with any name.
pub(crate) fn scope() -> impl Strategy<Value = Scope<'static>> {
    (text(), text(), attributes(), any::<u32>()).prop_map(
        |(name, version, attributes, dropped_attributes)| Scope {
            name,
            version,
            attributes,
            dropped_attributes,
        },
    )
}
