//! The Runtime API proxy, in reading order.

pub mod listener;
pub mod probe;
pub mod signs;

mod heads;
mod messages;
mod tunnel;
mod watch;
