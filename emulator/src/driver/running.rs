//! One invocation under way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::event::Response;
use crate::invocation::{Invoked, Request};
use crate::journal::now;
use crate::records::{Span, millis};
use crate::trace_identity::Identity;

#[derive(Debug)]
pub(super) struct Running {
    pub(super) request: Request,
    pub(super) request_id: Arc<str>,
    pub(super) arn: String,
    pub(super) identity: Identity,
    pub(super) reply: Option<oneshot::Sender<Invoked>>,
    /// When the request came, for the caller's duration.
    pub(super) arrived: Instant,
    /// When the function's time began to run.
    pub(super) started: Instant,
    pub(super) deadline: Instant,
    /// The same on the wall clock; runtime and extensions are told one number.
    pub(super) deadline_ms: i64,
    /// When the runtime got it.
    pub(super) released: Option<Instant>,
    pub(super) response: Option<Times>,
    /// When the runtime asked for the next one.
    pub(super) next_at: Option<Instant>,
    pub(super) is_runtime_done: bool,
    /// How long init took, if this request waited for it.
    pub(super) init: Option<Duration>,
    /// The log's state before it.
    pub(super) log_mark: u64,
    /// The answer, until the caller has it.
    pub(super) answer: Option<Answer>,
}

/// What is kept of a response once its payload is on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) first_byte_at: Instant,
    pub(super) complete_at: Instant,
    pub(super) produced_bytes: usize,
    pub(super) is_error: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) payload: Bytes,
    pub(super) is_error: bool,
    pub(super) error_type: Option<String>,
}

impl Running {
    /// Takes the runtime's response in.
    pub(super) fn respond(&mut self, response: Response) {
        self.response = Some(Times {
            first_byte_at: response.first_byte_at,
            complete_at: response.complete_at,
            produced_bytes: response.payload.len(),
            is_error: response.is_error,
        });
        self.answer = Some(Answer {
            payload: response.payload,
            is_error: response.is_error,
            error_type: response.error_type,
        });
    }

    /// Gives the caller what there is, with the log tail if it was wanted.
    pub(super) fn tell_caller(&mut self, log_tail: impl FnOnce(u64) -> Vec<u8>) {
        let (Some(answer), Some(reply)) = (self.answer.take(), self.reply.take()) else {
            return;
        };
        let tail = self
            .request
            .wants_log_tail
            .then(|| Bytes::from(log_tail(self.log_mark)));
        // The caller may have gone away.
        let _ = reply.send(Invoked {
            status: 200,
            function_error: answer.is_error.then_some("Unhandled"),
            payload: answer.payload,
            request_id: Arc::clone(&self.request_id),
            trace_header: self.identity.answer_header.clone(),
            log_tail: tail,
            duration: self.arrived.elapsed(),
        });
    }

    /// The spans of `platform.runtimeDone`, as far as they ended.
    pub(super) fn spans(&self) -> Vec<Span> {
        let (Some(released), Some(response)) = (self.released, self.response) else {
            return Vec::new();
        };
        let span = |name, from: Instant, to: Instant| Span {
            name,
            start: now().before(from.elapsed()),
            took: to.saturating_duration_since(from),
        };
        let mut spans = vec![
            span("responseLatency", released, response.first_byte_at),
            span("responseDuration", response.first_byte_at, response.complete_at),
        ];
        if let Some(next_at) = self.next_at {
            spans.push(span("runtimeOverhead", response.complete_at, next_at));
        }
        spans
    }

    /// `metrics` of `platform.runtimeDone`.
    pub(super) fn runtime_metrics(&self, ended: Instant) -> Value {
        let from = self.released.unwrap_or(self.started);
        let produced = self.response.map_or(0, |response| response.produced_bytes);
        json!({"durationMs": millis(ended.saturating_duration_since(from)), "producedBytes": produced})
    }
}
