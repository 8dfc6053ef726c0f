//! `cargo xtask check`: everything that can be said about the code without running it.

use std::fs;
use std::path::PathBuf;

use crate::failure::{Failure, Outcome};
use crate::tools::{actionlint, deny, shellcheck};
use crate::{process, project, tidy};

const EXAMPLES: &str = "\
Examples:
  cargo xtask check            format, lints, house rules, workflows, shell scripts, dependencies
  cargo xtask check --tidy-only  the house rules alone, in a second";

/// Checks format, lints, house rules, workflows, shell scripts and dependencies, without running anything.
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
    scripts()?;
    dependencies()
}

/// GitHub's workflows, where the linter can be had.
fn workflows() -> Outcome {
    match actionlint::install() {
        Ok(program) => process::run(process::program(&program.to_string_lossy()).arg("-color")),
        Err(failure) => left_out("workflows", failure),
    }
}

/// A check whose tool cannot be had: said on a desk without a network, a failure where checks are what the machine is for.
fn left_out(what: &str, failure: Failure) -> Outcome {
    judge(what, failure, std::env::var_os("CI").is_some())
}

fn judge(what: &str, failure: Failure, is_ci: bool) -> Outcome {
    if is_ci {
        return Err(failure);
    }
    println!("{what} left out: {failure}");
    Ok(())
}

/// Every shell script of the project, if ShellCheck can be had.
fn scripts() -> Outcome {
    let mut check = match shellcheck::command() {
        Ok(check) => check,
        Err(failure) => return left_out("shell scripts", failure),
    };
    let is_script = |path: &PathBuf| {
        let text = fs::read(project::root().join(path)).unwrap_or_default();
        let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        is_of_shell(&String::from_utf8_lossy(first))
    };
    let scripts: Vec<PathBuf> = project::files()?.into_iter().filter(is_script).collect();
    process::run(check.args(scripts))
}

/// Whether a script's first line names a shell.
fn is_of_shell(first: &str) -> bool {
    let words = first.strip_prefix("#!").unwrap_or_default().split_whitespace();
    // The second may be what `env` starts.
    let mut names = words.take(2).filter_map(|word| word.rsplit('/').next());
    names.any(|name| matches!(name, "sh" | "bash" | "dash"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_cannot_be_had_fails_the_check_in_ci_alone() {
        let failure = || Failure::new("no network").mend("install ShellCheck");
        assert_eq!(judge("shell scripts", failure(), true), Err(failure()));
        assert_eq!(judge("shell scripts", failure(), false), Ok(()));
    }

    #[test]
    fn shell_scripts_are_known_by_their_first_line() {
        for (first, is_script) in [
            ("#!/bin/sh", true),
            ("#!/bin/sh -e", true),
            ("#!/usr/bin/env bash", true),
            ("#!/usr/bin/env python3", false),
            ("# /bin/sh", false),
            ("", false),
        ] {
            assert_eq!(is_of_shell(first), is_script, "{first}");
        }
    }
}
