//! The operations of the X-Ray API over the store, and its OTLP endpoint.

pub(crate) mod answer;
mod export;
pub(crate) mod operation;
mod put;
mod read;
mod sampling;
