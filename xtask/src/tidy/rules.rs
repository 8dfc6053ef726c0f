//! Runs every rule over every file and lists what breaks one.

use super::source::Source;
use super::{changelog, decisions, imports, lengths, lists, operating, promises, settings, todos, unsafety};
use crate::failure::{Failure, Outcome};

type Rule = fn(&[Source]) -> Vec<String>;

const RULES: &[(&str, Rule)] = &[
    (
        "a file has at most 500 lines without its tests",
        lengths::breaches,
    ),
    ("lib.rs and mod.rs only list", lists::breaches),
    ("a layer imports only what lies below it", imports::breaches),
    ("README.md has one row per setting", settings::breaches),
    (
        "docs/operate.md has one row per log line of the extension",
        operating::log_lines,
    ),
    ("docs/operate.md has one row per setting", operating::settings),
    (
        "docs/operate.md has one row per rule of the doctor",
        operating::doctor_rules,
    ),
    (
        "SPECIFICATION.md names a live test in every row",
        promises::breaches,
    ),
    ("every decision has a number of its own", decisions::breaches),
    (
        "CHANGELOG.md has the form of Keep a Changelog",
        changelog::breaches,
    ),
    ("what is left to do has an issue", todos::breaches),
    ("one module alone may be unsafe", unsafety::breaches),
];

/// Checks the house rules.
pub(crate) fn run() -> Outcome {
    println!("tidy: {} house rules", RULES.len());
    let sources = Source::all()?;
    let mut count = 0;
    for (rule, breaches) in RULES {
        for breach in breaches(&sources) {
            println!("  {breach}\n    rule: {rule}");
            count += 1;
        }
    }
    if count == 0 {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "{count} breaches of the house rules (above)"
        )))
    }
}
