//! Functions and readers that others wrote: real SDKs send, boto3 and the AWS CLI read.

pub(crate) mod desk;
pub(crate) mod moto;
pub(crate) mod stage;
pub(crate) mod tools;

mod dynamodb;
mod exported;
#[cfg(feature = "go")]
mod go;
#[cfg(feature = "java")]
pub(crate) mod java;
#[cfg(any(feature = "java", feature = "go"))]
mod nested;
pub(crate) mod node;
pub(crate) mod opentelemetry;
pub(crate) mod orders;
mod played;
pub(crate) mod program;
pub(crate) mod python;
pub(crate) mod readers;
mod rotel;
mod rust;
