//! OpenTelemetry's protocol over HTTP: `POST /v1/traces`, in protobuf or JSON, plain or gzip.
//!
//! Metrics and logs are answered as if they had been taken, and counted: an SDK that is configured for all three would log
//! an error for each of its requests otherwise. Only this sandbox reaches the port.
//!
//! Invariants
//! - Nothing is allocated before the first request.
//! - A body is bounded as it came and as it unpacks, and there are [`OTLP_BODIES`] in memory at most.

use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use model::otlp::answer::{Answer, status_to_json, status_to_protobuf};
use model::otlp::{json, request};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use super::http::{self, NoBody};
use crate::gzip::{self, NotUnpacked};
use crate::limits::{OTLP_BODIES, OTLP_BODY_MAX};
use crate::pipeline::event::Posted;
use crate::pipeline::span::Export;
use crate::pipeline::tally::Foreign;

/// Where SDKs send, and what of it is passed over.
const SIGNALS: [(&str, Option<Foreign>); 3] = [
    ("/v1/traces", None),
    ("/v1/metrics", Some(Foreign::Metrics)),
    ("/v1/logs", Some(Foreign::Logs)),
];

/// A bound listener.
pub struct SpanListener {
    listener: TcpListener,
}

impl SpanListener {
    /// Binds an address.
    ///
    /// # Errors
    /// The address is taken. Not fatal: spans can still come as datagrams.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { listener })
    }

    /// Serves until nobody takes spans any more.
    pub async fn serve(self, posted: mpsc::Sender<Posted>) {
        let desk = Desk {
            posted,
            bodies: Arc::new(Semaphore::new(OTLP_BODIES)),
        };
        http::serve(self.listener, http::Desk::Spans(desk)).await;
    }
}

/// In which form a request came, which is the form of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    /// That of a content type, whatever parameters stand behind it.
    fn of(request: &Request<Incoming>) -> Option<Self> {
        let kind = text(request, &CONTENT_TYPE);
        let kind = kind.split(';').next().unwrap_or_default().trim();
        match kind.to_ascii_lowercase().as_str() {
            "application/x-protobuf" | "application/protobuf" => Some(Self::Protobuf),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

/// Why a request is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Refused {
    status: StatusCode,
    why: &'static str,
    /// Whether spans are lost with it that were meant to be taken.
    is_damage: bool,
}

impl Refused {
    const fn new(status: StatusCode, why: &'static str) -> Self {
        Self {
            status,
            why,
            is_damage: false,
        }
    }

    const fn damage(status: StatusCode, why: &'static str) -> Self {
        Self {
            is_damage: true,
            ..Self::new(status, why)
        }
    }

    /// The code of `google.rpc.Code` that OTLP's answers carry.
    const fn code(self) -> u8 {
        const INVALID_ARGUMENT: u8 = 3;
        const NOT_FOUND: u8 = 5;
        const RESOURCE_EXHAUSTED: u8 = 8;
        const UNIMPLEMENTED: u8 = 12;
        const UNAVAILABLE: u8 = 14;
        match self.status {
            StatusCode::NOT_FOUND => NOT_FOUND,
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::UNSUPPORTED_MEDIA_TYPE => UNIMPLEMENTED,
            StatusCode::PAYLOAD_TOO_LARGE => RESOURCE_EXHAUSTED,
            StatusCode::REQUEST_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE => UNAVAILABLE,
            _ => INVALID_ARGUMENT,
        }
    }
}

/// Takes spans in.
#[derive(Clone)]
pub(super) struct Desk {
    posted: mpsc::Sender<Posted>,
    /// Each body in memory has a permit.
    bodies: Arc<Semaphore>,
}

impl Desk {
    pub(super) fn is_closed(&self) -> bool {
        self.posted.is_closed()
    }

    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let encoding = Encoding::of(&request);
        let answered = match self.take(request, encoding).await {
            Ok(answer) => (StatusCode::OK, answer),
            Err(refused) => {
                if refused.is_damage {
                    // Nobody left to count it: the process is ending.
                    let _ = self.posted.send(Posted::Damaged(refused.why)).await;
                }
                (refused.status, self::refusal(refused, encoding))
            }
        };
        let (status, body) = answered;
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        let kind = HeaderValue::from_static(encoding.unwrap_or(Encoding::Json).content_type());
        response.headers_mut().insert(CONTENT_TYPE, kind);
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }

    async fn take(&self, request: Request<Incoming>, encoding: Option<Encoding>) -> Result<Bytes, Refused> {
        let path = request.uri().path();
        let Some((_, foreign)) = SIGNALS.iter().find(|(known, _)| *known == path) else {
            return Err(Refused::new(
                StatusCode::NOT_FOUND,
                "nothing lies here: this port takes POST /v1/traces",
            ));
        };
        if request.method() != Method::POST {
            return Err(Refused::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this path takes POST alone",
            ));
        }
        let foreign = *foreign;
        let damage = |status, why| match foreign {
            None => Refused::damage(status, why),
            Some(_) => Refused::new(status, why),
        };
        let encoding = encoding.ok_or(damage(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the content type is neither application/x-protobuf nor application/json",
        ))?;
        let packing = text(&request, &CONTENT_ENCODING).trim().to_ascii_lowercase();
        let is_packed = match packing.as_str() {
            "" | "identity" => false,
            "gzip" => true,
            _ => {
                return Err(damage(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "the content encoding is neither gzip nor identity",
                ));
            }
        };
        // The semaphore is never closed.
        let _permit = self.bodies.acquire().await;
        let body = http::body(request, OTLP_BODY_MAX)
            .await
            .map_err(|no_body| match no_body {
                NoBody::TooLarge => damage(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE),
                NoBody::Broken => damage(
                    StatusCode::REQUEST_TIMEOUT,
                    "the body ended early, or did not end in time",
                ),
            })?;
        let (posted, answer) = match foreign {
            Some(foreign) => (Posted::Foreign(foreign), Answer::default()),
            None => {
                let export = read(body, is_packed, encoding)?;
                let answer = judged(&export);
                (Posted::Spans(export), answer)
            }
        };
        if self.posted.send(posted).await.is_err() {
            return Err(Refused::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the extension is ending",
            ));
        }
        Ok(match encoding {
            Encoding::Protobuf => answer.to_protobuf().into(),
            Encoding::Json => answer.to_json().into(),
        })
    }
}

const TOO_LARGE: &str = "the body is over 4 MiB, packed or unpacked: export fewer spans at once";

/// The spans of a body.
fn read(body: Vec<u8>, is_packed: bool, encoding: Encoding) -> Result<Export, Refused> {
    let bad = |why| Refused::damage(StatusCode::BAD_REQUEST, why);
    let body = if is_packed { unpacked(&body)? } else { body };
    let body = match encoding {
        Encoding::Protobuf => body,
        Encoding::Json => json::request(&body).map_err(|_| bad("the body is not an OTLP request in JSON"))?,
    };
    request::check(&body)
        .map_err(|_| bad("the body is not an OTLP request in protobuf, or one cut short"))?;
    Ok(Export::read(&body))
}

fn unpacked(body: &[u8]) -> Result<Vec<u8>, Refused> {
    gzip::unpack(body, OTLP_BODY_MAX).map_err(|not_unpacked| match not_unpacked {
        NotUnpacked::Damaged => {
            Refused::damage(StatusCode::BAD_REQUEST, "the body is not gzip, or was cut short")
        }
        NotUnpacked::TooLarge => Refused::damage(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE),
    })
}

/// What its sender is told of a request: how many spans were not taken, and why the first of them.
fn judged(export: &Export) -> Answer<'static> {
    match export.refused.first() {
        None => Answer::default(),
        Some(first) => Answer {
            rejected: u64::try_from(export.refused.len()).unwrap_or(u64::MAX),
            message: Cow::Owned(first.to_string()),
        },
    }
}

fn refusal(refused: Refused, encoding: Option<Encoding>) -> Bytes {
    match encoding {
        Some(Encoding::Protobuf) => status_to_protobuf(refused.code(), refused.why).into(),
        Some(Encoding::Json) | None => status_to_json(refused.code(), refused.why).into(),
    }
}

/// A header as text; none is the empty one.
fn text<'a>(request: &'a Request<Incoming>, name: &HeaderName) -> &'a str {
    let value = request.headers().get(name).map(HeaderValue::to_str);
    value.and_then(Result::ok).unwrap_or_default()
}

#[cfg(test)]
mod tests;
