//! The members of a record that we read, borrowed from the delivery.
//!
//! Usual records are read in one pass by [`Part`], which refuses what is odd in any way. Then [`Fields::of`]
//! picks out of a JSON object what is as it should be, and leaves out the rest. Written by hand: what serde
//! derives for the same members is five times as much code in the binary.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::super::text::Text;

/// What any kind of record carries, at whatever level.
#[derive(Default)]
pub(super) struct Fields<'a> {
    pub(super) time: Option<Text<'a>>,
    pub(super) kind: Option<Text<'a>>,
    pub(super) request_id: Option<Text<'a>>,
    pub(super) function_arn: Option<Text<'a>>,
    pub(super) status: Option<Text<'a>>,
    pub(super) error_type: Option<Text<'a>>,
    pub(super) initialization_type: Option<Text<'a>>,
    pub(super) phase: Option<Text<'a>>,
    pub(super) runtime_version: Option<Text<'a>>,
    pub(super) dropped_records: Option<Number>,
    pub(super) dropped_bytes: Option<Number>,
    /// Of `tracing`.
    pub(super) span_id: Option<Text<'a>>,
    pub(super) header: Option<Text<'a>>,
    /// Of `metrics`.
    pub(super) duration_ms: Option<Number>,
    pub(super) produced_bytes: Option<Number>,
    pub(super) billed_duration_ms: Option<Number>,
    pub(super) memory_size_mb: Option<Number>,
    pub(super) max_memory_used_mb: Option<Number>,
    pub(super) init_duration_ms: Option<Number>,
    pub(super) spans: Vec<SpanFields<'a>>,
    /// The levels that were met.
    met: Vec<Level>,
}

/// One of `spans`
#[derive(Default)]
pub(super) struct SpanFields<'a> {
    pub(super) name: Option<Text<'a>>,
    pub(super) start: Option<Text<'a>>,
    pub(super) duration_ms: Option<Number>,
}

/// Which object, or array, of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// The record with its time and type.
    Element,
    /// `record`
    Record,
    /// `tracing`
    Tracing,
    /// `metrics`
    Metrics,
    /// `spans`
    Spans,
    /// One of them.
    Span,
}

/// What a member is to us.
enum Member<'f, 'a> {
    Text(&'f mut Option<Text<'a>>),
    Number(&'f mut Option<Number>),
    Part(Level),
    Other,
}

impl<'a> Fields<'a> {
    fn member(&mut self, level: Level, name: &str) -> Member<'_, 'a> {
        match level {
            Level::Element => match name {
                "time" => Member::Text(&mut self.time),
                "type" => Member::Text(&mut self.kind),
                "record" => Member::Part(Level::Record),
                _ => Member::Other,
            },
            Level::Record => match name {
                "requestId" => Member::Text(&mut self.request_id),
                "functionArn" => Member::Text(&mut self.function_arn),
                "status" => Member::Text(&mut self.status),
                "errorType" => Member::Text(&mut self.error_type),
                "initializationType" => Member::Text(&mut self.initialization_type),
                "phase" => Member::Text(&mut self.phase),
                "runtimeVersion" => Member::Text(&mut self.runtime_version),
                "droppedRecords" => Member::Number(&mut self.dropped_records),
                "droppedBytes" => Member::Number(&mut self.dropped_bytes),
                "tracing" => Member::Part(Level::Tracing),
                "metrics" => Member::Part(Level::Metrics),
                "spans" => Member::Part(Level::Spans),
                _ => Member::Other,
            },
            Level::Tracing => match name {
                "spanId" => Member::Text(&mut self.span_id),
                "value" => Member::Text(&mut self.header),
                _ => Member::Other,
            },
            Level::Metrics => match name {
                "durationMs" => Member::Number(&mut self.duration_ms),
                "producedBytes" => Member::Number(&mut self.produced_bytes),
                "billedDurationMs" => Member::Number(&mut self.billed_duration_ms),
                "memorySizeMB" => Member::Number(&mut self.memory_size_mb),
                "maxMemoryUsedMB" => Member::Number(&mut self.max_memory_used_mb),
                "initDurationMs" => Member::Number(&mut self.init_duration_ms),
                _ => Member::Other,
            },
            Level::Span => match (name, self.spans.last_mut()) {
                ("name", Some(span)) => Member::Text(&mut span.name),
                ("start", Some(span)) => Member::Text(&mut span.start),
                ("durationMs", Some(span)) => Member::Number(&mut span.duration_ms),
                _ => Member::Other,
            },
            Level::Spans => Member::Other,
        }
    }

    /// Whether `record` was there.
    pub(super) fn has_record(&self) -> bool {
        self.met.contains(&Level::Record)
    }

    /// What of an object is as it should be.
    pub(super) fn of(body: &'a Map<String, Value>) -> Self {
        let mut fields = Self::default();
        fields.pick(Level::Record, body);
        fields
    }

    fn pick(&mut self, level: Level, body: &'a Map<String, Value>) {
        for (name, value) in body {
            match (self.member(level, name), value) {
                (Member::Text(place), Value::String(text)) => *place = Some(Text(Cow::Borrowed(text))),
                (Member::Number(place), Value::Number(number)) => *place = Some(number.clone()),
                (Member::Part(Level::Spans), Value::Array(spans)) => {
                    for span in spans.iter().filter_map(Value::as_object) {
                        self.spans.push(SpanFields::default());
                        self.pick(Level::Span, span);
                    }
                }
                (Member::Part(level), Value::Object(body)) => self.pick(level, body),
                _ => {}
            }
        }
    }
}

/// Reads one level into the fields of its record.
pub(super) struct Part<'f, 'a> {
    pub(super) fields: &'f mut Fields<'a>,
    pub(super) level: Level,
}

impl<'de> DeserializeSeed<'de> for Part<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        if self.level == Level::Spans {
            reader.deserialize_seq(self)
        } else {
            reader.deserialize_map(self)
        }
    }
}

impl<'de> Visitor<'de> for Part<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a part of a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(name)) = map.next_key()? {
            match self.fields.member(self.level, &name) {
                Member::Text(place) => *place = Some(map.next_value()?),
                Member::Number(place) => *place = Some(map.next_value()?),
                Member::Other => drop(map.next_value::<IgnoredAny>()?),
                Member::Part(level) => {
                    // The last of two would have to replace the first, not to add to it.
                    if self.fields.met.contains(&level) {
                        return Err(A::Error::custom("twice"));
                    }
                    self.fields.met.push(level);
                    map.next_value_seed(Part {
                        fields: &mut *self.fields,
                        level,
                    })?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut spans: A) -> Result<(), A::Error> {
        loop {
            self.fields.spans.push(SpanFields::default());
            let span = Part {
                fields: &mut *self.fields,
                level: Level::Span,
            };
            if spans.next_element_seed(span)?.is_none() {
                self.fields.spans.pop();
                return Ok(());
            }
        }
    }
}
