//! Zig's compiler for C and its linker, a wheel of 100 MB.

use std::path::{Path, PathBuf};

use super::pip;
use super::stamp::Stamp;
use crate::failure::{Failure, Outcome};
use crate::{process, project};

const REQUIREMENTS: &str = "layer/requirements.txt";

fn folder() -> PathBuf {
    project::tools().join("zig")
}

/// Installs it unless it is current, and returns the program.
pub(crate) fn install() -> Outcome<PathBuf> {
    let stamp = Stamp::of(&folder(), "bin/python", &[REQUIREMENTS])?;
    if !stamp.is_current() {
        pip::environment(&folder(), REQUIREMENTS, &[])?;
        stamp.write()?;
    }
    let mut ask = pip::python(&folder());
    let package = process::answer(ask.args(["-c", "import ziglang; print(ziglang.__path__[0])"]))?;
    let program = Path::new(&package).join("zig");
    match program.is_file() {
        true => Ok(program),
        false => Err(Failure::new(format!(
            "there is no {} in the wheel",
            program.display()
        ))),
    }
}
