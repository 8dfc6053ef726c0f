//! Adapters out: everything that leaves the sandbox.

pub mod limits;

pub mod kind;

pub mod endpoint;

pub mod credentials;

pub mod signing;

pub mod deadline;

pub mod authorities;

pub mod tls;

pub mod connection;

pub mod quote;

pub mod codes;

pub mod dialect;

pub mod answer;

pub mod settle;

pub mod pieces;

pub mod segments;

pub mod error;

pub mod exchange;

pub mod xray;

pub mod spans;

pub mod otlp;

pub mod sampling;

pub mod daemon;

pub mod stdout;

pub mod sender;

pub mod task;

#[cfg(test)]
mod stage;
