//! All questions together.

use std::time::{Duration, Instant};

use emulator::{Exit, What};

use super::heard::SHUTDOWN;
use super::{documents, harm, segments};
use crate::chaos::evidence::Evidence;
use crate::chaos::met::Met;
use crate::chaos::plan::Plan;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What is not as promised; empty if all is well.
    pub problems: Vec<String>,
    /// Documents that the function sent.
    pub documents: u64,
    /// Documents given up or still held at the end: counted by the extension.
    pub lost: u64,
    /// Documents that came again because an acknowledgement was lost.
    pub forced_repeats: u64,
    /// Whether the machine kept a shutdown from ending in time: then nothing follows from what is missing.
    pub is_starved: bool,
    /// What it went through.
    pub met: Met,
}

/// What the extension leaves of a shutdown's time. Who waits longer for a processor cannot end in time.
const MARGIN: Duration = Duration::from_millis(200);

/// Judges a sandbox's life.
pub fn judge(plan: &Plan, evidence: &Evidence) -> Verdict {
    let mut verdict = documents::judge(plan, evidence);
    verdict.problems.extend(harm::invocations(plan, evidence));
    verdict.problems.extend(harm::processes(evidence));
    verdict
        .problems
        .extend(segments::missing(plan, evidence, verdict.lost));
    verdict.met.add(&Met::of(evidence));
    verdict.is_starved = is_starved(evidence);
    if verdict.is_starved {
        verdict.problems.clear();
    }
    verdict
}

/// Whether an extension was not through at the end of a shutdown in which it waited for a processor: it was killed, or
/// about to be.
fn is_starved(evidence: &Evidence) -> bool {
    let mut told = None;
    for entry in &evidence.journal {
        match &entry.what {
            What::ShutdownSent { .. } => told = Some(entry.at),
            What::ProcessExited { name, exit } if &**name != "runtime" => {
                let is_overdue = |told: Instant| entry.at - told >= SHUTDOWN || *exit == Exit::Signal(9);
                let has_waited = |told: Instant| evidence.kernel.waited(told, entry.at) > MARGIN;
                if told.is_some_and(|told| is_overdue(told) && has_waited(told)) {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}
