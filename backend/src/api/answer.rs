//! What an operation answers: a JSON object, or an error as AWS's clients read it.
//!
//! Errors carry their code in the header and in the body, since clients look in either place.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const INVALID_REQUEST: &str = "InvalidRequestException";

/// An error of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl ApiError {
    /// The caller asked for something that cannot be answered.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: INVALID_REQUEST,
            message: message.into(),
        }
    }

    /// An error with the code that AWS sends with this status.
    pub(crate) fn of_status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let code = match status.as_u16() {
            429 => "ThrottledException",
            403 => "AccessDeniedException",
            400..=499 => INVALID_REQUEST,
            503 => "ServiceUnavailable",
            _ => "InternalFailure",
        };
        Self {
            status,
            code,
            message: format!("status {} as asked for", status.as_u16()),
        }
    }
}

/// The HTTP answer of an operation.
pub(crate) fn respond(outcome: Result<Value, ApiError>) -> Response<Body> {
    let (status, code, body) = match outcome {
        Ok(body) => (StatusCode::OK, None, body),
        Err(error) => {
            let body = json!({"__type": error.code, "Message": error.message});
            (error.status, Some(HeaderValue::from_static(error.code)), body)
        }
    };
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.extend(code.map(|code| (ERROR_TYPE, code)));
    response
}
