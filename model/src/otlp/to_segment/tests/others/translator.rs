//! The other translator, and a span in its terms.

use std::time::{Duration, UNIX_EPOCH};

use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status as OtherStatus, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value as OtherValue};
use opentelemetry_aws::xray_exporter::SegmentTranslator;
use opentelemetry_sdk::Resource as OtherResource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use serde_json::Value as Json;

use super::super::Told;
use crate::otlp::span::{Attribute, Kind, StatusCode, Value};

/// Its document of a span; null if it makes none.
pub(super) fn theirs(told: &Told) -> Json {
    let attributes = told.resource.attributes.iter().map(key_value);
    let mut translator = SegmentTranslator::new().skip_timestamp_validation();
    translator.set_resource(&OtherResource::builder_empty().with_attributes(attributes).build());
    let spans = [span_data(told)];
    let made = translator.translate_spans(&spans);
    made.first()
        .map_or(Json::Null, |document| serde_json::to_value(document).unwrap())
}

fn span_data(told: &Told) -> SpanData {
    let span = &told.span;
    let time = |nanos| UNIX_EPOCH + Duration::from_nanos(nanos);
    let context = |trace: crate::ids::TraceId, id: crate::ids::SegmentId| {
        let trace = TraceId::from_bytes(trace.to_bytes());
        SpanContext::new(
            trace,
            SpanId::from_bytes(id.to_bytes()),
            TraceFlags::SAMPLED,
            false,
            TraceState::NONE,
        )
    };
    let events = span.events.iter().map(|event| {
        Event::new(
            event.name.to_string(),
            time(event.time_unix_nano),
            event.attributes.iter().map(key_value).collect(),
            0,
        )
    });
    let links = span.links.iter().map(|link| {
        Link::new(
            context(link.trace_id, link.span_id),
            link.attributes.iter().map(key_value).collect(),
            0,
        )
    });
    let (mut all_events, mut all_links) = (SpanEvents::default(), SpanLinks::default());
    all_events.events = events.collect();
    all_links.links = links.collect();
    SpanData {
        span_context: context(span.trace_id, span.span_id),
        parent_span_id: span
            .parent
            .map_or(SpanId::INVALID, |id| SpanId::from_bytes(id.to_bytes())),
        parent_span_is_remote: false,
        span_kind: match span.kind {
            Kind::Server => SpanKind::Server,
            Kind::Client => SpanKind::Client,
            Kind::Producer => SpanKind::Producer,
            Kind::Consumer => SpanKind::Consumer,
            Kind::Internal | Kind::Unspecified => SpanKind::Internal,
        },
        name: span.name.to_string().into(),
        start_time: time(span.start_unix_nano),
        end_time: time(span.end_unix_nano),
        attributes: span.attributes.iter().map(key_value).collect(),
        dropped_attributes_count: 0,
        events: all_events,
        links: all_links,
        status: match span.status.code {
            StatusCode::Unset => OtherStatus::Unset,
            StatusCode::Ok => OtherStatus::Ok,
            StatusCode::Error => OtherStatus::error(span.status.message.to_string()),
        },
        instrumentation_scope: InstrumentationScope::default(),
    }
}

fn key_value(attribute: &Attribute<'_>) -> KeyValue {
    let value = match &attribute.value {
        Value::Text(text) => OtherValue::String(text.to_string().into()),
        Value::Flag(flag) => OtherValue::Bool(*flag),
        Value::Integer(number) => OtherValue::I64(*number),
        Value::Double(number) => OtherValue::F64(*number),
        Value::List(values) => {
            let texts = values
                .iter()
                .filter_map(Value::as_text)
                .map(|text| StringValue::from(text.to_owned()));
            OtherValue::Array(Array::String(texts.collect()))
        }
        other => panic!("{other:?} is in no story"),
    };
    KeyValue::new(attribute.key.to_string(), value)
}
