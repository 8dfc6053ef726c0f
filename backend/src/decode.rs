//! Reads uploaded segment documents and says what X-Ray would say of bad ones.
//!
//! Invariants
//! - Never fails as a whole: each element of an array is taken or refused on its own.
//! - A document is taken whole or not at all; the refusal names the id at its top.
//!
//! `InvalidTraceId`, `MissingId`, `InvalidName`, `MissingEndTime` and `InvalidSegment` are AWS's words.
//! `JSONFormatError`, `OTLPFormatError`, `InvalidId`, `MissingStartTime`, `MissingParentId` and `InvalidTime` are
//! for cases in which AWS's answer is not known.

use std::borrow::Cow;

use model::ids::{SegmentId, TraceId};
use model::limits::NAME_MAX_CHARS;
use model::time::Timestamp;
use serde_json::{Map, Value};

use crate::document::{Document, Form, Node};

/// Why a document was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// Not JSON, or JSON of another kind than an object or an array of objects.
    JsonFormatError,
    /// No `id`, or an empty array.
    MissingId,
    /// An `id` that is not 16 hexadecimal digits.
    InvalidId,
    /// No name, or one that is too long or has characters X-Ray does not take.
    InvalidName,
    /// No trace id, or one of another shape.
    InvalidTraceId,
    /// No `start_time` that is a time.
    MissingStartTime,
    /// Neither `end_time` nor `in_progress`.
    MissingEndTime,
    /// A subsegment of its own without `parent_id`.
    MissingParentId,
    /// The document, the span or its trace is too large.
    InvalidSegment,
    /// OTLP that cannot be read: a span, or what it came in.
    OtlpFormatError,
    /// A span of a time that X-Ray's OTLP endpoint does not take.
    InvalidTime,
}

impl Code {
    /// The `ErrorCode` of the answer.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JsonFormatError => "JSONFormatError",
            Self::MissingId => "MissingId",
            Self::InvalidId => "InvalidId",
            Self::InvalidName => "InvalidName",
            Self::InvalidTraceId => "InvalidTraceId",
            Self::MissingStartTime => "MissingStartTime",
            Self::MissingEndTime => "MissingEndTime",
            Self::MissingParentId => "MissingParentId",
            Self::InvalidSegment => "InvalidSegment",
            Self::OtlpFormatError => "OTLPFormatError",
            Self::InvalidTime => "InvalidTime",
        }
    }
}

/// A document that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The id at its top, where there was one.
    pub id: Option<String>,
    /// Why.
    pub code: Code,
    /// X-Ray's sentence.
    pub message: String,
}

impl Refusal {
    fn new(id: Option<&str>, fault: Fault) -> Self {
        let message = match fault.at {
            At::Segment => format!("Invalid segment. ErrorCode: {}", fault.code.as_str()),
            At::Subsegment => {
                format!(
                    "Invalid subsegment. ErrorCode: {}, Cause: null",
                    fault.code.as_str()
                )
            }
        };
        Self {
            id: id.map(str::to_owned),
            code: fault.code,
            message,
        }
    }

    /// A refusal of a span, or of OTLP that holds spans.
    pub fn of_span(id: Option<SegmentId>, code: Code, cause: &str) -> Self {
        Self {
            id: id.map(|id| id.to_string()),
            code,
            message: format!("Invalid span. ErrorCode: {}, Cause: {cause}", code.as_str()),
        }
    }

    /// A refusal for size, which says how large it is and may be.
    pub fn of_size(id: Option<String>, what: &str, bytes: usize, max_bytes: usize) -> Self {
        let message = format!(
            "Invalid segment. ErrorCode: InvalidSegment, Cause: {what} Size Exceeded. {bytes} bytes are over the \
             limit of {max_bytes}. Reduce the number or size of segments"
        );
        Self {
            id,
            code: Code::InvalidSegment,
            message,
        }
    }
}

#[derive(Clone, Copy)]
enum At {
    Segment,
    Subsegment,
}

#[derive(Clone, Copy)]
struct Fault {
    code: Code,
    at: At,
}

/// Reads one element of `TraceSegmentDocuments`: an object, or an array of them.
pub fn decode(text: &str, max_bytes: usize) -> Vec<Result<Document, Refusal>> {
    let unreadable = |code| {
        vec![Err(Refusal::new(
            None,
            Fault {
                code,
                at: At::Segment,
            },
        ))]
    };
    let Some(value) = parse(text) else {
        return unreadable(Code::JsonFormatError);
    };
    if text.len() > max_bytes {
        let id = value.get("id").and_then(Value::as_str).map(str::to_owned);
        return vec![Err(Refusal::of_size(id, "Document", text.len(), max_bytes))];
    }
    match value {
        Value::Array(elements) if elements.is_empty() => unreadable(Code::MissingId),
        Value::Array(elements) => elements.into_iter().map(read_document).collect(),
        value => vec![read_document(value)],
    }
}

fn parse(text: &str) -> Option<Value> {
    let strict = serde_json::from_str(text);
    strict.or_else(|_| serde_json::from_str(&without_nan(text))).ok()
}

/// Python writes `NaN` and `Infinity` into metadata: they become `null`.
fn without_nan(text: &str) -> Cow<'_, str> {
    const LITERALS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];
    if !LITERALS.iter().any(|literal| text.contains(literal)) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    let (mut quoted, mut escaped) = (false, false);
    while let Some(next) = rest.chars().next() {
        let literal = LITERALS
            .iter()
            .find(|literal| !quoted && rest.starts_with(**literal));
        if let Some(after) = literal.and_then(|literal| rest.strip_prefix(literal)) {
            clean.push_str("null");
            rest = after;
            continue;
        }
        if next == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && next == '\\' && !escaped;
        clean.push(next);
        rest = rest.strip_prefix(next).unwrap_or_default();
    }
    Cow::Owned(clean)
}

/// Reads one document of the JSON that it is.
pub(crate) fn read_document(value: Value) -> Result<Document, Refusal> {
    let Value::Object(members) = value else {
        return Err(Refusal::new(
            None,
            Fault {
                code: Code::JsonFormatError,
                at: At::Segment,
            },
        ));
    };
    let id = members.get("id").and_then(Value::as_str).map(str::to_owned);
    let refuse = |fault| Refusal::new(id.as_deref(), fault);
    let independent = members.get("type").and_then(Value::as_str) == Some("subsegment");
    let form = if independent {
        Form::Independent
    } else {
        Form::Segment
    };
    let at = if independent { At::Subsegment } else { At::Segment };
    let Some(top_id) = id.clone() else {
        return Err(refuse(Fault {
            code: Code::MissingId,
            at,
        }));
    };
    let trace_id = members
        .get("trace_id")
        .and_then(Value::as_str)
        .and_then(read_trace_id);
    let Some(trace_id) = trace_id else {
        return Err(refuse(Fault {
            code: Code::InvalidTraceId,
            at,
        }));
    };
    let parent = members
        .get("parent_id")
        .and_then(Value::as_str)
        .and_then(|text| text.parse().ok());
    if independent && parent.is_none() {
        return Err(refuse(Fault {
            code: Code::MissingParentId,
            at,
        }));
    }
    let mut nodes = Vec::new();
    take_apart(members, Place { form, parent }, &mut nodes).map_err(refuse)?;
    Ok(Document {
        trace_id,
        id: top_id,
        nodes,
    })
}

/// The X-Ray form, or the W3C form of the same id.
pub fn read_trace_id(text: &str) -> Option<TraceId> {
    text.parse().or_else(|_| TraceId::from_w3c(text)).ok()
}

#[derive(Clone, Copy)]
struct Place {
    form: Form,
    parent: Option<SegmentId>,
}

/// Depth is bounded by the JSON parser's own limit.
fn take_apart(mut members: Map<String, Value>, place: Place, nodes: &mut Vec<Node>) -> Result<(), Fault> {
    let at = if place.form == Form::Segment {
        At::Segment
    } else {
        At::Subsegment
    };
    let fault = |code| Fault { code, at };
    let id = members
        .get("id")
        .and_then(Value::as_str)
        .ok_or(fault(Code::MissingId))?;
    let id: SegmentId = id.parse().map_err(|_| fault(Code::InvalidId))?;
    if !members.get("name").and_then(Value::as_str).is_some_and(is_name) {
        return Err(fault(Code::InvalidName));
    }
    let start = time_of(&members, "start_time").ok_or(fault(Code::MissingStartTime))?;
    let end = time_of(&members, "end_time");
    if end.is_none() && members.get("in_progress").and_then(Value::as_bool) != Some(true) {
        return Err(fault(Code::MissingEndTime));
    }
    let children = members.remove("subsegments");
    if place.form != Form::Segment {
        for member in ["type", "trace_id", "parent_id"] {
            members.remove(member);
        }
    }
    let length = serde_json::to_string(&members).map_or(0, |text| text.len());
    nodes.push(Node {
        id,
        parent: place.parent,
        form: place.form,
        start,
        end,
        members,
        length,
    });
    let Some(Value::Array(children)) = children else {
        return Ok(());
    };
    for child in children {
        let Value::Object(child) = child else {
            return Err(Fault {
                code: Code::JsonFormatError,
                at: At::Subsegment,
            });
        };
        take_apart(
            child,
            Place {
                form: Form::Nested,
                parent: Some(id),
            },
            nodes,
        )?;
    }
    Ok(())
}

fn time_of(members: &Map<String, Value>, name: &str) -> Option<Timestamp> {
    members
        .get(name)
        .and_then(Value::as_f64)
        .and_then(Timestamp::from_seconds)
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/%&#=+\\-@".contains(c);
    !name.is_empty() && name.chars().count() <= NAME_MAX_CHARS && name.chars().all(allowed)
}

#[cfg(test)]
mod tests;
