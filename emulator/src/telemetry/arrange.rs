//! What the faults make of a batch: one delivery, several, or none.
//!
//! Pure.

use std::sync::Arc;

use crate::faults::{Faults, Mishap, RecordOrder};

/// The elements of each delivery that the batch becomes.
pub(crate) fn arrange(batch: &[Arc<str>], faults: &Faults, mishap: &Mishap) -> Vec<Vec<Arc<str>>> {
    let is_there = |record: &&Arc<str>| !mishap.lost.iter().any(|kind| is_of(record, kind));
    let has_doubles = faults.duplicated_records || mishap.has_doubles;
    let records = batch
        .iter()
        .filter(is_there)
        .flat_map(|record| std::iter::repeat_n(Arc::clone(record), if has_doubles { 2 } else { 1 }));
    let records = ordered(ordered(records.collect(), faults.record_order), mishap.order);
    let extra: Vec<Arc<str>> = faults
        .extra_records
        .iter()
        .chain(&mishap.extra_records)
        .map(|element| element.as_str().into())
        .collect();
    let share = records.len().div_ceil(mishap.split.max(1)).max(1);
    let mut deliveries: Vec<Vec<Arc<str>>> = records.chunks(share).map(<[Arc<str>]>::to_vec).collect();
    if deliveries.is_empty() && !extra.is_empty() {
        deliveries.push(Vec::new());
    }
    for delivery in &mut deliveries {
        delivery.splice(0..0, extra.iter().cloned());
    }
    if mishap.is_repeated {
        let again = deliveries.clone();
        deliveries.extend(again);
    }
    deliveries
}

/// Whether a record is of this type. We wrote it ourselves: its members have no spaces between them.
fn is_of(record: &str, kind: &str) -> bool {
    record.contains(&format!(r#""type":"{kind}""#))
}

fn ordered(mut records: Vec<Arc<str>>, order: RecordOrder) -> Vec<Arc<str>> {
    match order {
        RecordOrder::Generated => {}
        RecordOrder::Reversed => records.reverse(),
        RecordOrder::Shuffled(number) => {
            let mut keyed: Vec<(u64, Arc<str>)> = (number..).map(mixed).zip(records).collect();
            keyed.sort_by_key(|(key, _)| *key);
            records = keyed.into_iter().map(|(_, record)| record).collect();
        }
    }
    records
}

/// A number that looks random, the same for the same number (the finalizer of SplitMix64).
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [&str; 4] = [
        "platform.start",
        "platform.runtimeDone",
        "platform.report",
        "platform.extension",
    ];

    /// What becomes of one record of each kind, by the kinds' first letters behind `platform.`.
    #[track_caller]
    fn check(mishap: &Mishap, expected: &[&str]) {
        let batch: Vec<Arc<str>> = KINDS
            .iter()
            .map(|kind| format!(r#"{{"type":"{kind}"}}"#).into())
            .collect();
        let letter = |element: &Arc<str>| match element.split("platform.").nth(1) {
            Some(kind) => kind[..2].to_owned(),
            None => format!("{element} "),
        };
        let arranged: Vec<String> = arrange(&batch, &Faults::default(), mishap)
            .iter()
            .map(|delivery| delivery.iter().map(letter).collect())
            .collect();
        assert_eq!(arranged, expected, "{mishap:?}");
    }

    #[test]
    fn each_mishap_does_what_it_says() {
        let none = Mishap::default();
        check(&none, &["strureex"]);
        let lost = Mishap {
            lost: KINDS[1..2].iter().map(|kind| (*kind).to_owned()).collect(),
            ..none.clone()
        };
        check(&lost, &["streex"]);
        let reversed = Mishap {
            order: RecordOrder::Reversed,
            ..none.clone()
        };
        check(&reversed, &["exrerust"]);
        let doubled = Mishap {
            has_doubles: true,
            ..none.clone()
        };
        check(&doubled, &["ststrururereexex"]);
        let split = Mishap {
            split: 3,
            ..none.clone()
        };
        check(&split, &["stru", "reex"]);
        let split = Mishap {
            split: 9,
            ..none.clone()
        };
        check(&split, &["st", "ru", "re", "ex"]);
        let repeated = Mishap {
            is_repeated: true,
            split: 2,
            ..none.clone()
        };
        check(&repeated, &["stru", "reex", "stru", "reex"]);
        let mixed_in = Mishap {
            extra_records: vec!["?".to_owned()],
            split: 2,
            ..none.clone()
        };
        check(&mixed_in, &["? stru", "? reex"]);
        let nothing_left = Mishap {
            lost: KINDS.iter().map(|kind| (*kind).to_owned()).collect(),
            ..none
        };
        check(&nothing_left, &[]);
    }

    #[test]
    fn a_shuffle_is_the_same_for_the_same_number_and_keeps_every_record() {
        let records: Vec<Arc<str>> = (0..20).map(|number| format!("{number:02}").into()).collect();
        let shuffled = |number| ordered(records.clone(), RecordOrder::Shuffled(number));
        assert_eq!(shuffled(7), shuffled(7));
        assert_ne!(shuffled(7), shuffled(8_000));
        assert_ne!(shuffled(7), records);
        let mut sorted = shuffled(7);
        sorted.sort();
        assert_eq!(sorted, records);
    }
}
