//! The codec against the types that are generated from OTLP's own definition.

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use proptest::prelude::*;
use prost::Message;

use super::{decode, encode, generated};

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
}
