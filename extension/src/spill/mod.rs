//! The file tier of the spool: documents that memory has no room for, in files below the temporary folder.

mod chunk;
mod folder;
pub mod store;
#[cfg(test)]
pub(crate) mod temporary;
