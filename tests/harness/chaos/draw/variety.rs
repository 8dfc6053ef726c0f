//! That nothing a sandbox may go through is missing from what plans are drawn from.

use std::collections::BTreeSet;

use crate::chaos::plan::Plan;

/// As many as an hour plays.
const PLANS: u64 = 2_000;

/// Parts of a plan as they are printed, each a fault, an end or a kind of sandbox that has to come up.
const EXPECTED: [&str; 92] = [
    // Calls.
    "TakeAndClose,",
    "TakeAndReset,",
    "TakeAndResetHalfway",
    "TakeAndCloseHalfway",
    "TakeAndStall",
    "TakeSlowly",
    "TakeLate",
    "TakeHugely",
    "ResetUnread",
    " Reset,",
    "HalfClose",
    " Stall,",
    "Garbage",
    "status: 400",
    "status: 408",
    "status: 413",
    "status: 429, headers: []",
    "status: 429, headers: [(\"retry-after\"",
    "status: 500",
    "status: 502",
    "status: 503",
    "status: 504",
    "code: \"ThrottledException\"",
    "code: \"ThrottlingException\"",
    "code: \"InternalFailure\"",
    "code: \"InternalServerError\"",
    "code: \"ServiceUnavailableException\"",
    "code: \"RequestTimeout\"",
    "code: \"InvalidTraceId\"",
    "code: \"MissingId\"",
    "code: \"InvalidName\"",
    "code: \"MissingEndTime\"",
    "code: \"InvalidSegment\"",
    "code: \"JSONFormatError\"",
    // Connections, names, clocks and keys.
    "Door(Closed)",
    "Door(Full)",
    "Door(Silent)",
    "Door(Resets)",
    "Door(Babbles)",
    "Certificate(OfAnotherName)",
    "Certificate(Expired)",
    "Certificate(OfNobody)",
    "Name(Unknown)",
    "Name(Failure)",
    "Name(Silence)",
    "Clock(3600)",
    "Clock(-3600)",
    "Expiry",
    "is_renewed: true",
    // Memory and files.
    "Memory(Low)",
    "Memory(Critical)",
    "memory_mb: Some(128)",
    "FLUOROSCOPE_MEMORY_BUDGET",
    "(\"FLUOROSCOPE_SPILL_LIMIT\", \"0\")",
    "Flip",
    "Noise",
    "Cut",
    "Gone",
    "Swept",
    "Link",
    // Sandboxes and their ends.
    "SnapStart",
    "ProvisionedConcurrency",
    "max_concurrency: 64",
    "Everything",
    "what: Extensions",
    "what: Runtime",
    "reason: Spindown",
    "reason: Timeout",
    "reason: Failure",
    "end: Raises",
    "end: Exits",
    "end: IsKilled",
    "end: RunsOut",
    "end: TimesOut",
    "killed_as: OutOfMemory",
    "has_proxy: true",
    "is_undecided: true",
    // Telemetry.
    "subscription: Silent",
    "subscription: SchemaVersions",
    "subscription: Status(403)",
    "order: Reversed",
    "order: Shuffled",
    "has_doubles: true",
    "is_repeated: true",
    "split: 9",
    "lost: {\"platform.runtimeDone\"}",
    "platform.unheardOf",
    // Documents.
    "sockets: 4",
    "filler_bytes: 60000",
    "bad: [Empty",
    "bad: [Garbled",
    "large: [Large",
];

#[test]
fn nothing_that_may_go_wrong_is_left_out_of_the_draw() {
    let mut missing: BTreeSet<&str> = EXPECTED.into();
    for number in 0..PLANS {
        let printed = format!("{:?}", Plan::draw(1, number));
        missing.retain(|expected| !printed.contains(expected));
    }
    assert!(missing.is_empty(), "{missing:?}");
}
