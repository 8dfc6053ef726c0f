//! Whether a sandbox's life was as promised: no invocation harmed, every document accounted for, nothing sent
//! twice without need, no segment of the platform's missing, no process left over.

mod documents;
mod files;
mod harm;
mod heard;
mod holds;
mod outbounds;
mod segments;
mod verdict;

pub use self::verdict::{Verdict, judge};
