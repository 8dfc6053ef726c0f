//! What processes left in files for the next one: it comes out again, but for what the test itself destroyed.

use serde_json::Value;

use super::documents::count;
use crate::chaos::evidence::Evidence;
use crate::chaos::plan::Plan;
use crate::chaos::trouble::{Damage, Trouble};

/// Losses of files beyond the damage that was done, and anything where a link leads that nobody should follow.
pub(super) fn check(plan: &Plan, evidence: &Evidence, tallies: &[Value]) -> Vec<String> {
    let mut problems = Vec::new();
    let sum = |pointer: &str| {
        tallies
            .iter()
            .map(|tally| i128::from(count(tally, pointer)))
            .sum::<i128>()
    };
    let (written, read) = (sum("/held_in_file"), sum("/received/recovered"));
    let damaged = sum("/rejected/spill_damaged");
    // What was left behind and nobody has read; a record that was settled counts on both sides once it is damaged.
    let gone = written - read - i128::from(evidence.left_in_files);
    if gone + damaged > i128::from(evidence.harmed) {
        problems.push(format!(
            "{gone} documents are gone from files and {damaged} were found damaged, but only {} were destroyed: {written} \
             were left in files, {read} read out of them, {} are still there",
            evidence.harmed, evidence.left_in_files
        ));
    }
    if -gone > damaged {
        problems.push(format!(
            "{read} documents came out of files, and {} are still there, of {written} that were left there",
            evidence.left_in_files
        ));
    }
    if evidence.strayed > 0 {
        problems.push(format!("{} files lie where a link leads", evidence.strayed));
    }
    if has_room(plan) {
        for tally in tallies.iter().filter(|tally| has_next(tally)) {
            let (held, in_file) = (count(tally, "/held"), count(tally, "/held_in_file"));
            if held > in_file {
                problems.push(format!(
                    "of {held} documents {in_file} were left in files: {tally}"
                ));
            }
        }
    }
    problems
}

/// Whether nothing keeps the files from taking everything.
fn has_room(plan: &Plan) -> bool {
    let hinders = |damage: &Damage| matches!(damage, Damage::Swept | Damage::Link);
    let mut of_calls = plan.groups.iter().flatten().filter_map(|call| call.damage);
    let mut of_rows = plan.troubles.iter().flatten();
    let is_limited = plan
        .variables
        .iter()
        .any(|(name, _)| *name == "FLUOROSCOPE_SPILL_LIMIT");
    !is_limited
        && !of_calls.any(|damage| hinders(&damage))
        && !of_rows.any(|spell| matches!(&spell.what, Trouble::Files(damage) if hinders(damage)))
}

/// Whether the process ended so that another one of the same sandbox may come.
fn has_next(tally: &Value) -> bool {
    matches!(tally["shutdown"].as_str(), Some("timeout" | "failure"))
}
