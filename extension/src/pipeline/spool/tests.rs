//! What leaves, what stays and what goes, document by document.

use model::ids::TraceId;
use proptest::prelude::*;

use super::*;
use crate::limits::DOCUMENT_OVERHEAD;

fn document(size: usize, mark: u8) -> Document {
    Document {
        bytes: vec![mark; size],
        trace_id: TraceId::from_bytes([mark; 16]),
        parent: None,
        arrived: Timestamp::from_micros(i64::from(mark)),
        is_noted: true,
        value: Value::Ordinary,
    }
}

fn worth(mark: u8, value: Value) -> Document {
    Document {
        value,
        ..document(100, mark)
    }
}

fn of_trace(trace: u8, mark: u8) -> Document {
    Document {
        trace_id: TraceId::from_bytes([trace; 16]),
        ..document(10, mark)
    }
}

const ANY: BatchLimits = BatchLimits {
    documents: 50,
    bytes: ByteCount::mib(1),
};

fn marks(batch: &Batch) -> Vec<u8> {
    batch.documents.iter().map(|document| document.bytes[0]).collect()
}

/// Marks of each batch until nothing is left.
fn batches(spool: &mut Spool, limits: BatchLimits, order: Order) -> Vec<Vec<u8>> {
    let batches = std::iter::from_fn(|| {
        let batch = spool.take(limits, order)?;
        let marks = marks(&batch);
        spool.settle(|_| false);
        Some(marks)
    });
    batches.collect()
}

fn budget(documents: u64, size: u64) -> ByteCount {
    ByteCount::bytes(documents * (size + DOCUMENT_OVERHEAD.get()))
}

fn shed(ordinary: u64, faulty: u64, platform: u64) -> Shed {
    Shed {
        documents: ByValue {
            ordinary,
            faulty,
            platform,
        },
    }
}

fn cost_on_its_way(spool: &Spool) -> ByteCount {
    match &spool.on_its_way {
        Some(OnItsWay {
            origin: BatchOrigin::Memory { cost, .. },
            ..
        }) => *cost,
        _ => ByteCount::ZERO,
    }
}

#[test]
fn the_oldest_go_first_when_room_runs_out() {
    let mut spool = Spool::new(budget(3, 100));
    for mark in 1..=3 {
        assert_eq!(spool.push(document(100, mark)), Shed::default());
    }
    assert_eq!(spool.push_waiting(document(100, 4)), shed(1, 0, 0));
    assert_eq!(spool.push(document(100, 5)), shed(1, 0, 0));
    assert_eq!(marks(&spool.take(ANY, Order::Oldest).unwrap()), [3, 5]);
    assert_eq!(spool.held_documents(), 3);
}

#[test]
fn what_is_missed_least_goes_first() {
    use Value::{Faulty, Ordinary, Platform};
    let mut spool = Spool::new(budget(4, 100));
    for (mark, value) in [(1, Platform), (2, Faulty), (3, Ordinary), (4, Faulty)] {
        let _ = spool.push(worth(mark, value));
    }
    assert_eq!(spool.push(worth(5, Ordinary)), shed(1, 0, 0)); // 3
    assert_eq!(spool.push(worth(6, Faulty)), shed(1, 0, 0)); // 5
    assert_eq!(spool.push(worth(7, Ordinary)), shed(1, 0, 0)); // itself: everything held is worth more
    assert_eq!(spool.push(worth(8, Platform)), shed(0, 1, 0)); // 2
    assert_eq!(spool.push_waiting(worth(9, Platform)), shed(0, 1, 0)); // 4
    assert_eq!(spool.push(worth(10, Platform)), shed(0, 1, 0)); // 6
    assert_eq!(spool.push(worth(11, Faulty)), shed(0, 1, 0)); // itself
    assert_eq!(spool.push(worth(12, Platform)), shed(0, 0, 1)); // 1: the oldest of equals
    assert_eq!(batches(&mut spool, ANY, Order::Oldest), [[8, 10, 12]]);
    assert_eq!(spool.held_documents(), 1);
}

#[test]
fn what_can_never_fit_costs_nothing_else_its_place() {
    let mut spool = Spool::new(budget(1, 100));
    assert_eq!(spool.push(document(100, 1)), Shed::default());
    assert_eq!(spool.push(document(101, 2)), shed(1, 0, 0));
    assert_eq!(spool.held_documents(), 1);
    assert_eq!(batches(&mut spool, ANY, Order::Oldest), [[1]]);
    assert_eq!((spool.held_documents(), spool.held()), (0, ByteCount::ZERO));
}

#[test]
fn a_smaller_budget_gives_up_what_no_longer_fits_but_no_batch_on_its_way() {
    let mut spool = Spool::new(budget(5, 100));
    for mark in 1..=2 {
        let _ = spool.push(document(100, mark));
    }
    let batch = spool.take(ANY, Order::Oldest).unwrap();
    let _ = spool.push(worth(3, Value::Platform));
    let _ = spool.push(document(100, 4));
    let _ = spool.push(document(100, 5));
    assert_eq!(spool.set_budget(budget(4, 100)), shed(1, 0, 0));
    assert_eq!(spool.set_budget(ByteCount::ZERO), shed(1, 0, 1));
    assert_eq!((marks(&batch), spool.held_documents()), (vec![1, 2], 2));
    assert_eq!(spool.settle(|_| true), 0);
    assert_eq!(spool.held_documents(), 2);
}

#[test]
fn a_batch_on_its_way_is_never_shed() {
    let mut spool = Spool::new(budget(2, 100));
    let _ = spool.push(document(100, 1));
    let _ = spool.push(document(100, 2));
    let batch = spool.take(ANY, Order::Oldest).unwrap();
    assert_eq!(spool.push(worth(3, Value::Platform)), shed(0, 0, 1));
    assert!(spool.take(ANY, Order::Oldest).is_none());
    assert_eq!(marks(&batch), [1, 2]);
    assert_eq!(spool.settle(|_| false), 2);
    assert_eq!(spool.held(), ByteCount::ZERO);
}

#[test]
fn what_was_not_taken_goes_back_to_the_front() {
    let mut spool = Spool::new(budget(10, 100));
    for mark in 1..=4 {
        let _ = spool.push(document(100, mark));
    }
    let limits = BatchLimits { documents: 3, ..ANY };
    assert_eq!(marks(&spool.take(limits, Order::Oldest).unwrap()), [1, 2, 3]);
    assert_eq!(spool.settle(|place| place != 1), 1);
    assert_eq!(marks(&spool.take(limits, Order::Oldest).unwrap()), [1, 3, 4]);
}

#[test]
fn what_goes_back_stands_behind_what_was_passed_over() {
    let mut spool = Spool::new(budget(10, 100));
    // Trace 2 does not fit beside trace 1, so its documents are passed over.
    for (trace, mark) in [(1, 1), (2, 2), (2, 3), (1, 4)] {
        let _ = spool.push(of_trace(trace, mark));
    }
    let limits = BatchLimits { documents: 3, ..ANY };
    assert_eq!(marks(&spool.take(limits, Order::Oldest).unwrap()), [1, 4]);
    spool.settle(|_| true);
    assert_eq!(spool.oldest_ready(), Some(Timestamp::from_micros(1)));
    assert_eq!(batches(&mut spool, ANY, Order::Oldest), [[1, 2, 3, 4]]);
}

#[test]
fn a_batch_ends_before_its_bytes_do_but_a_large_document_leaves_alone() {
    let mut spool = Spool::new(budget(10, 100));
    for (size, mark) in [(60, 1), (40, 2), (1, 3), (200, 4), (10, 5)] {
        let _ = spool.push(document(size, mark));
    }
    let limits = BatchLimits {
        documents: 50,
        bytes: ByteCount::bytes(100),
    };
    let all = batches(&mut spool, limits, Order::Oldest);
    assert_eq!(all, [vec![1, 2], vec![3], vec![4], vec![5]]);
}

#[test]
fn the_documents_of_one_trace_share_a_call_where_they_fit() {
    let limits = BatchLimits { documents: 4, ..ANY };
    for (arrivals, expected) in [
        // Interleaved: the second trace waits for the next call, a third one fills the gap.
        (
            vec![(1, 1), (2, 2), (1, 3), (2, 4), (1, 5), (3, 6)],
            vec![vec![1, 3, 5, 6], vec![2, 4]],
        ),
        // Too large for any call: it fills what is left and goes on in the next.
        (
            vec![(1, 1), (2, 2), (2, 3), (2, 4), (2, 5), (2, 6), (1, 7)],
            vec![vec![1, 2, 3, 7], vec![4, 5, 6]],
        ),
        // Exactly one call each.
        (
            vec![(1, 1), (1, 2), (1, 3), (1, 4), (2, 5), (2, 6), (2, 7), (2, 8)],
            vec![vec![1, 2, 3, 4], vec![5, 6, 7, 8]],
        ),
    ] {
        let mut spool = Spool::new(ByteCount::mib(1));
        for (trace, mark) in arrivals {
            let _ = spool.push(of_trace(trace, mark));
        }
        assert_eq!(batches(&mut spool, limits, Order::Oldest), expected);
    }
}

#[test]
fn ten_thousand_documents_of_many_traces_leave_in_full_calls_and_in_time() {
    let mut spool = Spool::new(ByteCount::mib(64));
    for number in 0..10_000u64 {
        let mut trace = [0; 16];
        trace[..8].copy_from_slice(&(number % 400).to_be_bytes());
        let _ = spool.push(Document {
            trace_id: TraceId::from_bytes(trace),
            ..document(100, 1)
        });
    }
    let mut calls = 0;
    while let Some(batch) = spool.take(ANY, Order::Oldest) {
        assert!(batch.documents.len() <= 50);
        drop(batch);
        spool.settle(|_| false);
        calls += 1;
    }
    assert!((200..=240).contains(&calls), "{calls} calls");
}

#[test]
fn the_most_valuable_leave_first_when_it_is_the_last_chance() {
    use Value::{Faulty, Ordinary, Platform};
    let mut spool = Spool::new(budget(10, 100));
    for (mark, value) in [
        (1, Ordinary),
        (2, Faulty),
        (3, Platform),
        (4, Ordinary),
        (5, Platform),
    ] {
        let _ = spool.push(worth(mark, value));
    }
    let limits = BatchLimits { documents: 2, ..ANY };
    let all = batches(&mut spool, limits, Order::Valuable);
    assert_eq!(all, [vec![3, 5], vec![2, 1], vec![4]]);
}

#[test]
fn released_documents_take_their_old_place() {
    let mut spool = Spool::new(budget(10, 100));
    let _ = spool.push_waiting(document(10, 1));
    let _ = spool.push(document(10, 2));
    let _ = spool.push_waiting(document(10, 3));
    assert_eq!(marks(&spool.take(ANY, Order::Oldest).unwrap()), [2]);
    spool.settle(|_| true);
    let mut seen = 0;
    spool.release(|document| document.bytes[0] == 1, |_| seen += 1);
    assert_eq!(
        (seen, marks(&spool.take(ANY, Order::Oldest).unwrap())),
        (1, vec![1, 2])
    );
    assert_eq!(spool.oldest_waiting(), Some(Timestamp::from_micros(3)));
}

proptest! {
    #[test]
    fn the_budget_and_the_sum_hold_whatever_happens(
        steps in proptest::collection::vec((0u8..6, 1usize..400, 0usize..3), 1..200),
    ) {
        let mut most = ByteCount::bytes(2000);
        let mut spool = Spool::new(most);
        let (mut received, mut left) = (0, 0);
        let lost = |shed: Shed| {
            let ByValue { ordinary, faulty, platform } = shed.documents;
            ordinary + faulty + platform
        };
        let batch = BatchLimits { documents: 3, bytes: ByteCount::bytes(500) };
        for (step, size, kind) in steps {
            let value = Value::ALL[kind];
            let mark = u8::try_from(size % 4).unwrap();
            match step {
                0 => { received += 1; left += lost(spool.push(Document { value, ..document(size, mark) })); }
                1 => { received += 1; left += lost(spool.push_waiting(Document { value, ..document(size, mark) })); }
                2 => { let _ = spool.take(batch, if kind == 0 { Order::Valuable } else { Order::Oldest }); }
                3 => left += spool.settle(|place| place % 2 == 0),
                4 => spool.release(|_| true, |_| ()),
                _ => {
                    let limit = ByteCount::bytes(u64::try_from(size * 10).unwrap());
                    left += lost(spool.set_budget(limit));
                    // What is on its way may come back.
                    most = cost_on_its_way(&spool).max(limit);
                }
            }
            prop_assert!(spool.held() <= most);
            prop_assert_eq!(received, left + spool.held_documents());
            prop_assert_eq!(spool.held() == ByteCount::ZERO, spool.held_documents() == 0);
            prop_assert_eq!(spool.shelves.ready_documents(), spool.shelves.ready_in_order().count());
            prop_assert!(spool.shelves.ready_in_order().is_sorted_by_key(|entry| entry.sequence));
        }
        spool.settle(|_| true);
        spool.release(|_| true, |_| ());
        let all = spool.shelves.ready_in_order().fold(ByteCount::ZERO, |sum, entry| sum.plus(entry.document.cost()));
        prop_assert_eq!((spool.held(), spool.shelves.ready_cost()), (all, all));
    }
}
