//! `cargo xtask fuzz`: the property tests with many more cases than the tests run, and whole sandboxes that go
//! through everything that can go wrong, or live long.

use crate::failure::Outcome;
use crate::{process, project};

const EXAMPLES: &str = "\
Examples:
  cargo xtask fuzz                          every property, 20,000 cases each
  cargo xtask fuzz decode --cases 1000000   properties whose name contains `decode`
  cargo xtask fuzz chaos --seconds 600      sandboxes that go through everything, for ten minutes
  cargo xtask fuzz leak                     one sandbox through 10,000 invocations";

const CHAOS_EXAMPLES: &str = "\
Each sandbox has a plan: what its function does, how the sandbox, the telemetry and the destination fail. Plans are
drawn from the seed before anything runs: the same seed gives the same plans. When their parts meet is up to the machine.

Examples:
  cargo xtask fuzz chaos                              one minute, by a new seed
  cargo xtask fuzz chaos --seconds 3600 --seed 7      an hour of seed 7
  cargo xtask fuzz chaos --seed 7 --sandbox 12 --times 50
                                                      sandbox 12 of seed 7 fifty times, until it fails
  cargo xtask fuzz chaos --standstills 2000           standstills at random moments of 2,000 invocations";

const LEAK_EXAMPLES: &str = "\
This is the leak test of the suite, made longer: memory at the end is held against memory after a tenth.

Examples:
  cargo xtask fuzz leak                        10,000 invocations
  cargo xtask fuzz leak --invocations 100000   ten times as many";

/// The test that `leak` makes longer, and the variable that says how long.
const LEAK_TEST: &str = "memory::thousands_of_invocations_leave_no_memory_behind";
const LEAK_INVOCATIONS: &str = "FLUOROSCOPE_LEAK_INVOCATIONS";

/// Runs the property tests of every decoder and of the engine with many random cases.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    kind: Option<Kind>,
    /// Only properties whose name contains this.
    filter: Option<String>,
    /// Random cases for each property.
    #[arg(long, default_value_t = 20_000)]
    cases: u32,
}

#[derive(clap::Subcommand)]
enum Kind {
    Chaos(Chaos),
    Leak(Leak),
}

/// Plays one sandbox through many invocations, and says what memory the extension has at the start, half-way and at
/// the end.
#[derive(clap::Args)]
#[command(after_help = LEAK_EXAMPLES)]
struct Leak {
    /// How many.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(10..))]
    invocations: u64,
}

/// Plays sandboxes that go through everything that can go wrong, and accounts for every document of each.
#[derive(clap::Args)]
#[command(after_help = CHAOS_EXAMPLES)]
struct Chaos {
    /// How long; no sandbox begins later.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// What the plans are drawn from; a new one each time if it is left out.
    #[arg(long)]
    seed: Option<u64>,
    /// Only this one of the seed's sandboxes.
    #[arg(long, requires = "seed")]
    sandbox: Option<u64>,
    /// How often `--sandbox` is played.
    #[arg(long, default_value_t = 1)]
    times: u64,
    /// Nothing but standstills at random moments, through so many invocations.
    #[arg(long, conflicts_with = "sandbox")]
    standstills: Option<u64>,
    /// Sandboxes at a time.
    #[arg(long, default_value_t = 4)]
    together: usize,
}

/// Packages with property tests.
const PACKAGES: [&str; 5] = ["model", "extension", "emulator", "backend", "cli"];

/// Runs what was asked for; a case that fails is printed with what makes it fail.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    match &arguments.kind {
        Some(Kind::Chaos(chaos)) => chaos.run(),
        Some(Kind::Leak(leak)) => leak.run(),
        None => properties(arguments),
    }
}

fn properties(arguments: &Arguments) -> Outcome {
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

impl Chaos {
    fn run(&self) -> Outcome {
        process::run(process::cargo().args(["build", "-p", "extension", "-p", "tests", "--bins"]))?;
        let program = project::target().join("debug/chaos");
        let mut chaos = process::program(&program.to_string_lossy());
        let numbers = [
            ("--seconds", Some(self.seconds)),
            ("--seed", self.seed),
            ("--sandbox", self.sandbox),
            ("--times", Some(self.times)),
            ("--standstills", self.standstills),
        ];
        for (name, number) in numbers {
            chaos.args(
                number
                    .iter()
                    .flat_map(|number| [name.to_owned(), number.to_string()]),
            );
        }
        chaos.args(["--together", &self.together.to_string()]);
        process::run(&mut chaos)
    }
}

impl Leak {
    fn run(&self) -> Outcome {
        process::run(process::cargo().args(["build", "-p", "extension", "-p", "tests", "--bins"]))?;
        let mut test = process::cargo();
        test.args(["test", "-p", "tests", "--test", "suite", "--"])
            .args(["--exact", LEAK_TEST, "--nocapture"])
            .env(LEAK_INVOCATIONS, self.invocations.to_string());
        process::run(&mut test)
    }
}
