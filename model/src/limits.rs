//! Sizes of the X-Ray and Lambda contracts.
//!
//! Each bound says what happens at it where it is used. Sources: the X-Ray quotas page, the segment
//! document schema and the daemon's source.

/// Largest segment document X-Ray accepts, in bytes (64 KB).
pub const SEGMENT_DOCUMENT_MAX_BYTES: usize = 64 * 1024;
/// Largest UDP payload over IPv4, in bytes; nothing larger can arrive in one datagram.
pub const DATAGRAM_MAX_BYTES: usize = 65_507;
/// Longest header line of a datagram that is read, in bytes. The daemon's own is 30.
pub const FRAME_HEADER_MAX_BYTES: usize = 256;
/// Longest segment or subsegment name, in characters.
pub const NAME_MAX_CHARS: usize = 200;
/// Documents per PutTraceSegments call (the clients' convention).
pub const DOCUMENTS_PER_CALL_MAX: usize = 50;
/// Longest string of a documented field that names no other limit, in characters.
pub const STRING_MAX_CHARS: usize = 250;
/// Longest trace header that is read, in bytes; what follows is ignored. `Lineage` makes real ones long.
pub const TRACE_HEADER_MAX_BYTES: usize = 4096;
/// Longest request id that is read, in bytes. Real ones are UUIDs of 36.
pub const REQUEST_ID_MAX_BYTES: usize = 128;
/// Longest text of a `platform.fault` that is kept, in characters; what follows is cut off.
pub const FAULT_TEXT_MAX_CHARS: usize = 512;
/// Records of one delivery of the Telemetry API that are read; the rest counts as damaged. Lambda sends as many as
/// the subscription asks for (we: 1,000), and may come somewhat over it.
pub const RECORDS_PER_DELIVERY_MAX: usize = 4096;
/// Telemetry records per PutTelemetryRecords call (the daemon's habit).
pub const TELEMETRY_RECORDS_PER_CALL_MAX: usize = 10;

/// Largest document that is taken to be cut into parts, in bytes; a larger one is refused. Cutting needs about
/// as much again.
pub const OVERSIZE_MAX_BYTES: usize = 1024 * 1024;
/// Levels of subsegments that are taken apart; what hangs deeper and does not fit is given up, counted.
pub const CUT_DEPTH_MAX: usize = 32;
/// Room kept in each part to say what it lost, in bytes.
pub const CUT_MARK_MAX_BYTES: usize = 1024;
/// Members named there; the bytes of further ones are told together as `others`.
pub const CUT_NAMES_MAX: usize = 8;
/// Longest name told there, in bytes; what follows is left out.
pub const CUT_NAME_MAX_BYTES: usize = 64;
/// What is left of a text that is cut, in bytes. X-Ray's schema bounds most texts at 1,000 characters or less.
pub const CUT_TEXT_KEPT_BYTES: usize = 1000;
/// What is left of a stack that is cut, in frames; the exception says how many it lacks.
pub const CUT_FRAMES_KEPT: usize = 32;
/// Exceptions left of a cause that is cut.
pub const CUT_EXCEPTIONS_KEPT: usize = 16;
/// Annotations left of a document that is cut: X-Ray indexes as many of a trace.
pub const CUT_ANNOTATIONS_KEPT: usize = 50;

/// Levels of subsegments that become spans; each that hangs deeper is rejected.
pub const SUBSEGMENT_DEPTH_MAX: usize = 32;
/// Attributes that a span made of a segment has, and its resource; members beyond them stay in the one that holds JSON.
pub const ATTRIBUTES_PER_SPAN_MAX: usize = 512;
/// Levels of lists and maps that an attribute of a span may have; a span with more is rejected. Destinations that are
/// built on prost refuse a whole request with more than 100 nested messages, and a level takes up to three.
pub const ATTRIBUTE_DEPTH_MAX: usize = 16;
/// Largest span that is taken, in bytes: what AWS's OTLP endpoint takes. A larger one is rejected.
pub const SPAN_MAX_BYTES: usize = 200 * 1024;
/// Looks for the ends of requests that follow each other in one datagram; behind them the rest is one request.
pub const REQUESTS_PER_DATAGRAM_MAX: usize = 64;
