//! Several outbounds over one spool: what one does not take costs the others nothing.

use super::*;
use crate::limits::LANE_LOOK;

fn lanes(spool: &Spool) -> Vec<Lane> {
    spool.queues.lanes().each().collect()
}

fn several(budget: ByteCount, count: usize) -> Spool {
    Spool::new(budget, &PerLane::of_all((), vec![(); count - 1]))
}

/// Takes and delivers everything that a lane has, and says what it was.
fn deliver(spool: &mut Spool, lane: Lane) -> Vec<u8> {
    let mut delivered = Vec::new();
    while let Some(batch) = spool.take(lane, ANY, Order::Oldest) {
        delivered.extend(marks(&batch));
        drop(batch);
        spool.settle(lane, |_| false);
    }
    delivered
}

fn lost(shed: &Shed, spool: &Spool) -> Vec<u64> {
    lanes(spool).into_iter().map(|lane| lost_by(shed, lane)).collect()
}

#[test]
fn a_document_is_held_once_and_until_every_lane_has_delivered_it() {
    let mut spool = several(ByteCount::mib(1), 3);
    let _ = put(&mut spool, document(100, 1));
    let cost = budget(1, 100);
    for lane in lanes(&spool) {
        assert_eq!((spool.held(), spool.held_documents(lane)), (cost, 1));
        assert_eq!(deliver(&mut spool, lane), [1]);
        assert_eq!(spool.held_documents(lane), 0);
    }
    assert_eq!(spool.held(), ByteCount::ZERO);
}

#[test]
fn only_lanes_that_owe_a_document_have_it() {
    let mut spool = several(ByteCount::mib(1), 2);
    let [first, second] = lanes(&spool)[..] else {
        panic!()
    };
    let _ = spool.push(worth(1, Value::Platform), Lanes::only(second));
    let _ = put(&mut spool, worth(2, Value::Ordinary));
    assert_eq!(deliver(&mut spool, first), [2]);
    assert_eq!(deliver(&mut spool, second), [1, 2]);
    assert_eq!(spool.held(), ByteCount::ZERO);
}

#[test]
fn a_dead_lane_makes_room_for_one_that_lives_whatever_it_holds() {
    for dead_holds in Value::ALL {
        let mut spool = several(budget(10, 100), 2);
        let [dead, living] = lanes(&spool)[..] else {
            panic!()
        };
        for mark in 1..=10 {
            let _ = put(&mut spool, worth(mark, dead_holds));
        }
        let on_its_way = spool.take(dead, BatchLimits { documents: 3, ..ANY }, Order::Oldest);
        assert_eq!(deliver(&mut spool, living).len(), 10);
        for mark in 11..=100 {
            let shed = put(&mut spool, worth(mark, Value::Ordinary));
            assert_eq!(lost(&shed, &spool), [1, 0], "{mark}");
            assert_eq!(deliver(&mut spool, living), [mark]);
        }
        assert_eq!(marks(&on_its_way.unwrap()), [1, 2, 3]);
        assert_eq!(spool.held_documents(dead), 10);
    }
}

#[test]
fn what_a_dead_lane_alone_is_owed_costs_the_others_nothing() {
    let mut spool = several(budget(10, 100), 2);
    let [living, dead] = lanes(&spool)[..] else {
        panic!()
    };
    for mark in 1..=100 {
        // The living one is slow, but takes everything in the end.
        let first = put(&mut spool, worth(mark, Value::Ordinary));
        let second = spool.push(worth(mark, Value::Platform), Lanes::only(dead));
        assert_eq!(
            (lost_by(&first, living), lost_by(&second, living)),
            (0, 0),
            "{mark}"
        );
        if mark % 4 == 0 {
            assert_eq!(deliver(&mut spool, living).len(), 4);
        }
    }
}

#[test]
fn two_dead_lanes_do_not_keep_a_third_from_anything() {
    let mut spool = several(budget(20, 100), 3);
    let [first, living, third] = lanes(&spool)[..] else {
        panic!()
    };
    for mark in 1..=20 {
        let _ = put(&mut spool, worth(mark, Value::Platform));
    }
    let _ = deliver(&mut spool, living);
    for mark in 21..=200 {
        let shed = put(&mut spool, worth(mark, Value::Ordinary));
        assert_eq!(lost(&shed, &spool), [1, 0, 1], "{mark}");
        assert_eq!(deliver(&mut spool, living), [mark]);
    }
    assert_eq!(
        (spool.held_documents(first), spool.held_documents(third)),
        (20, 20)
    );
}

#[test]
fn where_all_are_as_far_behind_value_decides_as_it_does_for_one() {
    let mut spool = several(budget(3, 100), 2);
    for (mark, value) in [(1, Value::Platform), (2, Value::Ordinary), (3, Value::Faulty)] {
        let _ = put(&mut spool, worth(mark, value));
    }
    assert_eq!(lost(&put(&mut spool, worth(4, Value::Ordinary)), &spool), [1, 1]); // 2
    assert_eq!(lost(&put(&mut spool, worth(5, Value::Faulty)), &spool), [1, 1]); // 4
    assert_eq!(lost(&put(&mut spool, worth(6, Value::Ordinary)), &spool), [1, 1]); // itself
    for lane in lanes(&spool) {
        assert_eq!(deliver(&mut spool, lane), [1, 3, 5]);
    }
}

#[test]
fn what_another_lane_has_on_its_way_is_not_given_up_for_nothing() {
    let mut spool = several(budget(4, 100), 2);
    let [sending, behind] = lanes(&spool)[..] else {
        panic!()
    };
    for mark in 1..=4 {
        let _ = put(&mut spool, document(100, mark));
    }
    let batch = spool.take(sending, BatchLimits { documents: 2, ..ANY }, Order::Oldest);
    assert_eq!(marks(&batch.unwrap()), [1, 2]);
    assert_eq!(lost(&put(&mut spool, document(100, 5)), &spool), [1, 1]); // 3
    spool.settle(sending, |_| false);
    assert_eq!(deliver(&mut spool, behind), [1, 2, 4, 5]);
}

#[test]
fn only_the_first_of_a_queue_are_looked_at_for_one_that_may_go() {
    for (on_its_way, expected) in [(LANE_LOOK - 1, [0, 1]), (LANE_LOOK, [1, 1])] {
        let mut spool = several(budget(u64::try_from(on_its_way + 1).unwrap(), 100), 2);
        let [sending, behind] = lanes(&spool)[..] else {
            panic!()
        };
        for _ in 0..on_its_way {
            let _ = put(&mut spool, document(100, 1));
        }
        let all = BatchLimits {
            documents: on_its_way,
            ..ANY
        };
        assert!(spool.take(sending, all, Order::Oldest).is_some());
        let _ = spool.push(document(100, 2), Lanes::only(behind));
        let shed = put(&mut spool, document(100, 3));
        assert_eq!(lost(&shed, &spool), expected, "behind {on_its_way}");
    }
}

#[test]
fn a_document_that_one_lane_puts_into_its_files_stays_for_the_others() {
    let mut spool = several(budget(4, 100), 2);
    let [filing, other] = lanes(&spool)[..] else {
        panic!()
    };
    spool.set_overflow(filing, Overflow::SpillAll(Order::Oldest));
    for mark in 1..=3 {
        let _ = put(&mut spool, document(100, mark));
    }
    let taken = spool.take_spilling(filing, ByteCount::mib(1));
    assert_eq!(taken.len(), 3);
    assert_eq!(
        (spool.held_documents(filing), spool.held_documents(other)),
        (0, 3)
    );
    assert_eq!(spool.held(), budget(3, 100));
    spool.set_overflow(filing, Overflow::Shed);
    assert_eq!(spool.take_back(filing, taken), Shed::default());
    assert_eq!(spool.held(), budget(3, 100));
    for lane in [other, filing] {
        assert_eq!(deliver(&mut spool, lane), [1, 2, 3]);
    }
    assert_eq!(spool.held(), ByteCount::ZERO);
}

/// Documents of a lane that the spool still answers for.
struct Seen {
    received: u64,
    left: u64,
}

/// What is held must be, recomputed from the queues.
fn check(spool: &Spool, most: ByteCount) {
    let mut costs = std::collections::BTreeMap::new();
    for (_, queue) in spool.queues.each() {
        assert_eq!(queue.shelves.documents(), queue.shelves.in_order().count());
        assert!(queue.shelves.in_order().is_sorted_by_key(Held::sequence));
        let way = queue.on_its_way.iter().flat_map(|way| way.documents.iter());
        for held in queue.shelves.in_order().chain(way) {
            costs.insert(
                held.sequence(),
                (held.cost(), held.value, held.under_way().is_empty()),
            );
        }
    }
    let of = |wanted: Value, is_loose: bool| {
        let waiting = spool.waiting.cost(wanted);
        let found = costs
            .values()
            .filter(|(_, value, loose)| *value == wanted && (*loose || !is_loose));
        found.fold(waiting, |sum, (cost, ..)| sum.plus(*cost))
    };
    let all = Value::ALL
        .into_iter()
        .fold(ByteCount::ZERO, |sum, value| sum.plus(of(value, false)));
    assert_eq!(spool.held(), all);
    for value in Value::ALL {
        assert_eq!(*spool.loose.of(value), of(value, true), "{value:?}");
    }
    assert!(spool.held() <= most, "{:?} over {most:?}", spool.held());
}

proptest! {
    #[test]
    fn the_budget_and_every_lanes_sum_hold_whatever_they_do(
        count in 1usize..=3,
        steps in proptest::collection::vec((0u8..9, 1usize..400, 0usize..3, 0usize..3), 1..200),
    ) {
        let mut most = ByteCount::bytes(2000);
        let mut spool = several(most, count);
        let all = lanes(&spool);
        let mut seen: Vec<Seen> = all.iter().map(|_| Seen { received: 0, left: 0 }).collect();
        let mut files: Vec<Vec<Held>> = all.iter().map(|_| Vec::new()).collect();
        let batch = BatchLimits { documents: 3, bytes: ByteCount::bytes(500) };
        for (step, size, kind, lane) in steps {
            let value = Value::ALL[kind];
            let place = lane % count;
            let lane = all[place];
            let newcomer = Document { value, ..document(size, u8::try_from(size % 4).unwrap()) };
            let mut shed = Shed::default();
            match step {
                0 => {
                    seen.iter_mut().for_each(|seen| seen.received += 1);
                    shed = put(&mut spool, newcomer);
                }
                1 => {
                    seen.iter_mut().for_each(|seen| seen.received += 1);
                    shed = spool.push_waiting(newcomer);
                }
                2 => {
                    seen[place].received += 1;
                    shed = spool.push(newcomer, Lanes::only(lane));
                }
                3 => { let _ = spool.take(lane, batch, if kind == 0 { Order::Valuable } else { Order::Oldest }); }
                4 => seen[place].left += spool.settle(lane, |place| place % 2 == kind % 2),
                5 => spool.release(|_| true, |_| ()),
                6 => spool.set_overflow(lane, [Overflow::Shed, Overflow::Spill, Overflow::SpillAll(Order::Oldest)][kind]),
                7 if kind == 0 => shed = spool.take_back(lane, std::mem::take(&mut files[place])),
                7 => files[place].extend(spool.take_spilling(lane, ByteCount::bytes(300))),
                _ => {
                    let limit = ByteCount::bytes(u64::try_from(size * 10).unwrap());
                    shed = spool.set_budget(limit);
                    // What is on its way may come back.
                    most = cost_on_its_way(&spool).max(limit);
                }
            }
            for (lane, seen) in all.iter().zip(&mut seen) {
                seen.left += lost_by(&shed, *lane);
            }
            check(&spool, most);
            for ((lane, seen), files) in all.iter().zip(&seen).zip(&files) {
                let in_files = u64::try_from(files.len()).unwrap();
                prop_assert_eq!(seen.received, seen.left + spool.held_documents(*lane) + in_files);
            }
        }
    }
}
