//! Flush policies under simulated traffic: one sandbox, a platform that freezes it, an endpoint 10 ms away.
//!
//! Pure: time is a number, nothing runs, and the same traffic gives the same figures every time.

pub mod measures;
pub mod ours;
pub mod peers;
pub mod report;
pub mod shapes;
pub mod world;
