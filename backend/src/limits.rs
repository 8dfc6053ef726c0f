//! Every bound of the backend, with what happens at it.

use std::time::Duration;

const DAY_SECONDS: u64 = 24 * 3600;

/// Bounds an operator or a test may change.
///
/// The defaults are wider than AWS's where a laptop's flood test would otherwise fail for no local reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Traces held. At the limit the trace that was longest without an update goes, counted.
    pub traces_max: usize,
    /// Bytes of documents held over all traces. At the limit, as above.
    pub store_max_bytes: usize,
    /// Bytes of documents held for one trace. Beyond it documents are refused with `InvalidSegment`
    /// and the trace says `LimitExceeded`. AWS's own bound moves between 100 and 500 KB.
    pub trace_max_bytes: usize,
    /// Bytes of one segment document. Beyond it the document is refused with `InvalidSegment`.
    pub document_max_bytes: usize,
    /// Bytes of one request. Beyond it the call is refused.
    pub body_max_bytes: usize,
    /// Bytes of one OTLP request, as it came and unpacked. Beyond it the request is refused with 413.
    pub export_max_bytes: usize,
    /// Bytes beyond that limit that are read and thrown away, so that their sender comes to read the reason. Beyond
    /// them the connection is closed on a sender that is still writing.
    pub drained_max_bytes: usize,
    /// Spans of one OTLP request. Beyond it the request is refused.
    pub export_spans_max: usize,
    /// Bytes of a resource and a scope together. Beyond it the OTLP request is refused.
    pub resource_max_bytes: usize,
    /// How long ago a span of an OTLP request may have begun or ended. An older one is rejected.
    pub span_age_max: Duration,
    /// How far ahead of the clock a span of an OTLP request may begin or end. One beyond it is rejected.
    pub span_ahead_max: Duration,
    /// From the earliest start to the latest end in one OTLP request. Beyond it the request is refused.
    pub export_spread_max: Duration,
    /// Bytes of the documents that the spans of one call become, each with what is known of its resource. Further
    /// spans are rejected.
    pub told_max_bytes: usize,
    /// Trace ids of one BatchGetTraces call. Beyond it the call is refused.
    pub trace_ids_per_call_max: usize,
    /// Summaries of one GetTraceSummaries page. Beyond it a `NextToken` leads on.
    pub summaries_per_page: usize,
    /// The longest window of GetTraceSummaries. Beyond it the call is refused.
    pub summaries_window_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            traces_max: 10_000,
            store_max_bytes: 128 * 1024 * 1024,
            trace_max_bytes: 16 * 1024 * 1024,
            document_max_bytes: model::limits::SEGMENT_DOCUMENT_MAX_BYTES,
            body_max_bytes: 16 * 1024 * 1024,
            export_max_bytes: 5 * 1024 * 1024,
            drained_max_bytes: 64 * 1024 * 1024,
            export_spans_max: 10_000,
            resource_max_bytes: 16 * 1024,
            span_age_max: Duration::from_secs(14 * DAY_SECONDS),
            span_ahead_max: Duration::from_secs(2 * 3600),
            export_spread_max: Duration::from_secs(DAY_SECONDS),
            told_max_bytes: 64 * 1024 * 1024,
            trace_ids_per_call_max: 5,
            summaries_per_page: 100,
            summaries_window_max: Duration::from_secs(DAY_SECONDS),
        }
    }
}

/// Levels of subsegments inside one compiled segment. What lies deeper is listed beside it, with its
/// `parent_id`: JSON readers stop at some depth, and so would the stack.
pub const NESTED_LEVELS_MAX: usize = 40;
/// Bytes charged for a node beside its text, so that a flood of tiny documents is bounded too.
pub const NODE_OVERHEAD_BYTES: usize = 128;
/// Telemetry records kept, the newest; older ones stay in the count.
pub const TELEMETRY_RECORDS_KEPT: usize = 64;
/// Root causes listed of each kind in one summary; the first by start time.
pub const ROOT_CAUSES_MAX: usize = 10;
/// Answers waiting in [`crate::faults::Faults`]; further ones are refused.
pub const FAULTS_MAX: usize = 1024;
/// Reports in one GetSamplingTargets call, as for AWS. Beyond it the call is refused.
pub const SAMPLING_DOCUMENTS_MAX: usize = 25;
/// Characters of a reason in an answer to OTLP; what follows is left out. Parsers quote what they could not read.
pub const REASON_MAX_CHARS: usize = 1000;
/// How long `stop` waits for answers under way before it drops their connections.
pub const STOP_GRACE: Duration = Duration::from_millis(500);
