//! Documents that memory has no room for: into real files, and back.

use std::collections::VecDeque;
use std::time::Duration;

use model::size::ByteCount;
use serde_json::{Value, json};

use super::bench::{Bench, S, U, W, done, header, reading, start, subsegment, tracing};
use crate::limits::{
    SAVE_TIME_OF_MIB, SHUTDOWN_MARGIN, SHUTDOWN_TELEMETRY_WAIT, SPILL_LIMIT, SPILL_RETRY, SPILL_STEP,
};
use crate::pipeline::event::{Event, Stopping};
use crate::pipeline::filing::{Filed, Filing};
use crate::pipeline::lane::Lane;
use crate::pipeline::outcome::FailureKind;
use crate::spill::store::Store;
use crate::spill::temporary::Temporary;

/// The time that Lambda gives at SHUTDOWN.
const SHUTDOWN: Duration = Duration::from_millis(2000);
const MEMORY: ByteCount = ByteCount::bytes(8 * 1024);

fn id(number: u32) -> String {
    format!("{number:016x}")
}

/// So many documents of an invocation that runs.
fn busy(bench: &mut Bench, documents: u32) {
    bench.invoke("r-1", &header(S));
    bench.records([start("r-1", tracing(Some(S), W))]);
    for number in 1..=documents {
        bench.subsegment(&id(number), S);
        if !bench.sending.is_empty() {
            bench.fail(FailureKind::Silent);
        }
    }
}

/// Ids of the subsegments that were delivered, sorted.
fn delivered(bench: &Bench) -> Vec<String> {
    let own = bench
        .delivered
        .iter()
        .filter(|document| document["origin"].is_null());
    let mut ids: Vec<String> = own
        .map(|document| document["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

fn ids(documents: u32) -> Vec<String> {
    (1..=documents).map(id).collect()
}

fn fields(bench: &Bench) -> Value {
    Value::Object(bench.engine.last_word().fields)
}

#[test]
fn what_memory_has_no_room_for_is_delivered_from_the_files() {
    let temporary = Temporary::new();
    let mut bench = Bench::spilling(&temporary, MEMORY, SPILL_LIMIT);
    busy(&mut bench, 200);
    assert!(bench.engine.held_by(Lane::FIRST).in_file > 100);
    assert!(bench.engine.held_by(Lane::FIRST).in_memory < 30);
    bench.records([done("r-1", "success")]);
    bench.wait(Duration::from_secs(2));
    assert_eq!(bench.nexts, 1); // nothing holds the function while the destination is down
    bench.invoke("r-2", &header(S));
    while bench.engine.held_documents(Lane::FIRST) > 0 {
        if bench.sending.is_empty() {
            bench.wait(Duration::from_secs(1));
        }
        bench.accept();
    }
    bench.stop("spindown");
    bench.wait(SHUTDOWN_TELEMETRY_WAIT);
    bench.accept();
    assert_eq!(delivered(&bench), ids(200));
    let fields = fields(&bench);
    assert_eq!(
        (&fields["held"], &fields["shed"]["total"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(temporary.0.read_dir().unwrap().count(), 0);
}

#[test]
fn what_waits_in_the_files_still_hangs_under_its_function() {
    let temporary = Temporary::new();
    let mut bench = Bench::spilling(&temporary, MEMORY, SPILL_LIMIT);
    bench.invoke("r-1", &header(U));
    for number in 1..=60 {
        bench.subsegment(&id(number), U); // before `platform.start` says where it belongs
    }
    assert!(bench.engine.held_by(Lane::FIRST).in_file > 20);
    bench.fail(FailureKind::Silent);
    bench.records([start("r-1", tracing(None, U)), done("r-1", "success")]);
    bench.stop("spindown");
    bench.wait(SHUTDOWN_TELEMETRY_WAIT);
    bench.accept();
    let function = bench
        .delivered
        .iter()
        .find(|one| one["origin"] == "AWS::Lambda::Function");
    let function = function.unwrap()["id"].clone();
    let own = bench.delivered.iter().filter(|one| one["origin"].is_null());
    assert!(own.clone().all(|one| one["parent_id"] == function));
    assert_eq!(own.count(), 60);
}

#[test]
fn everything_goes_to_the_files_when_memory_is_wanted_elsewhere_and_nothing_after() {
    let temporary = Temporary::new();
    let mut bench = Bench::spilling(&temporary, ByteCount::mib(8), SPILL_LIMIT);
    busy(&mut bench, 10);
    assert_eq!(bench.engine.held_by(Lane::FIRST).in_file, 0);
    bench.event(Event::Memory(reading(5, 10))); // critical
    assert_eq!(
        (
            bench.engine.held_by(Lane::FIRST).in_file,
            bench.engine.held_by(Lane::FIRST).in_memory
        ),
        (10, 0)
    );
    bench.subsegment(&id(11), S);
    assert_eq!(
        (
            bench.engine.held_by(Lane::FIRST).in_file,
            bench.engine.held_by(Lane::FIRST).in_memory
        ),
        (11, 0)
    );
    bench.event(Event::Memory(reading(5, 200)));
    bench.subsegment(&id(12), S);
    assert_eq!(
        (
            bench.engine.held_by(Lane::FIRST).in_file,
            bench.engine.held_by(Lane::FIRST).in_memory
        ),
        (11, 1)
    );
}

/// What the documents cost that this writes. Nothing else is to be done.
#[track_caller]
fn cost_of_written(filing: &Filing) -> ByteCount {
    let Filing::Write(documents) = filing else {
        panic!("{filing:?}");
    };
    let costs = documents.iter().map(|document| document.cost());
    costs.fold(ByteCount::ZERO, ByteCount::plus)
}

#[test]
fn a_full_memory_goes_to_the_files_in_pieces_between_which_others_are_heard() {
    const DOCUMENTS: u32 = 500;
    let temporary = Temporary::new();
    let mut bench = Bench::spilling(&temporary, ByteCount::mib(8), SPILL_LIMIT);
    busy(&mut bench, 1);
    let large = json!({ "metadata": { "d": { "k": "m".repeat(10_000) } } });
    for number in 2..=DOCUMENTS {
        bench.datagram(&subsegment(&id(number), S, large.clone()));
    }
    while !bench.sending.is_empty() {
        bench.fail(FailureKind::Silent);
    }
    bench.filings = Some(VecDeque::new());
    bench.event(Event::Memory(reading(5, 10))); // critical
    let mut pieces = Vec::new();
    while let Some(filing) = bench.next_filing() {
        pieces.push(cost_of_written(&filing));
        if pieces.len() == 2 {
            bench.records([done("r-1", "success")]);
            assert_eq!(bench.nexts, 1);
        }
        let filed = bench.files.of_mut(Lane::FIRST).perform(filing);
        bench.event(Event::Filed(Lane::FIRST, filed));
    }
    let most = SPILL_STEP.plus(ByteCount::bytes(11_000));
    assert!(pieces.iter().all(|cost| *cost < most), "{pieces:?}");
    let (_, full) = pieces.split_last().unwrap();
    assert!(
        full.len() > 8 && full.iter().all(|cost| *cost >= SPILL_STEP),
        "{pieces:?}"
    );
    let held = bench.engine.held_by(Lane::FIRST);
    assert_eq!((held.in_memory, held.in_file), (0, u64::from(DOCUMENTS) + 2));
}

#[test]
fn shutdown_waits_for_what_is_on_its_way_to_the_files_and_sends_it() {
    let temporary = Temporary::new();
    let mut bench = Bench::spilling(&temporary, ByteCount::mib(8), SPILL_LIMIT);
    busy(&mut bench, 5);
    bench.records([done("r-1", "success")]);
    bench.accept();
    busy(&mut bench, 0);
    bench.subsegment(&id(6), S);
    bench.filings = Some(VecDeque::new());
    bench.event(Event::Memory(reading(5, 10)));
    bench.stop("spindown");
    bench.wait(SHUTDOWN_TELEMETRY_WAIT);
    bench.accept();
    assert!(bench.finished.is_none());
    while let Some(filing) = bench.next_filing() {
        let filed = bench.files.of_mut(Lane::FIRST).perform(filing);
        bench.event(Event::Filed(Lane::FIRST, filed));
        bench.accept();
    }
    assert!(bench.finished.is_some());
    assert_eq!(delivered(&bench), ids(6));
}

#[test]
fn a_look_at_the_files_that_found_nothing_is_followed_by_another_while_a_handler_runs() {
    for runs in [true, false] {
        let temporary = Temporary::new();
        let mut bench = filed(&temporary);
        bench.filings = Some(VecDeque::new());
        bench.wait(Duration::from_secs(1));
        assert!(matches!(bench.next_filing(), Some(Filing::Recall(..))));
        if !runs {
            bench.records([done("r-1", "success")]);
            assert_eq!(bench.nexts, 1);
        }
        let found_nothing = Filed {
            is_recall: true,
            has_more: true,
            can_write: true,
            ..Filed::default()
        };
        bench.event(Event::Filed(Lane::FIRST, found_nothing));
        assert_eq!(matches!(bench.next_filing(), Some(Filing::Recall(..))), runs);
    }
}

#[test]
fn after_a_timeout_or_a_failure_the_next_process_delivers_what_was_held() {
    for reason in ["timeout", "failure", "TIMEOUT"] {
        let temporary = Temporary::new();
        let mut bench = Bench::spilling(&temporary, MEMORY, SPILL_LIMIT);
        busy(&mut bench, 60);
        bench.stop(reason);
        for _ in 0..100 {
            if !bench.sending.is_empty() {
                bench.fail(FailureKind::Silent);
            }
            bench.wait(Duration::from_millis(30));
        }
        let word = Value::Object(bench.finished.as_ref().unwrap().fields.clone());
        assert_eq!(word["held"], 62, "{word}");
        assert_eq!(bench.engine.held_by(Lane::FIRST).in_memory, 0);
        drop(bench);

        let mut next = Bench::spilling(&temporary, MEMORY, SPILL_LIMIT);
        next.invoke("r-2", &header(S));
        next.accept();
        next.records([start("r-2", tracing(Some(S), W)), done("r-2", "success")]);
        next.accept();
        assert_eq!(delivered(&next), ids(60));
        assert_eq!(fields(&next)["received"]["recovered"], 62);
        assert_eq!(next.engine.held_documents(Lane::FIRST), 0);
    }
}

#[test]
fn what_a_call_had_on_its_way_when_time_ran_out_is_kept_too() {
    let temporary = Temporary::new();
    let mut bench = Bench::spilling(&temporary, MEMORY, SPILL_LIMIT);
    busy(&mut bench, 5);
    bench.stop("timeout");
    bench.wait(Duration::from_secs(3));
    assert_eq!((bench.sending.len(), bench.finished.is_some()), (1, true));
    assert_eq!(bench.engine.held_by(Lane::FIRST).in_file, 7);
}

#[test]
fn the_more_is_held_the_earlier_it_goes_to_the_files() {
    const STEP: Duration = Duration::from_millis(1);
    for (documents, reason, mebibytes) in [(100, "timeout", 0), (3_000, "timeout", 3), (3_000, "spindown", 0)]
    {
        let temporary = Temporary::new();
        let mut bench = Bench::spilling(&temporary, ByteCount::mib(8), SPILL_LIMIT);
        bench.invoke("r-1", &header(S));
        bench.records([start("r-1", tracing(Some(S), W))]);
        let more = json!({ "metadata": { "default": "m".repeat(900) } });
        for number in 1..=documents {
            bench.datagram(&subsegment(&id(number), S, more.clone()));
        }
        bench.stop(reason);
        let begin = bench.now;
        // A call is under way that nobody answers.
        while bench.finished.is_none() {
            bench.wait(STEP);
        }
        let saving = SAVE_TIME_OF_MIB * mebibytes;
        assert_eq!(
            bench.now.since(begin),
            SHUTDOWN - SHUTDOWN_MARGIN - saving,
            "{reason}"
        );
    }
}

#[test]
fn a_late_word_of_the_shutdown_still_has_what_is_open_told_before_it_goes_to_the_files() {
    let temporary = Temporary::new();
    let mut bench = Bench::spilling(&temporary, ByteCount::mib(8), SPILL_LIMIT);
    bench.invoke("r-1", &header(S));
    bench.records([start("r-1", tracing(Some(S), W))]);
    let more = json!({ "metadata": { "default": "m".repeat(900) } });
    for number in 1..=3_000 {
        bench.datagram(&subsegment(&id(number), S, more.clone()));
    }
    // All of the time would go to the files.
    let deadline = bench.now.after(SHUTDOWN_MARGIN + SAVE_TIME_OF_MIB);
    bench.event(Event::Stopping(Stopping {
        reason: "timeout".into(),
        deadline,
    }));
    while bench.finished.is_none() {
        bench.wait(Duration::from_millis(1));
    }
    assert_eq!(bench.now, deadline.before(SHUTDOWN_MARGIN + SAVE_TIME_OF_MIB / 2));
    assert_eq!(fields(&bench)["held"], 3_002); // with the segments of the invocation that timed out
}

#[test]
fn at_spindown_nothing_is_written() {
    let temporary = Temporary::new();
    let mut bench = Bench::spilling(&temporary, ByteCount::mib(8), SPILL_LIMIT);
    busy(&mut bench, 5);
    bench.stop("spindown");
    bench.wait(Duration::from_secs(3));
    assert_eq!(bench.engine.held_by(Lane::FIRST).in_file, 0);
    assert!(bench.finished.is_some());
    assert_eq!(temporary.0.read_dir().unwrap().count(), 0);
}

#[test]
fn a_folder_that_cannot_be_used_costs_one_line_and_documents_are_shed_as_without() {
    let temporary = Temporary::new();
    let mut bench = Bench::spilling(&temporary, MEMORY, SPILL_LIMIT);
    *bench.files.of_mut(Lane::FIRST) = Store::new(&temporary.0.join("missing"), SPILL_LIMIT);
    busy(&mut bench, 200);
    assert_eq!(bench.engine.held_by(Lane::FIRST).in_file, 0);
    assert!(bench.engine.tally().of(Lane::FIRST).shed_total() > 100);
    let about = |line: &&crate::logging::Line| line.message.contains("FLUOROSCOPE_SPILL_LIMIT");
    assert_eq!(bench.lines.iter().filter(about).count(), 1);
}

#[test]
fn an_invocation_a_while_later_tries_again_what_could_not_be_written() {
    let temporary = Temporary::new();
    let mut bench = Bench::spilling(&temporary, MEMORY, SPILL_LIMIT);
    let missing = temporary.0.join("missing");
    *bench.files.of_mut(Lane::FIRST) = Store::new(&missing, SPILL_LIMIT);
    busy(&mut bench, 60);
    let shed = bench.engine.tally().of(Lane::FIRST).shed_total();
    assert!(shed > 10);
    temporary.make("missing");
    bench.records([done("r-1", "success")]);
    for (number, wait, is_tried) in [(1, SPILL_RETRY / 2, false), (2, SPILL_RETRY, true)] {
        bench.wait(wait);
        bench.invoke(&format!("r-{number}1"), &header(S));
        let before = bench.engine.held_by(Lane::FIRST).in_file;
        for id in 0..60 {
            bench.subsegment(&format!("{:016x}", number * 1000 + id), S);
            if !bench.sending.is_empty() {
                bench.fail(FailureKind::Silent);
            }
        }
        assert_eq!(bench.engine.held_by(Lane::FIRST).in_file > before, is_tried);
    }
}

#[test]
fn beyond_the_limit_the_least_missed_go_and_are_counted() {
    let temporary = Temporary::new();
    let mut bench = Bench::spilling(&temporary, MEMORY, ByteCount::bytes(20_000));
    busy(&mut bench, 100);
    bench.datagram(&subsegment(&id(101), S, json!({ "fault": true })));
    for number in 102..=300 {
        bench.subsegment(&id(number), S);
    }
    let shed = fields(&bench)["shed"].clone();
    assert!(shed["spill_limit"].as_u64().unwrap() > 100, "{shed}");
    assert_eq!(fields(&bench)["shed_by_value"]["faulty"], Value::Null);
}

/// 130 documents in the files, none in memory, and an invocation that runs.
fn filed(temporary: &Temporary) -> Bench {
    let mut bench = Bench::spilling(temporary, ByteCount::mib(8), SPILL_LIMIT);
    busy(&mut bench, 130);
    while !bench.sending.is_empty() {
        bench.fail(FailureKind::Silent);
    }
    bench.event(Event::Memory(reading(5, 10)));
    bench.event(Event::Memory(reading(5, 200)));
    assert_eq!(
        (
            bench.engine.held_by(Lane::FIRST).in_file,
            bench.engine.held_by(Lane::FIRST).in_memory
        ),
        (130, 0)
    );
    bench
}

#[test]
fn the_function_is_held_for_one_call_out_of_the_files_and_the_rest_leaves_alongside() {
    let temporary = Temporary::new();
    drop(filed(&temporary));
    let mut bench = Bench::spilling(&temporary, ByteCount::mib(8), SPILL_LIMIT);
    bench.invoke("r-1", &header(S));
    assert_eq!((bench.sending.len(), bench.nexts), (1, 0)); // while the handler runs
    bench.records([start("r-1", tracing(Some(S), W)), done("r-1", "success")]);
    while bench.nexts == 0 {
        bench.accept();
    }
    // What was on its way at the end was the one.
    assert_eq!(delivered(&bench).len(), 50);
    bench.invoke("r-2", &header(S));
    bench.wait(Duration::from_secs(1));
    while !bench.sending.is_empty() {
        bench.accept();
    }
    assert_eq!(
        (delivered(&bench), bench.engine.held_by(Lane::FIRST).in_file),
        (ids(130), 0)
    );
}

#[test]
fn what_is_given_back_to_the_files_counts_as_retried() {
    let temporary = Temporary::new();
    let mut bench = filed(&temporary);
    bench.wait(Duration::from_secs(1));
    let (before, batch) = (
        fields(&bench)["retried"].clone(),
        bench.sending[0].0.documents.len(),
    );
    bench.fail(FailureKind::Silent);
    let retried = fields(&bench)["retried"].as_u64().unwrap() - before.as_u64().unwrap_or(0);
    assert_eq!((retried, batch), (50, 50));
}

#[test]
fn a_call_out_of_the_files_that_the_outbound_took_with_it_stays_there() {
    let temporary = Temporary::new();
    let mut bench = filed(&temporary);
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.sending.len(), 1);
    bench.sending.clear();
    bench.event(Event::OutboundLost(Lane::FIRST));
    assert_eq!(
        (
            bench.engine.held_by(Lane::FIRST).in_file,
            bench.engine.tally().of(Lane::FIRST).shed_total()
        ),
        (130, 0)
    );
    drop(bench);
    let mut next = Bench::spilling(&temporary, MEMORY, SPILL_LIMIT);
    next.invoke("r-2", &header(S));
    next.wait(Duration::from_secs(1));
    while !next.sending.is_empty() {
        next.accept();
    }
    assert_eq!(delivered(&next), ids(130));
}
