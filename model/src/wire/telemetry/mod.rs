//! Deliveries of the Telemetry API: what the platform did around the function.

mod decode;
mod fields;
mod records;

pub use decode::{Delivery, Rejects, decode};
pub use records::{
    Event, Init, InitKind, Measure, Phase, Record, Report, RuntimeDone, Span, SpanName, Start, Status,
    Tracing,
};
