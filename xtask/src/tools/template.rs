//! What `sam build` makes of `template.yaml`: the layer and the sample functions, as they would be deployed.

use std::path::PathBuf;

use super::{node, sam};
use crate::failure::Outcome;
use crate::{process, project};

fn folder() -> PathBuf {
    project::target().join("template").join("build")
}

/// Why it cannot be built here, if it cannot.
pub(crate) fn obstacle() -> Option<String> {
    let make = process::require("make", "--version", "install GNU make (Debian: make)");
    make.and_then(|()| node::check())
        .err()
        .map(|failure| failure.to_string())
}

/// Builds it as a user does; SAM and cargo know what is new. Takes a release build of the layer and of the Rust function.
pub(crate) fn build() -> Outcome {
    if obstacle().is_some() {
        return Ok(());
    }
    sam::install()?;
    process::run_quietly(sam::command().arg("build").arg("--build-dir").arg(folder()))
}
