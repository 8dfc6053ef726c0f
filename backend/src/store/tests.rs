use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::decode::{Code, decode};
use crate::time_range::TimeRangeType;

fn trace_id(trace: u32) -> TraceId {
    format!("1-{trace:08x}-abcdef012345678812345678").parse().unwrap()
}

fn document(trace: u32, id: u32, pad: usize) -> Vec<Result<Document, Refusal>> {
    let document = json!({
        "name": "n", "id": format!("{id:016x}"), "trace_id": trace_id(trace).to_string(),
        "start_time": trace, "end_time": trace + 1, "metadata": {"default": {"pad": "x".repeat(pad)}},
    });
    decode(&document.to_string(), usize::MAX)
}

fn at(seconds: u32) -> Timestamp {
    Timestamp::from_micros(i64::from(seconds) * 1_000_000)
}

fn ids(store: &Store) -> Vec<TraceId> {
    store.traces().into_iter().map(|trace| trace.id).collect()
}

/// What one unpadded document costs.
fn one_document_bytes() -> usize {
    let mut trace = Trace::new(trace_id(1));
    trace.absorb(document(1, 1, 0).remove(0).unwrap().nodes);
    trace.bytes()
}

#[test]
fn the_trace_longest_without_an_update_goes_first() {
    let store = Store::new(Limits {
        traces_max: 2,
        ..Limits::default()
    });
    store.put(document(1, 1, 0), at(1));
    store.put(document(2, 1, 0), at(2));
    store.put(document(1, 2, 0), at(3));
    assert_eq!(store.counts().evicted_traces, 0);
    store.put(document(3, 1, 0), at(4));
    assert_eq!(ids(&store), [trace_id(1), trace_id(3)]);
    assert_eq!(store.counts().evicted_traces, 1);
}

#[test]
fn a_repeat_does_not_keep_a_trace_alive() {
    let store = Store::new(Limits {
        traces_max: 2,
        ..Limits::default()
    });
    for (trace, now) in [(1, 1), (2, 2), (1, 3), (3, 4)] {
        store.put(document(trace, 1, 0), at(now));
    }
    assert_eq!(ids(&store), [trace_id(2), trace_id(3)]);
    assert_eq!((store.counts().accepted, store.counts().repeated), (3, 1));
}

#[test]
fn bytes_are_held_up_to_the_limit_to_the_byte() {
    let two = 2 * one_document_bytes();
    for (store_max_bytes, expected) in [
        (two, vec![trace_id(1), trace_id(2)]),
        (two - 1, vec![trace_id(2)]),
    ] {
        let store = Store::new(Limits {
            store_max_bytes,
            ..Limits::default()
        });
        store.put(document(1, 1, 0), at(1));
        store.put(document(2, 1, 0), at(2));
        assert_eq!(ids(&store), expected);
    }
}

#[test]
fn a_trace_is_held_up_to_its_limit_to_the_byte_and_then_says_so() {
    let two = 2 * one_document_bytes();
    for (trace_max_bytes, taken) in [(two, true), (two - 1, false)] {
        let store = Store::new(Limits {
            trace_max_bytes,
            ..Limits::default()
        });
        store.put(document(1, 1, 0), at(1));
        let refused = store.put(document(1, 2, 0), at(2));
        assert_eq!(refused.is_empty(), taken);
        assert_eq!(store.trace(trace_id(1)).unwrap().limit_exceeded, !taken);
        if let Some(refusal) = refused.first() {
            assert_eq!(
                (refusal.code, refusal.id.as_deref()),
                (Code::InvalidSegment, Some("0000000000000002"))
            );
            assert!(
                refusal.message.contains("Trace Size Exceeded"),
                "{}",
                refusal.message
            );
            assert!(
                store.put(document(1, 1, 0), at(3)).is_empty(),
                "a repeat of what is held is no new size"
            );
        }
    }
}

#[test]
fn a_trace_of_which_nothing_was_taken_is_not_there() {
    let store = Store::new(Limits {
        trace_max_bytes: 10,
        ..Limits::default()
    });
    assert_eq!(store.put(document(1, 1, 0), at(1)).len(), 1);
    assert_eq!(store.traces(), []);
}

#[test]
fn every_document_is_counted_once() {
    let store = Store::new(Limits::default());
    let mut call = document(1, 1, 0);
    call.extend(document(1, 1, 0));
    call.extend(decode("[]", 100));
    call.extend(decode("x", 100));
    store.put(call, at(1));
    store.put(document(2, 1, 0), at(1));
    let counts = store.counts();
    assert_eq!(
        (counts.calls, counts.documents, counts.largest_call_documents),
        (2, 5, 4)
    );
    assert_eq!((counts.accepted, counts.repeated), (2, 1));
    let refused = BTreeMap::from([("JSONFormatError".to_owned(), 1), ("MissingId".to_owned(), 1)]);
    assert_eq!(counts.refused, refused);
}

#[test]
fn pages_go_from_the_newest_to_the_oldest_and_miss_none() {
    let store = Store::new(Limits {
        summaries_per_page: 2,
        ..Limits::default()
    });
    for trace in 1..=5 {
        store.put(document(trace, 1, 0), at(trace));
    }
    let range = TimeRange {
        start: at(0),
        end: at(100),
        kind: TimeRangeType::TraceId,
    };
    let (mut pages, mut from) = (Vec::new(), None);
    loop {
        let page = store.summaries(&range, from);
        let ids = page
            .summaries
            .iter()
            .map(|summary| summary["Id"].as_str().unwrap().parse().unwrap());
        pages.push((ids.collect::<Vec<TraceId>>(), page.starts));
        from = page.next;
        if from.is_none() {
            break;
        }
        // What arrives meanwhile is newer and does not shift the pages that follow.
        let newer = 50 + u32::try_from(pages.len()).unwrap();
        store.put(document(newer, 1, 0), at(newer));
    }
    let page = |ids: &[u32]| ids.iter().map(|id| trace_id(*id)).collect::<Vec<_>>();
    assert_eq!(
        pages,
        [
            (page(&[5, 4]), at(4)),
            (page(&[3, 2]), at(2)),
            (page(&[1]), at(1))
        ]
    );
}

#[test]
fn the_revision_grows_with_updates_and_not_with_repeats() {
    let store = Store::new(Limits::default());
    let range = TimeRange {
        start: at(0),
        end: at(100),
        kind: TimeRangeType::TraceId,
    };
    let mut revisions = Vec::new();
    for id in [1, 2, 2] {
        store.put(document(1, id, 0), at(1));
        revisions.push(
            store.summaries(&range, None).summaries[0]["Revision"]
                .as_u64()
                .unwrap(),
        );
    }
    assert_eq!(revisions, [1, 2, 2]);
}

#[test]
fn only_the_newest_telemetry_records_are_kept_and_all_are_counted() {
    let store = Store::new(Limits::default());
    let record = |seconds: usize| TelemetryRecord {
        segments_sent_count: u64::try_from(seconds).unwrap(),
        ..Default::default()
    };
    store.put_telemetry((0..TELEMETRY_RECORDS_KEPT + 1).map(record).collect());
    assert_eq!(store.telemetry().len(), TELEMETRY_RECORDS_KEPT);
    assert_eq!(store.telemetry()[0].segments_sent_count, 1);
    assert_eq!(
        store.counts().telemetry_records,
        u64::try_from(TELEMETRY_RECORDS_KEPT + 1).unwrap()
    );
}

proptest! {
    #[test]
    fn no_order_of_documents_exceeds_the_limits_or_loses_count(
        documents in prop::collection::vec((1u32..8, 1u32..4, 0usize..400), 0..60)
    ) {
        let limits = Limits { traces_max: 4, store_max_bytes: 2_000, trace_max_bytes: 1_000, ..Limits::default() };
        let store = Store::new(limits);
        for (now, (trace, id, pad)) in (0..).zip(&documents) {
            store.put(document(*trace, *id, *pad), at(now));
            let state = store.state();
            let held: usize = state.traces.values().map(|entry| entry.trace.bytes()).sum();
            prop_assert_eq!(held, state.bytes);
            prop_assert!(state.bytes <= 2_000 && state.traces.len() <= 4);
            prop_assert!(state.traces.values().all(|entry| entry.trace.bytes() <= 1_000));
            prop_assert_eq!(state.stalest.len(), state.traces.len());
        }
        let counts = store.counts();
        let refused: u64 = counts.refused.values().sum();
        prop_assert_eq!(counts.accepted + counts.repeated + refused, counts.documents);
    }
}
