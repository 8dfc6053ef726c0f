//! The Java function, built with Maven.

use std::path::PathBuf;

use super::stamp::{Stamp, clear};
use crate::failure::Outcome;
use crate::{process, project};

const PROJECT: &str = "tests/functions/java/pom.xml";
const SOURCE: &str = "tests/functions/java/src/main/java/fluoroscope/Orders.java";
const MEND: &str = "install a JDK 17 or newer and Maven (Debian: openjdk-17-jdk-headless maven)";

/// Where the function and the libraries it runs with are laid out.
pub(crate) fn folder() -> PathBuf {
    project::tools().join("java")
}

/// Whether what it takes is on this machine.
pub(crate) fn check() -> Outcome {
    process::require("java", "-version", MEND)?;
    process::require("mvn", "--version", MEND)
}

/// Builds the function unless it is current.
pub(crate) fn install() -> Outcome {
    let stamp = Stamp::of(&folder(), "lib", &[PROJECT, SOURCE])?;
    if stamp.is_current() {
        return Ok(());
    }
    clear(&folder())?;
    let mut maven = process::program("mvn");
    maven.args([
        "--batch-mode",
        "--quiet",
        "--no-transfer-progress",
        "--file",
        PROJECT,
    ]);
    maven.arg(format!("-Dfunction.folder={}", folder().display()));
    process::run_quietly(maven.arg("package"))?;
    stamp.write()
}
