//! `cargo xtask fuzz`: the property tests, with many more cases than the tests run.

use crate::failure::Outcome;
use crate::process;

const EXAMPLES: &str = "\
Examples:
  cargo xtask fuzz                          every property, 20,000 cases each
  cargo xtask fuzz decode --cases 1000000   properties whose name contains `decode`";

/// Runs the property tests of every decoder and of the engine with many random cases.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Only properties whose name contains this.
    filter: Option<String>,
    /// Random cases for each property.
    #[arg(long, default_value_t = 20_000)]
    cases: u32,
}

/// Packages with property tests.
const PACKAGES: [&str; 5] = ["model", "extension", "emulator", "backend", "cli"];

/// Runs the properties; a failing case is printed with the input that makes it fail.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let mut tests = process::cargo();
    tests
        .arg("test")
        .args(PACKAGES.iter().flat_map(|package| ["-p", package]))
        .args(["--lib", "--bins"])
        .arg("--");
    tests.args(arguments.filter.iter());
    tests.env("PROPTEST_CASES", arguments.cases.to_string());
    process::run(&mut tests)
}
