//! What the system says of memory.

mod group;
mod reader;

pub use reader::MemoryReader;
