//! `fluoroscope local`: a function with the extension attached, in a local Lambda environment.

mod arguments;
mod output;
mod play;

pub(crate) use arguments::Arguments;
pub(crate) use play::run;
