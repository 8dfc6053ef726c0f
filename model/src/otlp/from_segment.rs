//! X-Ray's segment documents as spans.
//!
//! One document becomes one resource and a span for itself and for each subsegment nested in it. Members that the
//! [table](super::mapping::ROWS) knows become attributes under today's semantic conventions; what no attribute says,
//! unknown members among it, survives in the attribute `aws.xray.document`, as JSON.
//!
//! Invariants
//! - A subsegment that cannot be a span costs itself alone: what is nested in it hangs under its parent.
//! - No attribute comes twice in a span: a second one of the same name stays in `aws.xray.document`.
//! - Subsegments nested deeper than [`SUBSEGMENT_DEPTH_MAX`] are counted, not read.

mod cause;
mod derived;
mod finish;
mod json;
mod lambda;
mod lookup;
mod part;
mod stack;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::encode;
use super::mapping::IN_PROGRESS;
use super::span::{Attribute, Resource, Span};
use crate::ids::{SegmentId, TraceId};
use crate::limits::{SEGMENT_DOCUMENT_MAX_BYTES, SUBSEGMENT_DEPTH_MAX};
use crate::time::Timestamp;
use crate::wire::object::{Object, text};
use part::{Nature, Part};

pub use lambda::{FRONT_END, Sandbox, resource as lambda_resource};

/// In which language the process is written.
const SDK_LANGUAGE: &str = "telemetry.sdk.language";

/// What the documents of one sandbox do not say themselves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'a> {
    /// The resource of what runs in this sandbox: the function. A subsegment's service is the one named here; without
    /// it, each independent subsegment is a service of its own.
    pub resource: &'a [Attribute<'a>],
    /// Names of HTTP's and databases' older semantic conventions are written beside today's.
    pub older_names: bool,
    /// The segments that Lambda itself sends to X-Ray are where these spans go: X-Ray's own OTLP endpoint. Elsewhere a
    /// span under one of them would be an orphan and is a root.
    pub has_front_end: bool,
    /// When what has no end yet was last known to be open: there its span ends, and says that it was. Without it such a
    /// span has no end.
    pub open_until: Option<Timestamp>,
}

/// A document as spans.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spans {
    /// The bytes of their `Resource`.
    pub resource: Vec<u8>,
    /// The bytes of a `Span` each, parents before their children.
    pub spans: Vec<Box<[u8]>>,
    /// How many of them have no end yet; a later document with the same id completes them.
    pub open: usize,
    /// What could not be a span.
    pub rejects: Vec<Reject>,
}

/// Why a document or a subsegment is no span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Reject {
    /// The document is larger than [`SEGMENT_DOCUMENT_MAX_BYTES`].
    #[error("document over 64 KB")]
    TooLarge,
    /// The document's bytes are not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// Not JSON, or no object.
    #[error("not a JSON object")]
    NotObject,
    /// The document's `trace_id` is missing or of another shape than `1-8hex-24hex`.
    #[error("missing or invalid trace_id")]
    BadTraceId,
    /// `id` missing, zero or not 16 hexadecimal digits.
    #[error("missing or invalid id")]
    BadId,
    /// `name` missing, empty or not text.
    #[error("missing or invalid name")]
    BadName,
    /// `start_time` missing or not a time.
    #[error("missing or invalid start_time")]
    BadStartTime,
    /// `subsegments` is no array.
    #[error("subsegments that are no array")]
    NotArray,
    /// Nested deeper than [`SUBSEGMENT_DEPTH_MAX`].
    #[error("subsegments nested too deep")]
    TooDeep,
}

/// Reads one document and writes its spans.
pub fn spans(document: &[u8], given: &Given<'_>) -> Spans {
    let mut writer = Writer {
        given,
        trace_id: TraceId::from_bytes([0; 16]),
        resource: Resource::default(),
        language: None,
        made: Spans::default(),
    };
    if let Err(reject) = writer.document(document) {
        writer.made.rejects.push(reject);
    }
    encode::resource(&writer.resource, &mut writer.made.resource);
    writer.made
}

struct Writer<'a> {
    given: &'a Given<'a>,
    trace_id: TraceId,
    resource: Resource<'a>,
    language: Option<Cow<'a, str>>,
    made: Spans,
}

/// Where a subsegment is nested.
#[derive(Clone, Copy)]
struct Nest {
    parent: Option<SegmentId>,
    depth: usize,
}

impl<'a> Writer<'a> {
    fn document(&mut self, document: &'a [u8]) -> Result<(), Reject> {
        if document.len() > SEGMENT_DOCUMENT_MAX_BYTES {
            return Err(Reject::TooLarge);
        }
        let document = std::str::from_utf8(document).map_err(|_| Reject::NotUtf8)?;
        let object = Object::read(document).ok_or(Reject::NotObject)?;
        let trace = object.text("trace_id").and_then(|id| id.parse().ok());
        self.trace_id = trace
            .filter(|id: &TraceId| !id.is_zero())
            .ok_or(Reject::BadTraceId)?;
        let nest = Nest {
            parent: id(&object, "parent_id"),
            depth: 0,
        };
        self.tell(&object, nest);
        Ok(())
    }

    /// The span of a segment or subsegment, then those of what is nested in it.
    fn tell(&mut self, object: &Object<'a>, nest: Nest) {
        let own = id(object, "id");
        let made = own
            .ok_or(Reject::BadId)
            .and_then(|id| self.span(object, id, nest));
        self.made.rejects.extend(made.err());
        let nested = Nest {
            parent: own.or(nest.parent),
            depth: nest.depth + 1,
        };
        let Some(subsegments) = object.read_value("subsegments").filter(|raw| *raw != "null") else {
            return;
        };
        let Some(subsegments) = json::elements(subsegments) else {
            return self.made.rejects.push(Reject::NotArray);
        };
        for subsegment in subsegments {
            match Object::read(subsegment) {
                None => self.made.rejects.push(Reject::NotObject),
                Some(_) if nested.depth > SUBSEGMENT_DEPTH_MAX => self.made.rejects.push(Reject::TooDeep),
                Some(object) => self.tell(&object, nested),
            }
        }
    }

    fn span(&mut self, object: &Object<'a>, id: SegmentId, nest: Nest) -> Result<(), Reject> {
        let name = object.read_value("name").and_then(text);
        let name = name.filter(|name| !name.is_empty()).ok_or(Reject::BadName)?;
        let time = |member| json::number(object.read_value(member)?).and_then(Timestamp::from_seconds);
        let start = time("start_time").ok_or(Reject::BadStartTime)?;
        // What is in progress has no end, whatever it says.
        let is_open = object.value("in_progress") == Some("true");
        let end = time("end_time").filter(|_| !is_open);
        let is_open = end.is_none();
        let end = end.or(self.given.open_until);
        let mut span = Span::new(self.trace_id, id);
        span.name = name;
        span.parent = nest.parent;
        span.start_unix_nano = nanos(start);
        span.end_unix_nano = end.map_or(0, |end| nanos(end.max(start)));
        let mut part = Part::new(span, Nature::of(object, nest.depth == 0), self.given);
        part.language = self.language.clone();
        part.read(object);
        if is_open && self.given.open_until.is_some() && object.value("in_progress") != Some("true") {
            part.put(IN_PROGRESS, true);
        }
        let mut bytes = Vec::new();
        encode::span(&part.span, &mut bytes);
        self.made.open += usize::from(is_open);
        self.made.spans.push(bytes.into());
        if nest.depth == 0 {
            self.resource = part.resource;
            self.language = part.language;
        }
        Ok(())
    }
}

fn id(object: &Object<'_>, member: &str) -> Option<SegmentId> {
    let id: SegmentId = object.text(member)?.parse().ok()?;
    (!id.is_zero()).then_some(id)
}

fn nanos(time: Timestamp) -> u64 {
    const NANOS_PER_MICRO: u64 = 1_000;
    u64::try_from(time.as_micros()).map_or(0, |micros| micros.saturating_mul(NANOS_PER_MICRO))
}
