//! Scenarios over the pure engine: any order of events, in microseconds.

mod accounting;
mod bench;
mod intake;
mod invocations;
mod lifecycle;
mod memory;
mod shutdown;
mod signs;
