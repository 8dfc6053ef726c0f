//! A span, taken apart: what both mappings (to segments, from segments) read and write.
//!
//! Borrows from the bytes it was read from wherever these hold the text as it is. Ids are not judged here:
//! [`scan`](super::scan) says which spans are taken.

use std::borrow::Cow;

use crate::ids::{SegmentId, TraceId};

/// A span of OTLP.
#[derive(Debug, Clone, PartialEq)]
pub struct Span<'a> {
    /// The trace.
    pub trace_id: TraceId,
    /// The span: in X-Ray's terms a segment or subsegment.
    pub span_id: SegmentId,
    /// W3C's `tracestate`.
    pub trace_state: &'a str,
    /// Whose child it is; none at the root.
    pub parent: Option<SegmentId>,
    /// W3C's trace flags in the lowest byte; above them, whether the parent is remote.
    pub flags: u32,
    /// What was done.
    pub name: Cow<'a, str>,
    /// On which side of a call it stands.
    pub kind: Kind,
    /// Nanoseconds since the epoch.
    pub start_unix_nano: u64,
    /// Nanoseconds since the epoch; 0 while it is open.
    pub end_unix_nano: u64,
    /// What is known of it.
    pub attributes: Vec<Attribute<'a>>,
    /// What happened in it; exceptions among them.
    pub events: Vec<SpanEvent<'a>>,
    /// Spans of other traces that have to do with it.
    pub links: Vec<Link<'a>>,
    /// How it ended.
    pub status: Status<'a>,
    /// Attributes that were left out before it came here.
    pub dropped_attributes: u32,
    /// Events that were left out.
    pub dropped_events: u32,
    /// Links that were left out.
    pub dropped_links: u32,
}

impl Span<'_> {
    /// A span with this place in this trace, and nothing else.
    pub const fn new(trace_id: TraceId, span_id: SegmentId) -> Self {
        Self {
            trace_id,
            span_id,
            trace_state: "",
            parent: None,
            flags: 0,
            name: Cow::Borrowed(""),
            kind: Kind::Unspecified,
            start_unix_nano: 0,
            end_unix_nano: 0,
            attributes: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
            status: Status {
                code: StatusCode::Unset,
                message: Cow::Borrowed(""),
            },
            dropped_attributes: 0,
            dropped_events: 0,
            dropped_links: 0,
        }
    }
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute<'a> {
    /// Its name, such as `http.request.method`.
    pub key: Cow<'a, str>,
    /// Its value.
    pub value: Value<'a>,
}

impl<'a> Attribute<'a> {
    /// An attribute of this name with this value.
    pub fn new(key: impl Into<Cow<'a, str>>, value: impl Into<Value<'a>>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
        }
    }
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// A truth.
    Flag(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Double(f64),
    /// Bytes.
    Bytes(Cow<'a, [u8]>),
    /// Values in their order.
    List(Vec<Value<'a>>),
    /// Values by name.
    Map(Vec<Attribute<'a>>),
    /// No value, or one of a kind that is not known here.
    #[default]
    Empty,
}

impl<'a> Value<'a> {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl<'a> From<Cow<'a, str>> for Value<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Self::Double(number)
    }
}

/// On which side of a call a span stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Not said, or a kind that is not known here: taken for [`Kind::Internal`].
    #[default]
    Unspecified,
    /// Inside one service.
    Internal,
    /// Answers a call.
    Server,
    /// Calls and waits for the answer.
    Client,
    /// Hands something over and does not wait.
    Producer,
    /// Takes what was handed over.
    Consumer,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::Unspecified,
        Self::Internal,
        Self::Server,
        Self::Client,
        Self::Producer,
        Self::Consumer,
    ];

    /// The kind with this number in OTLP.
    pub fn from_number(number: u64) -> Self {
        let known = usize::try_from(number)
            .ok()
            .and_then(|number| Self::ALL.get(number));
        known.copied().unwrap_or_default()
    }

    /// Its number in OTLP.
    pub fn number(self) -> u64 {
        let place = Self::ALL.iter().position(|kind| *kind == self);
        place
            .and_then(|place| u64::try_from(place).ok())
            .unwrap_or_default()
    }
}

/// How a span ended.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Status<'a> {
    /// Well or not.
    pub code: StatusCode,
    /// Why not.
    pub message: Cow<'a, str>,
}

/// Whether a span ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StatusCode {
    /// Not said.
    #[default]
    Unset,
    /// Declared to be well by the application.
    Ok,
    /// Failed.
    Error,
}

impl StatusCode {
    /// The code with this number in OTLP; an unknown one is not said.
    pub const fn from_number(number: u64) -> Self {
        match number {
            1 => Self::Ok,
            2 => Self::Error,
            _ => Self::Unset,
        }
    }

    /// Its number in OTLP.
    pub const fn number(self) -> u64 {
        match self {
            Self::Unset => 0,
            Self::Ok => 1,
            Self::Error => 2,
        }
    }
}

/// Something that happened at one moment of a span.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SpanEvent<'a> {
    /// Nanoseconds since the epoch.
    pub time_unix_nano: u64,
    /// What happened, such as `exception`.
    pub name: Cow<'a, str>,
    /// What is known of it.
    pub attributes: Vec<Attribute<'a>>,
    /// Attributes that were left out.
    pub dropped_attributes: u32,
}

/// A span of another trace (or this one) that has to do with a span.
#[derive(Debug, Clone, PartialEq)]
pub struct Link<'a> {
    /// Its trace.
    pub trace_id: TraceId,
    /// Itself.
    pub span_id: SegmentId,
    /// W3C's `tracestate`.
    pub trace_state: &'a str,
    /// What is known of the link.
    pub attributes: Vec<Attribute<'a>>,
    /// Attributes that were left out.
    pub dropped_attributes: u32,
    /// As a span's.
    pub flags: u32,
}

/// What made the spans: the process, its host, its platform.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Resource<'a> {
    /// What is known of it.
    pub attributes: Vec<Attribute<'a>>,
    /// Attributes that were left out.
    pub dropped_attributes: u32,
}

/// The library that made the spans.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scope<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its version.
    pub version: Cow<'a, str>,
    /// What else is known of it.
    pub attributes: Vec<Attribute<'a>>,
    /// Attributes that were left out.
    pub dropped_attributes: u32,
}
