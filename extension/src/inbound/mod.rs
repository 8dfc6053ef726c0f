//! Adapters in: thin tasks that move bytes; what the bytes mean is pure code's business.

pub mod telemetry;
pub mod udp;
