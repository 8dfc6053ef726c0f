//! Real files in a folder of each test's own.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use model::time::Timestamp;
use model::wire::document_scan::scan;
use proptest::prelude::*;

use super::*;
use crate::limits::{SPILL_LIMIT, SPILL_LOOK_MAX, SPILL_RESERVE_MAX, SPILL_RESERVE_SHARE};
use crate::pipeline::document::{ByValue, Document, Form};
use crate::pipeline::spill_record::{self, SETTLED, STATE_AT};
use crate::pipeline::spool::{BatchLimits, Held, Order};
use crate::spill::temporary::Temporary;

mod strangers;

impl Temporary {
    fn store(&self) -> Store {
        Store::new(&self.0, SPILL_LIMIT)
    }

    fn folder(&self) -> PathBuf {
        folder::path_below(&self.0, None)
    }

    /// The files, in the order of their names.
    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder()).into_iter().flatten();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }
}

fn document(id: u64, value: Value) -> Document {
    sized(id, value, 0)
}

fn sized(id: u64, value: Value, padding: usize) -> Document {
    let text = format!(
        r#"{{"name":"x","trace_id":"1-67881233-abcdef012345678812345678","id":"{id:016x}","metadata":"{}"}}"#,
        "x".repeat(padding)
    );
    Document {
        trace_id: scan(text.as_bytes()).unwrap().trace_id,
        bytes: text.into_bytes(),
        form: Form::Segment,
        parent: None,
        arrived: Timestamp::from_millis(5),
        is_noted: true,
        value,
    }
}

fn ids(documents: &[Document]) -> Vec<u64> {
    let id = |document: &Document| scan(&document.bytes).unwrap().id.to_string();
    documents
        .iter()
        .map(|document| u64::from_str_radix(&id(document), 16).unwrap())
        .collect()
}

const ALL: BatchLimits = BatchLimits {
    documents: 50,
    bytes: ByteCount::mib(1),
};

fn writing(documents: Vec<Document>) -> Filing {
    Filing::Write(documents.into_iter().map(Held::from).collect())
}

/// Writes documents of ordinary value; all of them are taken.
fn write(store: &mut Store, range: std::ops::Range<u64>) {
    let count = range.end - range.start;
    let filed = store.perform(writing(range.map(|id| document(id, Value::Ordinary)).collect()));
    assert_eq!((filed.written, filed.refused.len()), (count, 0));
    assert_eq!(filed.given_up, ByValue::default());
}

fn recall(store: &mut Store) -> Filed {
    store.perform(Filing::Recall(ALL, Order::Oldest))
}

/// Everything that is left, settled as it comes.
fn empty(store: &mut Store) -> Vec<u64> {
    let mut all = Vec::new();
    while store.perform(Filing::Settle(Vec::new())).has_more {
        let filed = recall(store);
        all.extend(ids(&filed.recalled));
        store.perform(Filing::Settle(vec![false; filed.recalled.len()]));
    }
    all
}

#[test]
fn nothing_is_touched_before_it_is_needed_and_nothing_is_left_when_nothing_waits() {
    let temporary = Temporary::new();
    let mut store = temporary.store();
    let filed = store.perform(Filing::Notice);
    assert!(filed.can_write && !filed.has_more && filed.problem.is_none());
    assert!(!temporary.folder().exists());
    write(&mut store, 0..3);
    assert_eq!(temporary.files().len(), 1);
    assert_eq!(empty(&mut store), [0, 1, 2]);
    assert!(!temporary.folder().exists());
    write(&mut store, 3..5);
    assert_eq!(empty(&mut store), [3, 4]);
}

#[test]
fn folder_and_files_are_for_nobody_elses_eyes() {
    let temporary = Temporary::new();
    fs::create_dir(temporary.folder()).unwrap();
    fs::set_permissions(temporary.folder(), fs::Permissions::from_mode(0o777)).unwrap();
    let mut store = temporary.store();
    write(&mut store, 0..1);
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&temporary.folder()), 0o700);
    assert_eq!(mode(&temporary.files()[0]), 0o600);
}

#[test]
fn what_a_process_left_is_delivered_by_the_next_and_counted_once() {
    let temporary = Temporary::new();
    let mut first = temporary.store();
    write(&mut first, 0..60);
    assert_eq!(ids(&recall(&mut first).recalled), (0..50).collect::<Vec<_>>());
    first.perform(Filing::Settle((0..50).map(|place| place >= 10).collect()));
    assert_eq!(first.documents(), 50);
    drop(first);

    let mut next = temporary.store();
    assert!(next.perform(Filing::Notice).has_more);
    let filed = recall(&mut next);
    assert_eq!(filed.recovered, 50);
    assert_eq!(ids(&filed.recalled), (10..60).collect::<Vec<_>>());
    next.perform(Filing::Settle(vec![true; 50]));
    let filed = recall(&mut next);
    assert_eq!((filed.recovered, filed.damaged, next.documents()), (0, 0, 50));
    next.perform(Filing::Settle(vec![false; 50]));
    assert!(!temporary.folder().exists());
}

#[test]
fn what_was_settled_before_a_crash_is_not_delivered_again() {
    let temporary = Temporary::new();
    let mut first = temporary.store();
    write(&mut first, 0..5);
    let few = BatchLimits { documents: 2, ..ALL };
    first.perform(Filing::Recall(few, Order::Oldest));
    first.perform(Filing::Settle(vec![false, true]));
    first.perform(Filing::Recall(few, Order::Oldest)); // on their way when the process dies
    drop(first);
    let mut next = temporary.store();
    next.perform(Filing::Notice);
    assert_eq!(empty(&mut next), [1, 2, 3, 4]);
}

#[test]
fn documents_leave_in_the_order_that_is_asked_for_across_files() {
    for (order, expected) in [(Order::Oldest, [1, 2, 3]), (Order::Valuable, [2, 3, 1])] {
        let temporary = Temporary::new();
        let mut store = temporary.store();
        for (id, value) in [(1, Value::Ordinary), (2, Value::Platform), (3, Value::Faulty)] {
            store.perform(writing(vec![document(id, value)]));
        }
        let filed = store.perform(Filing::Recall(ALL, order));
        assert_eq!(ids(&filed.recalled), expected);
        assert_eq!(filed.recalled[0].arrived, Timestamp::from_millis(5));
    }
}

#[test]
fn a_batch_has_no_more_than_a_call_may_and_at_least_one_document() {
    let temporary = Temporary::new();
    let mut store = temporary.store();
    let documents = (0..6).map(|id| sized(id, Value::Ordinary, 1000)).collect();
    store.perform(writing(documents));
    let limits = |documents, bytes| BatchLimits {
        documents,
        bytes: ByteCount::bytes(bytes),
    };
    let mut batches = Vec::new();
    for (documents, bytes) in [(1, 10_000), (50, 2_300), (50, 10)] {
        let filed = store.perform(Filing::Recall(limits(documents, bytes), Order::Oldest));
        batches.push(ids(&filed.recalled));
        store.perform(Filing::Settle(vec![false; filed.recalled.len()]));
    }
    assert_eq!(batches, [vec![0], vec![1, 2], vec![3]]);
}

#[test]
fn beyond_the_limit_whole_files_of_the_least_value_go_oldest_first() {
    let temporary = Temporary::new();
    let limit = 4 * SPILL_CHUNK_MIN;
    let mut store = Store::new(&temporary.0, ByteCount::bytes(limit));
    let mut given_up = ByValue::default();
    let mut written = 0;
    let mut put = |store: &mut Store, ids: std::ops::Range<u64>, value| {
        for id in ids {
            let filed = store.perform(writing(vec![sized(id, value, 9_800)]));
            written += filed.written;
            for value in Value::ALL {
                *given_up.of_mut(value) += filed.given_up.of(value);
            }
            let on_disk: u64 = temporary
                .files()
                .iter()
                .map(|file| fs::metadata(file).unwrap().len())
                .sum();
            assert!(on_disk <= limit, "{on_disk}");
        }
        given_up
    };
    put(&mut store, 0..6, Value::Platform);
    let of = put(&mut store, 100..130, Value::Ordinary);
    // Six to a file: one of the platform's, three of ordinary ones.
    assert_eq!((of.platform, of.ordinary), (0, 12));
    let of = put(&mut store, 200..212, Value::Platform);
    assert_eq!((of.platform, of.ordinary), (0, 24));
    // No room can be made for less than what is there.
    let of = put(&mut store, 300..320, Value::Platform);
    let before = of.ordinary;
    let of = put(&mut store, 400..402, Value::Ordinary);
    assert_eq!(of.ordinary, before + 2);
    assert_eq!(written - of.ordinary - of.platform, store.documents());
    let left = empty(&mut store);
    assert!(left.iter().all(|id| *id < 100 || *id >= 200), "{left:?}");
    assert_eq!(left.last(), Some(&319));
}

/// Marks all records of this length but some as settled, as a process that died a moment later had.
fn mark_settled(file: &Path, record_bytes: usize, waits: impl Fn(usize) -> bool) {
    let mut bytes = fs::read(file).unwrap();
    for (place, record) in bytes.chunks_mut(record_bytes).enumerate() {
        if !waits(place) {
            record[usize::try_from(STATE_AT).unwrap()] = SETTLED;
        }
    }
    fs::write(file, bytes).unwrap();
}

#[test]
fn one_recall_looks_at_so_many_bytes_in_whatever_state_and_the_next_goes_on_behind_them() {
    const RECORD: usize = 16 * 1024;
    const IN_A_FILE: usize = 40;
    let in_a_look = usize::try_from(SPILL_LOOK_MAX).unwrap() / RECORD;
    let limit = ByteCount::of(8 * IN_A_FILE * RECORD);
    let padding = RECORD - spill_record::length(&document(0, Value::Ordinary));
    for (waits, expected) in [
        (in_a_look - 1, [vec![63], vec![119]]),
        (in_a_look, [vec![], vec![64, 119]]),
    ] {
        let temporary = Temporary::new();
        let mut first = Store::new(&temporary.0, limit);
        let documents = (0..130).map(|id| sized(id, Value::Ordinary, padding)).collect();
        assert_eq!(first.perform(writing(documents)).written, 130);
        drop(first);
        let files = temporary.files();
        assert_eq!(files.len(), 4);
        for (number, file) in files.iter().enumerate() {
            let id = |place: usize| number * IN_A_FILE + place;
            mark_settled(file, RECORD, |place| id(place) == waits || id(place) == 119);
        }
        let mut next = Store::new(&temporary.0, limit);
        assert!(next.perform(Filing::Notice).has_more);
        // It is missed when it is looked for.
        fs::remove_file(&files[3]).unwrap();
        for (expected, untouched) in expected.into_iter().zip([2, 0]) {
            let filed = recall(&mut next);
            assert_eq!((ids(&filed.recalled), filed.has_more), (expected.clone(), true));
            let is_untouched = |chunk: &&Chunk| chunk.looked_to == 0;
            assert_eq!(next.chunks.iter().filter(is_untouched).count(), untouched);
            next.perform(Filing::Settle(vec![false; expected.len()]));
        }
        assert!(!temporary.folder().exists());
    }
}

#[test]
fn a_lane_has_a_folder_of_its_own_and_the_first_one_takes_over_what_one_that_is_gone_has_left() {
    let temporary = Temporary::new();
    let mut gone = Store::of_lane(&temporary.0, SPILL_LIMIT, "gone");
    write(&mut gone, 1..4);
    assert!(temporary.files().is_empty());
    drop(gone);
    let mut other = Store::of_lane(&temporary.0, SPILL_LIMIT, "other");
    assert!(!other.perform(Filing::Notice).has_more);
    let mut first = temporary.store().heir_of(&temporary.0, "gone");
    assert!(first.perform(Filing::Notice).has_more);
    let filed = recall(&mut first);
    assert_eq!((ids(&filed.recalled), filed.recovered), (vec![1, 2, 3], 3));
    first.perform(Filing::Settle(vec![false; 3]));
    assert_eq!(fs::read_dir(&temporary.0).unwrap().count(), 0);
}

#[test]
fn what_is_left_by_a_lane_that_is_gone_waits_while_the_first_has_something_of_its_own() {
    let temporary = Temporary::new();
    let mut gone = Store::of_lane(&temporary.0, SPILL_LIMIT, "gone");
    write(&mut gone, 1..4);
    write(&mut temporary.store(), 4..6);
    drop(gone);
    for expected in [vec![4, 5], vec![1, 2, 3]] {
        let mut first = temporary.store().heir_of(&temporary.0, "gone");
        first.perform(Filing::Notice);
        let filed = recall(&mut first);
        assert_eq!(ids(&filed.recalled), expected);
        first.perform(Filing::Settle(vec![false; expected.len()]));
    }
}

#[test]
fn what_is_on_its_way_is_not_given_up() {
    let temporary = Temporary::new();
    let mut store = Store::new(&temporary.0, ByteCount::bytes(1000));
    let chunk = |id| vec![sized(id, Value::Ordinary, 300)];
    store.perform(writing(chunk(1)));
    let filed = recall(&mut store);
    store.perform(writing(chunk(2)));
    let third = store.perform(writing(chunk(3)));
    assert_eq!((third.written, third.given_up.ordinary), (1, 1));
    store.perform(Filing::Settle(vec![false; filed.recalled.len()]));
    assert_eq!(empty(&mut store), [2]);
}

#[test]
fn a_limit_of_nothing_or_of_too_little_takes_nothing() {
    let temporary = Temporary::new();
    let mut off = Store::new(&temporary.0, ByteCount::ZERO);
    let filed = off.perform(writing(vec![document(1, Value::Platform)]));
    assert_eq!(
        (filed.refused.len(), filed.can_write, filed.problem),
        (1, false, None)
    );
    let mut tiny = Store::new(&temporary.0, ByteCount::bytes(100));
    let filed = tiny.perform(writing(vec![document(1, Value::Platform)]));
    assert_eq!((filed.written, filed.given_up.platform), (1, 1));
    assert!(!temporary.folder().exists());
}

#[test]
fn what_kept_us_from_writing_may_be_over_when_somebody_asks_again() {
    let temporary = Temporary::new();
    fs::write(temporary.folder(), "in the way").unwrap();
    let mut store = temporary.store();
    let put = |store: &mut Store, id| store.perform(writing(vec![document(id, Value::Ordinary)]));
    assert!(put(&mut store, 1).problem.is_some());
    let filed = store.perform(Filing::Notice);
    assert!(!filed.can_write && filed.problem.is_none()); // still so, and said once
    fs::remove_file(temporary.folder()).unwrap();
    assert_eq!(put(&mut store, 2).refused.len(), 1); // nobody has asked again
    assert!(store.perform(Filing::Notice).can_write);
    write(&mut store, 3..5);
    assert_eq!(empty(&mut store), [3, 4]);
    fs::write(temporary.folder(), "in the way again").unwrap();
    assert!(put(&mut store, 5).problem.is_some());
}

#[test]
fn the_reserve_of_the_file_system_is_left_free() {
    let temporary = Temporary::new();
    let folder = Folder::create(&temporary.folder()).unwrap();
    let of = rustix::fs::statvfs(&temporary.0).unwrap();
    let (free, total) = (of.f_bavail * of.f_frsize, of.f_blocks * of.f_frsize);
    let reserve = (total / SPILL_RESERVE_SHARE).min(SPILL_RESERVE_MAX.get());
    // Others write to it meanwhile.
    const OTHERS: u64 = 256 << 20;
    assert!(folder.spare((free - reserve).saturating_sub(OTHERS)).is_ok());
    assert!(folder.spare(free - reserve + OTHERS).is_err());
    assert!(folder.spare(u64::MAX).is_err());
}

/// What happens to the files between two processes.
#[derive(Debug, Clone)]
enum Harm {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Random(Vec<u8>),
    Remove,
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        (any::<prop::sample::Index>(), 1u8..).prop_map(|(at, flip)| Harm::Flip(at, flip)),
        any::<prop::sample::Index>().prop_map(Harm::Cut),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(Harm::Random),
        Just(Harm::Remove),
    ]
}

fn inflict(path: &Path, harm: &Harm) {
    let mut bytes = fs::read(path).unwrap();
    match harm {
        // Cut to nothing before.
        Harm::Flip(..) | Harm::Cut(_) if bytes.is_empty() => {}
        Harm::Flip(at, flip) => {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        Harm::Cut(at) => bytes.truncate(at.index(bytes.len())),
        Harm::Random(random) => bytes.clone_from(random),
        Harm::Remove => return fs::remove_file(path).unwrap(),
    }
    fs::write(path, bytes).unwrap();
}

/// What happens to the files while a batch is on its way.
#[derive(Debug, Clone)]
enum Midway {
    Nothing,
    Remove(prop::sample::Index),
    Clean,
}

fn midway() -> impl Strategy<Value = Midway> {
    prop_oneof![
        Just(Midway::Nothing),
        any::<prop::sample::Index>().prop_map(Midway::Remove),
        Just(Midway::Clean),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    /// Documents of two processes with harm done to a file in between or while the second reads, which writes more
    /// while a batch is on its way.
    #[test]
    fn whatever_is_done_to_the_files_every_document_is_told_of_and_none_comes_twice(
        values in proptest::collection::vec(0usize..3, 1..80), keeps in any::<u64>(),
        harms in proptest::collection::vec((any::<prop::sample::Index>(), harm()), 0..3), is_between in any::<bool>(),
        midway in proptest::collection::vec(midway(), 0..4),
    ) {
        let temporary = Temporary::new();
        let mut store = temporary.store();
        let documents = values.iter().zip(0..).map(|(value, id)| document(id, Value::ALL[*value]));
        let total = u64::try_from(values.len()).unwrap();
        prop_assert_eq!(store.perform(writing(documents.collect())).written, total);
        if is_between {
            drop(store);
            store = temporary.store();
        }
        for (file, harm) in &harms {
            let files = temporary.files();
            if !files.is_empty() {
                inflict(&files[file.index(files.len())], harm);
            }
        }
        let mut held = if is_between { 0 } else { total };
        let mut has_more = store.perform(Filing::Notice).has_more;
        let mut seen = BTreeSet::new();
        let mut midway = midway.into_iter();
        let mut next_id = total;
        let mut is_harmed = !harms.is_empty();
        for round in 0.. {
            if !has_more {
                break;
            }
            prop_assert!(round < 400, "it never ends");
            let filed = store.perform(Filing::Recall(BatchLimits { documents: 7, ..ALL }, Order::Oldest));
            held = held + filed.recovered - filed.damaged;
            if let Some(harm) = midway.next() {
                let files = temporary.files();
                match harm {
                    Midway::Nothing => {}
                    _ if files.is_empty() => {}
                    Midway::Remove(file) => fs::remove_file(&files[file.index(files.len())]).unwrap(),
                    Midway::Clean => fs::remove_dir_all(temporary.folder()).unwrap(),
                }
                is_harmed |= temporary.files().len() < files.len();
                let more = Value::ALL.into_iter().zip(next_id..).map(|(value, id)| document(id, value));
                let filed = store.perform(writing(more.collect()));
                next_id += 3;
                prop_assert_eq!((filed.written, filed.can_write), (3, true));
                held = held + 3 - filed.damaged;
            }
            let is_kept = |place: usize| round < 64 && (keeps >> (round % 64)) & 1 == 1 && place.is_multiple_of(3);
            let keep: Vec<bool> = (0..filed.recalled.len()).map(is_kept).collect();
            for (id, keep) in ids(&filed.recalled).into_iter().zip(&keep) {
                prop_assert!(*keep || seen.insert(id), "{id} came twice");
            }
            held -= u64::try_from(keep.iter().filter(|keep| !**keep).count()).unwrap();
            let filed = store.perform(Filing::Settle(keep));
            held -= filed.damaged;
            has_more = filed.has_more;
            prop_assert_eq!(held, store.documents());
        }
        prop_assert_eq!(held, 0);
        if !is_harmed {
            prop_assert_eq!(u64::try_from(seen.len()).unwrap(), next_id);
        }
    }
}
