//! Scenarios over the pure engine: any order of events, in microseconds.

mod accounting;
mod bench;
mod breaker;
mod hiccup;
mod intake;
mod invocations;
mod lanes;
mod lifecycle;
mod memory;
mod passing;
mod records;
mod reporting;
mod shutdown;
mod signs;
mod spans;
mod spilling;
