//! `cargo xtask bench`: builds what is measured as it is released, and what measures it quickly; then measures.

use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome};
use crate::tools::peer;
use crate::{layer, process, project};

/// The document whose table `--write` replaces.
const DOCUMENT: &str = "docs/performance.md";

/// Measures start, memory, CPU time and size of the release build beside a floor.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask bench                     every figure, at least 30 runs each; under 10 minutes
  cargo xtask bench --quick --no-peer   10 runs each, our extension alone; under 2 minutes
  cargo xtask bench --only proxy        one group of figures
  cargo xtask bench --strict            fails where a target is missed
  cargo xtask bench --write             the same as the first, and the table of docs/performance.md is replaced
  cargo xtask bench --before ./earlier  an earlier build of the extension in the peer's place, and what has grown since
  cargo xtask bench --daemon ./xray     AWS's X-Ray daemon under the same burst, where you have built it")]
pub(crate) struct Arguments {
    /// Fewer runs.
    #[arg(long)]
    quick: bool,
    /// Fails where a target is missed, or a promised figure cannot be measured.
    #[arg(long)]
    strict: bool,
    /// Replaces the table of docs/performance.md.
    #[arg(long)]
    write: bool,
    /// Only the flush policies under simulated traffic; nothing is measured.
    #[arg(long)]
    policies: bool,
    /// Leaves the peer out, which takes minutes to build the first time.
    #[arg(long)]
    no_peer: bool,
    /// Only this group: start, `start under a CPU share`, instructions, size, invocations, `after the response`, proxy, bursts, spans, datagrams.
    #[arg(long, value_name = "GROUP")]
    only: Option<String>,
    /// An earlier build of the extension, to measure in turn with it instead of the peer: its start, size, and CPU per document.
    #[arg(long, value_name = "PATH")]
    before: Option<PathBuf>,
    /// AWS's X-Ray daemon, to measure beside it.
    #[arg(long, value_name = "PATH")]
    daemon: Option<PathBuf>,
}

/// Builds and measures.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    if arguments.policies {
        return policies(arguments);
    }
    let released = layer::for_bench()?;
    process::run(
        process::cargo()
            .args(["build", "--profile", "measure", "-p", "tests"])
            .args(["--bin", "measure", "--bin", "floor", "--bin", "scripted-function"]),
    )?;
    let built = |path: &str| project::target().join(path);
    let mut measure = process::program(&text(&built("measure/measure")));
    measure.arg("--extension").arg(released.program);
    measure.arg("--zip").arg(released.zip);
    if let Some(before) = &arguments.before {
        measure.arg("--before").arg(absolute(before)?);
    } else if !arguments.no_peer {
        // A peer that cannot be had costs its column alone.
        match peer::install() {
            Ok(()) => {
                measure.arg("--peer").arg(peer::program());
            }
            Err(failure) => eprintln!("without the peer: {failure}"),
        }
    }
    if let Some(only) = &arguments.only {
        measure.arg("--only").arg(only);
    }
    if let Some(daemon) = &arguments.daemon {
        measure.arg("--daemon").arg(absolute(daemon)?);
    }
    if arguments.quick {
        measure.arg("--quick");
    }
    if arguments.strict {
        measure.arg("--strict");
    }
    if arguments.write {
        measure.arg("--write").arg(project::root().join(DOCUMENT));
    }
    process::run(&mut measure)
}

/// Plays every policy under every shape of traffic.
fn policies(arguments: &Arguments) -> Outcome {
    let mut play = process::cargo();
    play.args(["run", "--profile", "measure", "-p", "tests", "--bin", "policies"]);
    if arguments.write {
        play.arg("--").arg(project::root().join(DOCUMENT));
    }
    process::run(&mut play)
}

fn absolute(program: &Path) -> Outcome<PathBuf> {
    std::path::absolute(program)
        .map_err(|error| Failure::new(format!("no path to a program: {}: {error}", program.display())))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
