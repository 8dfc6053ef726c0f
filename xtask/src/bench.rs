//! `cargo xtask bench`: builds what is measured as it is released, and what measures it quickly; then measures.

use std::path::Path;

use crate::failure::Outcome;
use crate::{process, project};

/// The document whose table `--write` replaces.
const DOCUMENT: &str = "docs/performance.md";

/// Measures start, memory, CPU time and size of the release build beside a floor.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask bench            every figure, at least 30 runs each; under 5 minutes
  cargo xtask bench --quick    10 runs each; under 90 seconds
  cargo xtask bench --write    the same as the first, and the table of docs/performance.md is replaced")]
pub(crate) struct Arguments {
    /// Fewer runs.
    #[arg(long)]
    quick: bool,
    /// Replaces the table of docs/performance.md.
    #[arg(long)]
    write: bool,
}

/// Builds and measures.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    process::run(process::cargo().args(["build", "--release", "-p", "extension"]))?;
    process::run(
        process::cargo()
            .args(["build", "--profile", "measure", "-p", "tests"])
            .args(["--bin", "measure", "--bin", "floor", "--bin", "scripted-function"]),
    )?;
    let built = |path: &str| project::target().join(path);
    let mut measure = process::program(&text(&built("measure/measure")));
    measure
        .arg("--extension")
        .arg(built("release/fluoroscope-extension"));
    if arguments.quick {
        measure.arg("--quick");
    }
    if arguments.write {
        measure.arg("--write").arg(project::root().join(DOCUMENT));
    }
    process::run(&mut measure)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
