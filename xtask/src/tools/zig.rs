//! Zig's compiler for C and its linker, a wheel of 100 MB.

use std::path::{Path, PathBuf};

use super::stamp::{Stamp, clear};
use crate::failure::{Failure, Outcome};
use crate::{process, project};

const REQUIREMENTS: &str = "layer/requirements.txt";
const MEND: &str = "install Python 3.10 or newer with its venv module (Debian: python3 python3-venv)";

fn folder() -> PathBuf {
    project::tools().join("zig")
}

/// Installs it unless it is current, and returns the program.
pub(crate) fn install() -> Outcome<PathBuf> {
    let stamp = Stamp::of(&folder(), "bin/python", &[REQUIREMENTS])?;
    if !stamp.is_current() {
        process::require("python3", "--version", MEND)?;
        clear(&folder())?;
        process::run_quietly(process::program("python3").args(["-m", "venv"]).arg(folder()))
            .map_err(|failure| failure.mend(MEND))?;
        let mut pip = python();
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
        ])
        .args(["--requirement", REQUIREMENTS]);
        process::run_quietly(&mut pip)?;
        stamp.write()?;
    }
    let package = process::answer(python().args(["-c", "import ziglang; print(ziglang.__path__[0])"]))?;
    let program = Path::new(&package).join("zig");
    match program.is_file() {
        true => Ok(program),
        false => Err(Failure::new(format!(
            "there is no {} in the wheel",
            program.display()
        ))),
    }
}

fn python() -> std::process::Command {
    process::program(&folder().join("bin/python").to_string_lossy())
}
