//! One datagram of the X-Ray daemon's protocol: a JSON header line, then one body.
//!
//! The body is a JSON document (or an array of them), or, behind a prefix, what AWS's OpenTelemetry
//! distributions send through the same port.

use crate::limits::FRAME_HEADER_MAX_BYTES;

/// The header line as most SDKs send it, with its end.
pub const HEADER: &[u8] = b"{\"format\":\"json\",\"version\":1}\n";

/// What a datagram carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// One JSON document or an array of documents.
    Json(&'a [u8]),
    /// `T1S` or `T1U`: spans as base64 of an OTLP export request.
    OtlpSpans(&'a [u8]),
    /// `M1`: metrics as base64 of an OTLP export request.
    OtlpMetrics(&'a [u8]),
}

/// Why a datagram carries nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Zero bytes; the daemon does not even count it.
    #[error("empty datagram")]
    Empty,
    /// No newline, or it comes later than [`FRAME_HEADER_MAX_BYTES`].
    #[error("no header line")]
    NoHeader,
    /// The first line is not `{"format":"json","version":1}`.
    #[error("header line is not format json, version 1")]
    BadHeader,
    /// Nothing behind the header line.
    #[error("no document behind the header line")]
    NoBody,
}

/// Reads a datagram's payload.
pub fn decode(payload: &[u8]) -> Result<Body<'_>, FrameError> {
    if payload.is_empty() {
        return Err(FrameError::Empty);
    }
    let newline = payload
        .iter()
        .take(FRAME_HEADER_MAX_BYTES + 1)
        .position(|&byte| byte == b'\n');
    let (header, rest) = payload
        .split_at_checked(newline.ok_or(FrameError::NoHeader)?)
        .ok_or(FrameError::NoHeader)?;
    let body = rest.get(1..).unwrap_or_default();
    if header.is_empty() || body.is_empty() {
        return Err(if header.is_empty() {
            FrameError::NoHeader
        } else {
            FrameError::NoBody
        });
    }
    if !is_header(header) {
        return Err(FrameError::BadHeader);
    }
    Ok(match body {
        [b'T', b'1', b'S' | b'U', ..] => Body::OtlpSpans(body),
        [b'M', b'1', ..] => Body::OtlpMetrics(body),
        _ => Body::Json(body),
    })
}

fn is_header(line: &[u8]) -> bool {
    // The two spellings that SDKs send, before the general parser.
    if line == br#"{"format":"json","version":1}"# || line == br#"{"format": "json", "version": 1}"# {
        return true;
    }
    let Ok(header) = serde_json::from_slice::<serde_json::Value>(line) else {
        return false;
    };
    let format = header.get("format").and_then(|format| format.as_str());
    format.is_some_and(|format| format.eq_ignore_ascii_case("json"))
        && header.get("version").and_then(|version| version.as_f64()) == Some(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(payload: &str, expected: Result<Body<'_>, FrameError>) {
        assert_eq!(decode(payload.as_bytes()), expected, "{payload:?}");
    }

    #[test]
    fn a_datagram_is_a_header_line_and_a_body() {
        assert_eq!(decode(&[HEADER, b"{}"].concat()), Ok(Body::Json(b"{}")));
        check("{\"format\":\"json\",\"version\":1}\n{}", Ok(Body::Json(b"{}")));
        check(
            "{\"format\": \"json\", \"version\": 1}\n{}\n",
            Ok(Body::Json(b"{}\n")),
        );
        check(
            "{\"version\":1,\"format\":\"JSON\",\"extra\":true}\n[]",
            Ok(Body::Json(b"[]")),
        );
        check(
            "{\"format\":\"json\",\"version\":1}\nT1SAA==",
            Ok(Body::OtlpSpans(b"T1SAA==")),
        );
        check(
            "{\"format\":\"json\",\"version\":1}\nT1UAA==",
            Ok(Body::OtlpSpans(b"T1UAA==")),
        );
        check(
            "{\"format\":\"json\",\"version\":1}\nM1AA==",
            Ok(Body::OtlpMetrics(b"M1AA==")),
        );
    }

    #[test]
    fn a_datagram_without_header_or_body_says_which() {
        check("", Err(FrameError::Empty));
        check("{\"id\":\"1\"}", Err(FrameError::NoHeader));
        check("\n{}", Err(FrameError::NoHeader));
        check("{\"format\":\"json\",\"version\":1}\n", Err(FrameError::NoBody));
        for header in [
            "hello",
            "[]",
            "{}",
            r#"{"format":"json"}"#,
            r#"{"format":"xml","version":1}"#,
            r#"{"format":"json","version":2}"#,
        ] {
            check(&format!("{header}\n{{}}"), Err(FrameError::BadHeader));
        }
    }

    #[test]
    fn the_header_line_is_sought_up_to_its_limit() {
        let padded = |length: usize| format!("{:<length$}\n{{}}", r#"{"format":"json","version":1}"#);
        check(&padded(FRAME_HEADER_MAX_BYTES), Ok(Body::Json(b"{}")));
        check(&padded(FRAME_HEADER_MAX_BYTES + 1), Err(FrameError::NoHeader));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(payload in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = decode(&payload);
        }

        #[test]
        fn any_body_comes_out_as_it_went_in(body in proptest::collection::vec(any::<u8>(), 1..300)) {
            let payload = [b"{\"format\":\"json\",\"version\":1}\n".as_slice(), &body].concat();
            let (Body::Json(out) | Body::OtlpSpans(out) | Body::OtlpMetrics(out)) = decode(&payload).unwrap();
            prop_assert_eq!(out, body);
        }
    }
}
