//! House rules that neither the compiler nor Clippy can see.

mod changelog;
mod decisions;
mod imports;
mod lengths;
mod lists;
mod operating;
mod promises;
mod rules;
mod settings;
mod source;
mod todos;
mod unsafety;

pub(crate) use rules::run;
