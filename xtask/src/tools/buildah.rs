//! buildah, which builds images without a daemon, and busybox, the one image that ours starts from: no registry of images is asked.

use std::path::{Path, PathBuf};

use super::debian::{self, Archive};
use super::mount;
use super::stamp::{Stamp, clear};
use crate::failure::{Failure, Outcome};
use crate::layer::Arch;
use crate::{files, process, project};

/// The release whose buildah is taken where the system has none.
const RELEASE: &str = "bookworm";
/// The program and the libraries that it takes, by the names of that release.
const PROGRAM: [&str; 5] = [
    "buildah",
    "libassuan0",
    "libdevmapper1.02.1",
    "libgpgme11",
    "libsubid4",
];
/// A busybox that takes no library.
const BUSYBOX: &str = "busybox-static";

/// Where `run`, which takes buildah's words, and `busybox` are.
fn folder() -> PathBuf {
    project::tools().join("buildah")
}

/// Why it cannot be had or run, if it cannot.
pub(crate) fn obstacle() -> Option<String> {
    if !debian::is_here() {
        return Some("busybox is taken from Debian's archive, and this is no Debian".to_owned());
    }
    if !is_on_path() && debian::release().as_deref() != Some(RELEASE) {
        return Some("buildah is missing: apt-get install buildah".to_owned());
    }
    mount::obstacle().map(str::to_owned)
}

fn is_on_path() -> bool {
    process::require("buildah", "--version", "").is_ok()
}

/// Unpacks it unless it is current or cannot be had.
pub(crate) fn install() -> Outcome {
    if obstacle().is_some() {
        return Ok(());
    }
    let is_on_path = is_on_path();
    let stamp = Stamp::of(&folder(), "run", &[])?
        .and(&PROGRAM.join(" "))
        .and(&folder().to_string_lossy())
        .and(if is_on_path { "the system's" } else { "ours" });
    if stamp.is_current() {
        return Ok(());
    }
    clear(&folder())?;
    let root = folder().join("root");
    let archive = Archive::open(&folder().join("archive"), &[Arch::of_host()])?;
    let wanted: &[&str] = if is_on_path { &[] } else { &PROGRAM };
    archive.unpack(wanted.iter().copied().chain([BUSYBOX]), &root)?;
    let busybox = ["bin/busybox", "usr/bin/busybox"].map(|place| root.join(place));
    let busybox = busybox.iter().find(|place| place.is_file());
    let busybox = busybox.ok_or_else(|| Failure::new(format!("there is no busybox in {BUSYBOX}")))?;
    files::copy(busybox, &folder().join("busybox"))?;
    let line = if is_on_path {
        "exec buildah \"$@\"\n".to_owned()
    } else {
        own_line(&root)
    };
    files::write_script(&folder().join("run"), &line)?;
    stamp.write()
}

/// Starts ours with its libraries laid over the system's in a mount namespace: it starts itself again without any variable.
fn own_line(root: &Path) -> String {
    let machine = Arch::of_host().machine();
    let libraries = format!("/usr/lib/{machine}-linux-gnu");
    let root = root.display();
    format!(
        "exec unshare --mount sh -c 'mount -t overlay overlay -o \"lowerdir={root}{libraries}:{root}/lib/{machine}-linux-gnu:{libraries}\" {libraries} && \
         exec \"$@\"' sh '{root}/usr/bin/buildah' \"$@\"\n"
    )
}
