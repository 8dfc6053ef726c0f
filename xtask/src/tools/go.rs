//! The Go function, built with the Go tool chain that is installed.

use std::path::PathBuf;

use super::stamp::{Stamp, clear};
use crate::failure::Outcome;
use crate::{process, project};

const SOURCES: &str = "tests/functions/go";
const FILES: &[&str] = &[
    "tests/functions/go/main.go",
    "tests/functions/go/go.mod",
    "tests/functions/go/go.sum",
];
const MEND: &str = "install Go 1.24 or newer and put it on PATH (Debian: golang-go)";

/// Where the built function is.
pub(crate) fn folder() -> PathBuf {
    project::tools().join("go")
}

/// Whether what it takes is on this machine.
pub(crate) fn check() -> Outcome {
    process::require("go", "version", MEND)
}

/// Builds the function unless it is current.
pub(crate) fn install() -> Outcome {
    let stamp = Stamp::of(&folder(), "bootstrap", FILES)?;
    if stamp.is_current() {
        return Ok(());
    }
    clear(&folder())?;
    let mut go = process::program("go");
    go.args(["build", "-C", SOURCES, "-trimpath", "-o"])
        .arg(folder().join("bootstrap"));
    // The tool chain that is here, whatever go.mod would rather have: nothing else is downloaded.
    process::run_quietly(
        go.arg(".")
            .env("GOTOOLCHAIN", "local")
            .env("GOFLAGS", "-mod=readonly"),
    )?;
    stamp.write()
}
