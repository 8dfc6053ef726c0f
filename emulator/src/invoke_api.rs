//! The Invoke API as the AWS CLI and the SDKs call it, and a plain `POST /` for everybody else.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, Response};
use axum::routing::post;
use base64::Engine as _;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::api::{json as answer, put_header, text};
use crate::environment::Front;
use crate::invocation::{Invoked, Request};
use crate::limits::PAYLOAD_MAX_BYTES;

/// Above the payload's limit, so that we can say what is wrong; beyond it the connection is cut.
const BODY_MAX_BYTES: usize = 2 * PAYLOAD_MAX_BYTES;

pub(crate) fn router(front: Front) -> Router {
    Router::new()
        .route("/2015-03-31/functions/{name}/invocations", post(invoke))
        .route("/", post(invoke_plainly))
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .with_state(front)
}

#[derive(Debug, Deserialize)]
struct Qualified {
    #[serde(rename = "Qualifier")]
    qualifier: Option<String>,
}

async fn invoke(
    State(front): State<Front>,
    Path(name): Path<String>,
    Query(query): Query<Qualified>,
    (headers, body): (HeaderMap, Bytes),
) -> Response<Body> {
    let (name, in_name) = split_name(&name);
    if name != front.config.function_name {
        let arn = front.config.function_arn();
        let arn = arn.strip_suffix(&front.config.function_name).unwrap_or_default();
        let message = format!("Function not found: {arn}{name}");
        return error(404, "ResourceNotFoundException", &message);
    }
    run(&front, query.qualifier.or(in_name), &headers, body).await
}

async fn invoke_plainly(State(front): State<Front>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    run(&front, None, &headers, body).await
}

/// A name, a partial or a full ARN, each with or without a qualifier.
fn split_name(text: &str) -> (&str, Option<String>) {
    let rest = text.split_once(":function:").map_or(text, |(_, rest)| rest);
    let rest = rest.strip_prefix("function:").unwrap_or(rest);
    match rest.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier.to_owned())),
        None => (rest, None),
    }
}

async fn run(front: &Front, qualifier: Option<String>, headers: &HeaderMap, body: Bytes) -> Response<Body> {
    if body.len() > PAYLOAD_MAX_BYTES {
        let message = format!(
            "Request must be smaller than {PAYLOAD_MAX_BYTES} bytes for the InvokeFunction operation"
        );
        return error(413, "RequestTooLargeException", &message);
    }
    let payload = if body.is_empty() {
        Bytes::from_static(b"{}")
    } else {
        body
    };
    if let Err(wrong) = serde_json::from_slice::<IgnoredAny>(&payload) {
        let message = format!("Could not parse request body into json: {wrong}");
        return error(400, "InvalidRequestContentException", &message);
    }
    let request = Request {
        payload,
        trace_header: text(headers, "x-amzn-trace-id"),
        client_context: text(headers, "x-amz-client-context").and_then(|context| decode(&context)),
        request_id: None,
        qualifier: qualifier.filter(|qualifier| qualifier != "$LATEST"),
        wants_log_tail: text(headers, "x-amz-log-type").is_some_and(|kind| kind == "Tail"),
    };
    match text(headers, "x-amz-invocation-type").as_deref() {
        None | Some("RequestResponse") => respond(front, &front.invoke(request).await),
        Some("Event") => accept(front, request),
        Some("DryRun") => {
            let mut response = answer(204, "");
            put_header(
                &mut response,
                "x-amzn-RequestId",
                &crate::environment::new_request_id(),
            );
            response
        }
        Some(other) => {
            let message = format!("unknown X-Amz-Invocation-Type {other:?}");
            error(400, "InvalidParameterValueException", &message)
        }
    }
}

/// Answers at once; the invocation goes on by itself.
fn accept(front: &Front, request: Request) -> Response<Body> {
    let request_id = crate::environment::new_request_id();
    let request = request.with_request_id(&*request_id);
    let later = front.clone();
    tokio::spawn(async move { later.invoke(request).await });
    let mut response = answer(202, "");
    put_header(&mut response, "x-amzn-RequestId", &request_id);
    response
}

fn respond(front: &Front, invoked: &Invoked) -> Response<Body> {
    let mut response = match invoked.status {
        200 => answer(200, invoked.payload.clone()),
        429 => error(
            429,
            "TooManyRequestsException",
            "too many requests wait for the environment",
        ),
        status => error(status, "ServiceException", "the environment is over"),
    };
    put_header(&mut response, "x-amzn-RequestId", &invoked.request_id);
    put_header(&mut response, "X-Amz-Executed-Version", &front.config.version);
    if let Some(function_error) = invoked.function_error {
        put_header(&mut response, "X-Amz-Function-Error", function_error);
    }
    if let Some(trace_header) = &invoked.trace_header {
        put_header(&mut response, "X-Amzn-Trace-Id", trace_header);
    }
    if let Some(tail) = &invoked.log_tail {
        let tail = base64::engine::general_purpose::STANDARD.encode(tail);
        put_header(&mut response, "X-Amz-Log-Result", &tail);
    }
    response
}

fn error(status: u16, error_type: &'static str, message: &str) -> Response<Body> {
    let owner = if status < 500 { "User" } else { "Service" };
    let mut response = answer(status, json!({"Type": owner, "Message": message}).to_string());
    put_header(&mut response, "x-amzn-ErrorType", error_type);
    let request_id: Arc<str> = crate::environment::new_request_id();
    put_header(&mut response, "x-amzn-RequestId", &request_id);
    response
}

fn decode(context: &str) -> Option<String> {
    let decoded = base64::engine::general_purpose::STANDARD.decode(context).ok()?;
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_arbitrary_function_name_never_panics(text in ".{0,80}") {
            let (name, _) = split_name(&text);
            prop_assert!(text.contains(name));
        }
    }

    #[test]
    fn a_function_is_named_in_every_way_that_lambda_takes() {
        for (text, name, qualifier) in [
            ("selfies", "selfies", None),
            ("selfies:live", "selfies", Some("live")),
            (
                "arn:aws:lambda:eu-west-1:111122223333:function:selfies",
                "selfies",
                None,
            ),
            (
                "arn:aws:lambda:eu-west-1:111122223333:function:selfies:7",
                "selfies",
                Some("7"),
            ),
            ("111122223333:function:selfies", "selfies", None),
            ("function:selfies", "selfies", None),
        ] {
            assert_eq!(split_name(text), (name, qualifier.map(str::to_owned)), "{text}");
        }
    }
}
