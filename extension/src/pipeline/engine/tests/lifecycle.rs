//! When Lambda is asked for the next event.

use std::time::Duration;

use model::limits::DOCUMENTS_PER_CALL_MAX;

use super::bench::{Bench, S, TIMEOUT, W, done, header, start, subsegment, tracing};
use crate::limits::{
    ATTEMPT_MAX, DEADLINE_MARGIN, FLUSH_CALL_MAX, FLUSH_MAX, MENDED_PROBE, SEND_AGE, TELEMETRY_PROOF,
};
use crate::pipeline::event::Event;
use crate::pipeline::lane::Lane;
use crate::pipeline::outcome::{FailureKind, Unreached};

const MS: Duration = Duration::from_millis(1);

fn running() -> Bench {
    let mut bench = Bench::new();
    bench.event(Event::Subscribed(true));
    bench.invoke("r-1", &header(S));
    bench.records([start("r-1", tracing(Some(S), W))]);
    bench
}

#[test]
fn next_waits_for_the_runtime_and_then_for_the_last_documents() {
    let mut bench = running();
    bench.subsegment("5555555555555555", S);
    bench.wait(250 * MS);
    assert_eq!((bench.nexts, bench.sending.len()), (0, 0));
    bench.records([done("r-1", "success")]);
    assert_eq!((bench.nexts, bench.sending.len()), (0, 1));
    bench.accept();
    assert_eq!((bench.nexts, bench.delivered.len()), (1, 3));
}

#[test]
fn without_records_next_is_asked_at_once() {
    let mut bench = Bench::new();
    bench.event(Event::Subscribed(false));
    bench.invoke("r-1", &header(S));
    assert_eq!(bench.nexts, 1);
    bench.subsegment("5555555555555555", S);
    bench.wait(SEND_AGE); // nobody says when the handler is done: age decides
    bench.accept();
    assert_eq!(bench.delivered.len(), 1);
}

#[test]
fn a_subscription_that_delivers_nothing_holds_the_function_once_and_briefly() {
    let mut bench = Bench::new();
    bench.event(Event::Subscribed(true));
    bench.invoke("r-1", &header(S));
    bench.wait(TELEMETRY_PROOF - MS);
    assert_eq!(bench.nexts, 0);
    bench.wait(MS);
    assert_eq!(bench.nexts, 1);
    bench.invoke("r-2", &header(S));
    assert_eq!(bench.nexts, 2);
}

#[test]
fn nothing_is_held_beyond_the_deadline_less_its_margin() {
    let mut bench = running();
    bench.wait(TIMEOUT - DEADLINE_MARGIN - MS);
    assert_eq!(bench.nexts, 0);
    bench.wait(MS);
    assert_eq!(bench.nexts, 1);
}

#[test]
fn a_function_that_ends_near_its_deadline_is_not_pushed_over_it() {
    let mut bench = running();
    bench.wait(TIMEOUT - DEADLINE_MARGIN - 50 * MS);
    bench.subsegment("6666666666666666", S);
    bench.records([done("r-1", "success")]);
    assert_eq!(bench.sending.len(), 1);
    bench.wait(49 * MS);
    assert_eq!(bench.nexts, 0);
    bench.wait(MS);
    assert_eq!(bench.nexts, 1);
}

#[test]
fn a_slow_destination_costs_an_invocation_a_bounded_time() {
    let mut bench = running();
    bench.records([done("r-1", "success")]);
    bench.wait(FLUSH_CALL_MAX - MS);
    assert_eq!(bench.nexts, 0);
    bench.wait(MS);
    assert_eq!(bench.nexts, 1);
}

#[test]
fn many_calls_cost_an_invocation_a_bounded_time() {
    let mut bench = running();
    for number in 0..DOCUMENTS_PER_CALL_MAX * 30 {
        bench.subsegment(&format!("{number:016x}"), S);
    }
    bench.records([done("r-1", "success")]);
    let began = bench.now;
    while bench.nexts == 0 {
        bench.wait(FLUSH_CALL_MAX - 100 * MS);
        bench.answer();
    }
    assert_eq!(bench.now.since(began), FLUSH_MAX);
}

#[test]
fn a_destination_that_is_down_does_not_hold_the_function_and_loses_nothing() {
    let mut bench = running();
    bench.records([done("r-1", "success")]);
    bench.fail(FailureKind::Unreachable(Unreached::ConnectionRefused));
    assert_eq!(bench.nexts, 1);
    assert_eq!(bench.engine.held_documents(Lane::FIRST), 2);
    bench.wait(60_000 * MS); // frozen, say
    bench.invoke("r-2", &header(S));
    bench.records([start("r-2", tracing(Some(S), W)), done("r-2", "success")]);
    bench.accept();
    assert_eq!((bench.nexts, bench.delivered.len()), (2, 4));
}

#[test]
fn what_only_somebody_can_mend_is_probed_rarely_and_said_once() {
    let mut bench = running();
    bench.records([done("r-1", "success")]);
    bench.fail(FailureKind::NoCredentials);
    assert_eq!((bench.nexts, bench.lines.len()), (1, 1));
    bench.invoke("r-2", &header(S));
    bench.records([start("r-2", tracing(Some(S), W)), done("r-2", "success")]);
    assert_eq!((bench.nexts, bench.sending.len(), bench.lines.len()), (2, 0, 1));
    bench.wait(MENDED_PROBE);
    bench.invoke("r-3", &header(S));
    bench.records([start("r-3", tracing(Some(S), W)), done("r-3", "success")]);
    assert_eq!(bench.sending.len(), 1);
}

#[test]
fn what_arrives_while_a_long_handler_runs_leaves_while_it_runs() {
    let mut bench = running();
    for number in 0..DOCUMENTS_PER_CALL_MAX {
        assert_eq!(bench.sending.len(), 0);
        bench.subsegment(&format!("{number:016x}"), S);
    }
    assert_eq!(
        (bench.sending[0].0.documents.len(), bench.sending[0].1),
        (DOCUMENTS_PER_CALL_MAX, ATTEMPT_MAX)
    );
    bench.accept();
    bench.subsegment("5555555555555555", S);
    bench.wait(SEND_AGE);
    assert_eq!(bench.sending.len(), 1);
    assert_eq!(bench.nexts, 0);
}

#[test]
fn records_that_lambda_dropped_are_not_waited_for() {
    let mut bench = running();
    bench.subsegment("5555555555555555", S);
    let dropped = serde_json::json!({ "droppedRecords": 7, "droppedBytes": 123, "reason": "slow" });
    bench.records([("platform.logsDropped", dropped)]);
    assert_eq!((bench.nexts, bench.lines.len()), (1, 1));
    bench.invoke("r-2", &header(S));
    bench.records([start("r-2", tracing(Some(S), W)), done("r-2", "success")]);
    bench.accept();
    assert_eq!((bench.nexts, bench.delivered.len()), (2, 5));
}

#[test]
fn a_deadline_of_zero_is_no_deadline() {
    let mut bench = running();
    bench.accept();
    bench.records([done("r-1", "success")]);
    bench.accept();
    let invoked = crate::pipeline::invocation::Invoked {
        request_id: "r-2".parse().unwrap(),
        function_arn: "".into(),
        deadline: model::time::Timestamp::default(),
        header: model::trace_header::TraceHeader::default(),
    };
    bench.event(Event::Invoked(invoked));
    bench.wait(TIMEOUT);
    assert_eq!(bench.nexts, 1);
    bench.records([done("r-2", "success")]);
    assert_eq!(bench.nexts, 2);
}

#[test]
fn records_that_overtake_the_invoke_event_are_waited_for() {
    let mut bench = Bench::new();
    bench.records([start("r-1", tracing(Some(S), W)), done("r-1", "success")]);
    assert_eq!((bench.sending.len(), bench.nexts), (0, 0));
    bench.invoke("r-1", &header(S));
    bench.accept();
    assert_eq!((bench.delivered.len(), bench.nexts), (2, 1));
}

#[test]
fn managed_instances_send_by_age_and_are_never_asked_for_next() {
    let mut bench = Bench::with(|config| config.is_managed = true);
    bench.records([start("r-1", tracing(Some(S), W))]);
    bench.subsegment("5555555555555555", S);
    bench.wait(SEND_AGE);
    bench.accept();
    assert_eq!((bench.delivered.len(), bench.nexts), (1, 0));
}

#[test]
fn a_lost_outbound_is_counted_and_holds_nothing_up() {
    let mut bench = running();
    bench.records([done("r-1", "success")]);
    bench.sending.clear();
    bench.event(Event::OutboundLost(Lane::FIRST));
    assert_eq!(bench.nexts, 1);
    assert_eq!(bench.engine.tally().of(Lane::FIRST).shed_total(), 2);
    bench.invoke("r-2", &header(S));
    bench.records([start("r-2", tracing(Some(S), W)), done("r-2", "success")]);
    assert_eq!((bench.nexts, bench.engine.held_documents(Lane::FIRST)), (2, 2));
}

#[test]
fn a_document_waits_for_its_trace_only_so_long() {
    let mut bench = Bench::new();
    bench.datagram(&subsegment("5555555555555555", S, serde_json::json!({})));
    bench.wait(crate::limits::HOLD_MAX);
    bench.invoke("r-9", "");
    bench.records([start("r-9", serde_json::json!({})), done("r-9", "success")]);
    bench.accept();
    assert_eq!(bench.delivered.len(), 1);
}

#[test]
fn a_lost_runtime_done_holds_one_invocation_and_no_further_one() {
    let mut bench = running();
    bench.wait(TIMEOUT);
    assert_eq!(bench.nexts, 1);
    for (request, nexts) in [("r-2", 2), ("r-3", 3)] {
        bench.invoke(request, &header(S));
        bench.records([start(request, tracing(Some(S), W))]);
        assert_eq!(bench.nexts, nexts, "{request} is not held");
    }
    // Ends of invocations are told again: they are waited for again.
    bench.records([done("r-3", "success")]);
    bench.invoke("r-4", &header(S));
    assert_eq!(bench.nexts, 3);
    bench.records([start("r-4", tracing(Some(S), W)), done("r-4", "success")]);
    bench.accept();
    assert_eq!(bench.nexts, 4);
}

#[test]
fn documents_that_trickle_in_after_the_end_do_not_hold_it() {
    let mut bench = running();
    bench.records([done("r-1", "success")]);
    bench.subsegment("5555555555555555", S);
    let batch = bench.sending.pop().unwrap();
    assert_eq!(batch.0.documents.len(), 2);
    drop(batch);
    let answered = crate::pipeline::outcome::Answered {
        documents: 2,
        ..Default::default()
    };
    bench.event(Event::Settled(
        Lane::FIRST,
        crate::pipeline::outcome::Outcome::Answered(answered),
    ));
    assert_eq!(
        (
            bench.nexts,
            bench.sending.len(),
            bench.engine.held_documents(Lane::FIRST)
        ),
        (1, 0, 1)
    );
}

#[test]
fn datagrams_that_came_too_fast_are_counted_and_told() {
    let mut bench = running();
    bench.event(Event::Overrun(7));
    assert_eq!(
        (
            bench.engine.tally().of(Lane::FIRST).received_total(),
            bench.engine.tally().of(Lane::FIRST).shed_total()
        ),
        (7, 7)
    );
    assert_eq!(bench.lines.len(), 1);
}
