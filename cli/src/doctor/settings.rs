//! The function's variables as the extension itself will read them.

use std::collections::BTreeMap;

use extension::limits;
use extension::settings::{Problem, Settings, Vars};
use model::size::ByteCount;

use super::function::Function;

/// Longest a call at the end of an invocation takes, and what is left of its time for Lambda.
pub(super) const HOLD_MAX_MS: u128 = limits::FLUSH_MAX.as_millis() + limits::DEADLINE_MARGIN.as_millis();
/// Memory that the extension's process needs before it holds any document.
pub(super) const PROCESS_BASE: ByteCount = limits::PROCESS_BASE;

struct Map(BTreeMap<String, String>);

impl Vars for Map {
    fn value(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

/// What the extension makes of the function's variables, and what it would complain of. Variables that only a
/// deployment knows are left out.
pub(super) fn read(function: &Function) -> (Settings, Vec<Problem>) {
    let known = function
        .variables
        .iter()
        .filter_map(|(name, node)| Some((name.clone(), node.known()?.to_owned())));
    let mut vars: BTreeMap<String, String> = known.collect();
    let sandbox = [
        (
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            function.memory_mb().map(|mb| mb.to_string()),
        ),
        ("AWS_LAMBDA_FUNCTION_NAME", Some(function.name.clone())),
    ];
    for (name, value) in sandbox {
        if let Some(value) = value {
            vars.insert(name.to_owned(), value);
        }
    }
    Settings::read(&Map(vars))
}
