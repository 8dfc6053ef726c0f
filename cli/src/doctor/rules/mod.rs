//! The rules, by what they look at. `list` has them all.

mod address;
mod beside;
mod layers;
pub(super) mod list;
mod permissions;
mod sandbox;
pub(super) mod subject;
mod tracing;
mod variables;
