//! The outbounds beside the destination: what it goes through is no business of theirs.

use super::documents::{balances, count};
use crate::chaos::evidence::Evidence;

/// Sums that are none, and documents of the log that the tallies do not tell.
pub(super) fn check(evidence: &Evidence) -> Vec<String> {
    let mut problems = Vec::new();
    let (mut written, mut failures) = (0, 0);
    for tally in evidence.whole_tallies() {
        let outbounds = tally["outbounds"].as_object().into_iter().flatten();
        for (name, outbound) in outbounds {
            if !balances(outbound) {
                problems.push(format!("the tally of {name} does not balance: {outbound}"));
            }
        }
        let log = &tally["outbounds"]["stdout"];
        written += count(log, "/sent");
        // A write whose time a standstill took may have been made all the same.
        failures += count(log, "/failures/total");
    }
    let found = u64::try_from(evidence.written_documents()).expect("a plan is small");
    if found < written || (found > written && failures == 0) {
        problems.push(format!(
            "{found} documents are in the log, and the tallies tell {written}"
        ));
    }
    problems
}
