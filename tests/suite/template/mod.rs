//! `template.yaml`: what the SAM CLI makes of it, what CloudFormation would get, and what its functions leave behind.

mod artifacts;
mod deployed;
mod faults;
mod privileges;
mod runtimes;
mod stack;
pub(crate) mod translated;
mod valid;
mod zips;
