//! OpenTelemetry's protocol, OTLP: spans as they travel, and what they are in X-Ray's terms.

pub mod span;

mod protobuf;
mod schema;

pub mod decode;
pub mod encode;

pub mod json;
pub mod request;
pub mod scan;

pub mod answer;
pub mod datagram;

pub mod losses;
pub mod mapping;
mod rows;

pub mod from_segment;
pub mod to_segment;

#[cfg(test)]
mod generated;
#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod round_trip;
