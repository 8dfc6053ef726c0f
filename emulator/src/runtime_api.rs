//! The Runtime API (2018-06-01) and SnapStart's credentials endpoint.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, Response};
use axum::routing::{get, post};
use http_body_util::BodyExt;
use model::time::Timestamp;
use serde_json::{Value, json};

use crate::api::{Api, acknowledge, gone, json as answer, put_header, refuse, text};
use crate::event::{self, ErrorReport, Event, InvocationTurn, Refusal, RuntimeTurn};
use crate::journal::now;
use crate::limits::{PAYLOAD_MAX_BYTES, RESPONSE_SLACK_BYTES, STREAMED_MAX_BYTES};

/// How long credentials from the endpoint are good.
const CREDENTIALS_LIFETIME: Duration = Duration::from_secs(6 * 3600);
const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
const ERROR_BODY: &str = "lambda-runtime-function-error-body";
const RESPONSE_MODE: &str = "lambda-runtime-function-response-mode";

pub(crate) fn router() -> Router<Api> {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .route("/2018-06-01/runtime/restore/next", get(restore_next))
        .route("/2018-06-01/runtime/restore/error", post(restore_error))
        .route("/2021-04-23/credentials", get(credentials))
        .layer(DefaultBodyLimit::max(PAYLOAD_MAX_BYTES))
}

async fn next(State(api): State<Api>) -> Response<Body> {
    turn(api.ask(|reply| Event::RuntimeNext { reply }).await)
}

async fn restore_next(State(api): State<Api>) -> Response<Body> {
    turn(api.ask(|reply| Event::RestoreNext { reply }).await)
}

fn turn(turn: Option<RuntimeTurn>) -> Response<Body> {
    match turn {
        Some(RuntimeTurn::Invocation(invocation)) => hand_out(*invocation),
        Some(RuntimeTurn::Restored) => answer(200, ""),
        Some(RuntimeTurn::Refused(refusal)) => refuse(&refusal),
        None => gone(),
    }
}

fn hand_out(invocation: InvocationTurn) -> Response<Body> {
    let mut response = answer(200, invocation.payload);
    put_header(
        &mut response,
        "Lambda-Runtime-Aws-Request-Id",
        &invocation.request_id,
    );
    put_header(
        &mut response,
        "Lambda-Runtime-Deadline-Ms",
        &invocation.deadline_ms.to_string(),
    );
    put_header(
        &mut response,
        "Lambda-Runtime-Invoked-Function-Arn",
        &invocation.arn,
    );
    if let Some(trace_header) = &invocation.trace_header {
        put_header(&mut response, "Lambda-Runtime-Trace-Id", trace_header);
    }
    if let Some(context) = &invocation.client_context {
        put_header(&mut response, "Lambda-Runtime-Client-Context", context);
        let identity = json!({"cognitoIdentityId": "", "cognitoIdentityPoolId": ""});
        put_header(
            &mut response,
            "Lambda-Runtime-Cognito-Identity",
            &identity.to_string(),
        );
    }
    response
}

async fn response(
    State(api): State<Api>,
    Path(request_id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    let is_streamed =
        text(&headers, RESPONSE_MODE).is_some_and(|mode| mode.eq_ignore_ascii_case("streaming"));
    let limit = if is_streamed {
        STREAMED_MAX_BYTES
    } else {
        PAYLOAD_MAX_BYTES + RESPONSE_SLACK_BYTES
    };
    let Some(mut collected) = collect(body, limit).await else {
        // The runtime went away in the middle; its exit tells the rest.
        return gone();
    };
    let is_too_large = collected.is_too_large;
    if is_too_large {
        let message = format!("Response payload size exceeded maximum allowed payload size ({limit} bytes).");
        collected.error = Some((Some("Function.ResponseSizeTooLarge".to_owned()), None));
        let error = json!({"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message});
        collected.payload = Bytes::from(error.to_string());
    }
    let response = collected.into_response();
    let outcome = api
        .ask(|reply| Event::Response {
            request_id,
            response,
            reply,
        })
        .await;
    match outcome {
        Some(Ok(())) if is_too_large => refuse(&Refusal {
            status: 413,
            error_type: "RequestEntityTooLarge",
            message: "exceeded maximum allowed payload size".to_owned(),
        }),
        outcome => acknowledge(outcome),
    }
}

/// A response body as it came.
struct Collected {
    first_byte_at: Instant,
    payload: Bytes,
    is_too_large: bool,
    /// Error type and body from the trailers of a streamed response.
    error: Option<(Option<String>, Option<Bytes>)>,
}

impl Collected {
    fn into_response(self) -> event::Response {
        let is_error = self.error.is_some();
        let (error_type, error_body) = self.error.unwrap_or_default();
        event::Response {
            first_byte_at: self.first_byte_at,
            complete_at: Instant::now(),
            payload: error_body.unwrap_or(self.payload),
            error_type,
            is_error,
        }
    }
}

async fn collect(mut body: Body, limit: usize) -> Option<Collected> {
    let mut payload = Vec::new();
    let mut first_byte_at = None;
    let (mut error, mut is_too_large) = (None, false);
    while let Some(frame) = body.frame().await {
        let frame = frame.ok()?;
        first_byte_at.get_or_insert_with(Instant::now);
        if let Some(trailers) = frame.trailers_ref()
            && let Some(error_type) = text(trailers, ERROR_TYPE)
        {
            error = Some((
                Some(error_type),
                text(trailers, ERROR_BODY).map(|body| decode_error_body(&body)),
            ));
        }
        if let Ok(data) = frame.into_data() {
            is_too_large |= payload.len() + data.len() > limit;
            if !is_too_large {
                payload.extend_from_slice(&data);
            }
        }
    }
    let first_byte_at = first_byte_at.unwrap_or_else(Instant::now);
    Some(Collected {
        first_byte_at,
        payload: payload.into(),
        is_too_large,
        error,
    })
}

/// The trailer carries the error's JSON in base64.
fn decode_error_body(body: &str) -> Bytes {
    use base64::Engine as _;
    let decoded = base64::engine::general_purpose::STANDARD.decode(body);
    decoded.map_or_else(|_| Bytes::copy_from_slice(body.as_bytes()), Bytes::from)
}

async fn error(
    State(api): State<Api>,
    Path(request_id): Path<String>,
    headers: HeaderMap,
    payload: Bytes,
) -> Response<Body> {
    let now = Instant::now();
    let ErrorReport { error_type, payload } = report(&headers, payload);
    let response = event::Response {
        first_byte_at: now,
        complete_at: now,
        payload,
        error_type,
        is_error: true,
    };
    acknowledge(
        api.ask(|reply| Event::Response {
            request_id,
            response,
            reply,
        })
        .await,
    )
}

async fn init_error(State(api): State<Api>, headers: HeaderMap, payload: Bytes) -> Response<Body> {
    let error = report(&headers, payload);
    acknowledge(api.ask(|reply| Event::InitError { error, reply }).await)
}

async fn restore_error(State(api): State<Api>, headers: HeaderMap, payload: Bytes) -> Response<Body> {
    let error = report(&headers, payload);
    acknowledge(api.ask(|reply| Event::RestoreError { error, reply }).await)
}

fn report(headers: &HeaderMap, payload: Bytes) -> ErrorReport {
    let in_body = || {
        let body: Value = serde_json::from_slice(&payload).ok()?;
        body.get("errorType")?.as_str().map(str::to_owned)
    };
    let error_type = text(headers, ERROR_TYPE)
        .filter(|error_type| !error_type.is_empty())
        .or_else(in_body);
    ErrorReport { error_type, payload }
}

async fn credentials(State(api): State<Api>, headers: HeaderMap) -> Response<Body> {
    if text(&headers, "authorization").as_deref() != Some(&*api.credentials_token) {
        return answer(404, "");
    }
    let credentials = &api.config.credentials;
    let expiration: Timestamp = now().after(CREDENTIALS_LIFETIME);
    let body = json!({
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "Token": credentials.session_token,
        "Expiration": expiration.to_iso8601(),
    });
    answer(200, body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_over_the_limit_is_read_to_its_end_but_not_kept() {
        let collected = collect(Body::from("12345"), 4).await.unwrap();
        assert!(collected.is_too_large);
        assert!(collected.payload.is_empty());
        let collected = collect(Body::from("1234"), 4).await.unwrap();
        assert_eq!(
            (collected.is_too_large, &*collected.payload),
            (false, &b"1234"[..])
        );
    }

    #[test]
    fn the_error_type_comes_from_the_header_or_else_from_the_body() {
        let body = Bytes::from(r#"{"errorType":"ValueError"}"#);
        let mut headers = HeaderMap::new();
        assert_eq!(
            report(&headers, body.clone()).error_type.as_deref(),
            Some("ValueError")
        );
        headers.insert(ERROR_TYPE, "Runtime.X".parse().unwrap());
        assert_eq!(report(&headers, body).error_type.as_deref(), Some("Runtime.X"));
        assert_eq!(report(&HeaderMap::new(), Bytes::from("x")).error_type, None);
    }
}
