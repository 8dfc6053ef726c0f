//! What happens to documents between arrival and sending.
//!
//! Pure: bytes, values and `now` in, values out. No socket, clock, variable or log call, so that timeouts,
//! freezes and the order of shutdown are table tests.

pub mod attach;
pub mod backoff;
pub mod breaker;
pub mod call_size;
pub mod document;
pub mod durations;
pub mod engine;
pub mod event;
pub mod evidence;
pub mod failure;
pub mod filing;
pub mod flush;
pub mod identity;
pub mod invocation;
pub mod invocations;
pub mod lane;
pub mod memory;
pub mod metrics;
pub mod notices;
pub mod outcome;
pub mod platform;
pub mod repeats;
pub mod runtime_sign;
pub mod sampler;
pub mod sampling;
pub mod span;
pub mod spill_record;
pub mod spool;
pub mod tally;
pub mod thrown;
