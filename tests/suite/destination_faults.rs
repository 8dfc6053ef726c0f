//! Faults on the wire, one after another: the function is unharmed, every document is accounted for, and nothing
//! is sent twice but where an acknowledgement was lost.

use std::time::{Duration, SystemTime};

use emulator::What;
use tests::destination::{Act, CODES_FOR_EVER, CODES_FOR_LATER, Destination, Door};
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

/// The calls get these fates, the others are well: everything is delivered in the end.
async fn survive(acts: impl IntoIterator<Item = Act>) {
    let destination = Destination::start().await;
    destination.script(acts);
    let finished = play(lab_before(&destination).await, &destination).await;
    assert_delivered(&finished, &destination);
}

#[tokio::test]
async fn trouble_at_the_destination_delays_and_loses_nothing() {
    for status in [500, 502, 503, 504, 408] {
        survive([Act::status(status), Act::status(status)]).await;
    }
}

#[tokio::test]
async fn throttling_delays_and_loses_nothing_however_it_says_how_long() {
    let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(1));
    for pause in [None, Some("1"), Some(soon.as_str()), Some("soon")] {
        survive([Act::throttled(pause)]).await;
    }
}

#[tokio::test]
async fn resets_at_any_moment_of_a_call_lose_nothing() {
    for act in [
        Act::ResetUnread,
        Act::Reset,
        Act::TakeAndReset,
        Act::TakeAndResetHalfway,
    ] {
        survive([Act::Take, act]).await;
    }
}

#[tokio::test]
async fn connections_that_end_in_good_order_at_the_wrong_moment_lose_nothing() {
    for act in [Act::HalfClose, Act::TakeAndCloseHalfway, Act::TakeAndClose] {
        survive([Act::Take, act]).await;
    }
}

#[tokio::test]
async fn answers_that_come_slowly_late_or_never_lose_nothing() {
    for act in [
        Act::TakeSlowly(Duration::from_millis(1)),
        Act::TakeSlowly(Duration::from_millis(100)),
        Act::TakeLate(Duration::from_millis(500)),
        Act::Stall,
        Act::TakeAndStall,
    ] {
        survive([act]).await;
    }
}

#[tokio::test]
async fn answers_that_are_not_xrays_lose_nothing() {
    for act in [
        Act::Garbage,
        Act::TakeHugely,
        Act::Status {
            status: 200,
            headers: Vec::new(),
            body: "<html>Welcome to the lobby</html>".to_owned(),
        },
    ] {
        survive([act]).await;
    }
}

#[tokio::test]
async fn a_black_hole_holds_documents_and_harms_nobody() {
    for door in [Door::Full, Door::Silent] {
        let destination = Destination::start().await;
        let lab = lab_before(&destination).await;
        destination.door(door).await;
        let finished = play(lab, &destination).await;
        assert_eq!(
            finished.count("/held"),
            finished.count("/received/total"),
            "{}",
            finished.tally
        );
        assert!(destination.received().calls.is_empty());
    }
}

#[tokio::test]
async fn a_name_without_an_address_holds_documents_and_says_so() {
    let destination = Destination::start().await;
    // Longer than a label may be: the system refuses it without asking anybody.
    let nowhere = format!("http://{}.invalid:1", "a".repeat(70));
    let lab = Lab::with(|config| {
        config.variables.insert("AWS_ENDPOINT_URL_XRAY".into(), nowhere);
        // What stands between this machine and others would look the name up instead.
        config.variables.insert("NO_PROXY".into(), "*".into());
    })
    .await;
    let finished = play(lab, &destination).await;
    assert_eq!(finished.count("/held"), finished.count("/received/total"));
    let messages = finished.messages();
    let is_named = |message: &&str| message.starts_with("could not find the address of X-Ray at ");
    assert!(messages.iter().any(is_named), "{messages:?}");
}

#[tokio::test]
async fn documents_that_may_be_taken_later_are_sent_again_whatever_the_code() {
    for code in CODES_FOR_LATER {
        survive([Act::unprocessed(code), Act::unprocessed_containing(code, "call")]).await;
    }
}

#[tokio::test]
async fn documents_that_will_never_be_taken_are_counted_by_their_code() {
    for code in CODES_FOR_EVER {
        let destination = Destination::start().await;
        destination.otherwise(Act::unprocessed_containing(code, r#""name":"call""#));
        let finished = play(lab_before(&destination).await, &destination).await;
        let (rejected, sent) = (
            finished.count(&format!("/rejected/xray {code}")),
            finished.count("/sent"),
        );
        assert_eq!(rejected, INVOCATIONS as u64, "{}", finished.tally);
        assert_eq!(
            sent + rejected,
            finished.count("/received/total"),
            "{}",
            finished.tally
        );
        assert_eq!(destination.received().taken().len() as u64, sent);
    }
}

#[tokio::test]
async fn a_call_that_is_refused_whole_is_cut_until_it_is_taken() {
    let refused = Act::refusal(400, r#"{"__type":"InvalidRequestException"}"#);
    for act in [refused, Act::status(413)] {
        survive([act]).await;
    }
}
