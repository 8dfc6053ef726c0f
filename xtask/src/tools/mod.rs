//! What the tests and the demo need from elsewhere, installed under `target/tools`.

pub(crate) mod actionlint;
pub(crate) mod buildah;
pub(crate) mod debian;
pub(crate) mod deny;
pub(crate) mod frameworks;
pub(crate) mod go;
pub(crate) mod java;
pub(crate) mod memory_limit;
pub(crate) mod mount;
pub(crate) mod node;
pub(crate) mod peer;
mod pip;
pub(crate) mod python;
pub(crate) mod qemu;
pub(crate) mod rie;
pub(crate) mod rust_target;
pub(crate) mod sam;
pub(crate) mod shellcheck;
pub(crate) mod stamp;
pub(crate) mod template;
pub(crate) mod zig;
