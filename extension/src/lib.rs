//! The tracing extension, in reading order.

pub mod app;
pub mod clock;
pub mod defect;
pub mod gzip;
pub mod inbound;
pub mod lambda;
pub mod limits;
pub mod logging;
pub mod memory;
pub mod outbound;
pub mod pipeline;
pub mod proxy;
pub mod settings;
pub mod spill;
pub mod start;
pub mod wrap;
