//! The Telemetry API's subscription call (2022-07-01), and the refusal of the Logs API that came before it.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::put;
use serde_json::json;

use crate::api::{Api, gone, json as answer, refuse};
use crate::event::Event;
use crate::extensions_api::identifier;
use crate::limits::SMALL_BODY_MAX_BYTES;

pub(crate) fn router() -> Router<Api> {
    Router::new()
        .route("/2022-07-01/telemetry", put(subscribe))
        .route("/2020-08-15/logs", put(logs))
        .layer(DefaultBodyLimit::max(SMALL_BODY_MAX_BYTES))
}

async fn subscribe(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let identifier = identifier(&headers);
    match api
        .ask(|reply| Event::Subscribe {
            identifier,
            body,
            reply,
        })
        .await
    {
        Some(Ok(())) => answer(200, r#""OK""#),
        // A sandbox without the API answers as any server does to an unknown path.
        Some(Err(refusal)) if refusal.status == 404 => {
            let mut response = Response::new(Body::from(refusal.message));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
        Some(Err(refusal)) => refuse(&refusal),
        None => gone(),
    }
}

async fn logs() -> Response<Body> {
    let body = json!({"errorType": "Logs.NotSupported", "errorMessage": "Logs API is not supported"});
    answer(202, body.to_string())
}
