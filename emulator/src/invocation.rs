//! One request to the function and what came of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

/// A request to the function.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The event, JSON.
    pub payload: Bytes,
    /// `X-Amzn-Trace-Id`.
    pub trace_header: Option<String>,
    /// `X-Amz-Client-Context`, decoded.
    pub client_context: Option<String>,
    /// The request id; a new one if there is none.
    pub request_id: Option<String>,
    /// Alias or version that the caller named.
    pub qualifier: Option<String>,
    /// Whether the caller wants the log tail; then the answer waits for the report.
    pub wants_log_tail: bool,
}

impl Request {
    /// A request with this event.
    pub fn json(payload: impl Into<Bytes>) -> Self {
        Self {
            payload: payload.into(),
            ..Self::default()
        }
    }

    /// Sets the caller's trace header.
    #[must_use]
    pub fn with_trace_header(mut self, header: impl Into<String>) -> Self {
        self.trace_header = Some(header.into());
        self
    }

    /// Sets the request id.
    #[must_use]
    pub fn with_request_id(mut self, request_id: impl Into<String>) -> Self {
        self.request_id = Some(request_id.into());
        self
    }

    /// Asks for the log tail.
    #[must_use]
    pub fn with_log_tail(mut self) -> Self {
        self.wants_log_tail = true;
        self
    }
}

/// What the caller gets.
#[derive(Debug, Clone)]
pub struct Invoked {
    /// HTTP status: 200 also for a function error; 429 and 503 if the request never reached the function.
    pub status: u16,
    /// `X-Amz-Function-Error`.
    pub function_error: Option<&'static str>,
    /// The function's answer, or the error's JSON.
    pub payload: Bytes,
    /// The request id.
    pub request_id: Arc<str>,
    /// `X-Amzn-Trace-Id`.
    pub trace_header: Option<String>,
    /// The last 4 KB of the log, if they were wanted.
    pub log_tail: Option<Bytes>,
    /// From the request's arrival to the answer.
    pub duration: Duration,
}

impl Invoked {
    /// The payload as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }
}

/// A request on its way to the driver.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) request: Request,
    pub(crate) request_id: Arc<str>,
    pub(crate) reply: oneshot::Sender<Invoked>,
}
