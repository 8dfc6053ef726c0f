//! What a destination that refuses at once costs in steady traffic.

use std::collections::BTreeMap;
use std::time::Duration;

use model::time::Timestamp;

use super::bench::{Bench, S, W, done, header, start, tracing};
use crate::pipeline::event::Event;
use crate::pipeline::outcome::FailureKind;

const MS: Duration = Duration::from_millis(1);
/// How far away the destination is.
const AWAY: Duration = Duration::from_millis(10);
/// Of a handler, in milliseconds, and of the delivery of its records.
const HANDLER_MS: usize = 30;
const TELEMETRY_MS: usize = 25;
/// Invocations before anything is refused: there has to be a rhythm.
const WARM_UP: usize = 25;

/// One invocation after the other, and a destination that refuses the next few calls.
struct Traffic {
    bench: Bench,
    refusals: usize,
    calls: usize,
    invocations: usize,
    /// When the invocation of each document ended, and when the document was taken.
    ended: BTreeMap<String, Timestamp>,
    taken: BTreeMap<String, Timestamp>,
}

impl Traffic {
    fn with_seed(seed: u64) -> Self {
        let mut bench = Bench::with(|config| config.seed = seed);
        bench.event(Event::Subscribed(true));
        let mut traffic = Self {
            bench,
            refusals: 0,
            calls: 0,
            invocations: 0,
            ended: BTreeMap::new(),
            taken: BTreeMap::new(),
        };
        traffic.go_on(WARM_UP);
        traffic.calls = 0;
        traffic
    }

    fn go_on(&mut self, invocations: usize) {
        for _ in 0..invocations {
            self.invocations += 1;
            let number = self.invocations;
            let id = format!("{number:016x}");
            let nexts = self.bench.nexts;
            self.bench.invoke(&format!("r-{number}"), &header(S));
            self.bench
                .records([start(&format!("r-{number}"), tracing(Some(S), W))]);
            self.bench.subsegment(&id, S);
            self.pass(TELEMETRY_MS);
            self.bench
                .records([done(&format!("r-{}", number - 1), "success")]);
            self.pass(HANDLER_MS - TELEMETRY_MS);
            self.ended.insert(id, self.bench.now);
            if number <= WARM_UP {
                self.bench.records([done(&format!("r-{number}"), "success")]);
                while self.bench.nexts == nexts {
                    self.pass(1);
                }
            } else {
                assert_eq!(self.bench.nexts, nexts + 1, "invocation {number} is held");
            }
        }
    }

    fn pass(&mut self, millis: usize) {
        for _ in 0..millis {
            self.bench.wait(MS);
            if self.bench.sending.is_empty() || self.bench.now.since(self.bench.called) < AWAY {
                continue;
            }
            self.calls += 1;
            if let Some(refusals) = self.refusals.checked_sub(1) {
                self.refusals = refusals;
                self.bench.fail(FailureKind::Unavailable {
                    status: 503,
                    retry_after: None,
                });
                continue;
            }
            let known = self.bench.delivered.len();
            self.bench.answer();
            for document in &self.bench.delivered[known..] {
                let id = document["id"].as_str().unwrap().to_owned();
                self.taken.entry(id).or_insert(self.bench.now);
            }
        }
    }
}

#[test]
fn ten_refusals_in_a_row_hold_nobody_and_delay_documents_by_half_a_second_at_most() {
    for seed in 0..20 {
        let mut traffic = Traffic::with_seed(seed);
        traffic.refusals = 10;
        traffic.go_on(20);
        assert_eq!(traffic.refusals, 0);
        let of_interest = traffic.invocations;
        traffic.go_on(20);
        for (id, ended) in traffic.ended.iter().take(of_interest) {
            let taken = traffic.taken.get(id).unwrap_or_else(|| panic!("{id} is lost"));
            let delay = taken.since(*ended);
            assert!(delay <= 500 * MS, "{id} took {delay:?}, seed {seed}");
        }
    }
}

#[test]
fn an_outage_of_a_minute_holds_nobody_and_gets_40_calls_at_most() {
    for seed in [1, 2] {
        let mut traffic = Traffic::with_seed(seed);
        traffic.refusals = usize::MAX;
        traffic.go_on(60_000 / HANDLER_MS);
        assert!((12..=40).contains(&traffic.calls), "{} calls", traffic.calls);
    }
}
