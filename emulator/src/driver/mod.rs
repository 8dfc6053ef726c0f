//! Plays the lifecycle: one task owns all state, and every phase is sequential code over one list of events.

mod apply;
mod core;
mod ending;
mod initialize;
mod invoke;
mod managed;
mod restore;
mod running;
mod stop;
mod suspend;

pub(crate) use core::{Driver, Parts};
pub use stop::{Reason, Shutdown};
pub use suspend::Part;
