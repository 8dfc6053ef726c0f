//! The codec against the types that are generated from OTLP's own definition.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

use super::scan::{self, Refusal};
use super::{decode, encode, generated, json, request};

fn oracle_span() -> impl Strategy<Value = Span> {
    generated::span().prop_map(|span| {
        let mut bytes = Vec::new();
        encode::span(&span, &mut bytes);
        Span::decode(bytes.as_slice()).unwrap()
    })
}

fn oracle_request() -> impl Strategy<Value = ExportTraceServiceRequest> {
    let resource = generated::resource().prop_map(|resource| {
        let mut bytes = Vec::new();
        encode::resource(&resource, &mut bytes);
        Resource::decode(bytes.as_slice()).unwrap()
    });
    let scope = generated::scope().prop_map(|scope| {
        let mut bytes = Vec::new();
        encode::scope(&scope, &mut bytes);
        InstrumentationScope::decode(bytes.as_slice()).unwrap()
    });
    let scope_spans = (
        vec(oracle_span(), 1..3),
        proptest::option::of(scope),
        "[a-z]{0,3}",
    )
        .prop_map(|(spans, scope, schema_url)| ScopeSpans {
            scope,
            spans,
            schema_url,
        });
    let resource_spans = (
        vec(scope_spans, 1..3),
        proptest::option::of(resource),
        "[a-z]{0,3}",
    )
        .prop_map(|(scope_spans, resource, schema_url)| ResourceSpans {
            resource,
            scope_spans,
            schema_url,
        });
    vec(resource_spans, 0..3).prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
}

proptest! {
    #[test]
    fn the_oracle_encodes_every_span_as_we_do(span in generated::span()) {
        let mut ours = Vec::new();
        encode::span(&span, &mut ours);
        let oracle = Span::decode(ours.as_slice()).unwrap();
        prop_assert_eq!(oracle.encode_to_vec(), ours);
    }

    #[test]
    fn a_span_survives_its_bytes(span in generated::span()) {
        let mut bytes = Vec::new();
        encode::span(&span, &mut bytes);
        prop_assert_eq!(decode::span(&bytes), Ok(span));
    }

    #[test]
    fn a_resource_and_a_scope_survive_their_bytes(
        resource in generated::resource(), scope in generated::scope(),
    ) {
        let (mut resource_bytes, mut scope_bytes) = (Vec::new(), Vec::new());
        encode::resource(&resource, &mut resource_bytes);
        encode::scope(&scope, &mut scope_bytes);
        let oracles = (
            Resource::decode(resource_bytes.as_slice()).unwrap().encode_to_vec(),
            InstrumentationScope::decode(scope_bytes.as_slice()).unwrap().encode_to_vec(),
        );
        prop_assert_eq!(&oracles, &(resource_bytes, scope_bytes));
        prop_assert_eq!(decode::resource(&oracles.0), Ok(resource));
        prop_assert_eq!(decode::scope(&oracles.1), Ok(scope));
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = (decode::span(&bytes), decode::resource(&bytes), decode::scope(&bytes));
    }

    #[test]
    fn a_decoder_takes_what_the_oracle_takes_however_a_span_is_damaged(
        span in generated::span(), place in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = Vec::new();
        encode::span(&span, &mut bytes);
        *place.get_mut(&mut bytes) = byte;
        if Span::decode(bytes.as_slice()).is_ok() {
            prop_assert!(decode::span(&bytes).is_ok());
        }
    }

    #[test]
    fn a_scan_takes_exactly_the_spans_that_the_oracle_can_read(
        span in generated::span(), places in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let mut bytes = Vec::new();
        encode::span(&span, &mut bytes);
        for (place, byte) in &places {
            *place.get_mut(&mut bytes) = *byte;
        }
        let readable = !matches!(scan::scan(&bytes), Err(Refusal::Damaged | Refusal::NotUtf8));
        prop_assert_eq!(readable, Span::decode(bytes.as_slice()).is_ok());
        if places.is_empty() {
            let head = scan::scan(&bytes).unwrap();
            let seen = (head.trace_id, head.span_id, head.parent.map(|parent| parent.id), head.kind, head.flags);
            prop_assert_eq!(seen, (span.trace_id, span.span_id, span.parent, span.kind, span.flags));
            prop_assert_eq!((head.name, head.status), (span.name.as_ref(), span.status.code));
            prop_assert_eq!((head.start_unix_nano, head.end_unix_nano), (span.start_unix_nano, span.end_unix_nano));
        }
    }

    #[test]
    fn a_request_taken_apart_and_put_together_again_is_the_same(oracle in oracle_request()) {
        let bytes = oracle.encode_to_vec();
        prop_assert_eq!(request::check(&bytes), Ok(()));
        let mut writer = request::Writer::default();
        let mut spans = 0;
        for group in request::groups(&bytes) {
            writer.begin(&group);
            for span in group.spans() {
                prop_assert!(scan::scan(span).is_ok());
                writer.span(span);
                spans += 1;
            }
        }
        let again = ExportTraceServiceRequest::decode(writer.finish().as_slice()).unwrap();
        prop_assert_eq!(spans, spans_of(&oracle).count());
        prop_assert!(spans_of(&again).eq(spans_of(&oracle)));
    }

    #[test]
    fn a_request_in_json_is_the_same_in_protobuf(oracle in oracle_request()) {
        let body = serde_json::to_vec(&oracle).unwrap();
        let bytes = json::request(&body).unwrap();
        prop_assert_eq!(ExportTraceServiceRequest::decode(bytes.as_slice()).unwrap(), oracle);
    }

    #[test]
    fn no_text_makes_the_reader_of_json_panic(text in ".{0,40}", oracle in oracle_request(),
        place in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut body = serde_json::to_vec(&oracle).unwrap();
        *place.get_mut(&mut body) = byte;
        for body in [body.as_slice(), text.as_bytes()] {
            if let Ok(bytes) = json::request(body) {
                prop_assert!(request::check(&bytes).is_ok());
                prop_assert!(ExportTraceServiceRequest::decode(bytes.as_slice()).is_ok());
            }
        }
    }

    #[test]
    fn no_bytes_make_the_reader_of_requests_panic(bytes in vec(any::<u8>(), 0..100)) {
        let spans = request::groups(&bytes).flat_map(|group| group.spans()).map(scan::scan).count();
        prop_assert!(spans <= bytes.len());
    }
}

/// Each span with its resource and its scope: empty ones are none.
fn spans_of(
    request: &ExportTraceServiceRequest,
) -> impl Iterator<Item = (Resource, &str, InstrumentationScope, &str, &Span)> {
    request.resource_spans.iter().flat_map(|of_resource| {
        let resource = of_resource.resource.clone().unwrap_or_default();
        of_resource.scope_spans.iter().flat_map(move |of_scope| {
            let (resource, scope) = (resource.clone(), of_scope.scope.clone().unwrap_or_default());
            let schemas = (of_resource.schema_url.as_str(), of_scope.schema_url.as_str());
            let spans = of_scope.spans.iter();
            spans.map(move |span| (resource.clone(), schemas.0, scope.clone(), schemas.1, span))
        })
    })
}
