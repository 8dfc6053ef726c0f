//! A virtual environment with the Python runtime client, the SDKs, the AWS CLI and moto.

use std::path::PathBuf;

use super::pip;
use super::stamp::Stamp;
use crate::failure::Outcome;
use crate::project;

const REQUIREMENTS: &str = "tests/functions/python/requirements.txt";

/// Where the environment is.
pub(crate) fn folder() -> PathBuf {
    project::tools().join("venv")
}

/// Whether what it takes is on this machine.
pub(crate) fn check() -> Outcome {
    pip::check()
}

/// Makes the environment unless it is current. `bin/python`, `bin/aws`, `bin/moto_server` are in it.
pub(crate) fn install() -> Outcome {
    let stamp = Stamp::of(&folder(), "bin/python", &[REQUIREMENTS])?;
    if stamp.is_current() {
        return Ok(());
    }
    pip::environment(&folder(), REQUIREMENTS, &[])?;
    stamp.write()
}
