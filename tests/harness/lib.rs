//! What whole-system scenarios are written in: the local Lambda environment, the real extension binary, a
//! scripted function and an X-Ray backend, each on a port of its own.

pub mod chaos;
pub mod collector;
pub mod daemon;
pub mod destination;
pub mod lab;
pub mod masks;
pub mod memory;
pub mod resolver;
pub mod script;
pub mod traffic;
pub mod tree;
pub mod wrapped;
