//! TLS to the destination: sessions that are used again, certificates that are not accepted.

use emulator::Config;
use tests::destination::{Certificate, Destination, Door, Handshakes};
use tests::lab::{Finished, Lab};
use tests::script::Script;

/// A function whose traces go to `destination`, whose authority it trusts.
fn trusting(destination: &Destination) -> impl FnOnce(&mut Config) {
    let authority = destination.authority().display().to_string();
    let url = destination.url();
    move |config| {
        config.variables.insert("AWS_ENDPOINT_URL_XRAY".into(), url);
        config.variables.insert("AWS_CA_BUNDLE".into(), authority);
    }
}

async fn invoke(lab: &Lab, number: usize) {
    let id = format!("{:016x}", number + 1);
    lab.succeed(&Script::new().subsegment(&id, "call")).await;
    lab.idle().await;
}

#[track_caller]
fn assert_each_once(finished: &Finished, destination: &Destination) {
    finished.assert_all_sent();
    let received = destination.received();
    assert!(received.taken().values().all(|times| *times == 1));
    assert_eq!(
        received.taken().len() as u64,
        finished.count("/sent"),
        "{}",
        finished.tally
    );
    assert_eq!(finished.messages(), [""; 0]);
}

#[tokio::test]
async fn a_hundred_warm_invocations_take_one_handshake() {
    let destination = Destination::with_tls().await;
    let lab = Lab::with(trusting(&destination)).await;
    for number in 0..100 {
        invoke(&lab, number).await;
    }
    assert_each_once(&lab.finish().await, &destination);
    let received = destination.received();
    let once = Handshakes {
        full: 1,
        ..Handshakes::default()
    };
    assert_eq!((received.handshakes, received.connections), (once, 1));
}

#[tokio::test]
async fn a_connection_that_was_closed_in_a_freeze_is_replaced_with_its_session_and_nothing_is_lost_or_sent_twice()
 {
    const CLOSED: usize = 3;
    let destination = Destination::with_tls().await;
    let lab = Lab::with(trusting(&destination)).await;
    invoke(&lab, 0).await;
    for number in 0..CLOSED {
        // Between invocations the sandbox is frozen: the end is noticed at the earliest with the next one.
        destination.hang_up().await;
        invoke(&lab, number + 1).await;
    }
    let received = destination.received();
    let expected = Handshakes {
        full: 1,
        resumed: CLOSED,
        failed: 0,
    };
    assert_eq!(received.handshakes, expected);
    assert_each_once(&lab.finish().await, &destination);
}

/// What a destination costs that nobody may trust: one line, and documents that are held.
async fn assert_untrusted(lab: Lab, destination: &Destination) {
    for number in 0..3 {
        invoke(&lab, number).await;
    }
    let finished = lab.finish().await;
    assert_eq!(
        finished.count("/held"),
        finished.count("/received/total"),
        "{}",
        finished.tally
    );
    assert!(finished.count("/held") > 0);
    let [message] = finished.messages().try_into().expect("one line");
    assert!(
        message.contains("could not trust the certificate of X-Ray at https://127.0.0.1"),
        "{message}"
    );
    assert!(destination.received().taken().is_empty());
}

#[tokio::test]
async fn a_wrong_certificate_gets_no_document_and_costs_one_line() {
    for certificate in [
        Certificate::OfAnotherName,
        Certificate::Expired,
        Certificate::OfNobody,
    ] {
        let destination = Destination::with_tls().await;
        destination.present(certificate);
        let lab = Lab::with(trusting(&destination)).await;
        assert_untrusted(lab, &destination).await;
    }
}

#[tokio::test]
async fn an_authority_that_nobody_named_is_not_trusted() {
    let destination = Destination::with_tls().await;
    let url = destination.url();
    let lab = Lab::with(|config| {
        config.variables.insert("AWS_ENDPOINT_URL_XRAY".into(), url);
    })
    .await;
    assert_untrusted(lab, &destination).await;
}

#[tokio::test]
async fn a_file_of_authorities_that_cannot_be_read_costs_one_line() {
    let destination = Destination::start().await;
    let url = destination.url();
    let lab = Lab::with(|config| {
        config.variables.insert("AWS_ENDPOINT_URL_XRAY".into(), url);
        config
            .variables
            .insert("AWS_CA_BUNDLE".into(), "/no/such/file.pem".into());
    })
    .await;
    invoke(&lab, 0).await;
    let finished = lab.finish().await;
    finished.assert_all_sent();
    let [message] = finished.messages().try_into().expect("one line");
    assert!(
        message.starts_with("AWS_CA_BUNDLE: could not read /no/such/file.pem: "),
        "{message}"
    );
}

#[tokio::test]
async fn what_answers_with_something_else_than_tls_delays_documents_and_loses_none() {
    let destination = Destination::with_tls().await;
    let lab = Lab::with(trusting(&destination)).await;
    destination.door(Door::Babbles).await;
    invoke(&lab, 0).await;
    destination.door(Door::Resets).await;
    invoke(&lab, 1).await;
    destination.door(Door::Open).await;
    invoke(&lab, 2).await;
    let finished = lab.finish().await;
    finished.assert_all_sent();
    let received = destination.received();
    assert!(received.taken().values().all(|times| *times == 1));
    assert_eq!(received.handshakes.full, 1);
}
