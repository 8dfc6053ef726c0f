//! Sandboxes that go through everything that can go wrong, each by a plan drawn from a seed, and the judge of
//! what became of their documents and invocations.

pub mod campaign;
pub mod draw;
pub mod evidence;
pub mod files;
pub mod judge;
pub mod kernel;
pub mod means;
pub mod met;
pub mod plan;
pub mod play;
pub mod random;
pub mod report;
pub mod slot;
mod stage;
pub mod trouble;
