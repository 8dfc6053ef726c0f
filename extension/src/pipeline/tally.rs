//! The account of every document: received = sent + shed + rejected + held.
//!
//! Counts go up only, but for `held`, which is what the spool holds when it is asked.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::limits::ERROR_CODES;

/// Where a document came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A datagram of the X-Ray daemon's protocol.
    Udp,
    /// Made here from the platform's records.
    Platform,
}

/// Why a document was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShedReason {
    /// The spool was full; the oldest went first.
    Budget,
    /// Datagrams came faster than they could be looked at; the oldest went first.
    Overrun,
    /// The outbound stopped working and no longer says what became of its batch.
    OutboundLost,
}

impl ShedReason {
    const fn name(self) -> &'static str {
        match self {
            Self::Budget => "budget",
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
    rejected: Counts,
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
    pub fn shed(&mut self, reason: ShedReason, documents: u64) {
        if documents > 0 {
            *self.shed.entry(reason).or_default() += documents;
        }
    }

    /// A document was refused, here or by X-Ray. Beyond [`ERROR_CODES`] reasons the rest count as `other`.
    pub fn rejected(&mut self, reason: impl Into<Cow<'static, str>>) {
        add(&mut self.rejected, reason.into(), 1);
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

    /// Whether every document is accounted for.
    pub fn is_balanced(&self, held: u64) -> bool {
        self.received_total() == self.sent + self.shed_total() + self.rejected_total() + held
    }

    /// The account as fields of a log line.
    pub fn fields(&self, held: u64) -> Map<String, Value> {
        let origin = |origin| self.received.get(&origin).copied().unwrap_or(0);
        let shed: Map<String, Value> = self
            .shed
            .iter()
            .map(|(reason, count)| (reason.name().into(), (*count).into()))
            .collect();
        let fields = json!({
            "received": {
                "total": self.received_total(),
                "udp": origin(Origin::Udp),
                "platform": origin(Origin::Platform),
            },
            "sent": self.sent,
            "shed": with_total(shed, self.shed_total()),
            "rejected": with_total(by_name(&self.rejected), self.rejected_total()),
            "held": held,
            "telemetry_rejected": by_name(&self.telemetry),
        });
        match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
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
        tally.received(Origin::Udp, 9);
        tally.received(Origin::Platform, 2);
        tally.sent(5);
        tally.shed(ShedReason::Budget, 2);
        tally.rejected("bad_id");
        assert!(tally.is_balanced(3));
        assert!(!tally.is_balanced(2));
        let fields = Value::Object(tally.fields(3));
        assert_eq!(fields["received"], json!({"total": 11, "udp": 9, "platform": 2}));
        assert_eq!(fields["shed"], json!({"total": 2, "budget": 2}));
        assert_eq!(fields["rejected"], json!({"total": 1, "bad_id": 1}));
        assert_eq!((&fields["sent"], &fields["held"]), (&json!(5), &json!(3)));
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
