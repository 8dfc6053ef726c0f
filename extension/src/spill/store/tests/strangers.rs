//! What somebody else does to the folder and the files.

use super::*;

#[test]
fn the_folder_is_never_shared() {
    let temporary = Temporary::new();
    let mut first = temporary.store();
    write(&mut first, 0..1);
    let mut second = temporary.store();
    let filed = second.perform(Filing::Notice);
    assert!(!filed.has_more && !filed.can_write);
    assert_eq!(
        filed.problem.unwrap().fields["cause"],
        "another extension uses it"
    );
    let filed = second.perform(writing(vec![document(9, Value::Ordinary)]));
    assert_eq!((filed.refused.len(), filed.problem), (1, None)); // said once
    assert_eq!(empty(&mut first), [0]);
}

#[test]
fn no_link_is_followed_and_nothing_of_somebody_elses_is_opened() {
    for plant in [
        |path: &Path, elsewhere: &Path| symlink(elsewhere, path).unwrap(),
        |path: &Path, _: &Path| fs::write(path, "a file").unwrap(),
    ] {
        let temporary = Temporary::new();
        let elsewhere = Temporary::new();
        plant(&temporary.folder(), &elsewhere.0);
        let mut store = temporary.store();
        let filed = store.perform(writing(vec![document(1, Value::Ordinary)]));
        assert_eq!((filed.refused.len(), filed.can_write), (1, false));
        assert!(filed.problem.is_some());
        assert_eq!(fs::read_dir(&elsewhere.0).unwrap().count(), 0);
    }
}

#[test]
fn a_file_that_was_replaced_is_lost_and_writing_goes_on_in_another() {
    let temporary = Temporary::new();
    let elsewhere = temporary.0.join("victim");
    fs::write(&elsewhere, "untouched").unwrap();
    let mut store = temporary.store();
    write(&mut store, 0..3);
    let file = temporary.files().remove(0);
    fs::remove_file(&file).unwrap();
    symlink(&elsewhere, &file).unwrap();
    let filed = store.perform(writing(vec![document(7, Value::Ordinary)]));
    assert_eq!((filed.written, filed.damaged, filed.can_write), (1, 3, true));
    let file = temporary.files().remove(0);
    fs::hard_link(&file, temporary.0.join("second name")).unwrap();
    assert_eq!(recall(&mut store).damaged, 1);
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "untouched");
    assert_eq!(store.documents(), 0);
}

#[test]
fn a_pipe_or_a_folder_of_a_files_name_holds_nobody() {
    let temporary = Temporary::new();
    fs::create_dir(temporary.folder()).unwrap();
    let pipe = temporary.folder().join(Chunk::new(1, Value::Ordinary).name());
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    fs::create_dir(temporary.folder().join(Chunk::new(2, Value::Ordinary).name())).unwrap();
    let mut store = temporary.store();
    assert!(!store.perform(Filing::Notice).has_more);
    write(&mut store, 0..3);
    assert_eq!(empty(&mut store), [0, 1, 2]);
}

#[test]
fn what_is_on_its_way_from_a_file_that_is_lost_is_told_of_once() {
    let temporary = Temporary::new();
    let mut store = temporary.store();
    write(&mut store, 0..4);
    store.perform(writing(vec![document(9, Value::Faulty)]));
    let few = BatchLimits { documents: 3, ..ALL };
    assert_eq!(
        store.perform(Filing::Recall(few, Order::Valuable)).recalled.len(),
        3
    );
    let ordinary = temporary
        .files()
        .into_iter()
        .find(|file| file.to_string_lossy().contains("ordinary"));
    fs::remove_file(ordinary.unwrap()).unwrap();
    let filed = store.perform(writing(vec![document(5, Value::Ordinary)]));
    assert_eq!((filed.written, filed.damaged), (1, 2)); // two of the four are on their way
    // The second is delivered, the third given back with nowhere to go.
    let filed = store.perform(Filing::Settle(vec![true, false, true]));
    assert_eq!((filed.damaged, store.documents()), (1, 2));
    let mut left = empty(&mut store);
    left.sort_unstable();
    assert_eq!(left, [5, 9]);
}

#[test]
fn a_folder_that_was_cleaned_away_costs_what_was_in_it_and_another_is_made() {
    let temporary = Temporary::new();
    let mut store = temporary.store();
    write(&mut store, 0..4);
    store.perform(writing(vec![document(9, Value::Faulty)]));
    let few = BatchLimits { documents: 1, ..ALL };
    assert_eq!(
        ids(&store.perform(Filing::Recall(few, Order::Oldest)).recalled),
        [0]
    );
    fs::remove_dir_all(temporary.folder()).unwrap();
    let filed = store.perform(writing(vec![document(5, Value::Platform)]));
    assert_eq!((filed.written, filed.damaged, filed.can_write), (1, 4, true));
    assert!(filed.problem.is_none());
    assert_eq!(store.perform(Filing::Settle(vec![false])).damaged, 0);
    assert_eq!(empty(&mut store), [5]);
    assert!(!temporary.folder().exists());
}

#[test]
fn numbers_that_somebody_planted_neither_run_out_nor_are_shared() {
    let temporary = Temporary::new();
    fs::create_dir(temporary.folder()).unwrap();
    let plant = |name: &str| fs::write(temporary.folder().join(name), "x".repeat(200)).unwrap();
    plant("ordinary-ffffffffffffffff");
    plant("ordinary-000000000000000A"); // nor does a name that we do not give count
    plant("ordinary-0000000000000002");
    plant("platform-0000000000000002");
    let mut store = temporary.store();
    assert!(store.perform(Filing::Notice).has_more);
    assert_eq!(
        store.chunks.iter().map(|chunk| chunk.number).collect::<Vec<_>>(),
        [2]
    );
    write(&mut store, 0..3);
    assert_eq!(empty(&mut store), [0, 1, 2]);
    plant("ordinary-fffffffffffffffe");
    let mut next = temporary.store();
    let filed = next.perform(writing(vec![document(1, Value::Ordinary)]));
    assert_eq!((filed.refused.len(), filed.can_write), (1, false));
    assert!(filed.problem.is_some());
}
