//! Priority of this program and of what it starts: above everything ordinary, so that other programs' work does not
//! show in the figures.

use std::process::{Command, Stdio};

/// Priority of what is measured.
const REAL_TIME: &str = "10";

/// Goes above everything ordinary. False where that is not allowed.
pub(crate) fn raise() -> bool {
    schedule(&["-f", "-p", REAL_TIME])
}

/// Goes back to ordinary: a CPU share binds ordinary programs only.
pub(crate) fn lower() -> bool {
    schedule(&["-o", "-p", "0"])
}

/// Changes this thread's priority, which threads and processes started from it inherit.
fn schedule(arguments: &[&str]) -> bool {
    let changed = Command::new("chrt")
        .args(arguments)
        .arg(std::process::id().to_string())
        .stderr(Stdio::null())
        .status();
    changed.is_ok_and(|status| status.success())
}
