//! `cargo xtask check`: everything that can be said about the code without running it.

use crate::failure::Outcome;
use crate::tools::{actionlint, deny};
use crate::{process, tidy};

const EXAMPLES: &str = "\
Examples:
  cargo xtask check            format, lints, house rules, workflows, dependencies
  cargo xtask check --tidy-only  the house rules alone, in a second";

/// Checks format, lints, house rules, workflows and dependencies, without running anything.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Only the house rules: file lengths, imports per layer, tables that must match the code.
    #[arg(long)]
    tidy_only: bool,
}

/// Runs the checks, cheapest first; stops at the first that fails.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    tidy::run()?;
    if arguments.tidy_only {
        return Ok(());
    }
    process::run(process::cargo().args(["fmt", "--all", "--check"]))
        .map_err(|failure| failure.mend("cargo fmt --all"))?;
    process::run(process::cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "--deny",
        "warnings",
    ]))?;
    workflows()?;
    dependencies()
}

/// GitHub's workflows, where the linter can be had.
fn workflows() -> Outcome {
    match actionlint::install() {
        Ok(program) => process::run(process::program(&program.to_string_lossy()).arg("-color")),
        Err(failure) => {
            println!("workflows left out: {failure}");
            Ok(())
        }
    }
}

/// Licences, bans and sources always; advisories when their database can be had.
fn dependencies() -> Outcome {
    if let Err(failure) = deny::command() {
        println!("dependencies left out: {failure}");
        return Ok(());
    }
    process::run(deny::command()?.args(["--log-level", "error", "check", "bans", "licenses", "sources"]))?;
    let mut fetch = deny::command()?;
    process::announce(fetch.args(["--log-level", "error", "fetch", "db"]));
    if fetch.output().is_ok_and(|fetched| fetched.status.success()) {
        return process::run(deny::command()?.args(["check", "--disable-fetch", "advisories"]));
    }
    println!("advisories left out: their database cannot be reached from here");
    Ok(())
}
