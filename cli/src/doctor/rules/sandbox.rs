//! What the sandbox has, and what kind it is.

use model::size::ByteCount;

use super::super::finding::Finding;
use super::super::function::{STORAGE_DEFAULT, TIMEOUT_DEFAULT};
use super::super::node::Node;
use super::super::settings::{HOLD_MAX_MS, PROCESS_BASE};
use super::subject::Subject;

/// Shares of the function's memory, as divisors: above the first a budget is much, above the second too much.
const MUCH: u64 = 4;
const TOO_MUCH: u64 = 2;
/// Likewise of /tmp.
const MUCH_OF_STORAGE: u64 = 2;

pub(super) fn memory_budget(subject: &Subject<'_>) -> Vec<Finding> {
    const NAME: &str = "FLUOROSCOPE_MEMORY_BUDGET";
    let (Some(node), Some(memory_mb)) = (subject.function.variable(NAME), subject.function.memory_mb())
    else {
        return Vec::new();
    };
    let (budget, memory) = (subject.settings.process_budget, ByteCount::mib(memory_mb));
    let what = format!(
        "{NAME} is {} MiB of the function's {memory_mb} MB",
        budget.get() >> 20
    );
    if budget.get() > memory.get() / TOO_MUCH {
        return vec![
            Finding::error(&node.place, what)
                .why("a burst or an outage can take more than half of the function's memory from it")
                .mend("leave it out (the larger of 16 MiB and 3 %), or give the function more memory"),
        ];
    }
    if budget.get() > memory.get() / MUCH {
        return vec![
            Finding::warning(&node.place, what)
                .why("a burst or an outage can take more than a quarter of the function's memory from it")
                .mend("a budget of 24 MiB holds more than ten thousand small documents; beyond it they go to /tmp"),
        ];
    }
    if budget <= PROCESS_BASE {
        return vec![
            Finding::warning(&node.place, what)
                .why("the process alone needs 8 MiB: hardly any document has room before it goes to /tmp")
                .mend("give it 16MiB, or leave it out"),
        ];
    }
    Vec::new()
}

pub(super) fn spill_limit(subject: &Subject<'_>) -> Vec<Finding> {
    const NAME: &str = "FLUOROSCOPE_SPILL_LIMIT";
    let storage = subject.function.storage.as_ref();
    let (Some(node), Some(storage_mb)) = (
        subject.function.variable(NAME),
        storage.map_or(Some(STORAGE_DEFAULT), Node::number),
    ) else {
        return Vec::new();
    };
    let limit = subject.settings.spill_limit;
    if limit.get() <= ByteCount::mib(storage_mb).get() / MUCH_OF_STORAGE {
        return Vec::new();
    }
    vec![
        Finding::warning(
            &node.place,
            format!(
                "{NAME} is {} MiB of the function's {storage_mb} MB of /tmp",
                limit.get() >> 20
            ),
        )
        .why("in an outage the function may find /tmp more than half full")
        .mend("leave it out (32 MiB), or give the function more (EphemeralStorage)"),
    ]
}

pub(super) fn timeout_short(subject: &Subject<'_>) -> Vec<Finding> {
    let timeout = subject.function.timeout.as_ref();
    let Some(timeout_s) = timeout.map_or(Some(TIMEOUT_DEFAULT), Node::number) else {
        return Vec::new();
    };
    if u128::from(timeout_s) * 1000 >= HOLD_MAX_MS {
        return Vec::new();
    }
    let place = timeout.map_or(&subject.function.place, |node| &node.place);
    vec![
        Finding::warning(place, format!("a timeout of {timeout_s} s"))
            .why("it covers the time after the response too: when the handler has used most of it, documents wait for a later invocation or SHUTDOWN")
            .mend("give it 3 s or more; nothing is billed that is not used"),
    ]
}

pub(super) fn vpc_egress(subject: &Subject<'_>) -> Vec<Finding> {
    let Some(subnets) = &subject.function.subnets else {
        return Vec::new();
    };
    if subject.function.has_egress || subject.is_redirected() == Some(true) || !subject.reaches_xray() {
        return Vec::new();
    }
    let what = "the function is in a VPC, and whether X-Ray can be reached from there is not seen here";
    vec![
        Finding::note(&subnets.place, what)
            .why("without a way out, documents are held and shed when room runs out; it costs one wait of 300 ms in the life of a sandbox")
            .mend("the subnets need a NAT gateway, or an interface endpoint com.amazonaws.REGION.xray with private DNS that lets the function's security group in on port 443"),
    ]
}

pub(super) fn snap_start(subject: &Subject<'_>) -> Vec<Finding> {
    let Some(node) = &subject.function.snap_start else {
        return Vec::new();
    };
    vec![
        Finding::note(&node.place, "SnapStart")
            .why("published versions only: traces show Restore instead of Initialization, and credentials are fetched after each restore")
            .mend("publish a version after every change of the layer or of a variable: snapshots keep the old ones"),
    ]
}

pub(super) fn managed_instances(subject: &Subject<'_>) -> Vec<Finding> {
    let Some(node) = &subject.function.capacity_provider else {
        return Vec::new();
    };
    vec![
        Finding::note(&node.place, "a managed instance: many requests at once, and no freezing")
            .why("documents leave in the background; FLUOROSCOPE_FLUSH decides nothing here, and all requests share one memory budget")
            .mend("watch `shed` in the tally; raise FLUOROSCOPE_MEMORY_BUDGET if it counts documents in bursts"),
    ]
}
