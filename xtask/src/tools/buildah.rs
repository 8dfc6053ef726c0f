//! buildah, which builds images without a daemon, and busybox, the one image that ours starts from: no registry of images is asked.

use std::fs;
use std::path::PathBuf;

use super::debian::{self, Archive};
use super::mount;
use super::stamp::{Stamp, clear};
use crate::failure::{Failure, Outcome};
use crate::layer::Arch;
use crate::project;

/// The program, the libraries that it takes, and a busybox that takes none.
const PACKAGES: [&str; 6] = [
    "buildah",
    "busybox-static",
    "libassuan0",
    "libdevmapper1.02.1",
    "libgpgme11",
    "libsubid4",
];

/// Where it is unpacked.
pub(crate) fn folder() -> PathBuf {
    project::tools().join("buildah")
}

/// Why it cannot be had or run, if it cannot.
pub(crate) fn obstacle() -> Option<String> {
    if !debian::is_here() {
        return Some("buildah is taken from Debian's archive, and this is no Debian".to_owned());
    }
    mount::obstacle().map(str::to_owned)
}

/// Unpacks it unless it is current or cannot be had.
pub(crate) fn install() -> Outcome {
    if obstacle().is_some() {
        return Ok(());
    }
    let stamp = Stamp::of(&folder(), "usr/bin/buildah", &[])?.and(&PACKAGES.join(" "));
    if stamp.is_current() {
        return Ok(());
    }
    clear(&folder())?;
    let lists = folder().join("archive");
    Archive::open(&lists, &[Arch::of_host()])?.unpack(PACKAGES, &folder())?;
    fs::remove_dir_all(&lists).map_err(|error| Failure::new(format!("{}: {error}", lists.display())))?;
    stamp.write()
}
