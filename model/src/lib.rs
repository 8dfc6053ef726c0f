//! The vocabulary that every part of Fluoroscope speaks.
//!
//! Pure: no socket, clock, environment or log. Decoders of outside bytes never panic and never
//! let one bad element cost its neighbours.

pub mod ids;
pub mod limits;
pub mod otlp;
pub mod size;
pub mod time;
pub mod trace_header;
pub mod wire;
