//! actionlint, which reads GitHub's workflows as GitHub does. Built with Go: no other registry has a current one.

use std::path::PathBuf;

use super::stamp::{Stamp, clear};
use crate::failure::Outcome;
use crate::{process, project};

const MODULE: &str = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12";
const MEND: &str = "install Go 1.24 or newer and put it on PATH (Debian: golang-go)";

/// Builds it unless it is current; the program.
pub(crate) fn install() -> Outcome<PathBuf> {
    let folder = project::tools().join("actionlint");
    let program = folder.join("actionlint");
    let stamp = Stamp::of(&folder, "actionlint", &[])?.and(MODULE);
    if !stamp.is_current() {
        process::require("go", "version", MEND)?;
        clear(&folder)?;
        process::run_quietly(
            process::program("go")
                .args(["install", MODULE])
                .env("GOBIN", &folder)
                .env("GOTOOLCHAIN", "local")
                .env_remove("GOFLAGS"),
        )?;
        stamp.write()?;
    }
    Ok(program)
}
