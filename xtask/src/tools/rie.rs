//! AWS's Runtime Interface Emulator.

use super::sam;
use crate::failure::Outcome;
use crate::process;

/// Installs what it comes with, where it can run.
pub(crate) fn install() -> Outcome {
    if obstacle().is_some() {
        return Ok(());
    }
    sam::install()
}

/// Why the Runtime Interface Emulator cannot run here, if it cannot.
///
/// It starts extensions from `/opt/extensions` only, so each test lays its own over `/opt` in a mount
/// namespace, which takes root.
pub(crate) fn obstacle() -> Option<&'static str> {
    let mut unshare = process::program("unshare");
    unshare.args(["--mount", "--pid", "--fork", "--mount-proc", "sh", "-c"]);
    match unshare
        .arg("mount -t overlay overlay -o lowerdir=/var:/opt /opt")
        .output()
    {
        Ok(output) if output.status.success() => None,
        Ok(_) => Some("mounts of its own need root: run `sudo -E env \"PATH=$PATH\" cargo xtask test`"),
        Err(_) => Some("`unshare` is missing: install util-linux, and run as root"),
    }
}
