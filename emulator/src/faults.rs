//! Deviations of the platform, as plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What the platform does otherwise than Lambda usually does. The default is no deviation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    /// Answer to a telemetry subscription.
    pub subscription: SubscriptionAnswer,
    /// Record types that are never delivered, such as `platform.report`.
    pub dropped_records: BTreeSet<String>,
    /// Record types that reach the buffer only this long after their generation.
    pub delayed_records: BTreeMap<String, Duration>,
    /// How long records are buffered, whatever a subscriber asked for. Lambda's least is 25 ms.
    pub buffered_for: Option<Duration>,
    /// Wait before each delivery.
    pub delivery_delay: Duration,
    /// Order of the records inside a delivery.
    pub record_order: RecordOrder,
    /// Records that one delivery may carry.
    pub records_per_delivery: Option<usize>,
    /// Whether each record is delivered twice.
    pub duplicated_records: bool,
    /// Raw array elements that each delivery carries in front of its records.
    pub extra_records: Vec<String>,
    /// What befalls single deliveries, one after the other; behind the last it begins again.
    pub mishaps: Vec<Mishap>,
    /// Wait before INVOKE is released to the extensions; the runtime gets its event at once.
    pub invoke_event_delay: Duration,
    /// `deadlineMs` of INVOKE, whatever the real one is; some emulators send 0.
    pub invoke_deadline_ms: Option<i64>,
    /// Whether INVOKE has no `tracing`, as where the sandbox has no trace id.
    pub invoke_without_tracing: bool,
    /// Whether the runtime gets no `Lambda-Runtime-Trace-Id`, as in AWS's classic emulator.
    pub runtime_without_trace_header: bool,
    /// Text of `shutdownReason`.
    pub shutdown_reason: Option<String>,
    /// Time from the start of a shutdown to the kill.
    pub shutdown_budget: Option<Duration>,
}

/// Answer to a telemetry subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SubscriptionAnswer {
    /// As Lambda does.
    #[default]
    Normal,
    /// This status, with the error body that goes with it; nothing is ever delivered.
    Status(u16),
    /// As Lambda does, but 400 for every other schema version.
    SchemaVersions(Vec<String>),
    /// 200, and nothing is ever delivered.
    Silent,
}

/// Order of the records inside a delivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RecordOrder {
    /// As generated.
    #[default]
    Generated,
    /// The newest first.
    Reversed,
    /// Any order; another one for another number.
    Shuffled(u64),
}

/// What befalls one delivery. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mishap {
    /// It comes this much later.
    pub wait: Duration,
    /// Record types that are not in it, nor in a later one.
    pub lost: BTreeSet<String>,
    /// Order of its records.
    pub order: RecordOrder,
    /// Whether each of its records is in it twice.
    pub has_doubles: bool,
    /// Whether it comes a second time, as if its answer had been lost.
    pub is_repeated: bool,
    /// Raw array elements in front of its records.
    pub extra_records: Vec<String>,
    /// Deliveries that its records are spread over. 0 is 1.
    pub split: usize,
}
