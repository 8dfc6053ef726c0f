//! The Extensions API (2020-01-01).

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Response};
use axum::routing::{get, post};
use serde_json::json;

use crate::api::{Api, acknowledge, gone, json as answer, put_header, refuse, text};
use crate::event::{ErrorPhase, Event, ExtensionTurn, Identifier, Registration};
use crate::limits::SMALL_BODY_MAX_BYTES;

const IDENTIFIER: &str = "lambda-extension-identifier";

pub(crate) fn router() -> Router<Api> {
    Router::new()
        .route("/2020-01-01/extension/register", post(register))
        .route("/2020-01-01/extension/event/next", get(next))
        .route("/2020-01-01/extension/init/error", post(init_error))
        .route("/2020-01-01/extension/exit/error", post(exit_error))
        .layer(DefaultBodyLimit::max(SMALL_BODY_MAX_BYTES))
}

/// The identifier of a call.
pub(crate) fn identifier(headers: &HeaderMap) -> Identifier {
    Identifier(text(headers, IDENTIFIER))
}

async fn register(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let request = Registration {
        name: text(&headers, "lambda-extension-name"),
        features: text(&headers, "lambda-extension-accept-feature"),
        body,
    };
    match api.ask(|reply| Event::Register { request, reply }).await {
        Some(Ok(registered)) => {
            let config = &api.config;
            let mut body = json!({
                "functionName": config.function_name,
                "functionVersion": config.version,
                "handler": config.handler,
            });
            if let (true, Some(body)) = (registered.wants_account_id, body.as_object_mut()) {
                body.insert("accountId".to_owned(), json!(config.account_id));
            }
            let mut response = answer(200, body.to_string());
            put_header(
                &mut response,
                "Lambda-Extension-Identifier",
                &registered.identifier,
            );
            response
        }
        Some(Err(refusal)) => refuse(&refusal),
        None => gone(),
    }
}

async fn next(State(api): State<Api>, headers: HeaderMap) -> Response<Body> {
    let identifier = identifier(&headers);
    match api.ask(|reply| Event::ExtensionNext { identifier, reply }).await {
        Some(ExtensionTurn::Event(event)) => {
            let mut response = answer(200, event);
            let id = uuid::Uuid::new_v4().to_string();
            put_header(&mut response, "Lambda-Extension-Event-Identifier", &id);
            response
        }
        Some(ExtensionTurn::Refused(refusal)) => refuse(&refusal),
        None => gone(),
    }
}

async fn init_error(State(api): State<Api>, headers: HeaderMap) -> Response<Body> {
    report(&api, &headers, ErrorPhase::Init).await
}

async fn exit_error(State(api): State<Api>, headers: HeaderMap) -> Response<Body> {
    report(&api, &headers, ErrorPhase::Exit).await
}

async fn report(api: &Api, headers: &HeaderMap, phase: ErrorPhase) -> Response<Body> {
    let identifier = identifier(headers);
    let error_type = text(headers, "lambda-extension-function-error-type");
    acknowledge(
        api.ask(|reply| Event::ExtensionError {
            identifier,
            phase,
            error_type,
            reply,
        })
        .await,
    )
}
