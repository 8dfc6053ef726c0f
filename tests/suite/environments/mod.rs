//! Environments and services that others wrote.

mod moto;
mod rie;
mod sandbox;
