//! AWS's Runtime Interface Emulator, which ships as a static binary inside the aws-sam-cli wheel.

use std::path::PathBuf;

use super::python;
use super::stamp::{Stamp, clear};
use crate::failure::Outcome;
use crate::{process, project};

const REQUIREMENTS: &str = "tests/suite/environments/requirements.txt";

/// Where the wheel is unpacked.
pub(crate) fn folder() -> PathBuf {
    project::tools().join("sam")
}

/// Unpacks the wheel unless it is current.
///
/// Without its dependencies: 300 MB of Python packages that the emulator, one static binary, has no
/// use for. Needs the Python environment.
pub(crate) fn install() -> Outcome {
    let stamp = Stamp::of(&folder(), "samcli/local/rapid", &[REQUIREMENTS])?;
    if stamp.is_current() {
        return Ok(());
    }
    clear(&folder())?;
    let mut pip = python::pip();
    pip.args(["--no-deps", "--requirement", REQUIREMENTS, "--target"])
        .arg(folder());
    process::run_quietly(&mut pip)?;
    stamp.write()
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
