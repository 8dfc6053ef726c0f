//! What leaves, what stays and what goes, document by document.

mod lanes;

use model::ids::TraceId;
use proptest::prelude::*;

use super::*;
use crate::limits::DOCUMENT_OVERHEAD;
use crate::pipeline::document::Form;

fn document(size: usize, mark: u8) -> Document {
    Document {
        bytes: vec![mark; size],
        form: Form::Segment,
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
        let batch = spool.take(Lane::FIRST, limits, order)?;
        let marks = marks(&batch);
        spool.settle(Lane::FIRST, |_| false);
        Some(marks)
    });
    batches.collect()
}

fn budget(documents: u64, size: u64) -> ByteCount {
    ByteCount::bytes(documents * (size + DOCUMENT_OVERHEAD.get()))
}

/// Of the first lane.
fn shed(ordinary: u64, faulty: u64, platform: u64) -> Shed {
    let mut shed = Shed::default();
    shed.lanes[0] = ByValue {
        ordinary,
        faulty,
        platform,
    };
    shed
}

/// A spool of one lane.
fn one(budget: ByteCount) -> Spool {
    Spool::new(budget, &PerLane::one(()))
}

fn put(spool: &mut Spool, document: Document) -> Shed {
    spool.push(document, spool.queues.lanes())
}

fn lost_by(shed: &Shed, lane: Lane) -> u64 {
    let of_lane = shed.each().filter(|(one, _)| *one == lane);
    of_lane
        .map(|(_, lost)| lost.ordinary + lost.faulty + lost.platform)
        .sum()
}

/// What nobody can shed.
fn cost_on_its_way(spool: &Spool) -> ByteCount {
    let loose = Value::ALL.into_iter();
    loose.fold(spool.held, |held, value| held.minus(*spool.loose.of(value)))
}

#[test]
fn the_oldest_go_first_when_room_runs_out() {
    let mut spool = one(budget(3, 100));
    for mark in 1..=3 {
        assert_eq!(put(&mut spool, document(100, mark)), Shed::default());
    }
    assert_eq!(spool.push_waiting(document(100, 4)), shed(1, 0, 0));
    assert_eq!(put(&mut spool, document(100, 5)), shed(1, 0, 0));
    assert_eq!(
        marks(&spool.take(Lane::FIRST, ANY, Order::Oldest).unwrap()),
        [3, 5]
    );
    assert_eq!(spool.held_documents(Lane::FIRST), 3);
}

#[test]
fn what_is_missed_least_goes_first() {
    use Value::{Faulty, Ordinary, Platform};
    let mut spool = one(budget(4, 100));
    for (mark, value) in [(1, Platform), (2, Faulty), (3, Ordinary), (4, Faulty)] {
        let _ = put(&mut spool, worth(mark, value));
    }
    assert_eq!(put(&mut spool, worth(5, Ordinary)), shed(1, 0, 0)); // 3
    assert_eq!(put(&mut spool, worth(6, Faulty)), shed(1, 0, 0)); // 5
    assert_eq!(put(&mut spool, worth(7, Ordinary)), shed(1, 0, 0)); // itself: everything held is worth more
    assert_eq!(put(&mut spool, worth(8, Platform)), shed(0, 1, 0)); // 2
    assert_eq!(spool.push_waiting(worth(9, Platform)), shed(0, 1, 0)); // 4
    assert_eq!(put(&mut spool, worth(10, Platform)), shed(0, 1, 0)); // 6
    assert_eq!(put(&mut spool, worth(11, Faulty)), shed(0, 1, 0)); // itself
    assert_eq!(put(&mut spool, worth(12, Platform)), shed(0, 0, 1)); // 1: the oldest of equals
    assert_eq!(batches(&mut spool, ANY, Order::Oldest), [[8, 10, 12]]);
    assert_eq!(spool.held_documents(Lane::FIRST), 1);
}

#[test]
fn what_can_never_fit_costs_nothing_else_its_place() {
    let mut spool = one(budget(1, 100));
    assert_eq!(put(&mut spool, document(100, 1)), Shed::default());
    assert_eq!(put(&mut spool, document(101, 2)), shed(1, 0, 0));
    assert_eq!(spool.held_documents(Lane::FIRST), 1);
    assert_eq!(batches(&mut spool, ANY, Order::Oldest), [[1]]);
    assert_eq!(
        (spool.held_documents(Lane::FIRST), spool.held()),
        (0, ByteCount::ZERO)
    );
}

#[test]
fn a_smaller_budget_gives_up_what_no_longer_fits_but_no_batch_on_its_way() {
    let mut spool = one(budget(5, 100));
    for mark in 1..=2 {
        let _ = put(&mut spool, document(100, mark));
    }
    let batch = spool.take(Lane::FIRST, ANY, Order::Oldest).unwrap();
    let _ = put(&mut spool, worth(3, Value::Platform));
    let _ = put(&mut spool, document(100, 4));
    let _ = put(&mut spool, document(100, 5));
    assert_eq!(spool.set_budget(budget(4, 100)), shed(1, 0, 0));
    assert_eq!(spool.set_budget(ByteCount::ZERO), shed(1, 0, 1));
    assert_eq!(
        (marks(&batch), spool.held_documents(Lane::FIRST)),
        (vec![1, 2], 2)
    );
    assert_eq!(spool.settle(Lane::FIRST, |_| true), 0);
    assert_eq!(spool.held_documents(Lane::FIRST), 2);
}

#[test]
fn a_batch_on_its_way_is_never_shed() {
    let mut spool = one(budget(2, 100));
    let _ = put(&mut spool, document(100, 1));
    let _ = put(&mut spool, document(100, 2));
    let batch = spool.take(Lane::FIRST, ANY, Order::Oldest).unwrap();
    assert_eq!(put(&mut spool, worth(3, Value::Platform)), shed(0, 0, 1));
    assert!(spool.take(Lane::FIRST, ANY, Order::Oldest).is_none());
    assert_eq!(marks(&batch), [1, 2]);
    assert_eq!(spool.settle(Lane::FIRST, |_| false), 2);
    assert_eq!(spool.held(), ByteCount::ZERO);
}

#[test]
fn what_was_not_taken_goes_back_to_the_front() {
    let mut spool = one(budget(10, 100));
    for mark in 1..=4 {
        let _ = put(&mut spool, document(100, mark));
    }
    let limits = BatchLimits { documents: 3, ..ANY };
    assert_eq!(
        marks(&spool.take(Lane::FIRST, limits, Order::Oldest).unwrap()),
        [1, 2, 3]
    );
    assert_eq!(spool.settle(Lane::FIRST, |place| place != 1), 1);
    assert_eq!(
        marks(&spool.take(Lane::FIRST, limits, Order::Oldest).unwrap()),
        [1, 3, 4]
    );
}

#[test]
fn what_goes_back_stands_behind_what_was_passed_over() {
    let mut spool = one(budget(10, 100));
    // Trace 2 does not fit beside trace 1, so its documents are passed over.
    for (trace, mark) in [(1, 1), (2, 2), (2, 3), (1, 4)] {
        let _ = put(&mut spool, of_trace(trace, mark));
    }
    let limits = BatchLimits { documents: 3, ..ANY };
    assert_eq!(
        marks(&spool.take(Lane::FIRST, limits, Order::Oldest).unwrap()),
        [1, 4]
    );
    spool.settle(Lane::FIRST, |_| true);
    assert_eq!(spool.oldest_ready(Lane::FIRST), Some(Timestamp::from_micros(1)));
    assert_eq!(batches(&mut spool, ANY, Order::Oldest), [[1, 2, 3, 4]]);
}

#[test]
fn a_batch_ends_before_its_bytes_do_but_a_large_document_leaves_alone() {
    let mut spool = one(budget(10, 100));
    for (size, mark) in [(60, 1), (40, 2), (1, 3), (200, 4), (10, 5)] {
        let _ = put(&mut spool, document(size, mark));
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
        let mut spool = one(ByteCount::mib(1));
        for (trace, mark) in arrivals {
            let _ = put(&mut spool, of_trace(trace, mark));
        }
        assert_eq!(batches(&mut spool, limits, Order::Oldest), expected);
    }
}

#[test]
fn ten_thousand_documents_of_many_traces_leave_in_full_calls_and_in_time() {
    let mut spool = one(ByteCount::mib(64));
    for number in 0..10_000u64 {
        let mut trace = [0; 16];
        trace[..8].copy_from_slice(&(number % 400).to_be_bytes());
        let _ = put(
            &mut spool,
            Document {
                trace_id: TraceId::from_bytes(trace),
                ..document(100, 1)
            },
        );
    }
    let mut calls = 0;
    while let Some(batch) = spool.take(Lane::FIRST, ANY, Order::Oldest) {
        assert!(batch.documents.len() <= 50);
        drop(batch);
        spool.settle(Lane::FIRST, |_| false);
        calls += 1;
    }
    assert!((200..=240).contains(&calls), "{calls} calls");
}

#[test]
fn the_most_valuable_leave_first_when_it_is_the_last_chance() {
    use Value::{Faulty, Ordinary, Platform};
    let mut spool = one(budget(10, 100));
    for (mark, value) in [
        (1, Ordinary),
        (2, Faulty),
        (3, Platform),
        (4, Ordinary),
        (5, Platform),
    ] {
        let _ = put(&mut spool, worth(mark, value));
    }
    let limits = BatchLimits { documents: 2, ..ANY };
    let all = batches(&mut spool, limits, Order::Valuable);
    assert_eq!(all, [vec![3, 5], vec![2, 1], vec![4]]);
}

#[test]
fn released_documents_take_their_old_place() {
    let mut spool = one(budget(10, 100));
    let _ = spool.push_waiting(document(10, 1));
    let _ = put(&mut spool, document(10, 2));
    let _ = spool.push_waiting(document(10, 3));
    assert_eq!(marks(&spool.take(Lane::FIRST, ANY, Order::Oldest).unwrap()), [2]);
    spool.settle(Lane::FIRST, |_| true);
    let mut seen = 0;
    spool.release(|document| document.bytes[0] == 1, |_| seen += 1);
    assert_eq!(
        (seen, marks(&spool.take(Lane::FIRST, ANY, Order::Oldest).unwrap())),
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
        let mut spool = one(most);
        let (mut received, mut left) = (0, 0);
        let lost = |shed: Shed| lost_by(&shed, Lane::FIRST);
        let batch = BatchLimits { documents: 3, bytes: ByteCount::bytes(500) };
        for (step, size, kind) in steps {
            let value = Value::ALL[kind];
            let mark = u8::try_from(size % 4).unwrap();
            match step {
                0 => { received += 1; left += lost(put(&mut spool, Document { value, ..document(size, mark) })); }
                1 => { received += 1; left += lost(spool.push_waiting(Document { value, ..document(size, mark) })); }
                2 => { let _ = spool.take(Lane::FIRST, batch, if kind == 0 { Order::Valuable } else { Order::Oldest }); }
                3 => left += spool.settle(Lane::FIRST, |place| place % 2 == 0),
                4 => spool.release(|_| true, |_| ()),
                _ => {
                    let limit = ByteCount::bytes(u64::try_from(size * 10).unwrap());
                    left += lost(spool.set_budget(limit));
                    // What is on its way may come back.
                    most = cost_on_its_way(&spool).max(limit);
                }
            }
            prop_assert!(spool.held() <= most);
            prop_assert_eq!(received, left + spool.held_documents(Lane::FIRST));
            prop_assert_eq!(spool.held() == ByteCount::ZERO, spool.held_documents(Lane::FIRST) == 0);
            let shelves = &spool.queues.of(Lane::FIRST).shelves;
            prop_assert_eq!(shelves.documents(), shelves.in_order().count());
            prop_assert!(shelves.in_order().is_sorted_by_key(Held::sequence));
        }
        spool.settle(Lane::FIRST, |_| true);
        spool.release(|_| true, |_| ());
        let shelves = &spool.queues.of(Lane::FIRST).shelves;
        let all = shelves.in_order().fold(ByteCount::ZERO, |sum, held| sum.plus(held.cost()));
        prop_assert_eq!((spool.held(), shelves.cost()), (all, all));
    }
}
