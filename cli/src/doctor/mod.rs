//! `fluoroscope doctor`: what is wrong with a function's configuration, before it is deployed or after.

mod answers;
mod arguments;
mod finding;
mod function;
mod input;
mod layer;
mod layer_zip;
mod node;
mod permissions;
mod report;
mod resolve;
mod rules;
mod settings;
mod template;
mod yaml;

#[cfg(test)]
mod tests;

pub(crate) use answers::run;
pub(crate) use arguments::Arguments;
