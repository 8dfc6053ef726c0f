//! What the system says of memory.

mod group;
pub mod heap;
mod reader;

pub use reader::MemoryReader;
