//! The environment around real processes: scripted runtime clients and extensions in Python.
//!
//! `cfg(test)` holds anyway; it tells clippy that the helpers are tests too.

#[cfg(test)]
mod invoke_api;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod memory_limit;
#[cfg(test)]
mod shutdown;
#[cfg(test)]
mod standstill;
#[cfg(test)]
mod support;
#[cfg(test)]
mod telemetry;
#[cfg(test)]
mod variants;
