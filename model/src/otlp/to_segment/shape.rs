//! Whether a span is a segment, a subsegment, or both.

use super::super::span::{Kind, Resource, Span};
use super::known::{calls_out, is_lambda, text};
use super::options::{LambdaHandler, Options};

/// What one document tells of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aspect {
    /// All of it, as a segment: the work of a service.
    Segment,
    /// All of it, as a subsegment: a piece of a service's work.
    Subsegment,
    /// All of it, as the first subsegment of what runs in Lambda.
    Handler,
    /// The call of another service, under the segment of the caller.
    Call,
    /// The service that made the call.
    Service,
}

impl Aspect {
    /// Whether the document is a segment.
    pub(super) const fn is_segment(self) -> bool {
        matches!(self, Self::Segment | Self::Service)
    }

    /// Whether the document tells what is known of the process.
    pub(super) const fn has_resource(self) -> bool {
        matches!(self, Self::Segment | Self::Service | Self::Handler)
    }
}

/// What names a function's invocation, in OpenTelemetry's conventions of today and of before.
const INVOCATION: [&str; 2] = ["faas.invocation_id", "faas.execution"];

/// The documents of a span.
pub(super) fn aspects(span: &Span<'_>, resource: &Resource<'_>, options: &Options) -> &'static [Aspect] {
    // What has an origin was a segment before, the function's own perhaps.
    let is_new = text(&span.attributes, "aws.xray.origin").is_none();
    let is_server = span.kind == Kind::Server && span.parent.is_some() && is_new;
    let is_handler = is_server && (is_lambda(resource) || is_invocation(span, resource));
    if is_handler && options.lambda_handler == LambdaHandler::Subsegment {
        return &[Aspect::Handler];
    }
    match is_local_root(span) {
        true if calls_out(span.kind) => &[Aspect::Call, Aspect::Service],
        false if span.parent.is_some() && span.kind != Kind::Server => &[Aspect::Subsegment],
        _ => &[Aspect::Segment],
    }
}

/// Whether the span names an invocation, and its resource no cloud that it would be of: AWS's layers name Lambda there, an
/// SDK that is set up by hand nothing.
fn is_invocation(span: &Span<'_>, resource: &Resource<'_>) -> bool {
    let is_said =
        |names: [&str; 2], attributes| names.into_iter().any(|name| text(attributes, name).is_some());
    is_said(INVOCATION, &span.attributes)
        && !is_said(["cloud.provider", "cloud.platform"], &resource.attributes)
}

/// Whether the span is the first of its service, as AWS's distributions mark it.
pub(super) fn is_local_root(span: &Span<'_>) -> bool {
    text(&span.attributes, "aws.span.kind") == Some("LOCAL_ROOT")
}
