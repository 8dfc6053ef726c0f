//! Records in whatever order, number and portions they come.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::bench::{Bench, S, W, done, report, start};

fn header(number: usize, parent: &str) -> String {
    format!("Root=1-6a0edb41-0000000000000000000000{number:02x};Parent={parent};Sampled=1")
}

/// What of an invocation's records deviates from the plain order.
#[derive(Debug, Clone, Default)]
struct Deviation {
    /// `runtimeDone` comes in a delivery of its own.
    is_split: bool,
    /// `runtimeDone` stands before `platform.start` in their delivery.
    is_reversed: bool,
    /// Records that come twice in their delivery.
    twice: [bool; 2],
    /// Records (start, done, report) that come again with a later invocation.
    again: [bool; 3],
    /// Earlier records come in a delivery of their own, not with the next ones.
    is_apart: bool,
}

fn deviation() -> impl Strategy<Value = Deviation> {
    (
        any::<(bool, bool)>(),
        any::<[bool; 2]>(),
        any::<[bool; 3]>(),
        any::<bool>(),
    )
        .prop_map(|((is_split, is_reversed), twice, again, is_apart)| Deviation {
            is_split,
            is_reversed,
            twice,
            again,
            is_apart,
        })
}

/// Everything X-Ray gets of these invocations.
fn told(deviations: &[Deviation]) -> Vec<String> {
    let mut bench = Bench::new();
    let mut earlier: Vec<Value> = Vec::new();
    for (number, deviation) in deviations.iter().enumerate() {
        let request = format!("r-{number}");
        bench.invoke(&request, &header(number, S));
        bench.wait(Duration::from_millis(50));
        let element = |(kind, record): (&str, Value)| json!({ "time": bench.now.to_iso8601(), "type": kind, "record": record });
        let tracing = json!({ "type": "X-Amzn-Trace-Id", "spanId": S, "value": header(number, W) });
        let [begun, ended, reported] = [
            start(&request, tracing),
            done(&request, "success"),
            report(&request),
        ]
        .map(element);
        let of = |record: &Value, is_twice| vec![record.clone(); if is_twice { 2 } else { 1 }];
        let [twice_begun, twice_ended] = deviation.twice;
        let mut first = std::mem::take(&mut earlier);
        if deviation.is_apart {
            bench.deliver(&Value::Array(std::mem::take(&mut first)));
        }
        first.extend(of(&begun, twice_begun));
        if deviation.is_split {
            bench.deliver(&Value::Array(std::mem::take(&mut first)));
        }
        let at = if deviation.is_reversed { 0 } else { first.len() };
        first.splice(at..at, of(&ended, twice_ended));
        bench.deliver(&Value::Array(first));
        bench.accept();
        let again = [&begun, &ended, &reported].into_iter().zip(deviation.again);
        earlier.extend(
            again
                .filter(|(_, again)| *again)
                .map(|(record, _)| record.clone()),
        );
        earlier.push(reported);
        bench.wait(Duration::from_millis(500));
    }
    bench.deliver(&Value::Array(earlier));
    bench.stop("spindown");
    bench.wait(Duration::from_millis(1_500));
    bench.accept();
    assert!(bench.nexts >= deviations.len(), "every invocation is let go");
    let mut told: Vec<String> = bench.delivered.iter().map(Value::to_string).collect();
    told.sort();
    told
}

#[test]
fn a_record_that_comes_again_tells_nothing_twice() {
    let again = Deviation {
        again: [true; 3],
        twice: [true; 2],
        ..Deviation::default()
    };
    let plain = told(&vec![Deviation::default(); 3]);
    assert_eq!(
        plain.len(),
        3 * 3,
        "two segments each, and what the report tells late: {plain:#?}"
    );
    assert_eq!(told(&vec![again; 3]), plain);
}

proptest! {
    #[test]
    fn order_number_and_portions_of_records_change_nothing(deviations in proptest::collection::vec(deviation(), 1..6)) {
        let plain = vec![Deviation::default(); deviations.len()];
        prop_assert_eq!(told(&deviations), told(&plain));
    }
}
