//! The layer's zip as it is released: what is in it, where it runs, and what is told about it.

mod bill;
mod contents;
mod files;
mod foreign;
mod image;
mod local;
mod native;
