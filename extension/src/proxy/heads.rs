//! What a head says: which call of the Runtime API it is, where its body ends, what its headers tell.
//!
//! Pure: no socket, no clock.

use httparse::{EMPTY_HEADER, Header, Request, Response, Status};
use model::ids::RequestId;

use super::messages::Framing;
use crate::limits::PROXY_HEADERS_MAX;

const API: &str = "/2018-06-01/runtime/";
const TRACE_ID: &str = "Lambda-Runtime-Trace-Id";
const REQUEST_ID: &str = "Lambda-Runtime-Aws-Request-Id";

/// A call of the Runtime API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    /// Asks for the next invocation.
    Next,
    /// Answers an invocation.
    Response(RequestId),
    /// Reports that an invocation failed.
    Error(RequestId),
    /// Reports that the runtime could not start, or not be restored.
    InitError,
    /// Whatever else.
    Other,
}

/// The head of a request.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) call: Call,
    /// A HEAD request: its answer has no body whatever its head says.
    pub(super) is_head_only: bool,
    pub(super) framing: Framing,
    /// `Lambda-Runtime-Function-Error-Type`
    pub(super) error_type: Option<Box<str>>,
    /// `Lambda-Runtime-Function-XRay-Error-Cause`
    pub(super) xray_cause: Option<Box<[u8]>>,
}

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) framing: Framing,
    pub(super) request_id: Option<RequestId>,
    /// `Lambda-Runtime-Trace-Id`, empty where there is none.
    pub(super) trace_header: String,
}

/// Reads the head of a request. None if it makes no sense, or has more than [`PROXY_HEADERS_MAX`] headers.
pub(super) fn asked(text: &[u8]) -> Option<Asked> {
    let mut headers = [EMPTY_HEADER; PROXY_HEADERS_MAX];
    let mut request = Request::new(&mut headers);
    request.parse(text).ok()?;
    let method = request.method?;
    Some(Asked {
        call: call(method, request.path?),
        is_head_only: method == "HEAD",
        framing: framing(request.headers, Framing::Sized(0))?,
        error_type: error_type(request.headers),
        xray_cause: value(request.headers, "Lambda-Runtime-Function-XRay-Error-Cause").map(Into::into),
    })
}

/// Reads the head of an answer. None if it makes no sense, or has more than [`PROXY_HEADERS_MAX`] headers.
pub(super) fn answered(text: &[u8]) -> Option<Answered> {
    let mut headers = [EMPTY_HEADER; PROXY_HEADERS_MAX];
    let mut response = Response::new(&mut headers);
    response.parse(text).ok()?;
    let status = response.code?;
    let is_bodiless = matches!(status, 100..=199 | 204 | 304);
    let framing = if is_bodiless {
        Framing::Sized(0)
    } else {
        framing(response.headers, Framing::UntilClose)?
    };
    Some(Answered {
        status,
        framing,
        request_id: value_text(response.headers, REQUEST_ID).and_then(|id| id.parse().ok()),
        trace_header: value_text(response.headers, TRACE_ID)
            .unwrap_or_default()
            .to_owned(),
    })
}

/// Why a streamed response broke off.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StreamError {
    /// `Lambda-Runtime-Function-Error-Type`
    pub(super) error_type: Option<Box<str>>,
    /// `Lambda-Runtime-Function-Error-Body`, in base64.
    pub(super) body: Box<[u8]>,
}

/// Reads the trailers of a streamed response. None unless it broke off with an error.
pub(super) fn stream_error(trailers: &[u8]) -> Option<StreamError> {
    let mut headers = [EMPTY_HEADER; PROXY_HEADERS_MAX];
    let Ok(Status::Complete((_, headers))) = httparse::parse_headers(trailers, &mut headers) else {
        return None;
    };
    let error_type = error_type(headers);
    let body = value(headers, "Lambda-Runtime-Function-Error-Body");
    (error_type.is_some() || body.is_some()).then(|| StreamError {
        error_type,
        body: body.unwrap_or_default().into(),
    })
}

/// The head with another trace header; every other byte as it was.
pub(super) fn with_trace_header(head: &[u8], trace_header: &str) -> Vec<u8> {
    let line = format!("{TRACE_ID}: {trace_header}\r\n");
    let mut told = Vec::with_capacity(head.len() + line.len());
    let mut is_told = false;
    for old in head.split_inclusive(|byte| *byte == b'\n') {
        let name = old.split(|byte| *byte == b':').next().unwrap_or_default();
        let is_end = matches!(old, b"\r\n" | b"\n");
        let is_it = name.eq_ignore_ascii_case(TRACE_ID.as_bytes());
        if (is_it || is_end) && !is_told {
            told.extend_from_slice(line.as_bytes());
            is_told = true;
        }
        if !is_it {
            told.extend_from_slice(old);
        }
    }
    told
}

fn call(method: &str, path: &str) -> Call {
    // An emulator may serve the API below a path of its own.
    let Some((_, rest)) = path.split_once(API) else {
        return Call::Other;
    };
    let rest = rest.split('?').next().unwrap_or_default();
    if method == "GET" && rest == "invocation/next" {
        return Call::Next;
    }
    if method != "POST" {
        return Call::Other;
    }
    if matches!(rest, "init/error" | "restore/error") {
        return Call::InitError;
    }
    let parts = rest
        .strip_prefix("invocation/")
        .and_then(|rest| rest.split_once('/'));
    let Some((Ok(id), what)) = parts.map(|(id, what)| (id.parse(), what)) else {
        return Call::Other;
    };
    match what {
        "response" => Call::Response(id),
        "error" => Call::Error(id),
        _ => Call::Other,
    }
}

/// None if nobody can say where the body ends.
fn framing(headers: &[Header<'_>], without: Framing) -> Option<Framing> {
    if let Some(coding) = value_text(headers, "Transfer-Encoding") {
        let last = coding.rsplit(',').next().unwrap_or_default().trim();
        return last.eq_ignore_ascii_case("chunked").then_some(Framing::Chunked);
    }
    match value_text(headers, "Content-Length") {
        Some(length) => length.trim().parse().ok().map(Framing::Sized),
        None => Some(without),
    }
}

fn error_type(headers: &[Header<'_>]) -> Option<Box<str>> {
    let kind = value_text(headers, "Lambda-Runtime-Function-Error-Type")?.trim();
    (!kind.is_empty()).then(|| kind.into())
}

fn value<'a>(headers: &[Header<'a>], name: &str) -> Option<&'a [u8]> {
    let header = headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case(name))?;
    Some(header.value)
}

fn value_text<'a>(headers: &[Header<'a>], name: &str) -> Option<&'a str> {
    std::str::from_utf8(value(headers, name)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn call_of(line: &str) -> Call {
        asked(format!("{line} HTTP/1.1\r\n\r\n").as_bytes()).unwrap().call
    }

    #[test]
    fn calls_are_told_apart_below_any_path() {
        let id = || "r-1".parse().unwrap();
        assert_eq!(call_of("GET /2018-06-01/runtime/invocation/next"), Call::Next);
        assert_eq!(
            call_of("GET /.rt/2018-06-01/runtime/invocation/next?x"),
            Call::Next
        );
        assert_eq!(
            call_of("POST /2018-06-01/runtime/invocation/r-1/response"),
            Call::Response(id())
        );
        assert_eq!(
            call_of("POST /2018-06-01/runtime/invocation/r-1/error"),
            Call::Error(id())
        );
        assert_eq!(call_of("POST /2018-06-01/runtime/init/error"), Call::InitError);
        assert_eq!(call_of("POST /2018-06-01/runtime/restore/error"), Call::InitError);
        for other in [
            "POST /2018-06-01/runtime/invocation/next",
            "GET /2018-06-01/runtime/init/error",
            "POST /2018-06-01/runtime/invocation//response",
            "POST /2018-06-01/runtime/invocation/r-1/else",
            "GET /2020-01-01/extension/event/next",
            "GET /",
        ] {
            assert_eq!(call_of(other), Call::Other, "{other}");
        }
    }

    #[test]
    fn a_body_ends_where_its_head_says() {
        let of = |headers: &str| {
            asked(format!("POST / HTTP/1.1\r\n{headers}\r\n").as_bytes()).map(|asked| asked.framing)
        };
        assert_eq!(of(""), Some(Framing::Sized(0)));
        assert_eq!(of("content-length: 12\r\n"), Some(Framing::Sized(12)));
        assert_eq!(
            of("Content-Length: 12\r\nTRANSFER-ENCODING: gzip, Chunked\r\n"),
            Some(Framing::Chunked)
        );
        assert_eq!(of("Content-Length: -1\r\n"), None);
        assert_eq!(of("Transfer-Encoding: gzip\r\n"), None);
        let of = |text: &str| answered(text.as_bytes()).map(|answered| answered.framing);
        assert_eq!(of("HTTP/1.1 200 OK\r\n\r\n"), Some(Framing::UntilClose));
        assert_eq!(
            of("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n"),
            Some(Framing::Sized(0))
        );
        assert_eq!(of("nonsense\r\n\r\n"), None);
    }

    #[test]
    fn more_headers_than_the_limit_are_not_read() {
        let head = |headers: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(headers));
        assert!(asked(head(PROXY_HEADERS_MAX).as_bytes()).is_some());
        assert!(asked(head(PROXY_HEADERS_MAX + 1).as_bytes()).is_none());
    }

    #[test]
    fn a_stream_tells_its_error_behind_its_end() {
        let trailers =
            b"lambda-runtime-function-error-type: Bad\r\nLambda-Runtime-Function-Error-Body: e30=\r\n\r\n";
        let error = stream_error(trailers).unwrap();
        assert_eq!(
            (error.error_type.as_deref(), &*error.body),
            (Some("Bad"), b"e30=".as_slice())
        );
        for none in [b"\r\n".as_slice(), b"x: y\r\n\r\n", b"junk"] {
            assert_eq!(stream_error(none), None);
        }
    }

    #[test]
    fn only_the_trace_header_is_told_anew() {
        let head = "HTTP/1.1 200 OK\r\nX-oDD:  a \r\nlambda-runtime-TRACE-id: old\r\nLast: z\r\n\r\n";
        let told = |head: &str| String::from_utf8(with_trace_header(head.as_bytes(), "new")).unwrap();
        assert_eq!(
            told(head),
            "HTTP/1.1 200 OK\r\nX-oDD:  a \r\nLambda-Runtime-Trace-Id: new\r\nLast: z\r\n\r\n"
        );
        assert_eq!(
            told("HTTP/1.1 200 OK\r\na: b\r\n\r\n"),
            "HTTP/1.1 200 OK\r\na: b\r\nLambda-Runtime-Trace-Id: new\r\n\r\n"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_readers_panic(text in proptest::collection::vec(any::<u8>(), 0..200), header in "[ -~]{0,30}") {
            let _ = (asked(&text), answered(&text), stream_error(&text), with_trace_header(&text, &header));
            let head = format!("POST /2018-06-01/runtime/{header} HTTP/1.1\r\n{header}\r\n\r\n");
            let _ = (asked(head.as_bytes()), answered(head.as_bytes()));
        }
    }
}
