//! The AWS SAM CLI, in a virtual environment of its own: what it pins is not what moto takes. AWS's Runtime Interface
//! Emulator comes with it.

use std::path::PathBuf;
use std::process::Command;

use super::pip;
use super::stamp::Stamp;
use crate::failure::{Failure, Outcome};
use crate::{files, project};

const REQUIREMENTS: &str = "tests/suite/environments/requirements.txt";
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
    // Compiling all of it beforehand takes longer than everything that is ever done with it.
    pip::environment(&folder(), REQUIREMENTS, &["--no-compile"])?;
    link_emulator()?;
    stamp.write()
}

fn link_emulator() -> Outcome {
    let libraries = folder().join("lib");
    let found = files::list(&libraries)?.into_iter();
    let mut folders = found.map(|python| python.join("site-packages/samcli/local/rapid"));
    let Some(rapid) = folders.find(|folder| folder.is_dir()) else {
        return Err(Failure::new(format!(
            "there is no Runtime Interface Emulator in {}",
            libraries.display()
        )));
    };
    files::link(&rapid, &folder().join(RAPID))
}

/// `sam`, which tells nobody that it was run.
pub(super) fn command() -> Command {
    let mut sam = pip::python(&folder());
    sam.args(["-m", "samcli"]).env("SAM_CLI_TELEMETRY", "0");
    sam
}
