//! The operations of the X-Ray API over the store.

pub(crate) mod answer;
pub(crate) mod operation;
mod put;
mod read;
mod sampling;
