//! The AWS SAM CLI, in a virtual environment of its own: what it pins is not what moto takes. AWS's Runtime Interface
//! Emulator comes with it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::stamp::{Stamp, clear};
use crate::failure::{Failure, Outcome};
use crate::{process, project};

const REQUIREMENTS: &str = "tests/suite/environments/requirements.txt";
const MEND: &str = "install Python 3.10 or newer with its venv module (Debian: python3 python3-venv)";
/// A link to the emulator's folder, whose path else has the version of Python in it.
const RAPID: &str = "rapid";

fn folder() -> PathBuf {
    project::tools().join("sam-cli")
}

/// Makes the environment unless it is current: 235 MB, most of a minute, once.
pub(crate) fn install() -> Outcome {
    let stamp = Stamp::of(&folder(), RAPID, &[REQUIREMENTS])?;
    if stamp.is_current() {
        return Ok(());
    }
    clear(&folder())?;
    process::run_quietly(process::program("python3").args(["-m", "venv"]).arg(folder()))
        .map_err(|failure| failure.mend(MEND))?;
    let mut pip = python();
    // Compiling all of it beforehand takes longer than everything that is ever done with it.
    pip.args(["-m", "pip", "install", "--quiet", "--no-compile", "--no-input"]);
    pip.args(["--disable-pip-version-check", "--requirement", REQUIREMENTS]);
    process::run_quietly(&mut pip)?;
    link_emulator()?;
    stamp.write()
}

fn link_emulator() -> Outcome {
    let failed = |path: &Path, error| Failure::new(format!("{}: {error}", path.display()));
    let libraries = folder().join("lib");
    let found = fs::read_dir(&libraries).map_err(|error| failed(&libraries, error))?;
    let mut folders = found
        .filter_map(Result::ok)
        .map(|python| python.path().join("site-packages/samcli/local/rapid"));
    let Some(rapid) = folders.find(|folder| folder.is_dir()) else {
        return Err(Failure::new(format!(
            "there is no Runtime Interface Emulator in {}",
            libraries.display()
        )));
    };
    let link = folder().join(RAPID);
    symlink(rapid, &link).map_err(|error| failed(&link, error))
}

/// `sam`, which tells nobody that it was run.
pub(super) fn command() -> Command {
    let mut sam = python();
    sam.args(["-m", "samcli"]).env("SAM_CLI_TELEMETRY", "0");
    sam
}

/// Its interpreter.
fn python() -> Command {
    process::program(&folder().join("bin/python").to_string_lossy())
}
