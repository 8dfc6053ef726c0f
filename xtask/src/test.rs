//! `cargo xtask test`: sets up what the tests need, builds once, runs every ring, counts.

mod needs;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::counts::Counts;
use crate::failure::{Failure, Outcome};
use crate::tools::{buildah, frameworks, go, java, memory_limit, mount, node, python, rie, template};
use crate::{process, project};

const EXAMPLES: &str = "\
Examples:
  cargo xtask test                           every ring; clients in Python, Node.js and Rust
  cargo xtask test --sdks all                the same, and clients in Java and Go
  cargo xtask test --sdks java,go --only clients::java,clients::go
                                             the clients in these two languages alone
  cargo xtask test --only shutdown           tests whose name contains `shutdown`";

/// Lines of output read before they are shown; at the limit the tests wait.
const LINES_AHEAD: usize = 1024;
/// How long output may still trickle in after cargo has ended.
const STRAGGLER: Duration = Duration::from_millis(500);

/// Runs all tests, installing what they need under target/.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Languages whose SDKs are tested as clients.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "python,node,rust")]
    sdks: Vec<Sdk>,
    /// Only tests whose name contains one of these.
    #[arg(long, value_name = "FILTER", value_delimiter = ',')]
    only: Vec<String>,
}

/// A language with a client in `tests/suite/clients`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Sdk {
    Python,
    Node,
    Rust,
    Java,
    Go,
    All,
}

impl Sdk {
    const EACH: [Self; 5] = [Self::Python, Self::Node, Self::Rust, Self::Java, Self::Go];

    /// The module with its tests; the two that take a tool chain of their own are built on demand.
    fn module(self) -> Option<&'static str> {
        match self {
            Self::Python => Some("clients::python::"),
            Self::Node => Some("clients::node::"),
            Self::Rust => Some("clients::rust::"),
            Self::Java => Some("clients::java::"),
            Self::Go => Some("clients::go::"),
            Self::All => None,
        }
    }
}

/// What is not run, and why: said before the tests and again after them.
struct LeftOut {
    module: &'static str,
    why: String,
}

/// Sets up, builds, tests and counts.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let began = Instant::now();
    let sdks: BTreeSet<Sdk> = match arguments.sdks.contains(&Sdk::All) {
        true => Sdk::EACH.into(),
        false => arguments.sdks.iter().copied().collect(),
    };
    let features = features(&sdks);
    require_tools(&sdks)?;
    set_up(&sdks, &features, &arguments.only)?;
    println!("set up and built in {} s", began.elapsed().as_secs());

    let left_out = left_out(&sdks);
    report_left_out(&left_out);
    let mut tests = process::cargo();
    tests
        .args(["test", "--workspace", "--no-fail-fast"])
        .args(&features);
    tests.arg("--").args(&arguments.only);
    for left in &left_out {
        tests.args(["--skip", left.module]);
    }
    let (counts, succeeded) = run_counting(tests)?;

    println!();
    counts
        .failures()
        .iter()
        .for_each(|name| println!("failed: {name}"));
    report_left_out(&left_out);
    for (ring, count) in counts.rings() {
        println!("{ring:<13} {:>5} passed {:>3} failed", count.passed, count.failed);
    }
    println!("took {} s", began.elapsed().as_secs());
    let total = counts.total();
    println!("{} passed, {} failed", total.passed, total.failed);
    verdict(total.passed, total.failed, succeeded)
}

fn verdict(passed: usize, failed: usize, succeeded: bool) -> Outcome {
    if failed > 0 {
        return Err(Failure::new(format!("{failed} tests failed")));
    }
    if !succeeded {
        return Err(Failure::new("a test program did not end well (see above)"));
    }
    if passed == 0 {
        return Err(Failure::new("no test has a name that contains the filter"));
    }
    Ok(())
}

fn features(sdks: &BTreeSet<Sdk>) -> Vec<String> {
    let named = [(Sdk::Java, "tests/java"), (Sdk::Go, "tests/go")];
    let wanted: Vec<&str> = named
        .iter()
        .filter(|(sdk, _)| sdks.contains(sdk))
        .map(|(_, name)| *name)
        .collect();
    if wanted.is_empty() {
        Vec::new()
    } else {
        vec!["--features".to_owned(), wanted.join(",")]
    }
}

/// What is missing is said before anything is built.
fn require_tools(sdks: &BTreeSet<Sdk>) -> Outcome {
    python::check()?;
    let checks: [(Sdk, fn() -> Outcome); 3] = [
        (Sdk::Node, node::check),
        (Sdk::Java, java::check),
        (Sdk::Go, go::check),
    ];
    checks
        .iter()
        .filter(|(sdk, _)| sdks.contains(sdk))
        .try_for_each(|(_, check)| check())
}

/// Installs and builds side by side: pip and npm wait for the network, cargo for the processor.
fn set_up(sdks: &BTreeSet<Sdk>, features: &[String], only: &[String]) -> Outcome {
    let outcomes: Outcome = thread::scope(|scope| {
        let mut tasks = vec![scope.spawn(python::install)];
        if only.is_empty() {
            tasks.push(scope.spawn(needs::install_all));
        }
        if sdks.contains(&Sdk::Node) {
            tasks.push(scope.spawn(node::install));
        }
        if sdks.contains(&Sdk::Java) {
            tasks.push(scope.spawn(java::install));
        }
        if sdks.contains(&Sdk::Go) {
            tasks.push(scope.spawn(go::install));
        }
        // Binaries and tests in one graph: `cargo test` alone leaves out the binaries of packages
        // without integration tests, and building them apart would build shared crates twice.
        let build = process::run(
            process::cargo()
                .args(["build", "--workspace", "--bins", "--tests"])
                .args(features),
        );
        let mut outcomes = vec![build];
        outcomes.extend(tasks.into_iter().map(|task| match task.join() {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::new("an installation step panicked")),
        }));
        outcomes.into_iter().collect()
    });
    outcomes?;
    if only.is_empty() {
        return Ok(());
    }
    needs::install_selected(only, features)
}

fn left_out(sdks: &BTreeSet<Sdk>) -> Vec<LeftOut> {
    let mut left_out = Vec::new();
    for sdk in Sdk::EACH.into_iter().filter(|sdk| !sdks.contains(sdk)) {
        if let Some(module) = sdk.module() {
            left_out.push(LeftOut {
                module,
                why: "not among --sdks".to_owned(),
            });
        }
    }
    if let Some(obstacle) = rie::obstacle() {
        left_out.push(LeftOut {
            module: "environments::rie::",
            why: obstacle.to_owned(),
        });
    }
    if let Some(why) = template::obstacle() {
        left_out.push(LeftOut {
            module: "template::",
            why,
        });
    }
    if let Some(obstacle) = memory_limit::obstacle() {
        left_out.push(LeftOut {
            module: "memory_limit::",
            why: obstacle.to_owned(),
        });
    }
    if let Some(obstacle) = mount::obstacle() {
        left_out.push(LeftOut {
            module: "spill::as_root::",
            why: obstacle.to_owned(),
        });
    }
    if let Some(obstacle) = mount::masks_obstacle() {
        left_out.push(LeftOut {
            module: "names::",
            why: obstacle.to_owned(),
        });
    }
    if let Some(obstacle) = crate::layer::foreign_obstacle() {
        left_out.push(LeftOut {
            module: "layer::foreign::",
            why: obstacle,
        });
    }
    if let Some(obstacle) = buildah::obstacle() {
        left_out.push(LeftOut {
            module: "layer::image::as_root::",
            why: obstacle,
        });
    }
    if let Some(obstacle) = frameworks::obstacle() {
        left_out.push(LeftOut {
            module: "deploy::frameworks::",
            why: obstacle,
        });
    }
    if project::shared_fixtures().is_none() {
        left_out.push(LeftOut {
            module: "fixtures::",
            why: "there is no folder ../shared/fixtures beside the project".to_owned(),
        });
    }
    left_out
}

fn report_left_out(left_out: &[LeftOut]) {
    for left in left_out {
        println!("left out: {} ({})", left.module.trim_end_matches("::"), left.why);
    }
}

/// Runs `tests` with its output shown as it comes and counted, and whether it ended well.
fn run_counting(mut tests: Command) -> Outcome<(Counts, bool)> {
    let line = process::announce(&tests);
    let failed = |error: std::io::Error| Failure::new(format!("`{line}` could not be run: {error}"));
    let (output, input) = std::io::pipe().map_err(failed)?;
    let errors = input.try_clone().map_err(failed)?;
    let mut child = tests.stdout(input).stderr(errors).spawn().map_err(failed)?;
    // The command still holds the writing end; without this the reader would wait for ever.
    drop(tests);
    let (lines, arriving) = sync_channel(LINES_AHEAD);
    thread::spawn(move || {
        let arrived = BufReader::new(output).split(b'\n').map_while(Result::ok);
        arrived
            .map(|line| lines.send(line))
            .take_while(Result::is_ok)
            .for_each(drop);
    });
    let mut counts = Counts::default();
    loop {
        match arriving.recv_timeout(STRAGGLER) {
            Ok(line) => {
                let line = String::from_utf8_lossy(&line);
                println!("{line}");
                counts.read(&line);
            }
            // A process that a test left behind may hold the pipe open: cargo's own end counts.
            Err(RecvTimeoutError::Timeout) if child.try_wait().map_err(failed)?.is_none() => {}
            Err(_) => break,
        }
    }
    let status = child.wait().map_err(failed)?;
    Ok((counts, status.success()))
}
