//! What a policy costs and how late it delivers.

use std::collections::HashMap;
use std::time::Duration;

use model::time::Timestamp;

use super::world::DocumentId;

/// What happened in one sandbox.
#[derive(Debug, Default)]
pub struct Life {
    added: Vec<Duration>,
    deliveries: HashMap<DocumentId, (Timestamp, Timestamp)>,
    calls: usize,
    ended: Option<Timestamp>,
}

impl Life {
    /// An invocation lasted so much longer than its response.
    pub(super) fn added(&mut self, added: Duration) {
        self.added.push(added);
    }

    /// A batch was sent.
    pub(super) fn call(&mut self) {
        self.calls += 1;
    }

    /// A document is at the endpoint. The first time counts.
    pub(super) fn delivered(&mut self, id: DocumentId, responded: Timestamp, arrived: Timestamp) {
        self.deliveries.entry(id).or_insert((responded, arrived));
    }

    /// The sandbox ends: with SHUTDOWN, or, were it to vanish, without.
    pub(super) fn end(&mut self, now: Timestamp) {
        self.ended = Some(now);
    }
}

/// The figures of a policy under one shape of traffic. Less is better in each.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// From the response to the endpoint: median, 99th percentile and worst.
    pub delay: [Duration; 3],
    /// From the response to next: median and 99th percentile.
    pub added: [Duration; 2],
    /// Calls.
    pub calls: usize,
    /// Documents that would be lost if every sandbox vanished without SHUTDOWN.
    pub lost: usize,
    /// Documents that never arrived although there was a SHUTDOWN.
    pub missing: usize,
}

impl Figures {
    /// Of all sandboxes of a shape, which sent so many documents.
    pub fn of(lives: &[Life], documents: usize) -> Self {
        let deliveries = || lives.iter().flat_map(|life| life.deliveries.values());
        let mut delays: Vec<Duration> = deliveries().map(|(from, to)| to.since(*from)).collect();
        let mut added: Vec<Duration> = lives.iter().flat_map(|life| life.added.iter().copied()).collect();
        delays.sort_unstable();
        added.sort_unstable();
        let in_time = lives.iter().flat_map(|life| {
            let ended = life.ended.unwrap_or_default();
            life.deliveries.values().filter(move |(_, to)| *to <= ended)
        });
        Self {
            delay: [share(&delays, 50), share(&delays, 99), share(&delays, 100)],
            added: [share(&added, 50), share(&added, 99)],
            calls: lives.iter().map(|life| life.calls).sum(),
            lost: documents.saturating_sub(in_time.count()),
            missing: documents.saturating_sub(delays.len()),
        }
    }

    /// Whether another policy is at least as good in everything and better in something.
    pub fn is_beaten_by(&self, other: &Self) -> bool {
        let (own, other) = (self.measures(), other.measures());
        other.iter().zip(own).all(|(other, own)| *other <= own) && other != own
    }

    fn measures(&self) -> [u128; 7] {
        let [delay, delay_worse, delay_worst] = self.delay.map(|delay| delay.as_micros());
        let [added, added_worse] = self.added.map(|added| added.as_micros());
        let wide = |count: usize| u128::try_from(count).unwrap_or(u128::MAX);
        let (calls, lost) = (wide(self.calls), wide(self.lost));
        [delay, delay_worse, delay_worst, added, added_worse, calls, lost]
    }
}

/// The value below which so many percent of a sorted list lie.
fn share(sorted: &[Duration], percent: usize) -> Duration {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}
