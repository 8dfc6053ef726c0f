//! The snippets of docs/deploy.md, read out of it and judged by the tools that users paste them into.

mod cli;
mod frameworks;
mod judge;
mod sam;
pub(crate) mod snippets;
mod terraform;
