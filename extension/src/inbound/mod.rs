//! Adapters in: thin tasks that move bytes; what the bytes mean is pure code's business.

pub mod backlog;
pub mod documents;
mod http;
pub mod otlp;
pub mod telemetry;
pub mod udp;
