//! A segment document taken apart: one node for the segment and for every subsegment in it.
//!
//! Taken apart, the same subsegment is the same node whether it came nested, alone, early or twice.

use model::ids::{SegmentId, TraceId};
use model::time::Timestamp;
use serde_json::{Map, Value};

/// How a node arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A document of its own without `type`.
    Segment,
    /// A document of its own with `type: subsegment`.
    Independent,
    /// Inside the `subsegments` of another.
    Nested,
}

/// A segment or subsegment without its subsegments.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its id.
    pub id: SegmentId,
    /// What it hangs under: the node around it, or its `parent_id`.
    pub parent: Option<SegmentId>,
    /// How it arrived.
    pub form: Form,
    /// `start_time`.
    pub start: Timestamp,
    /// `end_time`; `None` while in progress.
    pub end: Option<Timestamp>,
    /// Every member but `subsegments`, and of a subsegment but `type`, `trace_id` and `parent_id`.
    pub members: Map<String, Value>,
    /// Length of the members as JSON text.
    pub length: usize,
}

/// One uploaded document that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The trace it belongs to.
    pub trace_id: TraceId,
    /// The id of the segment or subsegment at its top, as it was written.
    pub id: String,
    /// Its nodes, each after the one around it.
    pub nodes: Vec<Node>,
}
