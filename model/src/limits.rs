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
/// Telemetry records per PutTelemetryRecords call (the daemon's habit).
pub const TELEMETRY_RECORDS_PER_CALL_MAX: usize = 10;
