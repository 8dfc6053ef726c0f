//! An X-Ray-compatible API over a bounded in-memory store, for laptops and tests.
//!
//! Only `api` and `server` know sockets and the clock; what is between them and the store is pure.

pub mod assemble;
mod causes;
pub mod decode;
pub mod delivery;
pub mod document;
pub mod export;
pub mod limits;
mod services;
pub mod spans;
pub mod store;
pub mod summary;
pub mod time_range;
mod unpack;

mod api;
pub mod faults;
#[cfg(test)]
mod samples;
mod server;

pub use limits::Limits;
pub use server::{Running, serve};
