//! Somebody else's tracing extension, measured beside ours: the published crate `opentelemetry-lambda-extension`.

use std::path::PathBuf;

use super::stamp::{Stamp, clear};
use crate::failure::Outcome;
use crate::{process, project};

const CRATE: &str = "opentelemetry-lambda-extension";
const VERSION: &str = "0.2.0";
/// Its own repository releases it with these; cargo takes profiles from variables where there is no workspace.
const PROFILE: [(&str, &str); 4] = [
    ("CARGO_PROFILE_RELEASE_LTO", "true"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_STRIP", "true"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
];

/// Where it is installed.
fn folder() -> PathBuf {
    project::tools().join("peer")
}

/// The program.
pub(crate) fn program() -> PathBuf {
    folder().join("bin").join(CRATE)
}

/// Builds it as its authors release it, unless it is current. Takes minutes, once.
pub(crate) fn install() -> Outcome {
    let stamp = Stamp::of(&folder(), &format!("bin/{CRATE}"), &[])?.and(VERSION);
    if stamp.is_current() {
        return Ok(());
    }
    clear(&folder())?;
    println!("building {CRATE} {VERSION} to measure beside it: some minutes, once; --no-peer leaves it out");
    let mut cargo = process::cargo();
    cargo
        .args([
            "install",
            CRATE,
            "--version",
            VERSION,
            "--locked",
            "--quiet",
            "--root",
        ])
        .arg(folder())
        .arg("--target-dir")
        .arg(folder().join("build"))
        .envs(PROFILE);
    process::run(&mut cargo)?;
    stamp.write()
}
