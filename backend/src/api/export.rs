//! `POST /v1/traces`: spans over OTLP/HTTP, in protobuf or JSON, as they are sent to X-Ray's regional OTLP endpoint.
//!
//! Every answer is in the form of its request, JSON where that has none, and a refusal says why: `google.rpc.Status`.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use model::otlp::answer::{Answer, status_to_json, status_to_protobuf};
use model::otlp::json;

use super::operation::Api;
use crate::decode::Refusal;
use crate::delivery::Delivery;
use crate::export::{self, Unfit};
use crate::limits::{Limits, REASON_MAX_CHARS};
use crate::spans::Told;
use crate::unpack::{NotUnpacked, Packing, unpack};

const TRACES: &str = "/v1/traces";
/// What SDKs send elsewhere by default, if they are not told to send traces alone.
const OTHERS: [(&str, &str); 2] = [
    ("/v1/metrics", "OTEL_METRICS_EXPORTER"),
    ("/v1/logs", "OTEL_LOGS_EXPORTER"),
];

/// Whether an OTLP exporter sends to this path.
pub(super) fn is_signal(path: &str) -> bool {
    path == TRACES || OTHERS.iter().any(|(other, _)| *other == path)
}

/// In which form a request came, which is the form of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    /// That of a content type, whatever parameters stand behind it.
    fn of(content_type: &str) -> Option<Self> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        match kind.to_ascii_lowercase().as_str() {
            "application/x-protobuf" | "application/protobuf" => Some(Self::Protobuf),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }

    const fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        })
    }
}

/// Why none of a request is taken.
#[derive(Debug)]
struct Refused {
    status: StatusCode,
    why: String,
}

impl Refused {
    fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self {
            status,
            why: why.into(),
        }
    }

    /// The number of `google.rpc.Code` that goes with the status.
    const fn code(&self) -> u8 {
        const INVALID_ARGUMENT: u8 = 3;
        const NOT_FOUND: u8 = 5;
        const PERMISSION_DENIED: u8 = 7;
        const RESOURCE_EXHAUSTED: u8 = 8;
        const UNIMPLEMENTED: u8 = 12;
        const INTERNAL: u8 = 13;
        const UNAVAILABLE: u8 = 14;
        const UNAUTHENTICATED: u8 = 16;
        match self.status.as_u16() {
            401 => UNAUTHENTICATED,
            403 => PERMISSION_DENIED,
            404 => NOT_FOUND,
            405 | 415 => UNIMPLEMENTED,
            413 | 429 => RESOURCE_EXHAUSTED,
            408 | 502..=504 => UNAVAILABLE,
            400..=499 => INVALID_ARGUMENT,
            _ => INTERNAL,
        }
    }
}

impl From<Unfit> for Refused {
    fn from(unfit: Unfit) -> Self {
        Self::new(StatusCode::BAD_REQUEST, unfit.to_string())
    }
}

impl From<NotUnpacked> for Refused {
    fn from(error: NotUnpacked) -> Self {
        let status = match error {
            NotUnpacked::Damaged => StatusCode::BAD_REQUEST,
            NotUnpacked::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        };
        Self::new(status, error.to_string())
    }
}

/// Answers one request to a path that [is a signal's](is_signal).
pub(super) async fn answer(api: &Api, path: &str, request: Request<Body>) -> Response<Body> {
    let encoding = Encoding::of(text(request.headers(), &header::CONTENT_TYPE));
    let outcome = take(api, path, encoding, request).await;
    let encoding = encoding.unwrap_or(Encoding::Json);
    let (status, body) = match outcome {
        Ok(answer) => {
            let answer = Answer {
                message: shortened(&answer.message).into(),
                ..answer
            };
            let body = match encoding {
                Encoding::Protobuf => answer.to_protobuf(),
                Encoding::Json => answer.to_json().into_bytes(),
            };
            (StatusCode::OK, body)
        }
        Err(refused) => {
            let code = refused.code();
            let why = shortened(&refused.why);
            let body = match encoding {
                Encoding::Protobuf => status_to_protobuf(code, why),
                Encoding::Json => status_to_json(code, why).into_bytes(),
            };
            (refused.status, body)
        }
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, encoding.content_type());
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

async fn take(
    api: &Api,
    path: &str,
    encoding: Option<Encoding>,
    request: Request<Body>,
) -> Result<Answer<'static>, Refused> {
    let (head, body) = request.into_parts();
    let limits = api.store.limits();
    // Before anything is judged: who is refused while still writing would hear of a broken connection alone.
    let packed = whole(body, limits).await;
    if let Some((_, setting)) = OTHERS.iter().find(|(other, _)| *other == path) {
        let why = format!("X-Ray takes traces alone: set {setting}=none, or send {path} elsewhere");
        return Err(Refused::new(StatusCode::NOT_FOUND, why));
    }
    if head.method != Method::POST {
        let why = format!("{TRACES} takes POST alone, not {}", head.method);
        return Err(Refused::new(StatusCode::METHOD_NOT_ALLOWED, why));
    }
    let unsupported = |why| Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why);
    let encoding = encoding.ok_or_else(|| {
        unsupported("the content type is neither application/x-protobuf nor application/json")
    })?;
    let packing = Packing::of(text(&head.headers, &header::CONTENT_ENCODING))
        .ok_or_else(|| unsupported("the content encoding is neither gzip, deflate nor identity"))?;
    let packed = packed?;
    let body = unpack(&packed, packing, limits.export_max_bytes)?;
    let body = match encoding {
        Encoding::Protobuf => body,
        Encoding::Json => json::request(&body)
            .map(Cow::Owned)
            .map_err(|error| Refused::new(StatusCode::BAD_REQUEST, error.to_string()))?,
    };
    let told = export::read(&body, limits, (api.now)())?;
    store(api, told).await
}

/// Stores the spans, unless a fault is asked for.
async fn store(api: &Api, told: Vec<Result<Told, Refusal>>) -> Result<Answer<'static>, Refused> {
    let texts = told.iter().flatten().flat_map(|told| &told.texts);
    let plan = api.faults.plan(&texts.map(String::as_str).collect::<Vec<_>>());
    if let Some(status) = plan.status {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let why = format!("status {} as asked for", status.as_u16());
        return Err(Refused::new(status, why));
    }
    let (injected, told): (Vec<_>, Vec<_>) = told.into_iter().partition(|told| {
        let fits = |told: &Told, containing: &str| told.texts.iter().any(|text| text.contains(containing));
        let asked_for = plan.unprocessed.as_ref();
        asked_for.is_some_and(|(_, containing)| told.as_ref().is_ok_and(|told| fits(told, containing)))
    });
    let refused = api.store.put(Delivery::of_export(told), (api.now)());
    tokio::time::sleep(plan.delay).await;
    let code = plan.unprocessed.map(|(code, _)| code).unwrap_or_default();
    let refused = refused
        .iter()
        .map(|refusal| (refusal.code.as_str(), refusal.message.as_str()));
    let injected = injected.iter().map(|_| (code.as_str(), "as asked for"));
    Ok(export::answer(refused.chain(injected)))
}

/// The body. Of one that is too large the rest is read as well, so that its sender gets to read the answer.
async fn whole(mut body: Body, limits: &Limits) -> Result<Vec<u8>, Refused> {
    let max_bytes = limits.export_max_bytes;
    let (mut whole, mut length_bytes) = (Vec::new(), 0usize);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refused::new(StatusCode::REQUEST_TIMEOUT, "the body ended early"))?;
        let data = frame.into_data().unwrap_or_default();
        length_bytes = length_bytes.saturating_add(data.len());
        if length_bytes <= max_bytes {
            whole.extend_from_slice(&data);
        } else if length_bytes > max_bytes.saturating_add(limits.drained_max_bytes) {
            break;
        }
    }
    if length_bytes > max_bytes {
        let why = format!("a body of more than {max_bytes} bytes: export fewer spans at once");
        return Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, why));
    }
    Ok(whole)
}

fn shortened(reason: &str) -> &str {
    let end = reason.char_indices().nth(REASON_MAX_CHARS);
    end.and_then(|(end, _)| reason.get(..end)).unwrap_or(reason)
}

/// A header as text; none is the empty one.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    let value = headers.get(name).map(HeaderValue::to_str);
    value.and_then(Result::ok).unwrap_or_default()
}
