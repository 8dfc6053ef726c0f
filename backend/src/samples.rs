//! OTLP as the tests of several modules write it.

use model::ids::{SegmentId, TraceId};
use model::otlp::encode;
use model::otlp::request::{Group, Writer};
use model::otlp::span::{Attribute, Kind, Resource, Span};

/// The trace of every span here.
pub(crate) const TRACE: &str = "1-67881233-abcdef012345678812345678";
/// When they begin.
pub(crate) const START_UNIX_NANO: u64 = 1_736_970_803_120_000_000;

/// The id of a number.
pub(crate) fn id(number: u8) -> SegmentId {
    SegmentId::from_bytes([0, 0, 0, 0, 0, 0, 0, number])
}

/// A complete span of 40 ms.
pub(crate) fn span(number: u8, name: &'static str, parent: Option<u8>) -> Span<'static> {
    let mut span = Span::new(TRACE.parse::<TraceId>().unwrap(), id(number));
    span.name = name.into();
    span.parent = parent.map(id);
    span.kind = if parent.is_none() {
        Kind::Server
    } else {
        Kind::Internal
    };
    span.start_unix_nano = START_UNIX_NANO;
    span.end_unix_nano = START_UNIX_NANO + 40_000_000;
    span
}

/// A span's bytes.
pub(crate) fn bytes(span: &Span<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::span(span, &mut bytes);
    bytes
}

/// A request of spans whose resource has these attributes.
pub(crate) fn request(attributes: &[Attribute<'static>], spans: &[Span<'_>]) -> Vec<u8> {
    let mut resource = Vec::new();
    let attributes = attributes.to_vec();
    encode::resource(
        &Resource {
            attributes,
            ..Resource::default()
        },
        &mut resource,
    );
    request_of(&resource, spans.iter().map(bytes))
}

/// A request of what stands for spans, with what stands for a resource.
pub(crate) fn request_of(resource: &[u8], spans: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    request_with(resource, &[], spans)
}

/// The same with what stands for a scope.
pub(crate) fn request_with(
    resource: &[u8],
    scope: &[u8],
    spans: impl IntoIterator<Item = Vec<u8>>,
) -> Vec<u8> {
    let mut writer = Writer::default();
    let mut group = Group::default();
    group.resource = resource;
    group.scope = scope;
    writer.begin(&group);
    spans.into_iter().for_each(|span| writer.span(&span));
    writer.finish()
}

/// What Lambda's SDKs say of the function.
pub(crate) fn lambda() -> [Attribute<'static>; 3] {
    [
        Attribute::new("service.name", "orders"),
        Attribute::new("cloud.platform", "aws_lambda"),
        Attribute::new("faas.name", "orders"),
    ]
}
