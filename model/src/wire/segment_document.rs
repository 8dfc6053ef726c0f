//! Segments and subsegments that we build ourselves, in X-Ray's JSON.
//!
//! Documents of others pass through as bytes and never take this form.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::ids::{SegmentId, TraceId};
use crate::time::Timestamp;

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for SegmentId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A segment, or an independent subsegment if `kind` says so. Empty members are left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SegmentDocument {
    /// At most 200 characters.
    pub name: String,
    /// Unique in the trace.
    pub id: SegmentId,
    /// The trace.
    pub trace_id: TraceId,
    /// The caller; none at the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<SegmentId>,
    /// `subsegment` for an independent subsegment, else none.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// When it began.
    pub start_time: Timestamp,
    /// When it ended.
    pub end_time: Timestamp,
    /// Kind of AWS resource, which becomes the node's type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<&'static str>,
    /// ARN of that resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_arn: Option<String>,
    /// The answer's status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// Facts about the AWS resource.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub aws: Map<String, Value>,
    /// The caller's mistake.
    #[serde(skip_serializing_if = "is_false")]
    pub error: bool,
    /// The function's failure.
    #[serde(skip_serializing_if = "is_false")]
    pub fault: bool,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Indexed key and value pairs.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub annotations: Map<String, Value>,
    /// Unindexed data by namespace.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// Nested subsegments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subsegments: Vec<Subsegment>,
}

impl SegmentDocument {
    /// A segment with this name, place and interval, and nothing else.
    pub fn new(name: impl Into<String>, place: Place, interval: Interval) -> Self {
        Self {
            name: name.into(),
            id: place.id,
            trace_id: place.trace_id,
            parent_id: place.parent_id,
            kind: None,
            start_time: interval.start,
            end_time: interval.end,
            origin: None,
            resource_arn: None,
            http: None,
            aws: Map::new(),
            error: false,
            fault: false,
            cause: None,
            annotations: Map::new(),
            metadata: Map::new(),
            subsegments: Vec::new(),
        }
    }
}

/// Where a segment hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The trace.
    pub trace_id: TraceId,
    /// The segment.
    pub id: SegmentId,
    /// Its parent, none at the root.
    pub parent_id: Option<SegmentId>,
}

/// From when to when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// First instant.
    pub start: Timestamp,
    /// Last instant, never before the first.
    pub end: Timestamp,
}

impl Interval {
    /// From `start` to `end`, or nothing long if `end` lies before.
    pub fn new(start: Timestamp, end: Timestamp) -> Self {
        Self {
            start,
            end: end.max(start),
        }
    }
}

/// A nested subsegment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Subsegment {
    /// Its name.
    pub name: &'static str,
    /// Unique in the trace.
    pub id: SegmentId,
    /// When it began.
    pub start_time: Timestamp,
    /// When it ended.
    pub end_time: Timestamp,
    /// Facts about the AWS resource.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub aws: Map<String, Value>,
    /// The function's failure.
    #[serde(skip_serializing_if = "is_false")]
    pub fault: bool,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

/// `http.response.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Http {
    /// The response.
    pub response: HttpResponse,
}

/// The response's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct HttpResponse {
    /// HTTP status code.
    pub status: u16,
}

/// Why a segment failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// Where the function ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
    /// Files on its stack.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// The outermost first.
    pub exceptions: Vec<Exception>,
}

/// One exception of a cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exception {
    /// 16 hex digits, unique in the trace.
    pub id: SegmentId,
    /// Such as `Runtime.ExitError`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Text for people.
    pub message: String,
    /// Where it was thrown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stack: Vec<StackFrame>,
    /// Frames left out.
    #[serde(skip_serializing_if = "is_zero")]
    pub truncated: usize,
    /// The exception that caused this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<SegmentId>,
}

impl Exception {
    /// An exception that was thrown nowhere in particular.
    pub fn new(id: SegmentId, kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            id,
            kind: kind.into(),
            message: message.into(),
            stack: Vec::new(),
            truncated: 0,
            cause: None,
        }
    }
}

/// One frame of a stack. Empty members are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StackFrame {
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Box<str>>,
    /// The line in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The function or method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<Box<str>>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if passes a reference"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if passes a reference"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::document_scan;

    #[test]
    fn a_document_we_build_is_one_we_would_take() {
        let place = Place {
            trace_id: TraceId::from_bytes([7; 16]),
            id: SegmentId::from_bytes([1; 8]),
            parent_id: Some(SegmentId::from_bytes([2; 8])),
        };
        let start = Timestamp::from_micros(1_779_358_529_710_000);
        let interval = Interval::new(start, Timestamp::from_micros(0));
        let document = SegmentDocument {
            fault: true,
            ..SegmentDocument::new("selfies", place, interval)
        };
        let bytes = serde_json::to_vec(&document).unwrap();
        let head = document_scan::scan(&bytes).unwrap();
        assert_eq!((head.trace_id, head.id), (place.trace_id, place.id));
        assert_eq!(head.parent.map(|parent| parent.id), place.parent_id);
        assert_eq!(head.end_time, Some(start)); // never before its start
        assert!(head.fault && !head.is_subsegment && !head.has_subsegments);
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains("null") && !text.contains("error"), "{text}");
    }
}
