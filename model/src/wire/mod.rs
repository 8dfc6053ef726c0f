//! Wire formats. The only place that derives serde: a field rename here is a protocol change.

pub mod call_body;
pub mod document_scan;
pub mod done;
pub(crate) mod object;
pub mod oversize;
pub mod runtime_error;
pub mod sampling;
pub mod segment_document;
pub mod stack_frame;
pub mod telemetry;
pub(crate) mod text;
pub mod trouble;
pub mod udp_frame;
pub mod xray_api;
