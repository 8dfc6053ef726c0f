//! OpenTelemetry's protocol, OTLP: spans as they travel, and what they are in X-Ray's terms.

pub mod span;

mod protobuf;

pub mod decode;
pub mod encode;

pub mod mapping;
mod rows;

#[cfg(test)]
mod generated;
#[cfg(test)]
mod oracle_tests;
