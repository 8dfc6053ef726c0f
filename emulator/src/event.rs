//! Everything that can happen to an environment, as one closed list.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::driver::{Part, Reason, Shutdown};
use crate::process::Exit;

/// An event, when it happened, and the generation of processes it belongs to.
#[derive(Debug)]
pub(crate) struct Stamped {
    pub(crate) at: Instant,
    pub(crate) generation: u64,
    pub(crate) event: Event,
}

#[derive(Debug)]
pub(crate) enum Event {
    /// The runtime asks for an invocation.
    RuntimeNext { reply: oneshot::Sender<RuntimeTurn> },
    /// The runtime is ready for a snapshot.
    RestoreNext { reply: oneshot::Sender<RuntimeTurn> },
    /// A restore hook failed.
    RestoreError {
        error: ErrorReport,
        reply: oneshot::Sender<Result<(), Refusal>>,
    },
    /// The runtime could not initialise the function.
    InitError {
        error: ErrorReport,
        reply: oneshot::Sender<Result<(), Refusal>>,
    },
    /// The runtime answered a request.
    Response {
        request_id: String,
        response: Response,
        reply: oneshot::Sender<Result<(), Refusal>>,
    },
    /// An extension registers.
    Register {
        request: Registration,
        reply: oneshot::Sender<Result<Registered, Refusal>>,
    },
    /// An extension asks for its next event.
    ExtensionNext {
        identifier: Identifier,
        reply: oneshot::Sender<ExtensionTurn>,
    },
    /// An extension reports an error.
    ExtensionError {
        identifier: Identifier,
        phase: ErrorPhase,
        error_type: Option<String>,
        reply: oneshot::Sender<Result<(), Refusal>>,
    },
    /// An extension asks for telemetry.
    Subscribe {
        identifier: Identifier,
        body: Bytes,
        reply: oneshot::Sender<Result<(), Refusal>>,
    },
    /// A process ended.
    Exited { name: Arc<str>, exit: Exit },
    /// The environment's owner brings processes to a standstill.
    Suspend { part: Part, reply: oneshot::Sender<()> },
    /// The environment's owner ends the standstill.
    Resume { reply: oneshot::Sender<()> },
    /// The environment's owner ends it.
    Stop {
        reason: Reason,
        reply: oneshot::Sender<Shutdown>,
    },
}

/// `Lambda-Extension-Identifier` as it came.
#[derive(Debug, Clone)]
pub(crate) struct Identifier(pub(crate) Option<String>);

/// When an extension reports an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorPhase {
    Init,
    Exit,
}

/// What a runtime said of an error.
#[derive(Debug, Clone)]
pub(crate) struct ErrorReport {
    pub(crate) error_type: Option<String>,
    pub(crate) payload: Bytes,
}

/// What a runtime answered.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) first_byte_at: Instant,
    pub(crate) complete_at: Instant,
    pub(crate) payload: Bytes,
    /// The error type, if the answer is an error.
    pub(crate) error_type: Option<String>,
    pub(crate) is_error: bool,
}

/// A registration as it came.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) name: Option<String>,
    pub(crate) features: Option<String>,
    pub(crate) body: Bytes,
}

/// What a registered extension is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registered {
    pub(crate) identifier: String,
    pub(crate) wants_account_id: bool,
}

/// Answer to the runtime's long poll.
#[derive(Debug)]
pub(crate) enum RuntimeTurn {
    Invocation(Box<InvocationTurn>),
    Restored,
    Refused(Refusal),
}

/// An invocation as the runtime gets it.
#[derive(Debug)]
pub(crate) struct InvocationTurn {
    pub(crate) request_id: Arc<str>,
    pub(crate) deadline_ms: i64,
    pub(crate) arn: String,
    pub(crate) trace_header: Option<String>,
    pub(crate) client_context: Option<String>,
    pub(crate) payload: Bytes,
}

/// Answer to an extension's long poll.
#[derive(Debug)]
pub(crate) enum ExtensionTurn {
    /// The event's JSON.
    Event(String),
    Refused(Refusal),
}

/// A call that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) error_type: &'static str,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn forbidden(error_type: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: 403,
            error_type,
            message: message.into(),
        }
    }

    pub(crate) fn invalid(error_type: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            error_type,
            message: message.into(),
        }
    }
}
