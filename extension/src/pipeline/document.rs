//! A document on its way through, what it is worth, and what it costs to hold it.

use model::ids::TraceId;
use model::size::ByteCount;
use model::time::Timestamp;
use model::wire::document_scan::{Head, Parent};
use model::wire::trouble::tells_of_trouble;

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

/// A document and the little we know of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The JSON text, as it came but for a rewritten parent.
    pub bytes: Vec<u8>,
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
        ByteCount::of(self.bytes.len()).plus(DOCUMENT_OVERHEAD)
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
