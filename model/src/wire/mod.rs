//! Wire formats. The only place that derives serde: a field rename here is a protocol change.

pub mod document_scan;
pub mod done;
pub mod oversize;
pub mod segment_document;
pub mod telemetry;
mod text;
pub mod trouble;
pub mod udp_frame;
pub mod xray_api;
