//! A virtual environment with the Python runtime client, the SDKs, the AWS CLI and moto.

use std::path::PathBuf;
use std::process::Command;

use super::stamp::{Stamp, clear};
use crate::failure::Outcome;
use crate::{process, project};

const REQUIREMENTS: &str = "tests/functions/python/requirements.txt";
const MEND: &str = "install Python 3.10 or newer with its venv module (Debian: python3 python3-venv)";

/// Where the environment is.
pub(crate) fn folder() -> PathBuf {
    project::tools().join("venv")
}

/// Whether what it takes is on this machine.
pub(crate) fn check() -> Outcome {
    process::require("python3", "--version", MEND)
}

/// Makes the environment unless it is current. `bin/python`, `bin/aws`, `bin/moto_server` are in it.
pub(crate) fn install() -> Outcome {
    let stamp = Stamp::of(&folder(), "bin/python", &[REQUIREMENTS])?;
    if stamp.is_current() {
        return Ok(());
    }
    clear(&folder())?;
    process::run_quietly(process::program("python3").args(["-m", "venv"]).arg(folder()))
        .map_err(|failure| failure.mend(MEND))?;
    process::run_quietly(pip().args(["--requirement", REQUIREMENTS]))?;
    stamp.write()
}

/// `pip install` of the environment, without its chatter.
pub(super) fn pip() -> Command {
    let mut pip = Command::new(folder().join("bin/python"));
    pip.current_dir(project::root())
        .stdin(std::process::Stdio::null())
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
        ]);
    pip
}
