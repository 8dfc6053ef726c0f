//! The sum, whatever happens.

use std::time::Duration;

use model::size::ByteCount;
use proptest::prelude::*;
use serde_json::json;

use super::bench::{Bench, S, U, W, done, header, reading, report, start, subsegment, tracing};
use crate::pipeline::event::Event;
use crate::pipeline::flush::Mode;
use crate::pipeline::lane::{Lane, Lanes};
use crate::pipeline::outcome::{Answered, Failure, FailureKind, Outcome, Unprocessed, Unreached};
use crate::spill::store::Store;
use crate::spill::temporary::Temporary;

fn item(document: Option<usize>, retriable: bool) -> Unprocessed {
    Unprocessed {
        document,
        code: "InvalidName".into(),
        message: String::new(),
        retriable,
    }
}

fn answer(bench: &mut Bench, unprocessed: Vec<Unprocessed>) {
    answer_with(bench, unprocessed, None);
}

fn answer_with(bench: &mut Bench, unprocessed: Vec<Unprocessed>, remark: Option<&str>) {
    let (batch, _) = bench.sending.pop().unwrap();
    let documents = batch.documents.len();
    drop(batch);
    bench.event(Event::Settled(
        Lane::FIRST,
        Outcome::Answered(Answered {
            documents,
            unprocessed,
            remark: remark.map(str::to_owned),
        }),
    ));
}

#[test]
fn unprocessed_documents_are_settled_one_by_one() {
    let mut bench = Bench::new();
    bench.invoke("r-1", &header(S));
    bench.subsegment("5555555555555555", S);
    bench.subsegment("6666666666666666", S);
    bench.records([start("r-1", tracing(Some(S), W)), done("r-1", "success")]);
    answer(
        &mut bench,
        vec![item(Some(0), false), item(Some(1), true), item(None, false)],
    );
    let tally = bench.engine.tally().of(Lane::FIRST);
    assert_eq!(
        (
            tally.sent_total(),
            tally.rejected_total(),
            bench.engine.held_documents(Lane::FIRST)
        ),
        (1, 2, 1)
    );
    assert_eq!(bench.nexts, 1); // the retriable one waits for its pause, the function does not
}

#[test]
fn a_remark_costs_no_document_and_is_told_once() {
    let mut bench = Bench::new();
    for (request, id) in [("r-1", "5555555555555555"), ("r-2", "6666666666666666")] {
        bench.invoke(request, &header(S));
        bench.subsegment(id, S);
        bench.records([start(request, tracing(Some(S), W)), done(request, "success")]);
        answer_with(&mut bench, Vec::new(), Some("slow down, please"));
    }
    let tally = bench.engine.tally().of(Lane::FIRST);
    assert_eq!(
        (tally.rejected_total(), bench.engine.held_documents(Lane::FIRST)),
        (0, 0)
    );
    let told: Vec<_> = bench.lines.iter().map(|line| &line.fields["detail"]).collect();
    assert_eq!(told, [&json!("slow down, please")]);
}

#[test]
fn attempts_failures_and_the_time_after_the_response_are_counted() {
    let mut bench = Bench::new();
    bench.invoke("r-1", &header(S));
    bench.subsegment("5555555555555555", S);
    bench.records([start("r-1", tracing(Some(S), W)), done("r-1", "success")]);
    bench.now = bench.now.after(Duration::from_millis(40));
    bench.fail(FailureKind::Silent); // three documents go back: the platform's two and the function's one
    bench.stop("spindown");
    bench.wait(Duration::from_secs(2));
    bench.accept();
    bench.wait(Duration::from_secs(2));
    let fields = bench.finished.unwrap().fields;
    assert_eq!((&fields["attempts"], &fields["retried"]), (&json!(2), &json!(3)));
    assert_eq!(fields["failures"], json!({ "total": 1, "silent": 1 }));
    assert_eq!(
        fields["flush"],
        json!({ "count": 1, "p50_ms": 50, "p99_ms": 50, "max_ms": 40 })
    );
}

#[test]
fn a_batch_found_too_large_is_halved_until_the_culprit_stands_alone() {
    let mut bench = Bench::new();
    bench.invoke("r-1", &header(S));
    for id in ["5555555555555555", "6666666666666666"] {
        bench.subsegment(id, S);
    }
    bench.records([start("r-1", tracing(Some(S), W)), done("r-1", "success")]);
    let mut sizes = Vec::new();
    while let Some((batch, _)) = bench.sending.last() {
        let documents = batch.documents.len();
        sizes.push(documents);
        let is_culprit = batch
            .documents
            .iter()
            .any(|document| document.bytes.windows(4).any(|bytes| bytes == b"6666"));
        if is_culprit {
            bench.fail(FailureKind::TooLarge { documents });
        } else {
            answer(&mut bench, Vec::new());
        }
    }
    assert_eq!(bench.engine.tally().of(Lane::FIRST).rejected_total(), 1);
    assert_eq!(bench.engine.tally().of(Lane::FIRST).sent_total(), 3);
    assert!(sizes.len() < 12, "{sizes:?}");
}

#[test]
fn a_flood_is_held_to_the_budget_and_what_is_shed_is_counted() {
    let mut bench = Bench::with(|config| config.spool_budget = ByteCount::bytes(10_000));
    bench.invoke("r-1", &header(S));
    for number in 0..200u64 {
        bench.subsegment(&format!("{:016x}", number + 1), S);
        if !bench.sending.is_empty() {
            bench.fail(FailureKind::Unreachable(Unreached::ConnectionRefused));
        }
    }
    assert!(bench.engine.tally().of(Lane::FIRST).shed_total() > 100);
    assert!(bench.engine.held_documents(Lane::FIRST) > 10);
}

#[test]
fn the_same_bad_input_is_logged_once_a_minute() {
    let mut bench = Bench::new();
    for _ in 0..100 {
        bench.datagram("not json");
        bench.datagram("42");
    }
    assert_eq!(bench.lines.len(), 2);
    bench.wait(Duration::from_secs(60));
    bench.datagram("not json");
    assert_eq!(bench.lines.len(), 3);
    assert_eq!(bench.lines[2].fields["left_out"], 99);
    assert_eq!(bench.engine.tally().of(Lane::FIRST).rejected_total(), 201);
}

#[test]
fn one_bad_element_of_an_array_costs_itself_alone() {
    let mut bench = Bench::new();
    let good = |id| subsegment(id, U, json!({}));
    bench.datagram(&format!(
        "[{},42,{}]",
        good("5555555555555555"),
        good("6666666666666666")
    ));
    let tally = bench.engine.tally().of(Lane::FIRST);
    assert_eq!(
        (
            tally.received_total(),
            tally.rejected_total(),
            bench.engine.held_documents(Lane::FIRST)
        ),
        (3, 1, 2)
    );
}

/// What can happen, in any order.
#[derive(Debug, Clone)]
enum Step {
    Invoke(u8),
    Start(u8, bool),
    Done(u8, &'static str),
    Report(u8),
    Document(u8, u8),
    Junk,
    Overrun,
    LogsDropped,
    Subscribed(bool),
    OutboundLost(u8),
    /// Another outbound than the first says something of its batch.
    Elsewhere(u8, u8),
    Init,
    Restore,
    Memory(u8),
    Accept,
    Refuse,
    Fail(bool),
    Wait(u16),
    Freeze(u32),
    EndSignalled(u8),
    Stop(&'static str),
    SpillEverything(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let status = prop_oneof![Just("success"), Just("error"), Just("timeout"), Just("failure")];
    let reason = prop_oneof![Just("spindown"), Just("timeout"), Just("FAILURE"), Just("")];
    prop_oneof![
        3 => (0u8..4).prop_map(Step::Invoke),
        3 => (0u8..4, any::<bool>()).prop_map(|(request, active)| Step::Start(request, active)),
        3 => (0u8..4, status).prop_map(|(request, status)| Step::Done(request, status)),
        2 => (0u8..4).prop_map(Step::Report),
        6 => (any::<u8>(), 0u8..4).prop_map(|(id, parent)| Step::Document(id, parent)),
        1 => Just(Step::Junk),
        1 => Just(Step::Overrun),
        1 => Just(Step::LogsDropped),
        1 => any::<bool>().prop_map(Step::Subscribed),
        1 => (0u8..3).prop_map(Step::OutboundLost),
        4 => (any::<u8>(), 0u8..6).prop_map(|(place, what)| Step::Elsewhere(place, what)),
        1 => Just(Step::Init),
        1 => Just(Step::Restore),
        1 => any::<u8>().prop_map(Step::Memory),
        3 => Just(Step::Accept),
        1 => Just(Step::Refuse),
        2 => any::<bool>().prop_map(Step::Fail),
        4 => (0u16..4000).prop_map(Step::Wait),
        1 => (0u32..600_000).prop_map(Step::Freeze),
        2 => (0u8..4).prop_map(Step::EndSignalled),
        1 => reason.prop_map(Step::Stop),
        1 => any::<bool>().prop_map(Step::SpillEverything),
    ]
}

fn mode() -> impl Strategy<Value = Mode> {
    let periods = (1u64..5000).prop_map(|millis| Mode::Periodic(Duration::from_millis(millis)));
    prop_oneof![
        Just(Mode::Adaptive),
        Just(Mode::End),
        Just(Mode::Continuous),
        periods
    ]
}

fn take_rarer(bench: &mut Bench, step: &Step) {
    match step {
        Step::Overrun => bench.event(Event::Overrun(3)),
        Step::SpillEverything(is_wanted) => {
            bench.engine.spill_everything(*is_wanted);
            bench.event(Event::Tick);
        }
        Step::Memory(mib) => bench.event(Event::Memory(reading((*mib / 8).into(), (*mib).into()))),
        Step::LogsDropped => bench.records([("platform.logsDropped", json!({ "droppedRecords": 1 }))]),
        Step::Subscribed(is_subscribed) => bench.event(Event::Subscribed(*is_subscribed)),
        Step::OutboundLost(lane) => {
            if let Some(lane) = bench.lanes().get(usize::from(*lane)).copied() {
                if lane == Lane::FIRST {
                    bench.sending.clear();
                }
                bench.elsewhere.retain(|(one, _)| *one != lane);
                bench.event(Event::OutboundLost(lane));
            }
        }
        Step::Elsewhere(place, what) if !bench.elsewhere.is_empty() => {
            let (lane, _) = bench.elsewhere[usize::from(*place) % bench.elsewhere.len()];
            match what {
                0 => bench.fail_elsewhere(lane, FailureKind::Silent),
                1 => bench.fail_elsewhere(lane, FailureKind::NoCredentials),
                2 => drop(bench.settle_elsewhere(lane, vec![item(Some(0), true), item(Some(1), false)])),
                _ => drop(bench.settle_elsewhere(lane, Vec::new())),
            }
        }
        Step::Init => bench.records([
            (
                "platform.initStart",
                json!({ "initializationType": "on-demand", "phase": "init" }),
            ),
            (
                "platform.initReport",
                json!({ "initializationType": "on-demand", "phase": "init" }),
            ),
        ]),
        Step::Restore => {
            bench.records([
                ("platform.restoreStart", json!({})),
                ("platform.restoreReport", json!({ "status": "success" })),
            ]);
        }
        _ => {}
    }
}

fn take(bench: &mut Bench, step: Step, invoked: &mut usize) {
    match step {
        // Lambda never has two at once on such a sandbox, nor one after SHUTDOWN.
        Step::Invoke(_) if *invoked > bench.nexts => {}
        Step::Invoke(request) => {
            *invoked += 1;
            bench.invoke(
                &format!("r-{request}-{invoked}"),
                &header(if request % 2 == 0 { S } else { U }),
            );
        }
        Step::Start(request, active) => {
            let tracing = if active {
                tracing(Some(S), W)
            } else {
                tracing(None, U)
            };
            bench.records([start(&format!("r-{request}-{invoked}"), tracing)]);
        }
        Step::Done(request, status) => bench.records([done(&format!("r-{request}-{invoked}"), status)]),
        Step::Report(request) => bench.records([report(&format!("r-{request}-{invoked}"))]),
        Step::Document(id, parent) => {
            let parents = [S.to_owned(), U.to_owned(), W.to_owned(), format!("{id:016x}")];
            bench.subsegment(
                &format!("{:016x}", u64::from(id) + 1),
                &parents[usize::from(parent)],
            );
        }
        Step::Junk => bench.datagram("{"),
        Step::Freeze(millis) => bench.freeze(Duration::from_millis(millis.into())),
        Step::EndSignalled(request) => {
            let request = format!("r-{request}-{invoked}");
            bench.done_datagram(&request);
        }
        Step::Overrun
        | Step::LogsDropped
        | Step::Subscribed(_)
        | Step::OutboundLost(_)
        | Step::Elsewhere(..)
        | Step::Init
        | Step::Memory(_)
        | Step::SpillEverything(_)
        | Step::Restore => take_rarer(bench, &step),
        Step::Accept => bench.accept(),
        Step::Refuse if !bench.sending.is_empty() => {
            answer(bench, vec![item(Some(0), true), item(Some(1), false)])
        }
        Step::Fail(kind) if !bench.sending.is_empty() => {
            bench.sending.pop();
            let kind = if kind {
                FailureKind::Silent
            } else {
                FailureKind::NoCredentials
            };
            bench.event(Event::Settled(
                Lane::FIRST,
                Outcome::Failed(Failure {
                    kind,
                    message: String::new(),
                }),
            ));
        }
        Step::Refuse | Step::Fail(_) => {}
        Step::Wait(millis) => bench.wait(Duration::from_millis(millis.into())),
        Step::Stop(reason) => {
            *invoked = usize::MAX;
            bench.stop(reason);
        }
    }
}

proptest! {
    /// `Bench::event` checks the sum after every event; here also that nobody is left waiting.
    #[test]
    fn the_sum_holds_and_every_invoke_and_shutdown_is_answered(
        managed in any::<bool>(),
        flush in mode(),
        spills in any::<bool>(),
        lanes in 1usize..=3,
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let temporary = Temporary::new();
        let mut bench = Bench::with_lanes(lanes, |config| {
            config.is_managed = managed;
            config.emission.aws = Lanes::FIRST;
            config.flush = flush;
            config.spills = spills;
            if spills {
                config.spool_budget = ByteCount::bytes(3000);
            }
        });
        let limit = if spills { ByteCount::bytes(20_000) } else { ByteCount::ZERO };
        for lane in bench.lanes() {
            *bench.files.of_mut(lane) = Store::of_lane(&temporary.0, limit, &format!("{lane:?}"));
        }
        let mut invoked = 0;
        let mut is_stopped = false;
        for step in steps {
            is_stopped |= matches!(step, Step::Stop(_));
            if (is_stopped || managed) && matches!(step, Step::Invoke(_)) {
                continue;
            }
            take(&mut bench, step, &mut invoked);
        }
        bench.wait(Duration::from_secs(10));
        if is_stopped {
            prop_assert!(bench.finished.is_some());
        } else {
            prop_assert_eq!(bench.nexts, invoked);
        }
    }
}
