//! Identifiers: traces, segments, requests.
//!
//! Parsed once at the rim into values that cannot be wrong. Hexadecimal is read in either case and
//! printed in lower case, so two spellings of one id compare equal.

use std::fmt;
use std::str::FromStr;

use crate::limits::REQUEST_ID_MAX_BYTES;

/// A text that is not the identifier it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not {wanted}: {found:?}")]
pub struct IdError {
    wanted: &'static str,
    found: String,
}

impl IdError {
    fn new(wanted: &'static str, found: &str) -> Self {
        /// Enough of a stranger's text to recognise it in a log line.
        const SHOWN_CHARS: usize = 64;
        Self {
            wanted,
            found: found.chars().take(SHOWN_CHARS).collect(),
        }
    }
}

/// A trace: 128 bits, printed `1-<8 hex of epoch seconds>-<24 hex>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// The X-Ray form has this many characters.
    pub const TEXT_LEN: usize = 35;

    /// The id with these bytes, the epoch part first.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The id's bytes, the epoch part first.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// Reads the W3C form: 32 hexadecimal digits, not all zero.
    pub fn from_w3c(text: &str) -> Result<Self, IdError> {
        let id = parse_hex(text.as_bytes()).map(Self);
        id.filter(|id| !id.is_zero())
            .ok_or_else(|| IdError::new("a W3C trace id of 32 hex digits", text))
    }

    /// The W3C form: 32 lower-case hexadecimal digits.
    pub fn to_w3c(self) -> String {
        hex(&self.0)
    }

    /// The first 32 bits, which X-Ray reads as the trace's start in seconds since the epoch.
    pub fn epoch_seconds(self) -> u32 {
        let [a, b, c, d, ..] = self.0;
        u32::from_be_bytes([a, b, c, d])
    }

    /// Whether every bit is zero: the SDKs' placeholder for "no trace".
    pub fn is_zero(self) -> bool {
        self.0 == [0; 16]
    }
}

impl FromStr for TraceId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::new("a trace id such as 1-67881233-abcdef012345678812345678", text);
        let digits = text.as_bytes().strip_prefix(b"1-").ok_or_else(wrong)?;
        let (epoch, unique) = digits.split_first_chunk::<8>().ok_or_else(wrong)?;
        let unique = unique.strip_prefix(b"-").ok_or_else(wrong)?;
        let epoch: [u8; 4] = parse_hex(epoch).ok_or_else(wrong)?;
        let unique: [u8; 12] = parse_hex(unique).ok_or_else(wrong)?;
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(epoch.iter().chain(&unique)) {
            *to = *from;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (epoch, unique) = self.0.split_at(4);
        write!(f, "1-{}-{}", hex(epoch), hex(unique))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A segment or subsegment: 64 bits, printed as 16 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentId([u8; 8]);

impl SegmentId {
    /// The printed form has this many characters.
    pub const TEXT_LEN: usize = 16;

    /// The id with these bytes.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The id's bytes.
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0
    }

    /// Whether every bit is zero, which W3C calls invalid.
    pub fn is_zero(self) -> bool {
        self.0 == [0; 8]
    }
}

impl FromStr for SegmentId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let id = parse_hex(text.as_bytes()).map(Self);
        id.ok_or_else(|| IdError::new("a segment id of 16 hex digits", text))
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One invocation of a function. Opaque printable text; AWS writes a UUID.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(Box<str>);

impl RequestId {
    /// The id as Lambda wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RequestId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || text.len() > REQUEST_ID_MAX_BYTES || !printable {
            return Err(IdError::new("a request id of printable characters", text));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Exactly `2 * N` hexadecimal digits of either case.
fn parse_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (to, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *to = digit(high)? << 4 | digit(low)?;
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for nibble in [byte >> 4, byte & 0xf] {
            let letter = if nibble < 10 {
                b'0' + nibble
            } else {
                b'a' - 10 + nibble
            };
            text.push(char::from(letter));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_trace_id_keeps_its_value_in_both_forms() {
        let id: TraceId = "1-67881233-ABCDEF012345678812345678".parse().unwrap();
        assert_eq!(id.to_string(), "1-67881233-abcdef012345678812345678");
        assert_eq!(id.to_w3c(), "67881233abcdef012345678812345678");
        assert_eq!(TraceId::from_w3c(&id.to_w3c()), Ok(id));
        assert_eq!(id.epoch_seconds(), 0x6788_1233);
    }

    #[test]
    fn a_trace_id_of_another_shape_is_refused() {
        for text in [
            "",
            "1-67881233",
            "2-67881233-abcdef012345678812345678",
            "1-6788123-abcdef0123456788123456789",
            "1-67881233-abcdef01234567881234567",
            "1-67881233-abcdef0123456788123456780",
            "1-67881233-abcdef012345678812345678-",
            "1-6788123g-abcdef012345678812345678",
            "1-67881233-abcdéf01234567881234567",
        ] {
            assert!(text.parse::<TraceId>().is_err(), "{text:?} was taken");
        }
        assert!(TraceId::from_w3c("00000000000000000000000000000000").is_err());
    }

    #[test]
    fn a_segment_id_is_sixteen_digits_of_either_case() {
        assert_eq!(
            "53995C3F42CD8AD8".parse::<SegmentId>().unwrap().to_string(),
            "53995c3f42cd8ad8"
        );
        for text in [
            "",
            "53995c3f42cd8ad",
            "53995c3f42cd8ad80",
            "53995c3f42cd8adx",
            "+3995c3f42cd8ad8",
        ] {
            assert!(text.parse::<SegmentId>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn a_request_id_is_printable_and_bounded() {
        assert!(
            "0f6f4f8e-8a57-4a5e-9d5e-0c2b8a4e7f10"
                .parse::<RequestId>()
                .is_ok()
        );
        assert!("x".repeat(REQUEST_ID_MAX_BYTES).parse::<RequestId>().is_ok());
        for text in [
            String::new(),
            "a b".into(),
            "a\n".into(),
            "x".repeat(REQUEST_ID_MAX_BYTES + 1),
        ] {
            assert!(text.parse::<RequestId>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn an_error_shows_a_bounded_piece_of_the_text() {
        let error = "é".repeat(10_000).parse::<SegmentId>().unwrap_err().to_string();
        assert!(error.len() < 256, "{error}");
    }

    proptest! {
        #[test]
        fn ids_survive_printing(trace in any::<[u8; 16]>(), segment in any::<[u8; 8]>()) {
            let trace = TraceId::from_bytes(trace);
            let segment = SegmentId::from_bytes(segment);
            prop_assert_eq!(trace.to_string().parse(), Ok(trace));
            prop_assert_eq!(trace.to_string().len(), TraceId::TEXT_LEN);
            prop_assert_eq!(segment.to_string().parse(), Ok(segment));
            prop_assert_eq!(segment.to_string().len(), SegmentId::TEXT_LEN);
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in ".*") {
            let _ = text.parse::<TraceId>();
            let _ = text.parse::<SegmentId>();
            let _ = text.parse::<RequestId>();
            let _ = TraceId::from_w3c(&text);
        }
    }
}
