//! A document on its way through, what it is worth, and what it costs to hold it.

use std::borrow::Cow;
use std::sync::Arc;

use model::ids::{SegmentId, TraceId};
use model::otlp::scan::set_parent;
use model::size::ByteCount;
use model::time::Timestamp;
use model::wire::document_scan::{self, Head, Parent};
use model::wire::trouble::tells_of_trouble;

use super::span::{self, Seen, Surroundings};
use crate::limits::DOCUMENT_OVERHEAD;

/// How much a document would be missed, least first: the order in which documents go when room runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// A segment or subsegment of a call that went well.
    Ordinary,
    /// It tells of an error, a fault or a throttle, itself or in what is nested in it.
    Faulty,
    /// Made here: without it the rest of its invocation hangs in the air.
    Platform,
}

impl Value {
    /// Every value, the least first.
    pub const ALL: [Self; 3] = [Self::Ordinary, Self::Faulty, Self::Platform];

    /// What a document of the function's own is worth.
    pub fn of(head: &Head, document: &[u8]) -> Self {
        let is_faulty = head.fault || head.error || head.throttle;
        if is_faulty || (head.has_subsegments && tells_of_trouble(document)) {
            Self::Faulty
        } else {
            Self::Ordinary
        }
    }

    /// In the tally.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::Faulty => "faulty",
            Self::Platform => "platform",
        }
    }
}

/// One of something for each value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ByValue<T> {
    /// For [`Value::Ordinary`].
    pub ordinary: T,
    /// For [`Value::Faulty`].
    pub faulty: T,
    /// For [`Value::Platform`].
    pub platform: T,
}

impl<T> ByValue<T> {
    /// The one for this value.
    pub const fn of(&self, value: Value) -> &T {
        match value {
            Value::Ordinary => &self.ordinary,
            Value::Faulty => &self.faulty,
            Value::Platform => &self.platform,
        }
    }

    /// The one for this value.
    pub const fn of_mut(&mut self, value: Value) -> &mut T {
        match value {
            Value::Ordinary => &mut self.ordinary,
            Value::Faulty => &mut self.faulty,
            Value::Platform => &mut self.platform,
        }
    }
}

/// In which protocol's words a document is written.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// A segment or subsegment in X-Ray's JSON.
    Segment,
    /// A span in OTLP's protobuf, and what it came with.
    Span(Arc<Surroundings>),
}

/// A document and the little we know of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The JSON text or the span, as it came but for a rewritten parent.
    pub bytes: Vec<u8>,
    /// Which of the two.
    pub form: Form,
    /// Its trace.
    pub trace_id: TraceId,
    /// Its parent, and where the digits stand.
    pub parent: Option<Parent>,
    /// When it arrived or was made.
    pub arrived: Timestamp,
    /// Whether its invocation has taken note of it.
    pub is_noted: bool,
    /// How much it would be missed.
    pub value: Value,
}

impl AsRef<[u8]> for Document {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Document {
    /// What it costs to hold it.
    pub fn cost(&self) -> ByteCount {
        let own = ByteCount::of(self.bytes.len()).plus(DOCUMENT_OVERHEAD);
        match &self.form {
            Form::Segment => own,
            Form::Span(surroundings) => own.plus(surroundings.share()),
        }
    }

    /// Looks at it once more. None if its bytes are not what they were.
    pub fn look(&self) -> Option<Head> {
        match self.form {
            Form::Segment => document_scan::scan(&self.bytes).ok(),
            Form::Span(_) => span::head(&self.bytes).ok(),
        }
    }

    /// Hangs it under another parent, in place: 16 digits for 16 digits, or 8 bytes for 8 bytes.
    ///
    /// One that has no parent stays as it is.
    pub fn set_parent(&mut self, id: SegmentId) {
        let Some(parent) = &mut self.parent else {
            return;
        };
        match self.form {
            Form::Span(_) => set_parent(&mut self.bytes, Some(&parent.digits), id),
            Form::Segment => {
                let digits = id.to_string();
                match self.bytes.get_mut(parent.digits.clone()) {
                    Some(place) if place.len() == digits.len() => place.copy_from_slice(digits.as_bytes()),
                    _ => return,
                }
            }
        }
        parent.id = id;
    }

    /// The bytes as they lie in a file: with all that a span came with.
    pub fn filed(&self) -> Cow<'_, [u8]> {
        match &self.form {
            Form::Segment => Cow::Borrowed(&self.bytes),
            Form::Span(surroundings) => Cow::Owned(span::alone(&self.bytes, surroundings)),
        }
    }

    /// A document out of a file. None if it is not one that was ever taken in.
    ///
    /// JSON begins with a brace, which begins no request of OTLP: it would be of a kind that protobuf does not have.
    pub fn from_file(bytes: &[u8], value: Value, arrived: Timestamp) -> Option<Self> {
        let (head, bytes, form) = if bytes.starts_with(b"{") {
            (document_scan::scan(bytes).ok()?, bytes.to_vec(), Form::Segment)
        } else {
            let Seen {
                head,
                bytes,
                surroundings,
            } = span::read_alone(bytes)?;
            (head, bytes, Form::Span(surroundings))
        };
        Some(Self {
            bytes,
            form,
            trace_id: head.trace_id,
            parent: head.parent,
            arrived,
            is_noted: true,
            value,
        })
    }
}

#[cfg(test)]
mod tests {
    use model::wire::document_scan::scan;

    use super::*;

    #[test]
    fn a_document_is_worth_more_if_anything_in_it_went_wrong() {
        for (more, expected) in [
            ("", Value::Ordinary),
            (r#","fault":true"#, Value::Faulty),
            (r#","error":true"#, Value::Faulty),
            (r#","throttle":true"#, Value::Faulty),
            (
                r#","subsegments":[{"id":"1","subsegments":[{"fault": true}]}]"#,
                Value::Faulty,
            ),
            (r#","subsegments":[{"id":"1","fault":false}]"#, Value::Ordinary),
            (r#","metadata":{"fault":true}"#, Value::Ordinary),
        ] {
            let text = format!(
                r#"{{"name":"x","trace_id":"1-67881233-abcdef012345678812345678","id":"00f067aa0ba902b7"{more}}}"#
            );
            assert_eq!(
                Value::of(&scan(text.as_bytes()).unwrap(), text.as_bytes()),
                expected,
                "{more}"
            );
        }
    }
}
