//! Reads what `cargo test` prints and counts it per ring.

use std::collections::BTreeMap;
use std::fmt;

/// What a test runs against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ring {
    /// Values in, values out.
    Pure,
    /// One part with real sockets, files or processes.
    Component,
    /// Emulator, extension and X-Ray backend as processes.
    WholeSystem,
}

impl fmt::Display for Ring {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Pure => "pure",
            Self::Component => "component",
            Self::WholeSystem => "whole system",
        })
    }
}

/// How many passed and failed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    /// Tests that passed.
    pub(crate) passed: usize,
    /// Tests that failed.
    pub(crate) failed: usize,
}

/// Modules of a library whose own tests open sockets, files or processes.
const RIM: &[&str] = &[
    "app",
    "connection",
    "console",
    "credentials",
    "delivery",
    "inbound",
    "invoke_api",
    "lambda",
    "local",
    "logging",
    "process",
    "runtime_api",
    "server",
    "stamp",
    "xray",
];

/// The counts so far, fed line by line.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    rings: BTreeMap<Ring, Count>,
    /// The ring of every test in this program, unless it is a library's own tests.
    program: Option<Ring>,
    failures: Vec<String>,
}

impl Counts {
    /// Takes in one line of the merged output of `cargo test`.
    pub(crate) fn read(&mut self, line: &str) {
        let line = line.trim();
        if let Some(program) = line.strip_prefix("Running ") {
            self.program = match program {
                suite if suite.starts_with("suite/") => Some(Ring::WholeSystem),
                unit_tests if unit_tests.starts_with("unittests ") => None,
                _ => Some(Ring::Component),
            };
        } else if line.starts_with("Doc-tests ") {
            self.program = None;
        } else if let Some((name, passed)) = result_of(line) {
            let ring = self.ring_of(name);
            let count = self.rings.entry(ring).or_default();
            if passed {
                count.passed += 1;
            } else {
                count.failed += 1;
                self.failures.push(name.to_owned());
            }
        }
    }

    /// Every ring that ran a test.
    pub(crate) fn rings(&self) -> impl Iterator<Item = (Ring, Count)> + '_ {
        self.rings.iter().map(|(ring, count)| (*ring, *count))
    }

    /// All rings together.
    pub(crate) fn total(&self) -> Count {
        self.rings.values().fold(Count::default(), |sum, count| Count {
            passed: sum.passed + count.passed,
            failed: sum.failed + count.failed,
        })
    }

    /// The tests that failed, by name.
    pub(crate) fn failures(&self) -> &[String] {
        &self.failures
    }

    fn ring_of(&self, name: &str) -> Ring {
        if let Some(ring) = self.program {
            ring
        } else if name.split("::").any(|module| RIM.contains(&module)) {
            Ring::Component
        } else {
            Ring::Pure
        }
    }
}

/// `test some::name ... ok`, also with the time or the panic mode that may follow the name.
fn result_of(line: &str) -> Option<(&str, bool)> {
    let (name, result) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let name = name.split(" - ").next().unwrap_or(name);
    match result.split_whitespace().next()? {
        "ok" => Some((name, true)),
        "FAILED" => Some((name, false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(lines: &[&str]) -> Counts {
        let mut counts = Counts::default();
        lines.iter().for_each(|line| counts.read(line));
        counts
    }

    #[test]
    fn tests_are_counted_in_the_ring_they_belong_to() {
        let counts = counted(&[
            "     Running unittests src/lib.rs (target/debug/deps/extension-1)",
            "test pipeline::batch::tests::a_batch_holds_fifty ... ok",
            "test inbound::udp::tests::a_taken_port_is_a_warning ... ok",
            "     Running tests/component/main.rs (target/debug/deps/component-1)",
            "test lifecycle::a_cold_start ... ok",
            "     Running suite/main.rs (target/debug/deps/suite-1)",
            "test clients::python::a_handler ... FAILED",
            "   Doc-tests model",
            "test model/src/size.rs - size::ByteCount (line 3) ... ok",
        ]);
        let one = |passed, failed| Count { passed, failed };
        assert_eq!(
            counts.rings().collect::<Vec<_>>(),
            [
                (Ring::Pure, one(2, 0)),
                (Ring::Component, one(2, 0)),
                (Ring::WholeSystem, one(0, 1))
            ]
        );
        assert_eq!(counts.total(), one(4, 1));
        assert_eq!(counts.failures(), ["clients::python::a_handler"]);
    }

    #[test]
    fn lines_that_only_look_like_results_are_not_counted() {
        let counts = counted(&[
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
            "test something::slow has been running for over 60 seconds",
            "test something::left_out ... ignored",
            "latest news ... ok",
        ]);
        assert_eq!(counts.total(), Count::default());
    }
}
