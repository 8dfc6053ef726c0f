//! Several outbounds at once: each goes its own way, and the function waits for those alone that answer.

use std::time::Duration;

use serde_json::{Value, json};

use super::bench::{Bench, S, W, done, header, start, tracing};
use crate::limits::{FLUSH_CALL_MAX, SHUTDOWN_TELEMETRY_WAIT};
use crate::pipeline::lane::{Lane, Lanes};
use crate::pipeline::outcome::FailureKind;

const MOMENT: Duration = Duration::from_millis(10);

/// An invocation with one subsegment, up to its end.
fn invocation(bench: &mut Bench, request: &str, id: &str) {
    bench.invoke(request, &header(S));
    bench.subsegment(id, S);
    bench.records([start(request, tracing(Some(S), W)), done(request, "success")]);
}

fn ids(documents: &[Value]) -> Vec<&str> {
    let own = documents.iter().filter(|document| document["origin"].is_null());
    own.filter_map(|document| document["id"].as_str()).collect()
}

fn second(bench: &Bench) -> Lane {
    bench.lanes()[1]
}

#[test]
fn the_end_of_an_invocation_waits_for_all_at_once_and_no_longer_than_for_one() {
    let mut bench = Bench::with_lanes(3, |_| ());
    invocation(&mut bench, "r-1", "5555555555555555");
    assert_eq!((bench.sending.len(), bench.elsewhere.len()), (1, 2));
    let [_, second, third] = bench.lanes()[..] else {
        panic!()
    };
    bench.wait(MOMENT);
    bench.accept();
    bench.settle_elsewhere(third, Vec::new());
    assert_eq!(bench.nexts, 0);
    bench.wait(FLUSH_CALL_MAX - MOMENT * 2);
    assert_eq!(bench.nexts, 0);
    bench.wait(MOMENT);
    assert_eq!(bench.nexts, 1, "the second has had its time");
    let late = bench.settle_elsewhere(second, Vec::new());
    assert_eq!(ids(&late), ["5555555555555555"]);
}

#[test]
fn a_lane_that_fell_silent_is_waited_for_once_and_the_others_each_time() {
    let mut bench = Bench::with_lanes(2, |_| ());
    let second = second(&bench);
    invocation(&mut bench, "r-1", "5555555555555551");
    bench.accept();
    bench.wait(FLUSH_CALL_MAX);
    assert_eq!(bench.nexts, 1);
    bench.fail_elsewhere(second, FailureKind::Silent);
    for number in 2..=5 {
        bench.wait(Duration::from_secs(30));
        let id = format!("555555555555555{number}");
        invocation(&mut bench, &format!("r-{number}"), &id);
        assert_eq!(bench.nexts, number - 1, "held for the living one");
        bench.accept();
        assert_eq!(bench.nexts, number, "and for nobody else");
        if !bench.elsewhere.is_empty() {
            bench.fail_elsewhere(second, FailureKind::Silent);
        }
    }
    assert_eq!(bench.engine.held_documents(Lane::FIRST), 0);
    assert_eq!(ids(&bench.delivered).len(), 5);
    assert!(bench.engine.held_documents(second) >= 5);
}

#[test]
fn what_one_lane_refuses_or_gives_back_leaves_the_others_alone() {
    let mut bench = Bench::with_lanes(2, |_| ());
    let second = second(&bench);
    invocation(&mut bench, "r-1", "5555555555555555");
    bench.fail_elsewhere(second, FailureKind::TooLarge { documents: 3 });
    bench.accept();
    let (sent, elsewhere) = (
        bench.engine.tally().of(Lane::FIRST).sent_total(),
        bench.engine.tally().of(second).sent_total(),
    );
    assert_eq!((sent, elsewhere), (3, 0));
    while !bench.elsewhere.is_empty() {
        bench.settle_elsewhere(second, Vec::new());
    }
    assert_eq!(bench.engine.tally().of(second).sent_total(), 3);
    assert_eq!(bench.nexts, 1);
}

#[test]
fn each_outbound_gets_the_platforms_segments_once_from_lambda_or_from_us() {
    for (aws, documents, told) in [(Lanes::FIRST, (1, 3), (1, 3)), (Lanes::NONE, (3, 3), (3, 3))] {
        let mut bench = Bench::with_lanes(2, |config| config.emission.aws = aws);
        let second = second(&bench);
        invocation(&mut bench, "r-1", "5555555555555555");
        bench.accept();
        let elsewhere = bench.settle_elsewhere(second, Vec::new());
        assert_eq!((bench.delivered.len(), elsewhere.len()), documents);
        let received = |lane| bench.engine.tally().of(lane).received_total();
        assert_eq!((received(Lane::FIRST), received(second)), told);
    }
}

#[test]
fn shutdown_drains_every_lane_and_tells_each_ones_sum() {
    let mut bench = Bench::with_lanes(2, |_| ());
    let second = second(&bench);
    bench.invoke("r-1", &header(S));
    bench.subsegment("5555555555555555", S);
    bench.stop("spindown");
    bench.wait(SHUTDOWN_TELEMETRY_WAIT);
    bench.accept();
    assert!(bench.finished.is_none());
    bench.settle_elsewhere(second, Vec::new());
    let fields = Value::Object(bench.finished.as_ref().unwrap().fields.clone());
    for name in ["xray", "second"] {
        let outbound = &fields["outbounds"][name];
        assert_eq!(
            (&outbound["sent"], &outbound["held"]),
            (&json!(3), &json!(0)),
            "{fields}"
        );
    }
    let told = bench.told.unwrap();
    assert_eq!(told.segments_sent_count, 3, "X-Ray hears its own");
}

#[test]
fn x_ray_hears_the_account_at_the_end_although_another_takes_nothing() {
    let mut bench = Bench::with_lanes(2, |_| ());
    let second = second(&bench);
    bench.invoke("r-1", &header(S));
    bench.subsegment("5555555555555555", S);
    bench.stop("spindown");
    bench.wait(SHUTDOWN_TELEMETRY_WAIT);
    bench.fail_elsewhere(second, FailureKind::Disconnected);
    bench.accept();
    assert_eq!(bench.told.as_ref().unwrap().segments_sent_count, 3);
    assert!(
        bench.finished.is_none(),
        "there is time for the other's next attempt"
    );
    bench.wait(Duration::from_secs(2));
    assert!(bench.finished.is_some());
    assert_eq!(bench.engine.held_documents(second), 3);
}

#[test]
fn a_lost_outbound_is_the_others_business_no_more() {
    let mut bench = Bench::with_lanes(2, |_| ());
    let second = second(&bench);
    invocation(&mut bench, "r-1", "5555555555555555");
    bench.elsewhere.clear();
    bench.event(crate::pipeline::event::Event::OutboundLost(second));
    bench.accept();
    assert_eq!(bench.nexts, 1);
    assert_eq!(bench.engine.tally().of(second).shed_total(), 3);
    bench.wait(Duration::from_secs(30));
    invocation(&mut bench, "r-2", "6666666666666666");
    bench.accept();
    assert_eq!((bench.nexts, bench.delivered.len()), (2, 6));
}
