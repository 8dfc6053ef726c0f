//! Records of the Telemetry API, as far as we act on them.

use std::time::Duration;

use crate::ids::{RequestId, SegmentId};
use crate::time::Timestamp;
use crate::trace_header::TraceHeader;

/// One record: when the platform generated it, and what it says.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Generation time, not delivery.
    pub time: Timestamp,
    /// What happened.
    pub event: Event,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// `platform.initStart`
    InitStart(Init),
    /// `platform.initRuntimeDone`
    InitRuntimeDone(Init),
    /// `platform.initReport`
    InitReport(Init),
    /// `platform.start`
    Start(Start),
    /// `platform.runtimeDone`
    RuntimeDone(RuntimeDone),
    /// `platform.report`
    Report(Report),
    /// `platform.restoreStart`
    RestoreStart,
    /// `platform.restoreRuntimeDone`
    RestoreRuntimeDone(Measure),
    /// `platform.restoreReport`
    RestoreReport(Measure),
    /// `platform.logsDropped`
    LogsDropped {
        /// Records that Lambda gave up.
        records: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// `platform.fault`: a line of the log that tells of one request's end. Older sandboxes send it.
    Fault {
        /// The invocation.
        request_id: RequestId,
        /// Such as `Runtime exited with error: signal: killed`.
        text: Box<str>,
    },
    /// A kind we know and do not act on: `platform.extension`, `function`, `platform.end`, …
    Ignored,
    /// A kind we have not met.
    Unknown(Box<str>),
}

/// How the sandbox came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitKind {
    /// `on-demand`
    OnDemand,
    /// `provisioned-concurrency`
    ProvisionedConcurrency,
    /// `snap-start`
    SnapStart,
    /// `lambda-managed-instances`
    ManagedInstances,
    /// A kind we have not met, or none given.
    Unknown,
}

impl InitKind {
    /// Lambda's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OnDemand => "on-demand",
            Self::ProvisionedConcurrency => "provisioned-concurrency",
            Self::SnapStart => "snap-start",
            Self::ManagedInstances => "lambda-managed-instances",
            Self::Unknown => "unknown",
        }
    }

    /// Reads Lambda's spelling, as in `AWS_LAMBDA_INITIALIZATION_TYPE`.
    pub fn parse(text: &str) -> Self {
        let known = [
            Self::OnDemand,
            Self::ProvisionedConcurrency,
            Self::SnapStart,
            Self::ManagedInstances,
        ];
        known
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .unwrap_or(Self::Unknown)
    }
}

/// When an init ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before the first invocation.
    Init,
    /// Retried inside an invocation.
    Invoke,
    /// At publish time, for a snapshot.
    SnapStart,
    /// Not given, or one we have not met.
    Unknown,
}

/// Outcome of an init, a restore or an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Also when the handler raised and its runtime reported the error.
    Success,
    /// The sandbox failed.
    Failure,
    /// The runtime exited, or (managed instances) the handler raised.
    Error,
    /// The function's time ran out.
    Timeout,
    /// Not given, or one we have not met.
    Unknown,
}

/// Status, error type and duration, where given.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// Outcome.
    pub status: Status,
    /// Such as `Runtime.ExitError`.
    pub error_type: Option<Box<str>>,
    /// `metrics.durationMs`.
    pub duration: Option<Duration>,
}

/// `platform.init*`
#[derive(Debug, Clone, PartialEq)]
pub struct Init {
    /// How the sandbox came to be.
    pub kind: InitKind,
    /// When the init ran.
    pub phase: Phase,
    /// Such as `python:3.13.v40`; initStart only, not for OS-only runtimes.
    pub runtime_version: Option<Box<str>>,
    /// initRuntimeDone and initReport.
    pub measure: Measure,
}

/// `tracing` of a record: only when the request is traced and sampled.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracing {
    /// On `platform.start` of an Active function: the function's segment.
    pub span_id: Option<SegmentId>,
    /// The header in `value`. Its Parent differs by sandbox (`docs/decisions`).
    pub header: TraceHeader,
}

/// `platform.start`
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// The invocation.
    pub request_id: RequestId,
    /// `functionArn`, in newer sandboxes.
    pub function_arn: Option<Box<str>>,
    /// Trace identity.
    pub tracing: Option<Tracing>,
}

/// `platform.runtimeDone`; never on managed instances.
#[derive(Debug, Clone, PartialEq)]
pub struct RuntimeDone {
    /// The invocation.
    pub request_id: RequestId,
    /// Status, error type, duration.
    pub measure: Measure,
    /// Size of the response.
    pub produced_bytes: Option<u64>,
    /// What the platform measured.
    pub spans: Vec<Span>,
    /// Trace identity.
    pub tracing: Option<Tracing>,
}

/// `platform.report`: late (at the next thaw) on classic sandboxes, the only closing record on managed instances.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The invocation.
    pub request_id: RequestId,
    /// Status, error type, duration.
    pub measure: Measure,
    /// What is billed.
    pub billed_duration: Option<Duration>,
    /// The function's memory.
    pub memory_size_mb: Option<u64>,
    /// Its peak.
    pub max_memory_used_mb: Option<u64>,
    /// Cold starts only.
    pub init_duration: Option<Duration>,
    /// What the platform measured.
    pub spans: Vec<Span>,
    /// Trace identity.
    pub tracing: Option<Tracing>,
}

/// One interval the platform measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Which.
    pub name: SpanName,
    /// When it began.
    pub start: Timestamp,
    /// How long it lasted.
    pub duration: Duration,
}

impl Span {
    /// When it ended.
    pub fn end(&self) -> Timestamp {
        self.start.after(self.duration)
    }
}

/// The intervals we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanName {
    /// Invocation handed to the runtime until the response's first byte.
    ResponseLatency,
    /// The response's first byte until its last.
    ResponseDuration,
    /// Response complete until the runtime asks for the next invocation.
    RuntimeOverhead,
    /// The runtime's next until the last extension's next.
    ExtensionOverhead,
}
