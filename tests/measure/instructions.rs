//! Instructions of user space from exec to the first next, counted by callgrind: the same on any machine of this kind.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::api::{Api, Call};
use crate::plan::Plan;
use crate::samples::Samples;
use crate::start::{self, Started};
use crate::table::{Row, Table};

const COUNTER: &str = "valgrind";
/// They differ by less than a hundredth between runs.
const RUNS: usize = 3;
/// What stands before the sum in the counter's last words.
const SUM: &str = "Collected :";

/// Instructions before the first next, of the extension, the floor and the peer.
pub(crate) fn measure(plan: &Plan, table: &mut Table) -> Outcome {
    let is_there = Command::new(COUNTER)
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !is_there {
        table.note(
            "instructions before the first next were left out: valgrind, which counts them, is missing",
        );
        return Ok(());
    }
    let api = Api::start()?;
    let extension = count(plan, &api, &plan.extension)?;
    let floor = count(plan, &api, &plan.floor()?)?;
    let peer = plan.rival().map(|peer| count(plan, &api, peer)).transpose()?;
    table.push(Row {
        figure: "instructions before the first next".to_owned(),
        extension: extension.spread(0, "thousand"),
        floor: floor.spread(0, "thousand"),
        ratio: Some(extension.median() / floor.median()),
        peer: peer.map(|peer| peer.spread(0, "thousand")).unwrap_or_default(),
        ..Row::default()
    });
    Ok(())
}

fn count(plan: &Plan, api: &Api, program: &Path) -> Outcome<Samples> {
    let mut thousands = Samples::default();
    for _ in 0..RUNS {
        api.forget();
        let counted = ["--tool=callgrind", "--callgrind-out-file=/dev/null"];
        let mut command = start::command(api, Path::new(COUNTER));
        let command = start::as_understood(plan, &mut command)
            .args(counted)
            .arg(program)
            .stderr(Stdio::piped());
        let (_, child) = start::spawn(command)?;
        let mut started = Started(child, ());
        api.wait_for(Call::Next)?;
        let words = started.0.stderr.take();
        let pid = started.0.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        let words = std::io::read_to_string(words.ok_or("the counter has no stderr")?)?;
        let sum = words
            .lines()
            .find_map(|line| line.split_once(SUM))
            .ok_or_else(|| {
                format!(
                    "{COUNTER} did not say how many instructions {} took",
                    program.display()
                )
            })?;
        thousands.push(sum.1.trim().parse::<f64>()? / 1e3);
    }
    Ok(thousands)
}
