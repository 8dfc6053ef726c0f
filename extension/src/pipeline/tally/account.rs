//! One outbound's account: what is counted for it alone, and what all of them share.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::{Column, Counts, Held, Origin, ShedReason, Sign, Tally, add, by_name, by_value, with_total};
use crate::pipeline::document;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Account<'a> {
    pub(super) tally: &'a Tally,
    pub(super) own: &'a Column,
}

impl Account<'_> {
    fn both(&self) -> [&Column; 2] {
        [&self.tally.common, self.own]
    }

    fn sum(&self, of: impl Fn(&Column) -> u64) -> u64 {
        self.both().into_iter().map(of).sum()
    }

    fn received(&self, origin: Origin) -> u64 {
        self.sum(|column| column.received.get(&origin).copied().unwrap_or(0))
    }

    /// Documents that came in, from everywhere.
    pub fn received_total(&self) -> u64 {
        self.sum(|column| column.received.values().sum())
    }

    /// Documents the destination took.
    pub fn sent_total(&self) -> u64 {
        self.own.sent
    }

    /// Documents given up.
    pub fn shed_total(&self) -> u64 {
        self.sum(|column| column.shed.values().sum())
    }

    /// Documents refused.
    pub fn rejected_total(&self) -> u64 {
        self.sum(|column| column.rejected.values().sum())
    }

    /// Exact repeats that were dropped.
    pub fn repeated_total(&self) -> u64 {
        self.tally.repeated
    }

    /// Open forms that were dropped for newer ones.
    pub fn superseded_total(&self) -> u64 {
        self.tally.superseded
    }

    /// How often something beside the sum happened.
    pub fn times(&self, sign: Sign) -> u64 {
        self.sum(|column| column.signs.get(&sign).copied().unwrap_or(0))
    }

    /// Calls that failed.
    pub fn failed_total(&self) -> u64 {
        self.own.failures.values().sum()
    }

    /// Telemetry elements that gave nothing.
    pub fn telemetry_total(&self) -> u64 {
        self.tally.telemetry.values().sum()
    }

    /// Whether every document is accounted for.
    pub fn is_balanced(&self, held: u64) -> bool {
        let settled = self.sent_total() + self.shed_total() + self.rejected_total();
        let dropped = self.repeated_total() + self.superseded_total();
        self.received_total() == settled + dropped + held
    }

    /// Documents refused, by reason.
    pub(super) fn rejected(&self) -> Counts {
        let mut rejected = self.tally.common.rejected.clone();
        for (reason, count) in &self.own.rejected {
            add(&mut rejected, Cow::clone(reason), *count);
        }
        rejected
    }

    /// The sum, and what happened with this outbound, as fields of a log line.
    pub(super) fn fields(&self, held: Held) -> Map<String, Value> {
        let shed: Map<String, Value> = ShedReason::ALL
            .into_iter()
            .map(|reason| {
                let count = self.sum(|column| column.shed.get(&reason).copied().unwrap_or(0));
                (reason.name().to_owned(), count)
            })
            .filter(|(_, count)| *count > 0)
            .map(|(reason, count)| (reason, count.into()))
            .collect();
        let mut shed_values = self.own.shed_values;
        for value in document::Value::ALL {
            *shed_values.of_mut(value) += self.tally.common.shed_values.of(value);
        }
        let fields = json!({
            "received": {
                "total": self.received_total(),
                "udp": self.received(Origin::Udp),
                "tcp": self.received(Origin::Tcp),
                "otlp": self.received(Origin::Otlp),
                "platform": self.received(Origin::Platform),
                "recovered": self.received(Origin::Recovered),
                "part": self.received(Origin::Part),
            },
            "sent": self.sent_total(),
            "shed": with_total(shed, self.shed_total()),
            "shed_by_value": by_value(&shed_values, self.shed_total()),
            "rejected": with_total(by_name(&self.rejected()), self.rejected_total()),
            "repeated": self.repeated_total(),
            "superseded": self.superseded_total(),
            "held": held.total(),
            "held_in_file": held.in_file,
            "failures": with_total(by_name(&self.own.failures), self.failed_total()),
        });
        let mut fields = match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        let signs = Sign::ALL.into_iter().filter(|sign| sign.is_of_calls());
        fields.extend(signs.map(|sign| (sign.name().to_owned(), self.times(sign).into())));
        fields
    }
}
