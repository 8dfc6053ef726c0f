//! A look at a span that passes through: the few fields we act on, where its parent stands, and whether any
//! destination can take it.
//!
//! The bytes themselves are never rewritten but for the eight of `parent_span_id`, so fields unknown to us survive.
//! One span that no destination could read would cost the whole request it is sent in: it is refused here, alone.

use std::ops::Range;

use super::protobuf::{Content, Damaged, Fields, put_bytes_always};
use super::schema::{self, Holds, Message};
use super::span::{Kind, StatusCode};
use crate::ids::{SegmentId, TraceId};
use crate::limits::{ATTRIBUTE_DEPTH_MAX, SPAN_MAX_BYTES};

/// Why a span is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// Larger than [`SPAN_MAX_BYTES`].
    #[error("span over 200 KB")]
    TooLarge,
    /// Not a span in protobuf, or one cut short.
    #[error("not a protobuf span, or one cut short")]
    Damaged,
    /// A text that is not UTF-8.
    #[error("a text that is not UTF-8")]
    NotUtf8,
    /// Attributes nested deeper than [`ATTRIBUTE_DEPTH_MAX`].
    #[error("attributes nested too deep")]
    TooDeep,
    /// The trace's id is missing, not 16 bytes, or zero.
    #[error("missing or invalid trace_id")]
    BadTraceId,
    /// The span's id is missing, not 8 bytes, or zero.
    #[error("missing or invalid span_id")]
    BadSpanId,
    /// The parent's id is not 8 bytes.
    #[error("invalid parent_span_id")]
    BadParentId,
}

impl From<Damaged> for Refusal {
    fn from(_: Damaged) -> Self {
        Self::Damaged
    }
}

/// A parent and the place of its eight bytes in the span's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// The id.
    pub id: SegmentId,
    /// Where it stands.
    pub place: Range<usize>,
}

/// What a scan saw of one span.
#[derive(Debug, Clone, PartialEq)]
pub struct Head<'a> {
    /// The trace.
    pub trace_id: TraceId,
    /// The span.
    pub span_id: SegmentId,
    /// Whose child it says it is. Zeros are no parent, as some exporters write the root's.
    pub parent: Option<Parent>,
    /// What was done; may be empty.
    pub name: &'a str,
    /// On which side of a call it stands.
    pub kind: Kind,
    /// Nanoseconds since the epoch.
    pub start_unix_nano: u64,
    /// Nanoseconds since the epoch; 0 while it is open.
    pub end_unix_nano: u64,
    /// How it ended.
    pub status: StatusCode,
    /// W3C's trace flags in the lowest byte.
    pub flags: u32,
}

/// Looks at one span.
///
/// # Errors
/// A [`Refusal`] says why it cannot be taken.
pub fn scan(span: &[u8]) -> Result<Head<'_>, Refusal> {
    if span.len() > SPAN_MAX_BYTES {
        return Err(Refusal::TooLarge);
    }
    check(&schema::SPAN, span, 0)?;
    let mut head = Head {
        trace_id: TraceId::from_bytes([0; 16]),
        span_id: SegmentId::from_bytes([0; 8]),
        parent: None,
        name: "",
        kind: Kind::Unspecified,
        start_unix_nano: 0,
        end_unix_nano: 0,
        status: StatusCode::Unset,
        flags: 0,
    };
    for field in Fields::of(span) {
        match field? {
            (1, Content::Bytes(id)) => {
                head.trace_id = TraceId::from_bytes(id.try_into().map_err(|_| Refusal::BadTraceId)?);
            }
            (2, Content::Bytes(id)) => {
                head.span_id = SegmentId::from_bytes(id.try_into().map_err(|_| Refusal::BadSpanId)?);
            }
            (4, Content::Bytes(id)) => head.parent = parent(id, span)?,
            (5, Content::Bytes(name)) => head.name = std::str::from_utf8(name).unwrap_or_default(),
            (6, Content::Varint(kind)) => head.kind = Kind::from_number(kind),
            (7, Content::Fixed64(nanos)) => head.start_unix_nano = nanos,
            (8, Content::Fixed64(nanos)) => head.end_unix_nano = nanos,
            (15, Content::Bytes(bytes)) => head.status = status(bytes, head.status)?,
            (16, Content::Fixed32(flags)) => head.flags = flags,
            _ => {}
        }
    }
    if head.trace_id.is_zero() {
        return Err(Refusal::BadTraceId);
    }
    if head.span_id.is_zero() {
        return Err(Refusal::BadSpanId);
    }
    Ok(head)
}

/// Looks at a resource or a scope, which every span of a group is sent with.
///
/// # Errors
/// A [`Refusal`] says why no destination could read it.
pub fn check_resource(resource: &[u8]) -> Result<(), Refusal> {
    check(&schema::RESOURCE, resource, 0)
}

/// As [`check_resource`], of a scope.
///
/// # Errors
/// A [`Refusal`] says why no destination could read it.
pub fn check_scope(scope: &[u8]) -> Result<(), Refusal> {
    check(&schema::SCOPE, scope, 0)
}

/// Gives a span another parent: in place if it has one, else behind its other fields.
pub fn set_parent(span: &mut Vec<u8>, place: Option<&Range<usize>>, parent: SegmentId) {
    match place.and_then(|place| span.get_mut(place.clone())) {
        Some(bytes) if bytes.len() == parent.to_bytes().len() => bytes.copy_from_slice(&parent.to_bytes()),
        _ => put_bytes_always(span, 4, &parent.to_bytes()),
    }
}

fn parent(id: &[u8], span: &[u8]) -> Result<Option<Parent>, Refusal> {
    if id.is_empty() {
        return Ok(None);
    }
    let bytes: [u8; 8] = id.try_into().map_err(|_| Refusal::BadParentId)?;
    let parent = SegmentId::from_bytes(bytes);
    // Both slices lie in one buffer: a field's content borrows from the span.
    let start = id.as_ptr().addr().saturating_sub(span.as_ptr().addr());
    let place = start..start + id.len();
    Ok((!parent.is_zero()).then_some(Parent { id: parent, place }))
}

fn status(bytes: &[u8], before: StatusCode) -> Result<StatusCode, Damaged> {
    let mut status = before;
    for field in Fields::of(bytes) {
        if let (3, Content::Varint(code)) = field? {
            status = StatusCode::from_number(code);
        }
    }
    Ok(status)
}

/// Whether the bytes are this message all the way down: known fields hold what they should, unknown ones end.
fn check(message: &'static Message, bytes: &[u8], depth: usize) -> Result<(), Refusal> {
    let depth = depth + usize::from(message.nests);
    if depth > ATTRIBUTE_DEPTH_MAX {
        return Err(Refusal::TooDeep);
    }
    for field in Fields::of(bytes) {
        let (number, content) = field?;
        let place = usize::try_from(number).unwrap_or_default().wrapping_sub(1);
        let holds = message
            .fields
            .get(place)
            .map_or(Holds::Nothing, |field| field.holds);
        match (holds, content) {
            (Holds::Message(inner), Content::Bytes(bytes)) => check(inner, bytes, depth)?,
            (Holds::Text, Content::Bytes(bytes)) => {
                std::str::from_utf8(bytes).map_err(|_| Refusal::NotUtf8)?;
            }
            (Holds::Nothing, _)
            | (Holds::Bytes | Holds::Id, Content::Bytes(_))
            | (Holds::Varint | Holds::Flag | Holds::Choice(..), Content::Varint(_))
            | (Holds::Fixed64 | Holds::Double, Content::Fixed64(_))
            | (Holds::Fixed32, Content::Fixed32(_)) => {}
            _ => return Err(Refusal::Damaged),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::protobuf::{close, open, put_varint_always};
    use super::super::span::{Attribute, Span, Status, Value};
    use super::super::{decode, encode};
    use super::*;

    fn bytes(span: &Span<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode::span(span, &mut bytes);
        bytes
    }

    fn sample() -> Span<'static> {
        Span {
            parent: Some(SegmentId::from_bytes([3; 8])),
            name: "work".into(),
            kind: Kind::Server,
            start_unix_nano: 1,
            end_unix_nano: 2,
            status: Status {
                code: StatusCode::Error,
                message: "no".into(),
            },
            flags: 257,
            ..Span::new(TraceId::from_bytes([1; 16]), SegmentId::from_bytes([2; 8]))
        }
    }

    /// A span whose one attribute's value lies in so many lists.
    fn nested(levels: usize) -> Vec<u8> {
        let value = (0..levels).fold(Value::Flag(true), |value, level| match level % 2 {
            0 => Value::List(vec![value]),
            _ => Value::Map(vec![Attribute::new("k", value)]),
        });
        bytes(&Span {
            attributes: vec![Attribute::new("deep", value)],
            ..sample()
        })
    }

    #[track_caller]
    fn check(number: u32, content: &[u8], expected: Result<(), Refusal>) {
        let mut span = bytes(&sample());
        put_bytes_always(&mut span, number, content);
        assert_eq!(scan(&span).map(|_| ()), expected, "{number}: {content:?}");
    }

    #[test]
    fn a_scan_sees_the_fields_we_act_on() {
        let span = bytes(&sample());
        let head = scan(&span).unwrap();
        let parent = head.parent.clone().unwrap();
        assert_eq!(span.get(parent.place.clone()), Some(&[3; 8][..]));
        assert_eq!(
            (head.trace_id, head.span_id, parent.id, head.name, head.kind),
            (
                sample().trace_id,
                sample().span_id,
                sample().parent.unwrap(),
                "work",
                Kind::Server
            )
        );
        assert_eq!(
            (head.start_unix_nano, head.end_unix_nano, head.status, head.flags),
            (1, 2, StatusCode::Error, 257)
        );
    }

    #[test]
    fn a_parent_is_replaced_in_place_and_added_where_there_is_none() {
        let other = SegmentId::from_bytes([9; 8]);
        for parent in [Some(SegmentId::from_bytes([3; 8])), None] {
            let mut span = bytes(&Span { parent, ..sample() });
            let length = span.len();
            let place = scan(&span).unwrap().parent.map(|parent| parent.place);
            set_parent(&mut span, place.as_ref(), other);
            assert_eq!(span.len() - length, if parent.is_some() { 0 } else { 10 });
            assert_eq!(scan(&span).unwrap().parent.unwrap().id, other);
            assert_eq!(
                decode::span(&span),
                Ok(Span {
                    parent: Some(other),
                    ..sample()
                })
            );
        }
    }

    #[test]
    fn a_span_that_no_destination_could_read_is_refused_with_the_reason() {
        check(1, &[1; 15], Err(Refusal::BadTraceId));
        check(1, &[0; 16], Err(Refusal::BadTraceId));
        check(2, &[1; 9], Err(Refusal::BadSpanId));
        check(2, &[0; 8], Err(Refusal::BadSpanId));
        check(4, &[1; 16], Err(Refusal::BadParentId));
        check(4, &[0; 8], Ok(())); // the root's, as some exporters write it
        check(4, &[], Ok(()));
        check(5, &[], Ok(())); // no name
        check(5, &[0xff], Err(Refusal::NotUtf8));
        check(6, &[1], Err(Refusal::Damaged)); // a text where a number should be
        check(7, &[1], Err(Refusal::Damaged));
        check(9, &[0x0a, 2, b'k'], Err(Refusal::Damaged)); // an attribute cut short
        check(9, &[0x0a, 1, 0xff], Err(Refusal::NotUtf8));
        check(15, &[8, 1], Ok(())); // a number that is not used
        check(77, &[0xff], Ok(())); // a field of the future
        for (span, expected) in [(&b""[..], Refusal::BadTraceId), (&[0x0a], Refusal::Damaged)] {
            assert_eq!(scan(span), Err(expected), "{span:?}");
        }
        let mut unknown = bytes(&sample());
        put_varint_always(&mut unknown, 6, 77);
        assert_eq!(scan(&unknown).unwrap().kind, Kind::Unspecified);
    }

    #[test]
    fn attributes_nest_to_the_limit_and_no_deeper() {
        let deepest = nested(ATTRIBUTE_DEPTH_MAX);
        assert!(scan(&deepest).is_ok());
        assert_eq!(encode_again(&deepest), deepest);
        assert_eq!(scan(&nested(ATTRIBUTE_DEPTH_MAX + 1)), Err(Refusal::TooDeep));
        assert_eq!(scan(&nested(1000)), Err(Refusal::TooDeep));
    }

    #[test]
    fn what_nests_deeper_is_read_as_far_as_the_limit() {
        let mut over = nested(ATTRIBUTE_DEPTH_MAX + 1);
        let read = decode::span(&over).unwrap();
        let mut value = read.attributes.last().map(|attribute| &attribute.value);
        let mut levels = 0;
        while let Some(inner) = value {
            value = match inner {
                Value::List(values) => values.first(),
                Value::Map(entries) => entries.first().map(|entry| &entry.value),
                _ => None,
            };
            levels += 1;
        }
        // The last level is what stands where the rest was.
        assert_eq!(levels, ATTRIBUTE_DEPTH_MAX + 1);
        // Whoever nests without end meets the limit, not the end of the stack.
        let endless = (0..10_000).fold(Vec::new(), |value, _| {
            let (mut list, mut outer) = (Vec::new(), Vec::new());
            put_bytes_always(&mut list, 1, &value);
            put_bytes_always(&mut outer, 5, &list);
            outer
        });
        let attribute = open(&mut over, 9);
        put_bytes_always(&mut over, 2, &endless);
        close(&mut over, attribute);
        assert!(decode::span(&over).is_ok());
        assert_eq!(scan(&over), Err(Refusal::TooDeep));
    }

    fn encode_again(span: &[u8]) -> Vec<u8> {
        bytes(&decode::span(span).unwrap())
    }

    #[test]
    fn a_span_is_taken_up_to_its_largest_size() {
        let filler = |length: usize| {
            let mut span = bytes(&sample());
            let attribute = open(&mut span, 9);
            put_bytes_always(&mut span, 1, &vec![b'x'; length]);
            close(&mut span, attribute);
            span
        };
        let overhead = filler(SPAN_MAX_BYTES / 2).len() - SPAN_MAX_BYTES / 2;
        assert!(scan(&filler(SPAN_MAX_BYTES - overhead)).is_ok());
        assert_eq!(
            scan(&filler(SPAN_MAX_BYTES - overhead + 1)),
            Err(Refusal::TooLarge)
        );
    }

    #[test]
    fn a_resource_and_a_scope_are_judged_as_spans_are() {
        assert_eq!((check_resource(&[]), check_scope(&[])), (Ok(()), Ok(())));
        assert_eq!(check_resource(&[0x0a, 9]), Err(Refusal::Damaged));
        assert_eq!(check_scope(&[0x0a, 1, 0xff]), Err(Refusal::NotUtf8));
    }
}
