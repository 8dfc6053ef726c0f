//! Spans of OpenTelemetry's protocol on their way through: looked at, held as they came, and what they came with.
//!
//! A span alone says neither whose it is nor what recorded it: that is its resource and its scope, which all spans of a group
//! share. They are held once for as long as one of those is.

use std::sync::Arc;

use model::otlp::request::{self, Group, Writer};
use model::otlp::scan::{self, Refusal};
use model::otlp::span::StatusCode;
use model::size::ByteCount;
use model::time::Timestamp;
use model::wire::document_scan::{Head, Parent};

/// Resource and scope of a group of spans, as they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    resource: Box<[u8]>,
    resource_schema: Box<[u8]>,
    scope: Box<[u8]>,
    scope_schema: Box<[u8]>,
    /// What each span of the group is charged for them.
    share: ByteCount,
}

impl Surroundings {
    /// Those of a group of so many spans.
    pub fn of(group: &Group<'_>, spans: usize) -> Self {
        let surroundings = Self {
            resource: group.resource.into(),
            resource_schema: group.resource_schema.into(),
            scope: group.scope.into(),
            scope_schema: group.scope_schema.into(),
            share: ByteCount::ZERO,
        };
        let share = surroundings.length().div_ceil(spans.max(1));
        Self {
            share: ByteCount::of(share),
            ..surroundings
        }
    }

    /// The group that a span came in, without its spans.
    pub fn group(&self) -> Group<'_> {
        Group::around(
            [&self.resource, &self.resource_schema],
            [&self.scope, &self.scope_schema],
        )
    }

    /// What each span of the group is charged for them.
    pub fn share(&self) -> ByteCount {
        self.share
    }

    /// Bytes.
    pub fn length(&self) -> usize {
        [
            &self.resource,
            &self.resource_schema,
            &self.scope,
            &self.scope_schema,
        ]
        .iter()
        .map(|part| part.len())
        .sum()
    }
}

/// A span that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// What the look saw, in the words that documents have.
    pub head: Head,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What it came with.
    pub surroundings: Arc<Surroundings>,
}

/// An export request taken apart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Export {
    /// Spans that are taken.
    pub spans: Vec<Seen>,
    /// Why others are not, one for each.
    pub refused: Vec<Refusal>,
}

impl Export {
    /// Takes a request apart. One bad span costs itself alone; a resource or a scope that nobody could read costs its group.
    pub fn read(request: &[u8]) -> Self {
        let mut export = Self::default();
        for group in request::groups(request) {
            let spans = group.spans().count();
            let damage = scan::check_resource(group.resource)
                .and_then(|()| scan::check_scope(group.scope))
                .err();
            if let Some(refusal) = damage {
                export.refused.extend(std::iter::repeat_n(refusal, spans));
                continue;
            }
            let surroundings = Arc::new(Surroundings::of(&group, spans));
            for span in group.spans() {
                match head(span) {
                    Ok(head) => export.spans.push(Seen {
                        head,
                        bytes: span.to_vec(),
                        surroundings: Arc::clone(&surroundings),
                    }),
                    Err(refusal) => export.refused.push(refusal),
                }
            }
        }
        export
    }
}

/// What the pipeline acts on of a span.
///
/// A span without an end is a document like any other: exporters send none that they complete later.
///
/// # Errors
/// A [`Refusal`] says why it cannot be taken.
pub fn head(span: &[u8]) -> Result<Head, Refusal> {
    let head = scan::scan(span)?;
    let ended = i64::try_from(head.end_unix_nano / NANOS_PER_MICRO).ok();
    Ok(Head {
        trace_id: head.trace_id,
        id: head.span_id,
        parent: head.parent.map(|parent| Parent {
            id: parent.id,
            digits: parent.place,
        }),
        is_subsegment: true,
        in_progress: false,
        fault: head.status == StatusCode::Error,
        error: false,
        throttle: false,
        end_time: ended.filter(|micros| *micros > 0).map(Timestamp::from_micros),
        has_subsegments: false,
        open_name: None,
    })
}

/// A request of one span, in which it lies in files with all that it came with.
pub fn alone(span: &[u8], surroundings: &Surroundings) -> Vec<u8> {
    let mut request = Writer::default();
    request.begin(&surroundings.group());
    request.span(span);
    request.finish()
}

/// The span of such a request. None if there is not exactly one.
pub fn read_alone(request: &[u8]) -> Option<Seen> {
    let mut export = Export::read(request);
    let span = export.spans.pop()?;
    (export.spans.is_empty() && export.refused.is_empty()).then_some(span)
}

const NANOS_PER_MICRO: u64 = 1000;

#[cfg(test)]
mod tests {
    use model::ids::{SegmentId, TraceId};
    use model::otlp::encode;
    use model::otlp::span::{Attribute, Resource, Scope, Span, Status, Value};
    use proptest::prelude::*;

    use super::*;

    fn span(id: u8, change: impl FnOnce(&mut Span<'_>)) -> Vec<u8> {
        let mut span = Span::new(TraceId::from_bytes([7; 16]), SegmentId::from_bytes([id; 8]));
        span.name = "work".into();
        span.end_unix_nano = 1_736_970_803_164_000_000;
        change(&mut span);
        let mut bytes = Vec::new();
        encode::span(&span, &mut bytes);
        bytes
    }

    fn request(spans: &[Vec<u8>]) -> Vec<u8> {
        let (mut resource, mut scope) = (Vec::new(), Vec::new());
        let name = Attribute::new("service.name", Value::Text("orders".into()));
        encode::resource(
            &Resource {
                attributes: vec![name],
                ..Resource::default()
            },
            &mut resource,
        );
        encode::scope(
            &Scope {
                name: "tests".into(),
                ..Scope::default()
            },
            &mut scope,
        );
        let mut request = Writer::default();
        request.begin(&Group::around([&resource, b"r"], [&scope, b"s"]));
        spans.iter().for_each(|span| request.span(span));
        request.finish()
    }

    #[test]
    fn a_look_says_of_a_span_what_the_pipeline_acts_on() {
        let parent = SegmentId::from_bytes([9; 8]);
        let bytes = span(1, |span| {
            span.parent = Some(parent);
            span.status = Status {
                code: StatusCode::Error,
                ..Status::default()
            };
        });
        let head = head(&bytes).unwrap();
        assert_eq!(head.id, SegmentId::from_bytes([1; 8]));
        assert_eq!(head.end_time, Some(Timestamp::from_micros(1_736_970_803_164_000)));
        assert!(head.fault && !head.in_progress);
        let found = head.parent.unwrap();
        assert_eq!(
            (found.id, bytes.get(found.digits)),
            (parent, Some(&[9_u8; 8][..]))
        );
    }

    #[test]
    fn spans_of_a_group_share_what_they_came_with() {
        let export = Export::read(&request(&[span(1, |_| {}), span(2, |_| {})]));
        let [one, two] = export.spans.as_slice() else {
            panic!("{export:?}");
        };
        assert!(Arc::ptr_eq(&one.surroundings, &two.surroundings));
        let length = one.surroundings.length();
        assert!(length > "service.name orders tests".len(), "{length}");
        assert_eq!(one.surroundings.share(), ByteCount::of(length.div_ceil(2)));
    }

    #[test]
    fn a_bad_span_costs_itself_alone_and_a_bad_resource_its_group() {
        let nameless = span(0, |_| {});
        let export = Export::read(&request(&[span(1, |_| {}), nameless, span(2, |_| {})]));
        assert_eq!(
            (export.spans.len(), export.refused.as_slice()),
            (2, &[Refusal::BadSpanId][..])
        );
        let mut bad = Writer::default();
        bad.begin(&Group::around([&[0x0a, 9], b""], [b"", b""]));
        bad.span(&span(1, |_| {}));
        bad.begin(&Group::default());
        bad.span(&span(2, |_| {}));
        let export = Export::read(&bad.finish());
        assert_eq!(
            (export.spans.len(), export.refused.as_slice()),
            (1, &[Refusal::Damaged][..])
        );
    }

    #[test]
    fn a_span_alone_has_all_that_it_came_with() {
        let one = Export::read(&request(&[span(1, |_| {})])).spans.remove(0);
        assert_eq!(read_alone(&alone(&one.bytes, &one.surroundings)), Some(one));
        assert_eq!(read_alone(&request(&[span(1, |_| {}), span(2, |_| {})])), None);
        assert_eq!(read_alone(&request(&[])), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = (Export::read(&bytes), read_alone(&bytes), head(&bytes));
        }

        #[test]
        fn every_span_is_taken_or_refused(ids in proptest::collection::vec(0..4_u8, 0..9)) {
            let spans: Vec<_> = ids.iter().map(|id| span(*id, |_| {})).collect();
            let export = Export::read(&request(&spans));
            prop_assert_eq!(export.spans.len() + export.refused.len(), ids.len());
            prop_assert_eq!(export.refused.len(), ids.iter().filter(|id| **id == 0).count());
        }
    }
}
