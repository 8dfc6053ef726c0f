//! The server that runtime and extensions talk to, and what its four faces share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::config::Config;
use crate::event::{Event, Refusal, Stamped};
use crate::{extensions_api, runtime_api, telemetry_api};

/// What every request needs.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) config: Arc<Config>,
    pub(crate) events: mpsc::Sender<Stamped>,
    /// The processes that may call now; raised by the driver with each reset.
    pub(crate) generation: Arc<AtomicU64>,
    pub(crate) credentials_token: Arc<str>,
}

impl Api {
    /// Sends an event and waits for its answer. `None` if the environment is over.
    pub(crate) async fn ask<T>(&self, event: impl FnOnce(oneshot::Sender<T>) -> Event) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let generation = self.generation.load(Ordering::SeqCst);
        let stamped = Stamped {
            at: Instant::now(),
            generation,
            event: event(reply),
        };
        self.events.send(stamped).await.ok()?;
        answer.await.ok()
    }
}

/// Serves the Runtime, Extensions and Telemetry APIs until it is aborted.
pub(crate) async fn serve(listener: TcpListener, api: Api) {
    let prefix = api.config.path_prefix.clone();
    let router = Router::new()
        .merge(runtime_api::router())
        .merge(extensions_api::router())
        .merge(telemetry_api::router())
        .with_state(api);
    let router = if prefix.is_empty() {
        router
    } else {
        Router::new().nest(&prefix, router)
    };
    serve_router(listener, router).await;
}

/// Serves a router until it is aborted, without Nagle's delay.
pub(crate) async fn serve_router(listener: TcpListener, router: Router) {
    let listener = listener.tap_io(|stream| {
        // Fails only on a connection that is gone already.
        let _ = stream.set_nodelay(true);
    });
    // Ends only with the task.
    let _ = axum::serve(listener, router).await;
}

/// A header as text.
pub(crate) fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// A JSON answer.
pub(crate) fn json(status: u16, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Adds a header, unless the value cannot be one.
pub(crate) fn put_header(response: &mut Response<Body>, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// The answer to a call that is not allowed.
pub(crate) fn refuse(refusal: &Refusal) -> Response<Body> {
    let body = serde_json::json!({"errorType": refusal.error_type, "errorMessage": refusal.message});
    json(refusal.status, body.to_string())
}

/// The answer when there is nobody left to answer.
pub(crate) fn gone() -> Response<Body> {
    refuse(&Refusal {
        status: 500,
        error_type: "Sandbox.Failure",
        message: "the environment is over".to_owned(),
    })
}

/// The answer to a call without a result.
pub(crate) fn acknowledge(outcome: Option<Result<(), Refusal>>) -> Response<Body> {
    match outcome {
        Some(Ok(())) => json(202, r#"{"status":"OK"}"#),
        Some(Err(refusal)) => refuse(&refusal),
        None => gone(),
    }
}
