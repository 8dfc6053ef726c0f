//! What may be otherwise than it is assumed, and which verdicts that changes.

use serde_json::json;

use super::{Account, ROOT, SENT, segment};

const NODE: usize = 0;
const PASSIVE: usize = 1;
const FIRST: usize = 2;
const SECOND: usize = 3;
const CALLER: usize = 4;
const CLOCK: usize = 5;
const THAWED: usize = 6;

/// What differs from an account as it is assumed, and the facts that are judged otherwise then: `V2 no`, `V3 unknown`.
pub(super) type Case = (&'static str, fn(&mut Account), &'static [&'static str]);

/// Every case.
pub(super) const CASES: &[Case] = &[
    ("as assumed", |_| {}, &[]),
    (
        "Lambda's address wins in one runtime",
        |a| a.says(NODE, "address", "169.254.79.129:2000"),
        &["V1 no"],
    ),
    (
        "the variable is not there",
        |a| a.says(PASSIVE, "address", "none"),
        &["V1 no"],
    ),
    (
        "no word of the address",
        |a| a.says(PASSIVE, "address", ""),
        &["V1 unknown"],
    ),
    (
        "the port is taken for TCP",
        |a| a.says(PASSIVE, "tcp", "taken (Address already in use)"),
        &["V2 no"],
    ),
    (
        "no word of the port",
        |a| a.says(FIRST, "tcp", ""),
        &["V2 unknown"],
    ),
    (
        "somebody else listens, so nothing could be received",
        |a| a.says(FIRST, "udp", "taken (Address already in use)"),
        &["V2 no", "V3 unknown"],
    ),
    (
        "Lambda's segments follow",
        |a| a.says(SECOND, "lambdas", "1"),
        &["V3 no"],
    ),
    (
        "the second invocation had a sandbox of its own",
        |a| a.says(SECOND, "lambdas", ""),
        &["V3 unknown"],
    ),
    (
        "not sampled: there are no segments",
        |a| a.says(FIRST, "sampled", "0"),
        &["V3 unknown", "V4 unknown", "V8 unknown"],
    ),
    ("nothing is announced", |a| a.says(FIRST, "s", "none"), &["V4 no"]),
    (
        "another segment is announced",
        |a| a.says(FIRST, "s", "99aabbccddeeff00"),
        &["V4 no"],
    ),
    (
        "the announced segment is its own parent",
        |a| a.says(FIRST, "w", "1122334455667788"),
        &["V4 no"],
    ),
    (
        "platform.start did not come in time",
        |a| a.says(FIRST, "s", ""),
        &["V4 unknown"],
    ),
    (
        "another parent arrives",
        |a| a.says(CALLER, "callee_p", "0011223344556677"),
        &["V5 no"],
    ),
    (
        "PassThrough announces a segment",
        |a| a.says(CALLER, "callee_s", "0011223344556677"),
        &["V5 no"],
    ),
    (
        "the callee's platform.start did not come in time",
        |a| a.says(CALLER, "callee_s", ""),
        &["V5 unknown"],
    ),
    (
        "the callee's INVOKE had no header",
        |a| a.says(CALLER, "callee_p", ""),
        &["V5 unknown"],
    ),
    (
        "the caller is not sampled",
        |a| a.says(CALLER, "sampled", "0"),
        &["V5 unknown"],
    ),
    (
        "PassThrough decides",
        |a| a.says(PASSIVE, "sampled", "1"),
        &["V6 no"],
    ),
    (
        "no word of a decision",
        |a| a.says(PASSIVE, "sampled", ""),
        &["V6 unknown"],
    ),
    (
        "X-Ray writes another origin",
        |a| {
            let mut plain = segment("AWS::EC2::Instance");
            plain["annotations"] = json!({"fluoroscope_probe": true});
            a.keeps(SENT, &[plain, segment("AWS::Lambda")]);
        },
        &["V7 no"],
    ),
    (
        "nothing was sent",
        |a| a.says(SECOND, "sent", ""),
        &["V7 unknown", "V14 unknown"],
    ),
    (
        "X-Ray has nothing of it yet",
        |a| a.keeps(SENT, &[]),
        &["V7 unknown", "V14 unknown"],
    ),
    (
        "one of the two",
        |a| a.keeps(ROOT, &[segment("AWS::Lambda::Function")]),
        &["V8 no"],
    ),
    ("none of the two", |a| a.keeps(ROOT, &[]), &["V8 unknown"]),
    (
        "memory cannot be read",
        |a| a.says(FIRST, "available", "none"),
        &["V9 no"],
    ),
    (
        "the buffer is one byte too small",
        |a| a.says(FIRST, "rmem", "212991"),
        &["V9 no"],
    ),
    (
        "nobody may read its size",
        |a| a.says(FIRST, "rmem", "none"),
        &["V9 no"],
    ),
    (
        "no word of the buffer",
        |a| a.says(FIRST, "rmem", ""),
        &["V9 unknown"],
    ),
    (
        "no word of memory",
        |a| a.says(FIRST, "available", ""),
        &["V9 unknown"],
    ),
    (
        "X-Ray drops the other document",
        |a| {
            let mut sent = segment("AWS::Lambda::Function");
            sent["annotations"] = json!({"fluoroscope_probe": true});
            a.keeps(SENT, &[sent]);
        },
        &["V14 no"],
    ),
    (
        "the clock runs ahead",
        |a| a.says(THAWED, "monotonic", "2201"),
        &["V15 no"],
    ),
    (
        "the clock runs back",
        |a| a.says(THAWED, "monotonic", "-1"),
        &["V15 no"],
    ),
    (
        "the clock stands still",
        |a| a.says(THAWED, "monotonic", "3"),
        &[],
    ),
    (
        "another sandbox",
        |a| a.answers[THAWED] = a.answers[CLOCK].clone(),
        &["V15 unknown"],
    ),
    (
        "the host's memory",
        |a| a.says(CLOCK, "total", "513"),
        &["V16 no"],
    ),
    (
        "half of it hidden",
        |a| a.says(CLOCK, "total", "127"),
        &["V16 no"],
    ),
    (
        "memory that cannot be read",
        |a| a.says(CLOCK, "total", "none"),
        &["V16 no"],
    ),
    (
        "no word of the size",
        |a| a.says(CLOCK, "total", ""),
        &["V16 unknown"],
    ),
    (
        "subscribed once and for all",
        |a| a.says(CLOCK, "again", "403"),
        &["V17 no"],
    ),
    (
        "no telemetry at all",
        |a| a.says(CLOCK, "first", "202"),
        &["V17 unknown"],
    ),
];
