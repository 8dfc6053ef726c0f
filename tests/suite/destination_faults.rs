//! Faults on the wire, one after another: the function is unharmed, every document is accounted for, and nothing
//! is sent twice but where an acknowledgement was lost.

use std::time::Duration;

use emulator::What;
use tests::destination::{Act, Destination, Door};
use tests::lab::{Finished, Lab};
use tests::script::Script;

/// Invocations of a scenario.
const INVOCATIONS: usize = 4;
/// A response is not later than this: the function does nothing, the rest is a busy machine.
const RESPONSE_MAX: Duration = Duration::from_secs(2);

/// A function whose traces go to `destination`.
async fn lab_before(destination: &Destination) -> Lab {
    Lab::with(|config| {
        config
            .variables
            .insert("AWS_ENDPOINT_URL_XRAY".into(), destination.url());
    })
    .await
}

/// Invokes the function some times, which must not notice anything, and ends the sandbox.
async fn play(lab: Lab, destination: &Destination) -> Finished {
    for number in 0..INVOCATIONS {
        let id = format!("{:016x}", number + 1);
        lab.succeed(&Script::new().subsegment(&id, "call")).await;
        lab.idle().await;
    }
    assert_unharmed(&lab);
    let finished = lab.finish().await;
    destination.received().assert_no_needless_repeat();
    finished
}

/// Every response came at once, whatever the destination did.
fn assert_unharmed(lab: &Lab) {
    let mut began = None;
    for entry in lab.environment.journal() {
        match entry.what {
            What::InvocationStarted { .. } => began = Some(entry.at),
            What::Emitted {
                kind: "platform.runtimeDone",
                ..
            } => {
                let took = entry.at - began.take().expect("what ends has begun");
                assert!(took < RESPONSE_MAX, "{took:?}\n{}", lab.log());
            }
            _ => {}
        }
    }
}

/// Everything was delivered.
#[track_caller]
fn assert_delivered(finished: &Finished, destination: &Destination) {
    finished.assert_all_sent();
    let received = destination.received();
    let taken = received.taken().len() as u64;
    assert_eq!(taken, finished.count("/sent"), "{}", finished.tally);
    assert!(taken >= INVOCATIONS as u64 * 3, "{}", finished.tally);
}

#[tokio::test]
async fn a_healthy_destination_gets_every_document_once_over_one_connection() {
    let destination = Destination::start().await;
    let finished = play(lab_before(&destination).await, &destination).await;
    assert_delivered(&finished, &destination);
    let received = destination.received();
    assert!(received.taken().values().all(|times| *times == 1));
    assert_eq!((received.connections, received.told), (1, 1));
    assert!(received.calls.iter().all(|call| call.is_acknowledged));
}

#[tokio::test]
async fn a_destination_that_is_down_for_some_calls_delays_and_loses_nothing() {
    let destination = Destination::start().await;
    destination.script([Act::Reset, Act::ResetUnread]);
    let finished = play(lab_before(&destination).await, &destination).await;
    assert_delivered(&finished, &destination);
    let received = destination.received();
    assert!(received.taken().values().all(|times| *times == 1));
}

#[tokio::test]
async fn a_lost_acknowledgement_is_all_that_makes_a_repeat() {
    let destination = Destination::start().await;
    destination.script([Act::TakeAndReset, Act::TakeAndCloseHalfway]);
    let finished = play(lab_before(&destination).await, &destination).await;
    assert_delivered(&finished, &destination);
    let received = destination.received();
    assert!(
        received.taken().values().any(|times| *times > 1),
        "{:#?}",
        received.calls
    );
}

#[tokio::test]
async fn a_destination_that_refuses_connections_costs_nothing_but_time() {
    let destination = Destination::start().await;
    let lab = lab_before(&destination).await;
    destination.door(Door::Closed).await;
    lab.succeed(&Script::new().subsegment("00000000000000a1", "call"))
        .await;
    lab.idle().await;
    destination.door(Door::Open).await;
    let finished = play(lab, &destination).await;
    assert_delivered(&finished, &destination);
}

#[tokio::test]
async fn a_clock_an_hour_off_costs_one_refusal_and_no_document() {
    for ahead_s in [3600, -3600] {
        let destination = Destination::start().await;
        destination.set_clock(ahead_s);
        let finished = play(lab_before(&destination).await, &destination).await;
        assert_delivered(&finished, &destination);
        let received = destination.received();
        let refused = received
            .calls
            .iter()
            .filter(|call| call.refused.is_some())
            .count();
        assert_eq!(refused, 1, "{:#?}", received.calls);
        // Documents have the sandbox's times.
        for document in received.documents() {
            let start = document["start_time"].as_f64().expect("documents have times");
            let now = std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .expect("it is later than 1970");
            assert!((now.as_secs_f64() - start).abs() < 600.0, "{document}");
        }
        assert_eq!(finished.messages(), [""; 0]);
    }
}
