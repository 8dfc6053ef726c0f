//! New ids, derived from the span they belong to: a span that comes twice names them alike.

use crate::ids::{SegmentId, TraceId};

/// Ids for one span.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ids {
    trace: TraceId,
    span: SegmentId,
}

impl Ids {
    pub(super) const fn of(trace: TraceId, span: SegmentId) -> Self {
        Self { trace, span }
    }

    /// The id of the service's segment, of which the span itself is a call.
    pub(super) fn service(self) -> SegmentId {
        self.derived(0)
    }

    /// The id of an exception, by its place.
    pub(super) fn exception(self, place: usize) -> SegmentId {
        self.derived(u64::try_from(place).unwrap_or(u64::MAX).saturating_add(1))
    }

    /// FNV-1a over both ids and a number, its bits then mixed.
    fn derived(self, number: u64) -> SegmentId {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let (trace, span) = (self.trace.to_bytes(), self.span.to_bytes());
        for byte in trace.iter().chain(&span).chain(&number.to_be_bytes()) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash ^= hash >> 33;
        SegmentId::from_bytes(hash.max(1).to_be_bytes())
    }
}
