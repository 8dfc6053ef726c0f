//! A span as X-Ray's segment documents.
//!
//! A span becomes one document, or two where it is the root of a service and its call of another one at once. The
//! members that the [table](super::mapping::ROWS) holds are written by one walk over it; names, shape, exceptions and
//! what is left of the attributes have a module each.
//!
//! Invariants
//! - Every attribute of the span is in the document: in a member, or among annotations or metadata.
//! - The same span gives the same documents, new ids included.
//! - The documents are JSON without a name that comes twice in one object.

mod attributes;
mod cause;
mod document;
mod ids;
mod json;
mod known;
mod members;
mod name;
mod options;
mod overlay;
mod rules;
mod shape;
pub(super) mod stack;

#[cfg(test)]
mod tests;

pub use document::{Group, documents};
pub use options::{LambdaHandler, Options, TraceTime};
