//! What the engine asks of the file tier, and what it is told in return.
//!
//! The engine keeps the account, the adapter the files: every change of the number of documents in the files is
//! told as a difference, so that the sum holds after every event.

use super::document::{ByValue, Document};
use super::spool::{BatchLimits, Held, Order};
use crate::logging::Line;

/// A piece of work on the files. Each is bounded, and answered with one [`Filed`].
#[derive(Debug)]
pub enum Filing {
    /// See whether an earlier process of the sandbox left something, and try again to write if that failed.
    Notice,
    /// Write documents.
    Write(Vec<Held>),
    /// Read documents for sending. They stay in the files until they are settled.
    Recall(BatchLimits, Order),
    /// The documents read last are settled, but for those for which `true` stands at their place.
    Settle(Vec<bool>),
}

/// What became of it.
#[derive(Debug, Default)]
pub struct Filed {
    /// Documents that were to be written and are in the files, or were given up at once.
    pub written: u64,
    /// Documents that were to be written and could not be.
    pub refused: Vec<Held>,
    /// Whether this answers a [`Filing::Recall`].
    pub is_recall: bool,
    /// Documents read.
    pub recalled: Vec<Document>,
    /// Documents of an earlier process that were counted for the first time.
    pub recovered: u64,
    /// Documents in the files that cannot be read any more.
    pub damaged: u64,
    /// Documents in the files that were given up for others.
    pub given_up: ByValue<u64>,
    /// Whether there is something to recall.
    pub has_more: bool,
    /// Whether documents can be written.
    pub can_write: bool,
    /// What the operator should know.
    pub problem: Option<Line>,
}
