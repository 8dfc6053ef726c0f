//! QEMU's emulator of the other architecture's programs, with the C library they are linked against: for tests of that layer.

use std::path::PathBuf;

use super::debian::{self, Archive};
use super::stamp::{Stamp, clear};
use crate::failure::Outcome;
use crate::layer::Arch;
use crate::project;

/// Where it is unpacked: programs below `usr/bin`, the C library below `usr/<machine>-linux-gnu`.
pub(crate) fn folder() -> PathBuf {
    project::tools().join("qemu")
}

/// Why it cannot be had, if it cannot.
pub(crate) fn obstacle() -> Option<String> {
    let missing =
        "QEMU and the other architecture's C library are taken from Debian's archive, and this is no Debian";
    (!debian::is_here()).then(|| missing.to_owned())
}

/// Unpacks it unless it is current.
pub(crate) fn install() -> Outcome {
    let stamp = Stamp::of(&folder(), "usr/bin", &[])?.and(Arch::foreign().name());
    if stamp.is_current() {
        return Ok(());
    }
    clear(&folder())?;
    let archive = Archive::open(&folder().join("archive"), &[Arch::of_host()])?;
    let foreign = Arch::foreign().debian();
    let library = format!("libc6-{foreign}-cross");
    archive.unpack(["qemu-user-static", library.as_str()], &folder())?;
    stamp.write()
}
