//! A borrowing look at a document that passes through: the few members we act on, and where they stand.
//!
//! The bytes themselves are never rewritten but for one member of fixed width (`parent_id`), so fields
//! unknown to us survive. What X-Ray alone can judge (times, charset of names, schema) is left to it.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::text::Text;
use crate::ids::{SegmentId, TraceId};
use crate::limits::{NAME_MAX_CHARS, SEGMENT_DOCUMENT_MAX_BYTES};
use crate::time::Timestamp;

/// Why a document is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// Larger than [`SEGMENT_DOCUMENT_MAX_BYTES`].
    #[error("document over 64 KB")]
    TooLarge,
    /// Bytes that are not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// Not JSON, or JSON cut short.
    #[error("not JSON")]
    NotJson,
    /// JSON, but neither an object nor an array of objects.
    #[error("neither an object nor an array of objects")]
    NotObject,
    /// An array of no documents.
    #[error("empty array")]
    EmptyArray,
    /// `trace_id` missing or of another shape than `1-8hex-24hex`.
    #[error("missing or invalid trace_id")]
    BadTraceId,
    /// `id` missing or not 16 hexadecimal digits.
    #[error("missing or invalid id")]
    BadId,
    /// `parent_id` not 16 hexadecimal digits, or missing on a subsegment.
    #[error("invalid parent_id, or a subsegment without one")]
    BadParentId,
    /// `name` missing, empty, not text, or a segment's longer than [`NAME_MAX_CHARS`].
    #[error("missing or invalid name")]
    BadName,
}

impl Refusal {
    /// X-Ray's code for it, as far as one is known.
    pub const fn error_code(self) -> &'static str {
        match self {
            Self::TooLarge => "InvalidSegment",
            Self::NotUtf8 | Self::NotJson | Self::NotObject => "JSONFormatError",
            Self::EmptyArray | Self::BadId => "MissingId",
            Self::BadTraceId => "InvalidTraceId",
            Self::BadParentId => "MissingParentId",
            Self::BadName => "InvalidName",
        }
    }
}

/// A `parent_id` and the place of its 16 digits in the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// The id.
    pub id: SegmentId,
    /// Byte range of the digits, without the quotes.
    pub digits: Range<usize>,
}

/// What a scan saw of one document.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// The trace.
    pub trace_id: TraceId,
    /// The segment or subsegment.
    pub id: SegmentId,
    /// Whose child it says it is.
    pub parent: Option<Parent>,
    /// `"type":"subsegment"`.
    pub is_subsegment: bool,
    /// `in_progress` is true: a later document with the same id completes it.
    pub in_progress: bool,
    /// `fault` is true.
    pub fault: bool,
    /// `error` is true.
    pub error: bool,
    /// `throttle` is true.
    pub throttle: bool,
    /// `end_time`, if it is a time.
    pub end_time: Option<Timestamp>,
    /// Whether subsegments are nested in it ([`nested_ids`] lists them).
    pub has_subsegments: bool,
    /// The name, for messages: kept only while the document is in progress.
    pub open_name: Option<Box<str>>,
}

/// Cuts a JSON body into its documents: itself, or the elements of an array.
///
/// An array whose end is damaged gives the elements before the damage and one refusal.
pub fn split(body: &[u8]) -> (Vec<&[u8]>, Option<Refusal>) {
    let Ok(text) = std::str::from_utf8(body) else {
        return (Vec::new(), Some(Refusal::NotUtf8));
    };
    let text = text.trim_ascii();
    if !text.starts_with('[') {
        return (vec![text.as_bytes()], None);
    }
    let mut documents = Vec::new();
    let mut reader = serde_json::Deserializer::from_str(text);
    let damaged = reader
        .deserialize_seq(Elements(&mut documents))
        .and_then(|()| reader.end())
        .is_err();
    let refusal = if damaged {
        Some(Refusal::NotJson)
    } else if documents.is_empty() {
        Some(Refusal::EmptyArray)
    } else {
        None
    };
    (documents, refusal)
}

struct Elements<'a, 'de>(&'a mut Vec<&'de [u8]>);

impl<'de> Visitor<'de> for Elements<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element::<&RawValue>()? {
            self.0.push(element.get().as_bytes());
        }
        Ok(())
    }
}

/// Looks at one document.
///
/// # Errors
/// A [`Refusal`] says why X-Ray could not take it. What is only too large may be
/// [cut](super::oversize::cut).
pub fn scan(document: &[u8]) -> Result<Head, Refusal> {
    if document.len() > SEGMENT_DOCUMENT_MAX_BYTES {
        return Err(Refusal::TooLarge);
    }
    look(document)
}

/// Looks at a document of any size.
pub(super) fn look(document: &[u8]) -> Result<Head, Refusal> {
    let text = std::str::from_utf8(document).map_err(|_| Refusal::NotUtf8)?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let members = match reader
        .deserialize_map(MembersVisitor)
        .and_then(|members| reader.end().map(|()| members))
    {
        Ok(members) => members,
        Err(error) if error.is_data() && is_json(text) => return Err(Refusal::NotObject),
        Err(_) => return Err(Refusal::NotJson),
    };
    members.judge(text)
}

/// The id of a document that may be refused, as it is spelled.
pub fn id(document: &[u8]) -> Option<String> {
    let members = serde_json::Deserializer::from_slice(document)
        .deserialize_map(MembersVisitor)
        .ok()?;
    plain_text(members.id).map(str::to_owned)
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// The raw members of interest; the last of two equal keys wins, as in X-Ray's own parser.
#[derive(Default)]
struct Members<'de> {
    trace_id: Option<&'de RawValue>,
    id: Option<&'de RawValue>,
    parent_id: Option<&'de RawValue>,
    name: Option<&'de RawValue>,
    kind: Option<&'de RawValue>,
    end_time: Option<&'de RawValue>,
    in_progress: bool,
    fault: bool,
    error: bool,
    throttle: bool,
    has_subsegments: bool,
}

impl Members<'_> {
    fn judge(self, document: &str) -> Result<Head, Refusal> {
        let text =
            |raw: Option<&RawValue>| raw.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        let trace_id = plain_text(self.trace_id)
            .and_then(|id| id.parse().ok())
            .ok_or(Refusal::BadTraceId)?;
        let id = plain_text(self.id)
            .and_then(|id| id.parse().ok())
            .ok_or(Refusal::BadId)?;
        let is_subsegment = plain_text(self.kind) == Some("subsegment");
        let parent = match self.parent_id.filter(|raw| raw.get() != "null") {
            Some(raw) => Some(parent_at(raw, document).ok_or(Refusal::BadParentId)?),
            None if is_subsegment => return Err(Refusal::BadParentId),
            None => None,
        };
        let name = match plain_text(self.name) {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(text(self.name).ok_or(Refusal::BadName)?),
        };
        // X-Ray's schema limits the names of segments alone.
        if name.is_empty() || (!is_subsegment && name.chars().nth(NAME_MAX_CHARS).is_some()) {
            return Err(Refusal::BadName);
        }
        let end_time = self
            .end_time
            .and_then(|raw| raw.get().parse().ok())
            .and_then(Timestamp::from_seconds);
        Ok(Head {
            trace_id,
            id,
            parent,
            is_subsegment,
            in_progress: self.in_progress,
            fault: self.fault,
            error: self.error,
            throttle: self.throttle,
            end_time,
            has_subsegments: self.has_subsegments,
            open_name: self
                .in_progress
                .then(|| name.chars().take(NAME_MAX_CHARS).collect::<String>().into()),
        })
    }
}

/// The content of a JSON string without escapes, borrowed.
fn plain_text(raw: Option<&RawValue>) -> Option<&str> {
    let content = raw?.get().strip_prefix('"')?.strip_suffix('"')?;
    (!content.contains('\\')).then_some(content)
}

fn parent_at(raw: &RawValue, document: &str) -> Option<Parent> {
    let digits = plain_text(Some(raw))?;
    let id = digits.parse().ok()?;
    // Both slices lie in one buffer: the raw value borrows from the document.
    let start = digits.as_ptr().addr().checked_sub(document.as_ptr().addr())?;
    Some(Parent {
        id,
        digits: start..start + digits.len(),
    })
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Members::default();
        while let Some(Text(key)) = map.next_key()? {
            match key.as_ref() {
                "trace_id" => members.trace_id = Some(map.next_value()?),
                "id" => members.id = Some(map.next_value()?),
                "parent_id" => members.parent_id = Some(map.next_value()?),
                "name" => members.name = Some(map.next_value()?),
                "type" => members.kind = Some(map.next_value()?),
                "end_time" => members.end_time = Some(map.next_value()?),
                "in_progress" => members.in_progress = is_true(map.next_value()?),
                "fault" => members.fault = is_true(map.next_value()?),
                "error" => members.error = is_true(map.next_value()?),
                "throttle" => members.throttle = is_true(map.next_value()?),
                "subsegments" => members.has_subsegments = map.next_value::<&RawValue>()?.get() != "[]",
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(members)
    }
}

fn is_true(raw: &RawValue) -> bool {
    raw.get() == "true"
}

/// Ids of the subsegments nested in a document at any depth, at most `limit` of them.
///
/// Nothing for a document that is not JSON or nested deeper than the JSON reader goes (128).
pub fn nested_ids(document: &[u8], limit: usize) -> Vec<SegmentId> {
    let mut found = Found {
        ids: Vec::new(),
        limit,
    };
    let mut reader = serde_json::Deserializer::from_slice(document);
    let complete = Node {
        found: &mut found,
        is_root: true,
    }
    .deserialize(&mut reader)
    .is_ok();
    if complete { found.ids } else { Vec::new() }
}

struct Found {
    ids: Vec<SegmentId>,
    limit: usize,
}

struct Node<'a> {
    found: &'a mut Found,
    is_root: bool,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a subsegment or an array of them")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(key)) = map.next_key()? {
            match key.as_ref() {
                "id" if !self.is_root => {
                    let raw: &RawValue = map.next_value()?;
                    let room = self.found.ids.len() < self.found.limit;
                    let id: Option<SegmentId> = plain_text(Some(raw)).and_then(|id| id.parse().ok());
                    self.found.ids.extend(id.filter(|_| room));
                }
                "subsegments" => map.next_value_seed(Node {
                    found: &mut *self.found,
                    is_root: false,
                })?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements
            .next_element_seed(Node {
                found: &mut *self.found,
                is_root: false,
            })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const IDS: &str = r#""trace_id":"1-67881233-abcdef012345678812345678","id":"00f067aa0ba902b7""#;

    #[track_caller]
    fn refused(document: &str, refusal: Refusal) {
        assert_eq!(scan(document.as_bytes()), Err(refusal), "{document}");
    }

    #[test]
    fn a_document_is_read_and_its_parent_is_found_in_place() {
        let document = format!(
            r#"{{"name":"a\"b", {IDS} ,"type":"subsegment","parent_id" : "53995C3F42CD8AD8","fault":true,
               "end_time":1736970803.164,"metadata":{{"id":"x","parent_id":"y"}},"subsegments":[{{"id":"1"}}]}}"#
        );
        let head = scan(document.as_bytes()).unwrap();
        assert_eq!(head.id.to_string(), "00f067aa0ba902b7");
        assert_eq!(head.trace_id.to_string(), "1-67881233-abcdef012345678812345678");
        let parent = head.parent.unwrap();
        assert_eq!(&document[parent.digits], "53995C3F42CD8AD8");
        assert_eq!(parent.id.to_string(), "53995c3f42cd8ad8");
        assert_eq!(head.end_time, Some(Timestamp::from_micros(1_736_970_803_164_000)));
        assert!(head.is_subsegment && head.fault && head.has_subsegments);
        assert!(!head.error && !head.throttle && !head.in_progress);
        assert_eq!(head.open_name, None);
    }

    #[test]
    fn an_open_document_keeps_its_name() {
        let head = scan(format!(r#"{{"name":"wait","in_progress":true,{IDS}}}"#).as_bytes()).unwrap();
        assert_eq!(head.open_name.as_deref(), Some("wait"));
    }

    #[test]
    fn the_last_of_two_equal_members_wins() {
        let head = scan(format!(r#"{{"name":"a","fault":true,"fault":false,"id":"bad",{IDS}}}"#).as_bytes())
            .unwrap();
        assert!(!head.fault);
        assert_eq!(head.id.to_string(), "00f067aa0ba902b7");
    }

    #[test]
    fn each_defect_has_its_reason() {
        refused("", Refusal::NotJson);
        refused("not json", Refusal::NotJson);
        refused(r#"{"name":"x""#, Refusal::NotJson);
        refused(r#"{"name":NaN}"#, Refusal::NotJson);
        refused(&format!(r#"{{"name":"x",{IDS}}} trailing"#), Refusal::NotJson);
        refused("42", Refusal::NotObject);
        refused(r#""text""#, Refusal::NotObject);
        refused("[1]", Refusal::NotObject);
        refused(r#"{"name":"x","id":"00f067aa0ba902b7"}"#, Refusal::BadTraceId);
        refused(
            r#"{"name":"x","id":"00f067aa0ba902b7","trace_id":"1-5-a"}"#,
            Refusal::BadTraceId,
        );
        refused(
            r#"{"name":"x","id":7,"trace_id":"1-67881233-abcdef012345678812345678"}"#,
            Refusal::BadId,
        );
        refused(
            &format!(r#"{{"name":"x",{IDS},"parent_id":"xyz"}}"#),
            Refusal::BadParentId,
        );
        refused(
            &format!(r#"{{"name":"x",{IDS},"type":"subsegment"}}"#),
            Refusal::BadParentId,
        );
        refused(&format!("{{{IDS}}}"), Refusal::BadName);
        refused(&format!(r#"{{"name":"",{IDS}}}"#), Refusal::BadName);
        refused(&format!(r#"{{"name":5,{IDS}}}"#), Refusal::BadName);
        assert_eq!(scan(b"{\"name\":\"\xff\"}"), Err(Refusal::NotUtf8));
    }

    #[test]
    fn a_segments_name_is_bounded_in_characters() {
        let named = |length: usize| format!(r#"{{"name":"{}",{IDS}}}"#, "é".repeat(length));
        assert!(scan(named(NAME_MAX_CHARS).as_bytes()).is_ok());
        refused(&named(NAME_MAX_CHARS + 1), Refusal::BadName);
        let subsegment = format!(
            r#"{{"type":"subsegment","parent_id":"53995c3f42cd8ad8","name":"{}",{IDS}}}"#,
            "é".repeat(NAME_MAX_CHARS + 1)
        );
        assert!(scan(subsegment.as_bytes()).is_ok());
    }

    #[test]
    fn a_document_is_taken_up_to_64_kilobytes() {
        let frame = format!(r#"{{"name":"x",{IDS},"metadata":{{"d":{{"k":""}}}}}}"#);
        let sized = |length: usize| {
            frame.replace(
                r#""k":"""#,
                &format!(r#""k":"{}""#, "m".repeat(length - frame.len())),
            )
        };
        assert_eq!(
            sized(SEGMENT_DOCUMENT_MAX_BYTES).len(),
            SEGMENT_DOCUMENT_MAX_BYTES
        );
        assert!(scan(sized(SEGMENT_DOCUMENT_MAX_BYTES).as_bytes()).is_ok());
        refused(&sized(SEGMENT_DOCUMENT_MAX_BYTES + 1), Refusal::TooLarge);
    }

    #[test]
    fn a_body_is_one_document_or_several() {
        assert_eq!(split(b" {} \n"), (vec![b"{}".as_slice()], None));
        assert_eq!(
            split(b"[{},[1], {\"a\":1}]"),
            (vec![b"{}".as_slice(), b"[1]", b"{\"a\":1}"], None)
        );
        assert_eq!(split(b"[]"), (vec![], Some(Refusal::EmptyArray)));
        assert_eq!(split(b"[{},{]"), (vec![b"{}".as_slice()], Some(Refusal::NotJson)));
        assert_eq!(split(b"[{}] x"), (vec![b"{}".as_slice()], Some(Refusal::NotJson)));
        assert_eq!(split(b"\xff"), (vec![], Some(Refusal::NotUtf8)));
    }

    #[test]
    fn nested_ids_are_found_at_any_depth() {
        let document = br#"{"id":"0000000000000001","subsegments":[{"id":"0000000000000002","subsegments":
            [{"id":"0000000000000003"}]},{"id":"bad"},null],"metadata":{"id":"0000000000000009"}}"#;
        let ids: Vec<String> = nested_ids(document, 10).iter().map(ToString::to_string).collect();
        assert_eq!(ids, ["0000000000000002", "0000000000000003"]);
        assert_eq!(nested_ids(document, 1).len(), 1);
        assert_eq!(nested_ids(b"{", 10), []);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_scan_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = (scan(&bytes), split(&bytes), nested_ids(&bytes, 8));
        }

        #[test]
        fn no_mutation_of_a_document_makes_the_scan_panic(at in 0usize..200, byte in any::<u8>()) {
            let mut document = format!(r#"[{{"name":"x",{IDS},"parent_id":"53995c3f42cd8ad8","subsegments":[]}}]"#).into_bytes();
            if let Some(target) = document.get_mut(at) {
                *target = byte;
            }
            for document in split(&document).0 {
                if let Ok(Head { parent: Some(parent), .. }) = scan(document) {
                    prop_assert_eq!(document[parent.digits].len(), SegmentId::TEXT_LEN);
                }
            }
        }

        #[test]
        fn one_bad_element_never_costs_its_neighbours(position in 0usize..4, bad in "[a-z]{1,5}|[0-9]{1,3}|\"x\"") {
            let good = format!(r#"{{"name":"x",{IDS}}}"#);
            let mut elements = vec![good.as_str(); 4];
            let is_json = serde_json::from_str::<serde_json::Value>(&bad).is_ok();
            elements.insert(position, &bad);
            let body = format!("[{}]", elements.join(","));
            let (documents, _) = split(body.as_bytes());
            let taken = documents.iter().filter(|document| scan(document).is_ok()).count();
            prop_assert_eq!(taken, if is_json { 4 } else { position });
        }
    }
}
