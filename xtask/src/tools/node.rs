//! `node_modules` with the X-Ray SDK for Node.js, and with OpenTelemetry.
//!
//! The function finds them through `NODE_PATH`: Node.js otherwise looks only beside the sources,
//! and nothing is installed there.

use std::fs;
use std::path::{Path, PathBuf};

use super::stamp::{Stamp, clear};
use crate::failure::Outcome;
use crate::{files, process, project};

const SOURCES: &str = "tests/functions/node";
const FILES: [&str; 2] = ["package.json", "package-lock.json"];
const MEND: &str = "install Node.js 20 or newer with npm (Debian: nodejs npm)";

/// Where the modules are: in `node_modules` of this folder.
pub(crate) fn folder() -> PathBuf {
    project::tools().join("node")
}

/// Whether what it takes is on this machine.
pub(crate) fn check() -> Outcome {
    process::require("node", "--version", MEND)?;
    process::require("npm", "--version", MEND)
}

/// Installs the modules unless they are current.
pub(crate) fn install() -> Outcome {
    install_from(SOURCES, &folder())
}

/// Installs what the lock file in `sources` lists into `node_modules` of `folder`, unless that is current.
pub(super) fn install_from(sources: &str, folder: &Path) -> Outcome {
    let [manifest, lock] = FILES.map(|file| format!("{sources}/{file}"));
    let stamp = Stamp::of(folder, "node_modules", &[&manifest, &lock])?;
    if stamp.is_current() {
        return Ok(());
    }
    clear(folder)?;
    for file in FILES {
        files::copy(&project::root().join(sources).join(file), &folder.join(file))?;
    }
    let mut npm = process::program("npm");
    npm.args([
        "ci",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--loglevel",
        "error",
        "--prefix",
    ]);
    // npm misreads a lock file behind a link, and target/ may be one.
    let folder = fs::canonicalize(folder).map_err(|error| files::failed("find", folder, &error))?;
    process::run_quietly(npm.arg(folder))?;
    stamp.write()
}
