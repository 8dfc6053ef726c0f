//! The trace header `X-Amzn-Trace-Id`: `Root=…;Parent=…;Sampled=1;Lineage=…`.
//!
//! At least as lenient as every SDK's parser together: a part that makes no sense is passed over, the
//! header never fails as a whole. Unknown pairs (`Lineage` among them) are kept in order and written back.

use std::fmt;

use crate::ids::{SegmentId, TraceId};
use crate::limits::TRACE_HEADER_MAX_BYTES;

/// The sampling decision a header carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampled {
    /// `Sampled=1`: record.
    Yes,
    /// `Sampled=0`: do not record.
    No,
    /// `Sampled=?`: the caller asks the callee to decide.
    Ask,
}

/// A trace header as it came: ids are kept raw, since SDKs forward even invalid ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TraceHeader {
    /// The trace, `1-8hex-24hex` where valid.
    pub root: Option<String>,
    /// The caller's segment or subsegment, 16 hex digits where valid.
    pub parent: Option<String>,
    /// The decision; `None` when it is missing or no known value.
    pub sampled: Option<Sampled>,
    /// Written by load balancers for their hop; read, never written.
    pub self_id: Option<String>,
    /// Every other pair in its order, `Lineage` included.
    pub extra: Vec<(String, String)>,
}

impl TraceHeader {
    /// Reads a header. Keys in any case, spaces anywhere around them, the last of two equal keys wins.
    ///
    /// What lies beyond [`TRACE_HEADER_MAX_BYTES`] is ignored.
    pub fn parse(text: &str) -> Self {
        let end = text.floor_char_boundary(TRACE_HEADER_MAX_BYTES);
        let mut header = Self::default();
        for part in text.get(..end).unwrap_or_default().split(';') {
            let Some((key, value)) = part.split_once('=') else {
                continue;
            };
            let (key, value) = (key.trim(), value.trim());
            if !key.is_empty() {
                header.put(key, value);
            }
        }
        header
    }

    fn put(&mut self, key: &str, value: &str) {
        let text = Some(value.to_owned()).filter(|value| !value.is_empty());
        if key.eq_ignore_ascii_case("Root") {
            self.root = text;
        } else if key.eq_ignore_ascii_case("Parent") {
            self.parent = text;
        } else if key.eq_ignore_ascii_case("Self") {
            self.self_id = text;
        } else if key.eq_ignore_ascii_case("Sampled") {
            self.sampled = match value {
                "1" => Some(Sampled::Yes),
                "0" => Some(Sampled::No),
                "?" => Some(Sampled::Ask),
                _ => None,
            };
        } else if let Some((_, known)) = self.extra.iter_mut().find(|(name, _)| name == key) {
            value.clone_into(known);
        } else {
            self.extra.push((key.to_owned(), value.to_owned()));
        }
    }

    /// The trace, if `Root` is valid.
    pub fn trace_id(&self) -> Option<TraceId> {
        self.root.as_deref()?.parse().ok()
    }

    /// The caller's segment, if `Parent` is valid.
    pub fn parent_id(&self) -> Option<SegmentId> {
        self.parent.as_deref()?.parse().ok()
    }

    /// Whether the trace is to be recorded: `Sampled=1` and nothing else.
    pub fn is_sampled(&self) -> bool {
        self.sampled == Some(Sampled::Yes)
    }

    /// The same header with another parent.
    #[must_use]
    pub fn with_parent(mut self, parent: SegmentId) -> Self {
        self.parent = Some(parent.to_string());
        self
    }

    /// The W3C form, if the ids are valid, not all zero, and the decision is made.
    pub fn to_traceparent(&self) -> Option<String> {
        let trace = self.trace_id().filter(|id| !id.is_zero())?;
        let parent = self.parent_id().filter(|id| !id.is_zero())?;
        let flags = match self.sampled? {
            Sampled::Yes => "01",
            Sampled::No => "00",
            Sampled::Ask => return None,
        };
        Some(format!("00-{}-{parent}-{flags}", trace.to_w3c()))
    }

    /// Reads a W3C `traceparent`. `None` if the W3C recommendation calls it invalid.
    pub fn from_traceparent(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let lower_hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let shaped =
            lower_hex(version, 2) && lower_hex(trace, 32) && lower_hex(parent, 16) && lower_hex(flags, 2);
        if !shaped || version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let trace = TraceId::from_w3c(trace).ok()?;
        let parent: SegmentId = parent.parse().ok().filter(|id: &SegmentId| !id.is_zero())?;
        let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        Some(Self {
            root: Some(trace.to_string()),
            parent: Some(parent.to_string()),
            sampled: Some(if sampled { Sampled::Yes } else { Sampled::No }),
            ..Self::default()
        })
    }
}

impl fmt::Display for Sampled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yes => "1",
            Self::No => "0",
            Self::Ask => "?",
        })
    }
}

impl fmt::Display for TraceHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sampled = self.sampled.map(|sampled| sampled.to_string());
        let known = [
            ("Root", &self.root),
            ("Parent", &self.parent),
            ("Sampled", &sampled),
        ];
        let known = known
            .iter()
            .filter_map(|(key, value)| Some((*key, value.as_deref()?)));
        let extra = self
            .extra
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()));
        for (index, (key, value)) in known.chain(extra).enumerate() {
            let separator = if index == 0 { "" } else { ";" };
            write!(f, "{separator}{key}={value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOT: &str = "1-67881233-abcdef012345678812345678";

    #[track_caller]
    fn check(text: &str, written: &str) {
        assert_eq!(TraceHeader::parse(text).to_string(), written, "{text}");
    }

    #[test]
    fn a_header_is_read_as_leniently_as_any_sdk_does() {
        check(
            "Root=1-a;Parent=53995c3f42cd8ad8;Sampled=1",
            "Root=1-a;Parent=53995c3f42cd8ad8;Sampled=1",
        );
        check(
            " rOOT = 1-a ;\tPARENT=b; sampled=? ",
            "Root=1-a;Parent=b;Sampled=?",
        );
        check("Sampled=1;Root=1-a", "Root=1-a;Sampled=1"); // any order
        check(";Root=1-a;;nonsense;=x;Sampled=0;", "Root=1-a;Sampled=0"); // empty and malformed parts
        check("Root=1-a;token=a=b==", "Root=1-a;token=a=b=="); // cut at the first = only
        check("Root=1-a;Root=1-b;Sampled=1;Sampled=0", "Root=1-b;Sampled=0"); // the last one wins
        check("Root=1-a;Sampled=true", "Root=1-a"); // an unknown decision is none
        check("Self=1-s;Root=1-a", "Root=1-a"); // a hop's id is not propagated
        check(
            "Root=1-a;Sampled=1;Lineage=a87bd80c:1|68fd508a:5",
            "Root=1-a;Sampled=1;Lineage=a87bd80c:1|68fd508a:5",
        );
        check("", "");
    }

    #[test]
    fn ids_are_kept_raw_and_valid_ones_are_readable() {
        let header = TraceHeader::parse(&format!("Root={ROOT};Parent=foo;Sampled=1"));
        assert_eq!(header.trace_id().unwrap().to_string(), ROOT);
        assert_eq!(
            (header.parent.as_deref(), header.parent_id()),
            (Some("foo"), None)
        );
        assert!(header.is_sampled());
    }

    #[test]
    fn the_w3c_form_needs_both_ids_and_a_decision() {
        let w3c = "00-67881233abcdef012345678812345678-53995c3f42cd8ad8-01";
        let header = TraceHeader::from_traceparent(w3c).unwrap();
        assert_eq!(
            header.to_string(),
            format!("Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1")
        );
        assert_eq!(header.to_traceparent().as_deref(), Some(w3c));
        for text in [
            format!("Root={ROOT};Sampled=1"),
            format!("Root={ROOT};Parent=53995c3f42cd8ad8"),
            format!("Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=?"),
            format!("Root={ROOT};Parent=0000000000000000;Sampled=1"),
        ] {
            assert_eq!(TraceHeader::parse(&text).to_traceparent(), None, "{text}");
        }
    }

    #[test]
    fn a_header_is_read_up_to_its_limit() {
        let filler = "x".repeat(TRACE_HEADER_MAX_BYTES - "Root=1-a;k=".len());
        let at_limit = format!("Root=1-a;k={filler};Sampled=1");
        assert_eq!(TraceHeader::parse(&at_limit).sampled, None);
        let below = format!("Root=1-a;k={};Sampled=1", &filler[";Sampled=1".len()..]);
        assert_eq!(TraceHeader::parse(&below).sampled, Some(Sampled::Yes));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in ".*") {
            let header = TraceHeader::parse(&text);
            let _ = (header.to_string(), header.to_traceparent(), TraceHeader::from_traceparent(&text));
        }

        #[test]
        fn a_written_header_reads_back(text in "([A-Za-z]{1,8}=[a-z0-9=:|-]{1,20};?){0,6}") {
            let header = TraceHeader { self_id: None, ..TraceHeader::parse(&text) };
            let extra = header.extra.iter().all(|(_, value)| !value.is_empty());
            prop_assume!(extra);
            prop_assert_eq!(TraceHeader::parse(&header.to_string()), header);
        }
    }
}
