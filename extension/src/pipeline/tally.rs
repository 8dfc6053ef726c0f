//! The account of every document: received = sent + shed + rejected + repeated + superseded + held, for each outbound.
//!
//! Counts go up only, but for `held`, which is what is held when it is asked.

mod account;
mod kinds;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use model::wire::oversize::Trimmed;
use serde_json::{Map, Value, json};

use super::document::{self, ByValue};
use super::durations::Durations;
use super::lane::{Lane, PerLane};
use crate::limits::ERROR_CODES;

pub use account::Account;
pub use kinds::{Foreign, Held, Origin, ShedReason, Sign};

/// Counts by reason.
type Counts = BTreeMap<Cow<'static, str>, u64>;

/// What is counted for an outbound, or for all of them at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Column {
    received: BTreeMap<Origin, u64>,
    sent: u64,
    shed: BTreeMap<ShedReason, u64>,
    shed_values: ByValue<u64>,
    rejected: Counts,
    signs: BTreeMap<Sign, u64>,
    /// Calls that failed, by kind.
    failures: Counts,
}

impl Column {
    fn received(&mut self, origin: Origin, documents: u64) {
        if documents > 0 {
            *self.received.entry(origin).or_default() += documents;
        }
    }

    fn shed(&mut self, reason: ShedReason, documents: u64) {
        if documents > 0 {
            *self.shed.entry(reason).or_default() += documents;
        }
    }

    fn sign(&mut self, sign: Sign, times: u64) {
        *self.signs.entry(sign).or_default() += times;
    }
}

/// The account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    names: PerLane<&'static str>,
    /// What every outbound shares.
    common: Column,
    lanes: PerLane<Column>,
    repeated: u64,
    superseded: u64,
    passed_over: BTreeMap<Foreign, u64>,
    /// Bytes cut off documents that were too large, by what they were.
    trimmed: BTreeMap<Trimmed, u64>,
    /// Datagrams that the system dropped: outside the sum, for nobody knows what they were.
    dropped_by_system: u64,
    /// Time that invocations took after their runtime was done.
    flushes: Durations,
    /// Those since they were last taken.
    recent_flushes: Durations,
    /// Telemetry elements that gave nothing, which are no documents.
    telemetry: Counts,
}

impl Tally {
    /// An account of nothing, for outbounds of these names.
    pub fn new(names: PerLane<&'static str>) -> Self {
        Self {
            common: Column::default(),
            lanes: names.map(|_| Column::default()),
            names,
            repeated: 0,
            superseded: 0,
            passed_over: BTreeMap::new(),
            trimmed: BTreeMap::new(),
            dropped_by_system: 0,
            flushes: Durations::default(),
            recent_flushes: Durations::default(),
            telemetry: Counts::new(),
        }
    }

    /// Documents came in, for every outbound.
    pub fn received(&mut self, origin: Origin, documents: u64) {
        self.common.received(origin, documents);
    }

    /// Documents came in for one outbound alone.
    pub fn received_by(&mut self, lane: Lane, origin: Origin, documents: u64) {
        self.lanes.of_mut(lane).received(origin, documents);
    }

    /// The destination took documents.
    pub fn sent(&mut self, lane: Lane, documents: u64) {
        self.lanes.of_mut(lane).sent += documents;
    }

    /// An outbound gave documents up.
    pub fn shed(&mut self, lane: Lane, reason: ShedReason, documents: ByValue<u64>) {
        let column = self.lanes.of_mut(lane);
        for value in document::Value::ALL {
            *column.shed_values.of_mut(value) += documents.of(value);
            column.shed(reason, *documents.of(value));
        }
    }

    /// Documents were given up whose value nobody knows, by every outbound.
    pub fn shed_unknown(&mut self, reason: ShedReason, documents: u64) {
        self.common.shed(reason, documents);
    }

    /// The same by one outbound alone.
    pub fn shed_unknown_by(&mut self, lane: Lane, reason: ShedReason, documents: u64) {
        self.lanes.of_mut(lane).shed(reason, documents);
    }

    /// A document was refused here. Beyond [`ERROR_CODES`] reasons the rest count as `other`.
    pub fn rejected(&mut self, reason: impl Into<Cow<'static, str>>) {
        add(&mut self.common.rejected, reason.into(), 1);
    }

    /// A document was refused by a destination, likewise.
    pub fn rejected_by(&mut self, lane: Lane, reason: impl Into<Cow<'static, str>>) {
        add(&mut self.lanes.of_mut(lane).rejected, reason.into(), 1);
    }

    /// Exact repeats of a document were dropped.
    pub fn repeated(&mut self, documents: u64) {
        self.repeated += documents;
    }

    /// Open forms of documents were dropped, because the completed form or a newer open one takes their place.
    pub fn superseded(&mut self, documents: u64) {
        self.superseded += documents;
    }

    /// Something came that is no document of a trace.
    pub fn passed_over(&mut self, kind: Foreign, times: u64) {
        *self.passed_over.entry(kind).or_default() += times;
    }

    /// Something beside the sum happened so often.
    pub fn sign(&mut self, sign: Sign, times: u64) {
        self.common.sign(sign, times);
    }

    /// The same with one outbound.
    pub fn sign_of(&mut self, lane: Lane, sign: Sign, times: u64) {
        self.lanes.of_mut(lane).sign(sign, times);
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
    pub fn failed(&mut self, lane: Lane, kind: &'static str) {
        add(&mut self.lanes.of_mut(lane).failures, kind.into(), 1);
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

    /// How long invocations were held after their runtime was done.
    pub fn flushes(&self) -> &Durations {
        &self.flushes
    }

    /// The same since it was last asked.
    pub fn take_recent_flushes(&mut self) -> Durations {
        std::mem::take(&mut self.recent_flushes)
    }

    /// One outbound's account.
    pub fn of(&self, lane: Lane) -> Account<'_> {
        Account {
            tally: self,
            own: self.lanes.of(lane),
        }
    }

    /// The account as fields of a log line. Where there are several outbounds each has its own sum.
    pub fn fields(&self, held: impl Fn(Lane) -> Held) -> Map<String, Value> {
        let trimmed: Map<String, Value> = self
            .trimmed
            .iter()
            .map(|(kind, bytes)| (kind.name().into(), (*bytes).into()))
            .collect();
        let mut fields = if self.lanes.are_several() {
            let outbounds = self.names.each().map(|(lane, name)| {
                let fields = self.of(lane).fields(held(lane));
                ((*name).to_owned(), Value::Object(fields))
            });
            Map::from_iter([
                ("received".to_owned(), self.received_by_all()),
                ("outbounds".to_owned(), Value::Object(outbounds.collect())),
            ])
        } else {
            self.of(Lane::FIRST).fields(held(Lane::FIRST))
        };
        let passed_over: Map<String, Value> = Foreign::ALL
            .iter()
            .filter_map(|kind| Some((kind.name().into(), (*self.passed_over.get(kind)?).into())))
            .collect();
        fields.insert("passed_over".into(), passed_over.into());
        fields.insert("trimmed_bytes".into(), trimmed.into());
        fields.insert("udp_dropped_by_system".into(), self.dropped_by_system.into());
        fields.insert("flush".into(), self.flushes.fields());
        fields.insert("telemetry_rejected".into(), by_name(&self.telemetry).into());
        let common = Sign::ALL.into_iter().filter(|sign| !sign.is_of_calls());
        fields.extend(common.map(|sign| {
            let times = self.common.signs.get(&sign).copied().unwrap_or(0);
            (sign.name().to_owned(), times.into())
        }));
        fields
    }

    /// What came in for every outbound.
    fn received_by_all(&self) -> Value {
        let received = &self.common.received;
        let of = |origin| received.get(&origin).copied().unwrap_or(0);
        json!({
            "total": received.values().sum::<u64>(),
            "udp": of(Origin::Udp),
            "tcp": of(Origin::Tcp),
            "otlp": of(Origin::Otlp),
            "part": of(Origin::Part),
        })
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

    fn one() -> Tally {
        Tally::new(PerLane::one("xray"))
    }

    #[test]
    fn the_sum_holds_only_if_every_document_is_somewhere() {
        let mut tally = one();
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
        tally.sent(Lane::FIRST, 200);
        let values = ByValue {
            ordinary: 15,
            faulty: 3,
            platform: 1,
        };
        tally.shed(Lane::FIRST, ShedReason::Budget, values);
        tally.shed_unknown(ShedReason::Overrun, 1);
        tally.rejected("bad_id");
        tally.repeated(40);
        tally.superseded(9);
        assert!(tally.of(Lane::FIRST).is_balanced(40));
        assert!(!tally.of(Lane::FIRST).is_balanced(39) && !tally.of(Lane::FIRST).is_balanced(41));
        let held = Held {
            in_memory: 30,
            in_file: 10,
        };
        let fields = Value::Object(tally.fields(|_| held));
        assert_eq!(
            fields["received"],
            json!({"total": 310, "udp": 10, "tcp": 20, "otlp": 0, "platform": 40, "recovered": 80, "part": 160})
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
        let mut tally = one();
        for sign in Sign::ALL {
            tally.sign(sign, 2);
        }
        tally.failed(Lane::FIRST, "silent");
        tally.flushed(Duration::from_millis(7));
        assert!(tally.of(Lane::FIRST).is_balanced(0));
        let fields = Value::Object(tally.fields(|_| Held::default()));
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
        let mut tally = one();
        for code in 0..ERROR_CODES + 5 {
            tally.rejected(format!("code_{code}"));
        }
        tally.rejected("code_0");
        assert_eq!(tally.of(Lane::FIRST).rejected_total(), 38);
        assert_eq!(tally.common.rejected.get("other"), Some(&5));
        assert_eq!(tally.common.rejected.get("code_0"), Some(&2));
    }

    #[test]
    fn of_several_outbounds_each_has_its_own_sum() {
        let mut tally = Tally::new(PerLane::of_all("xray", ["daemon"]));
        let [xray, daemon] = [Lane::FIRST, tally.names.lanes().each().last().unwrap()];
        tally.received(Origin::Udp, 5);
        tally.received_by(daemon, Origin::Platform, 2);
        tally.received_by(xray, Origin::Recovered, 1);
        tally.rejected("bad_id");
        tally.sent(xray, 4);
        tally.sent(daemon, 1);
        tally.rejected_by(daemon, "daemon TooLarge");
        let values = ByValue {
            ordinary: 2,
            ..ByValue::default()
        };
        tally.shed(daemon, ShedReason::Budget, values);
        tally.sign_of(daemon, Sign::Attempt, 3);
        tally.failed(daemon, "silent");
        assert!(tally.of(xray).is_balanced(1) && tally.of(daemon).is_balanced(2));
        let held = |lane| Held {
            in_memory: if lane == xray { 1 } else { 2 },
            in_file: 0,
        };
        let fields = Value::Object(tally.fields(held));
        let [xray, daemon] = ["xray", "daemon"].map(|name| &fields["outbounds"][name]);
        assert_eq!(fields["received"]["total"], 5);
        assert_eq!(
            [&xray["received"]["total"], &daemon["received"]["total"]],
            [&json!(6), &json!(7)]
        );
        assert_eq!([&xray["sent"], &daemon["sent"]], [&json!(4), &json!(1)]);
        assert_eq!([&xray["held"], &daemon["held"]], [&json!(1), &json!(2)]);
        assert_eq!(xray["rejected"], json!({ "total": 1, "bad_id": 1 }));
        assert_eq!(
            daemon["rejected"],
            json!({ "total": 2, "bad_id": 1, "daemon TooLarge": 1 })
        );
        assert_eq!(daemon["shed"], json!({ "total": 2, "budget": 2 }));
        assert_eq!((&xray["attempts"], &daemon["attempts"]), (&json!(0), &json!(3)));
        assert_eq!(daemon["failures"], json!({ "total": 1, "silent": 1 }));
        assert_eq!(fields["sent"], Value::Null, "no sum says more than each");
    }
}
