//! `cargo xtask fuzz chaos` runs this: sandboxes that go through everything that can go wrong, for as long as asked.

use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::Parser;
use tests::chaos::campaign::{Campaign, Score, Until};
use tests::chaos::means::Means;
use tests::chaos::plan::Plan;

/// Between two lines about how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

/// Plays sandboxes by plans that are drawn from a seed.
#[derive(Parser)]
struct Arguments {
    /// How long; no sandbox begins later.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// What the plans are drawn from; a new one each time if it is left out.
    #[arg(long)]
    seed: Option<u64>,
    /// Only this one of the seed's sandboxes, so many times.
    #[arg(long)]
    sandbox: Option<u64>,
    /// How often `--sandbox` is played.
    #[arg(long, default_value_t = 1)]
    times: u64,
    /// Nothing but standstills at random moments, through so many invocations in all.
    #[arg(long)]
    standstills: Option<u64>,
    /// Sandboxes at a time.
    #[arg(long, default_value_t = 4)]
    together: usize,
}

/// Invocations of one sandbox of standstills.
const INVOCATIONS_PER_SANDBOX: u64 = 125;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(new_seed);
    let campaign = campaign(&arguments, seed);
    println!("seed {seed}: the same seed gives the same plans; when their parts meet is up to the machine");
    println!("{}", Means::here());
    let last = Mutex::new(Instant::now());
    let began = Instant::now();
    let progress = |score: &Score| {
        let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.elapsed() >= PROGRESS_INTERVAL {
            *last = Instant::now();
            println!("{:>5} s: {score}", began.elapsed().as_secs());
        }
    };
    let draw = |seed, number| match (arguments.standstills, arguments.sandbox) {
        (Some(_), _) => Plan::of_standstills(seed, number, INVOCATIONS_PER_SANDBOX),
        (None, Some(only)) => Plan::draw(seed, only),
        (None, None) => Plan::draw(seed, number),
    };
    match campaign.run(draw, progress) {
        Ok(score) => {
            println!(
                "{score}, in {:.1} s: all as promised",
                began.elapsed().as_secs_f64()
            );
            println!("{}", score.met);
            ExitCode::SUCCESS
        }
        Err(report) => {
            println!("{report}");
            println!(
                "play it again: cargo xtask fuzz chaos --seed {seed} --sandbox <the number above> --times 20"
            );
            ExitCode::FAILURE
        }
    }
}

fn campaign(arguments: &Arguments, seed: u64) -> Campaign {
    let until = match (arguments.sandbox, arguments.standstills) {
        (Some(_), _) => Until::Sandboxes(arguments.times),
        (None, Some(invocations)) => Until::Sandboxes(invocations.div_ceil(INVOCATIONS_PER_SANDBOX)),
        (None, None) => Until::Elapsed(Duration::from_secs(arguments.seconds)),
    };
    Campaign {
        seed,
        first: 0,
        together: arguments.together,
        until,
    }
}

fn new_seed() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::from(since.subsec_nanos()) ^ since.as_secs()
}
