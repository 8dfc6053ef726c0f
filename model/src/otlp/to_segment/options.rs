//! What an operator can choose of the documents.

use crate::ids::TraceId;
use crate::time::Timestamp;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Attributes that become annotations, beside those that a span names itself; the resource's by their name behind
    /// `otel.resource.`.
    pub indexed: Vec<String>,
    /// Every attribute that can be an annotation is one.
    pub index_all: bool,
    /// Dots stay in the keys of annotations; else they become `_`, as older ones of X-Ray's consoles wanted.
    pub allow_dot: bool,
    /// Spans whose trace began at a time that X-Ray refuses are told; unless it is given, ids that hold no time are
    /// as good as any, as X-Ray itself takes them today.
    pub recent_as_of: Option<Timestamp>,
    /// What the span of a Lambda function's handler is.
    pub lambda_handler: LambdaHandler,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            indexed: Vec::new(),
            index_all: false,
            allow_dot: true,
            recent_as_of: None,
            lambda_handler: LambdaHandler::Subsegment,
        }
    }
}

/// What a span of kind SERVER is that has a parent and runs in Lambda.
///
/// Lambda tells of the function's invocation by a segment of its own, and the parent is that segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LambdaHandler {
    /// A subsegment of the function's segment, by the span's name: the tree that X-Ray's SDKs make.
    #[default]
    Subsegment,
    /// A segment under it, by the service's name, as the OpenTelemetry Collector has it: the function then stands
    /// twice in the service map.
    Segment,
}

/// A trace that began too long ago, or in the future.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a trace id whose time X-Ray does not take")]
pub struct TraceTime;

impl Options {
    /// Whether X-Ray takes a trace of this time.
    pub(super) fn check(&self, trace: TraceId) -> Result<(), TraceTime> {
        const AGE_MAX_SECONDS: i64 = 28 * 24 * 3600;
        const AHEAD_MAX_SECONDS: i64 = 5 * 60;
        let Some(now) = self.recent_as_of else {
            return Ok(());
        };
        let age = now.as_millis() / 1000 - i64::from(trace.epoch_seconds());
        let is_recent = (-AHEAD_MAX_SECONDS..=AGE_MAX_SECONDS).contains(&age);
        is_recent.then_some(()).ok_or(TraceTime)
    }
}
