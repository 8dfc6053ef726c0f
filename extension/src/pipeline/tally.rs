//! The account of every document: received = sent + shed + rejected + repeated + superseded + held.
//!
//! Counts go up only, but for `held`, which is what is held when it is asked.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use model::wire::oversize::Trimmed;
use serde_json::{Map, Value, json};

use super::document::{self, ByValue};
use super::durations::Durations;
use crate::limits::ERROR_CODES;

/// Where a document came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A datagram of the X-Ray daemon's protocol.
    Udp,
    /// A request to the TCP side of the X-Ray daemon's port.
    Tcp,
    /// Made here from the platform's records.
    Platform,
    /// Read from what an earlier process of the sandbox left behind.
    Recovered,
    /// Each further document that cutting one made.
    Part,
}

/// Documents held when it is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// In memory, in any state.
    pub in_memory: u64,
    /// In the spill file.
    pub in_file: u64,
}

impl Held {
    /// All of them.
    pub fn total(self) -> u64 {
        self.in_memory + self.in_file
    }
}

/// What happened beside the sum: no documents, or documents seen from another side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// A document over X-Ray's size was cut.
    Split,
    /// A document was given back for another attempt.
    Retried,
    /// A call to X-Ray was begun.
    Attempt,
    /// An invocation ran out of memory.
    OutOfMemory,
    /// An invocation that head sampling left out was told all the same.
    Rescued,
    /// A document that was still open was closed as evidence of a failure.
    Evidence,
    /// X-Ray answered a sampler's question.
    SamplingForwarded,
    /// A sampler's question got an earlier answer again.
    SamplingCached,
    /// A sampler's question was not answered as it should be.
    SamplingFailed,
}

impl Sign {
    /// Every sign, in the order of the tally's fields.
    pub const ALL: [Self; 9] = [
        Self::Split,
        Self::Retried,
        Self::Attempt,
        Self::OutOfMemory,
        Self::Rescued,
        Self::Evidence,
        Self::SamplingForwarded,
        Self::SamplingCached,
        Self::SamplingFailed,
    ];

    /// The tally's field.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Split => "split",
            Self::Retried => "retried",
            Self::Attempt => "attempts",
            Self::OutOfMemory => "out_of_memory",
            Self::Rescued => "rescued",
            Self::Evidence => "evidence",
            Self::SamplingForwarded => "sampling_forwarded",
            Self::SamplingCached => "sampling_cached",
            Self::SamplingFailed => "sampling_failed",
        }
    }
}

/// Why a document was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShedReason {
    /// The spool was full; what is missed least went first.
    Budget,
    /// The spill file was full; what is missed least went first.
    SpillLimit,
    /// Datagrams came faster than they could be looked at; the oldest went first.
    Overrun,
    /// The outbound stopped working and no longer says what became of its batch.
    OutboundLost,
}

impl ShedReason {
    const fn name(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::SpillLimit => "spill_limit",
            Self::Overrun => "overrun",
            Self::OutboundLost => "outbound_lost",
        }
    }
}

/// Counts by reason.
type Counts = BTreeMap<Cow<'static, str>, u64>;

/// The account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    received: BTreeMap<Origin, u64>,
    sent: u64,
    shed: BTreeMap<ShedReason, u64>,
    shed_values: ByValue<u64>,
    rejected: Counts,
    repeated: u64,
    superseded: u64,
    signs: BTreeMap<Sign, u64>,
    /// Bytes cut off documents that were too large, by what they were.
    trimmed: BTreeMap<Trimmed, u64>,
    /// Datagrams that the system dropped: outside the sum, for nobody knows what they were.
    dropped_by_system: u64,
    /// Calls that failed, by kind.
    failures: Counts,
    /// Time that invocations took after their runtime was done.
    flushes: Durations,
    /// Those since they were last taken.
    recent_flushes: Durations,
    /// Telemetry elements that gave nothing, which are no documents.
    telemetry: Counts,
}

impl Tally {
    /// Documents came in.
    pub fn received(&mut self, origin: Origin, documents: u64) {
        *self.received.entry(origin).or_default() += documents;
    }

    /// X-Ray took documents.
    pub fn sent(&mut self, documents: u64) {
        self.sent += documents;
    }

    /// Documents were given up.
    pub fn shed(&mut self, reason: ShedReason, documents: ByValue<u64>) {
        for value in document::Value::ALL {
            *self.shed_values.of_mut(value) += documents.of(value);
            self.shed_unknown(reason, *documents.of(value));
        }
    }

    /// Documents were given up whose value nobody knows.
    pub fn shed_unknown(&mut self, reason: ShedReason, documents: u64) {
        if documents > 0 {
            *self.shed.entry(reason).or_default() += documents;
        }
    }

    /// A document was refused, here or by X-Ray. Beyond [`ERROR_CODES`] reasons the rest count as `other`.
    pub fn rejected(&mut self, reason: impl Into<Cow<'static, str>>) {
        add(&mut self.rejected, reason.into(), 1);
    }

    /// Exact repeats of a document were dropped.
    pub fn repeated(&mut self, documents: u64) {
        self.repeated += documents;
    }

    /// Open forms of documents were dropped, because the completed form or a newer open one takes their place.
    pub fn superseded(&mut self, documents: u64) {
        self.superseded += documents;
    }

    /// Something beside the sum happened so often.
    pub fn sign(&mut self, sign: Sign, times: u64) {
        *self.signs.entry(sign).or_default() += times;
    }

    /// Bytes were cut off documents that were too large.
    pub fn trimmed(&mut self, kind: Trimmed, bytes: u64) {
        *self.trimmed.entry(kind).or_default() += bytes;
    }

    /// Datagrams were dropped before they were received.
    pub fn dropped_by_system(&mut self, datagrams: u64) {
        self.dropped_by_system = datagrams;
    }

    /// A call failed. Beyond [`ERROR_CODES`] kinds the rest count as `other`.
    pub fn failed(&mut self, kind: &'static str) {
        add(&mut self.failures, kind.into(), 1);
    }

    /// An invocation was held this long after its runtime was done.
    pub fn flushed(&mut self, after_done: Duration) {
        self.flushes.note(after_done);
        self.recent_flushes.note(after_done);
    }

    /// Telemetry elements that gave nothing.
    pub fn telemetry(&mut self, reason: impl Into<Cow<'static, str>>, elements: u64) {
        if elements > 0 {
            add(&mut self.telemetry, reason.into(), elements);
        }
    }

    /// Documents that came in, from everywhere.
    pub fn received_total(&self) -> u64 {
        self.received.values().sum()
    }

    /// Documents X-Ray took.
    pub fn sent_total(&self) -> u64 {
        self.sent
    }

    /// Documents given up.
    pub fn shed_total(&self) -> u64 {
        self.shed.values().sum()
    }

    /// Documents refused.
    pub fn rejected_total(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Exact repeats that were dropped.
    pub fn repeated_total(&self) -> u64 {
        self.repeated
    }

    /// Open forms that were dropped for newer ones.
    pub fn superseded_total(&self) -> u64 {
        self.superseded
    }

    /// How often something beside the sum happened.
    pub fn times(&self, sign: Sign) -> u64 {
        self.signs.get(&sign).copied().unwrap_or(0)
    }

    /// Calls that failed.
    pub fn failed_total(&self) -> u64 {
        self.failures.values().sum()
    }

    /// How long invocations were held after their runtime was done.
    pub fn flushes(&self) -> &Durations {
        &self.flushes
    }

    /// The same since it was last asked.
    pub fn take_recent_flushes(&mut self) -> Durations {
        std::mem::take(&mut self.recent_flushes)
    }

    /// Telemetry elements that gave nothing.
    pub fn telemetry_total(&self) -> u64 {
        self.telemetry.values().sum()
    }

    /// Whether every document is accounted for.
    pub fn is_balanced(&self, held: u64) -> bool {
        let settled = self.sent + self.shed_total() + self.rejected_total();
        self.received_total() == settled + self.repeated + self.superseded + held
    }

    /// The account as fields of a log line.
    pub fn fields(&self, held: Held) -> Map<String, Value> {
        let origin = |origin| self.received.get(&origin).copied().unwrap_or(0);
        let shed: Map<String, Value> = self
            .shed
            .iter()
            .map(|(reason, count)| (reason.name().into(), (*count).into()))
            .collect();
        let trimmed: Map<String, Value> = self
            .trimmed
            .iter()
            .map(|(kind, bytes)| (kind.name().into(), (*bytes).into()))
            .collect();
        let fields = json!({
            "received": {
                "total": self.received_total(),
                "udp": origin(Origin::Udp),
                "tcp": origin(Origin::Tcp),
                "platform": origin(Origin::Platform),
                "recovered": origin(Origin::Recovered),
                "part": origin(Origin::Part),
            },
            "sent": self.sent,
            "shed": with_total(shed, self.shed_total()),
            "shed_by_value": by_value(&self.shed_values, self.shed_total()),
            "rejected": with_total(by_name(&self.rejected), self.rejected_total()),
            "repeated": self.repeated,
            "superseded": self.superseded,
            "held": held.total(),
            "held_in_file": held.in_file,
            "trimmed_bytes": trimmed,
            "udp_dropped_by_system": self.dropped_by_system,
            "failures": with_total(by_name(&self.failures), self.failed_total()),
            "flush": self.flushes.fields(),
            "telemetry_rejected": by_name(&self.telemetry),
        });
        let mut fields = match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        let signs = Sign::ALL.map(|sign| (sign.name().to_owned(), self.times(sign).into()));
        fields.extend(signs);
        fields
    }
}

fn add(counts: &mut Counts, reason: Cow<'static, str>, count: u64) {
    let is_room = counts.len() < ERROR_CODES || counts.contains_key(&reason);
    *counts
        .entry(if is_room { reason } else { "other".into() })
        .or_default() += count;
}

fn by_name(counts: &Counts) -> Map<String, Value> {
    counts
        .iter()
        .map(|(reason, count)| (reason.to_string(), (*count).into()))
        .collect()
}

/// Documents by what they were worth; `unknown` for those that nobody looked at.
fn by_value(documents: &ByValue<u64>, total: u64) -> Map<String, Value> {
    let known = document::Value::ALL.map(|value| (value.name(), *documents.of(value)));
    let unknown = total - known.iter().map(|(_, count)| count).sum::<u64>();
    let all = known.into_iter().chain([("unknown", unknown)]);
    all.filter(|(_, count)| *count > 0)
        .map(|(value, count)| (value.into(), count.into()))
        .collect()
}

fn with_total(mut counts: Map<String, Value>, total: u64) -> Map<String, Value> {
    counts.insert("total".into(), total.into());
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_holds_only_if_every_document_is_somewhere() {
        let mut tally = Tally::default();
        for (place, origin) in [
            Origin::Udp,
            Origin::Tcp,
            Origin::Platform,
            Origin::Recovered,
            Origin::Part,
        ]
        .into_iter()
        .enumerate()
        {
            tally.received(origin, 10 << place); // 310 in all
        }
        tally.sent(200);
        let values = ByValue {
            ordinary: 15,
            faulty: 3,
            platform: 1,
        };
        tally.shed(ShedReason::Budget, values);
        tally.shed_unknown(ShedReason::Overrun, 1);
        tally.rejected("bad_id");
        tally.repeated(40);
        tally.superseded(9);
        assert!(tally.is_balanced(40));
        assert!(!tally.is_balanced(39) && !tally.is_balanced(41));
        let held = Held {
            in_memory: 30,
            in_file: 10,
        };
        let fields = Value::Object(tally.fields(held));
        assert_eq!(
            fields["received"],
            json!({"total": 310, "udp": 10, "tcp": 20, "platform": 40, "recovered": 80, "part": 160})
        );
        assert_eq!(fields["shed"], json!({"total": 20, "budget": 19, "overrun": 1}));
        assert_eq!(
            fields["shed_by_value"],
            json!({"ordinary": 15, "faulty": 3, "platform": 1, "unknown": 1})
        );
        assert_eq!(fields["rejected"], json!({"total": 1, "bad_id": 1}));
        assert_eq!((&fields["sent"], &fields["held"]), (&json!(200), &json!(40)));
        assert_eq!(fields["held_in_file"], 10);
        assert_eq!(
            (&fields["repeated"], &fields["superseded"]),
            (&json!(40), &json!(9))
        );
    }

    #[test]
    fn what_happens_beside_the_sum_does_not_change_it() {
        let mut tally = Tally::default();
        for sign in Sign::ALL {
            tally.sign(sign, 2);
        }
        tally.failed("silent");
        tally.flushed(Duration::from_millis(7));
        assert!(tally.is_balanced(0));
        let fields = Value::Object(tally.fields(Held::default()));
        for sign in Sign::ALL {
            assert_eq!(fields[sign.name()], 2, "{}", sign.name());
        }
        assert_eq!(fields["failures"], json!({"total": 1, "silent": 1}));
        assert_eq!(
            fields["flush"],
            json!({"count": 1, "p50_ms": 10, "p99_ms": 10, "max_ms": 7})
        );
    }

    #[test]
    fn reasons_beyond_the_limit_are_counted_together() {
        let mut tally = Tally::default();
        for code in 0..ERROR_CODES + 5 {
            tally.rejected(format!("code_{code}"));
        }
        tally.rejected("code_0");
        assert_eq!(tally.rejected_total(), 38);
        assert_eq!(tally.rejected.get("other"), Some(&5));
        assert_eq!(tally.rejected.get("code_0"), Some(&2));
    }
}
