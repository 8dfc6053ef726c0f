//! Which faults the extension really met: what was drawn may have come at a moment when nothing could notice.

use std::collections::BTreeMap;

use serde_json::Value;

use super::evidence::Evidence;

/// How often each was met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Met(BTreeMap<&'static str, u64>);

impl Met {
    /// In one sandbox.
    pub fn of(evidence: &Evidence) -> Self {
        let tallies = evidence.tallies();
        let sum = |pointer: &str| {
            let counts = tallies.iter().map(|tally| tally.pointer(pointer));
            counts.filter_map(|count| count.and_then(Value::as_u64)).sum()
        };
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let refused = |code: &str| {
            let calls = evidence.received.calls.iter();
            number(calls.filter(|call| call.refused == Some(code)).count())
        };
        let of_acts = evidence.received.calls.iter();
        let handshakes = evidence.received.handshakes;
        Self(BTreeMap::from([
            (
                "acts other than taking",
                number(
                    of_acts
                        .filter(|call| call.act != crate::destination::Act::Take)
                        .count(),
                ),
            ),
            ("clocks refused", refused("InvalidSignatureException")),
            ("datagrams dropped by the kernel", evidence.kernel.drops()),
            ("documents found damaged", sum("/rejected/spill_damaged")),
            ("documents left in files", sum("/held_in_file")),
            (
                "documents read from an earlier process's files",
                sum("/received/recovered"),
            ),
            ("failed calls", sum("/failures/total")),
            ("failed handshakes", number(handshakes.failed)),
            ("full handshakes", number(handshakes.full)),
            ("keys expired", refused("ExpiredTokenException")),
            ("levels of memory", sum("/memory/level_changes")),
            ("names asked for", evidence.questions),
            ("out of memory", sum("/out_of_memory")),
            ("parts of large documents", sum("/received/part")),
            (
                "processes beyond the first",
                number(tallies.len().saturating_sub(1)),
            ),
            ("records destroyed in files", evidence.harmed),
            ("resumed handshakes", number(handshakes.resumed)),
            ("standstills", number(evidence.standstills().len())),
        ]))
    }

    /// So often more.
    pub fn note(&mut self, name: &'static str, times: u64) {
        *self.0.entry(name).or_default() += times;
    }

    /// In these as well.
    pub fn add(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            self.note(name, *count);
        }
    }
}

impl std::fmt::Display for Met {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts: Vec<String> = self
            .0
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        write!(f, "met: {}", counts.join(", "))
    }
}
