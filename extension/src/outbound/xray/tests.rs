//! The sender against real sockets.

use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};

use super::*;
use crate::outbound::connection::Connection;
use crate::outbound::credentials::{CredentialSettings, Secret};
use crate::outbound::endpoint::EndpointSettings;
use crate::outbound::limits::SECOND_ATTEMPT_MIN;
use crate::outbound::stage::{Act, Stage, all_taken, answer, answer_with};
use crate::pipeline::outcome::{FailureKind, Retry, Unprocessed, Unreached};

mod answers;
mod clock;
mod renewal;
mod spans;
mod thaw;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(150);
const A: &str = r#"{"name":"a","id":"00000000000000aa","trace_id":"1-67881233-abcdef012345678812345678","in_progress":true,"start_time":1}"#;
const B: &str = r#"{"name":"b","id":"00000000000000bb","trace_id":"1-67881233-abcdef012345678812345678","in_progress":true,"start_time":1}"#;

fn noon() -> Timestamp {
    Timestamp::parse_iso8601("2026-05-21T12:00:00Z").unwrap()
}

fn environment_keys() -> CredentialSource {
    CredentialSource::new(CredentialSettings {
        access_key_id: Some("AKIDEXAMPLE".into()),
        secret_access_key: Some(Secret::new("example-secret")),
        session_token: Some(Secret::new("example-token")),
        ..CredentialSettings::default()
    })
}

fn endpoint(url: &str) -> Endpoint {
    let settings = EndpointSettings {
        xray_url: Some(url.to_owned()),
        region: Some("eu-west-1".to_owned()),
        ..EndpointSettings::default()
    };
    Endpoint::resolve(&settings).unwrap()
}

fn sender_to(stage: &Stage) -> XraySender {
    XraySender::new(endpoint(&format!("http://{}", stage.address)), environment_keys())
}

async fn send(sender: &mut XraySender, wait: Duration) -> Outcome {
    sender.send(&[A, B], noon(), wait).await
}

#[track_caller]
fn taken(outcome: Outcome) {
    assert_eq!(
        outcome,
        Outcome::Answered(Answered {
            documents: 2,
            ..Answered::default()
        })
    );
}

#[track_caller]
fn failed(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failed(failure) => failure,
        Outcome::Answered(answered) => panic!("answered {answered:?}"),
    }
}

async fn failure_of(act: Act) -> Failure {
    let stage = Stage::open([act]).await;
    failed(send(&mut sender_to(&stage), LONG).await)
}

#[tokio::test]
async fn a_batch_goes_out_signed_with_its_documents_as_they_were() {
    let stage = Stage::open([]).await;
    taken(send(&mut sender_to(&stage), LONG).await);
    let [seen] = stage.seen().try_into().unwrap();
    assert!(
        seen.head.starts_with("POST /TraceSegments HTTP/1.1\r\n"),
        "{}",
        seen.head
    );
    assert_eq!(seen.header("content-type"), "application/json");
    assert_eq!(seen.header("x-amz-security-token"), "example-token");
    assert!(
        seen.header("x-amz-date").starts_with("20260521T1200"),
        "{}",
        seen.head
    );
    assert!(
        seen.header("user-agent").starts_with("fluoroscope/"),
        "{}",
        seen.head
    );
    let scope = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260521/eu-west-1/xray/aws4_request, ";
    let headers = "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature=";
    assert!(
        seen.header("authorization")
            .starts_with(&format!("{scope}{headers}")),
        "{}",
        seen.head
    );
    let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(body, serde_json::json!({ "TraceSegmentDocuments": [A, B] }));
}

#[tokio::test]
async fn an_empty_batch_is_not_sent() {
    let stage = Stage::open([]).await;
    let documents: [&str; 0] = [];
    let outcome = sender_to(&stage).send(&documents, noon(), LONG).await;
    assert_eq!(outcome, Outcome::Answered(Answered::default()));
    assert!(stage.seen().is_empty());
}

#[tokio::test]
async fn batches_share_one_connection() {
    let stage = Stage::open([]).await;
    let mut sender = sender_to(&stage);
    for _ in 0..3 {
        taken(send(&mut sender, LONG).await);
    }
    assert_eq!(stage.connections(), [0, 0, 0]);
}

#[tokio::test]
async fn a_connection_closed_in_between_is_replaced_and_no_batch_is_sent_twice() {
    let stage = Stage::open([Act::AnswerAndClose]).await;
    let mut sender = sender_to(&stage);
    taken(send(&mut sender, LONG).await);
    taken(send(&mut sender, LONG).await);
    assert_eq!(stage.connections(), [0, 1]);
}

#[tokio::test]
async fn a_reset_on_an_older_connection_earns_one_attempt_on_a_fresh_one() {
    let stage = Stage::open([all_taken(), Act::Reset]).await;
    let mut sender = sender_to(&stage);
    taken(send(&mut sender, LONG).await);
    taken(send(&mut sender, LONG).await);
    assert_eq!(stage.connections(), [0, 0, 1]);
    let seen = stage.seen();
    assert_eq!(seen[1].body, seen[2].body);
}

#[tokio::test]
async fn a_reset_of_the_fresh_connection_too_is_the_end_of_the_call() {
    let stage = Stage::open([all_taken(), Act::Reset, Act::Reset]).await;
    let mut sender = sender_to(&stage);
    taken(send(&mut sender, LONG).await);
    let failure = failed(send(&mut sender, LONG).await);
    assert_eq!(failure.kind, FailureKind::Disconnected);
    assert_eq!(stage.connections(), [0, 0, 1]);
}

#[tokio::test]
async fn a_reset_of_a_first_connection_earns_nothing() {
    let stage = Stage::open([Act::Reset]).await;
    let failure = failed(send(&mut sender_to(&stage), LONG).await);
    assert_eq!(failure.kind, FailureKind::Disconnected);
    assert_eq!(failure.retry(), Retry::Later { at_least: None });
    let expected = format!(
        "lost the connection to X-Ray at http://{} before its answer",
        stage.address
    );
    assert!(failure.message.starts_with(&expected), "{}", failure.message);
    assert_eq!(stage.connections(), [0]);
}

#[tokio::test]
async fn an_answer_that_breaks_off_counts_as_a_lost_connection() {
    assert_eq!(
        failure_of(Act::CloseHalfway).await.kind,
        FailureKind::Disconnected
    );
}

#[tokio::test]
async fn a_silent_older_connection_earns_one_attempt_on_a_fresh_one() {
    let stage = Stage::open([all_taken(), Act::Stall]).await;
    let mut sender = sender_to(&stage);
    taken(send(&mut sender, LONG).await);
    taken(send(&mut sender, Duration::from_secs(2)).await);
    assert_eq!(stage.connections(), [0, 0, 1]);
}

#[tokio::test]
async fn two_silent_connections_cost_no_more_than_the_wait() {
    let stage = Stage::open([all_taken(), Act::Stall, Act::Stall]).await;
    let mut sender = sender_to(&stage);
    taken(send(&mut sender, LONG).await);
    let started = tokio::time::Instant::now();
    let failure = failed(send(&mut sender, SHORT).await);
    assert!(
        started.elapsed() >= SHORT && started.elapsed() < LONG / 2,
        "{:?}",
        started.elapsed()
    );
    assert_eq!(failure.kind, FailureKind::Silent);
    assert_eq!(stage.connections(), [0, 0, 1]);
}

#[tokio::test]
async fn with_too_little_time_left_the_first_failure_stands() {
    let stage = Stage::open([all_taken(), Act::Stall]).await;
    let mut sender = sender_to(&stage);
    taken(send(&mut sender, LONG).await);
    let failure = failed(send(&mut sender, SECOND_ATTEMPT_MIN + SECOND_ATTEMPT_MIN / 2).await);
    assert_eq!(failure.kind, FailureKind::Silent);
    assert!(!stage.connections().contains(&1), "{:?}", stage.connections());
}

#[tokio::test]
async fn an_attempt_has_a_bound_of_its_own() {
    let stage = Stage::open([Act::Stall]).await;
    let mut sender = sender_to(&stage);
    sender.exchange.attempt_wait = SHORT;
    let failure = failed(send(&mut sender, LONG).await);
    assert!(failure.message.ends_with(" within 150 ms"), "{}", failure.message);
    assert_eq!(stage.connections(), [0]);
}

#[tokio::test]
async fn an_answer_slower_than_the_wait_is_given_up_at_the_wait() {
    for act in [Act::Stall, Act::StallHalfway] {
        let stage = Stage::open([act]).await;
        let started = tokio::time::Instant::now();
        let failure = failed(send(&mut sender_to(&stage), SHORT).await);
        assert!(
            started.elapsed() >= SHORT && started.elapsed() < LONG / 2,
            "{:?}",
            started.elapsed()
        );
        assert_eq!(failure.kind, FailureKind::Silent);
        assert_eq!(failure.retry(), Retry::Later { at_least: None });
        assert!(
            failure.message.starts_with("no answer from X-Ray at http://"),
            "{}",
            failure.message
        );
        assert_eq!(stage.seen().len(), 1);
    }
}

#[tokio::test]
async fn after_a_given_up_call_the_next_one_uses_a_connection_of_its_own() {
    let stage = Stage::open([Act::Stall]).await;
    let mut sender = sender_to(&stage);
    failed(send(&mut sender, SHORT).await);
    taken(send(&mut sender, LONG).await);
    assert_eq!(stage.connections(), [0, 1]);
}

#[tokio::test]
async fn without_any_time_left_nothing_is_asked_of_xray() {
    let stage = Stage::open([]).await;
    let failure = failed(send(&mut sender_to(&stage), Duration::ZERO).await);
    assert_eq!(failure.kind, FailureKind::Silent);
    assert!(stage.seen().is_empty());
}

#[tokio::test]
async fn a_port_nobody_listens_on_is_said_to_refuse() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let mut sender = XraySender::new(endpoint(&url), environment_keys());
    let failure = failed(send(&mut sender, LONG).await);
    assert_eq!(
        failure.kind,
        FailureKind::Unreachable(Unreached::ConnectionRefused)
    );
    assert!(
        failure
            .message
            .starts_with(&format!("could not reach X-Ray at {url}: ")),
        "{}",
        failure.message
    );
    assert!(failure.message.ends_with("(os error 111)"), "{}", failure.message);
    // The HTTP client's own words add nothing for the operator.
    assert!(
        !failure.message.contains("error sending request"),
        "{}",
        failure.message
    );
    assert_eq!(sender.exchange.connection.dialled(), 1);
}

/// An address that answers nothing while one connects: its queue is full. The sockets keep it so.
fn black_hole() -> (String, TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&address, SHORT).ok();
    let waiting = std::iter::from_fn(connect).take(64).collect();
    (format!("http://{address}"), listener, waiting)
}

#[tokio::test]
async fn a_host_that_swallows_connections_is_said_to_have_no_route() {
    let (url, _listener, _waiting) = black_hole();
    let mut sender = XraySender::new(endpoint(&url), environment_keys());
    let failure = failed(send(&mut sender, SHORT).await);
    assert_eq!(failure.kind, FailureKind::Unreachable(Unreached::TimedOut));
    assert_eq!(failure.retry(), Retry::Later { at_least: None });
    let expected = format!("no connection to X-Ray at {url} within 1");
    assert!(failure.message.starts_with(&expected), "{}", failure.message);
    assert!(
        failure.message.contains("check that there is a route"),
        "{}",
        failure.message
    );
    assert_eq!(sender.exchange.connection.dialled(), 1);
}

#[tokio::test]
async fn a_name_without_an_address_is_said_to_have_none() {
    // Longer than a label may be: the system refuses it without asking anybody.
    let url = format!("http://{}.invalid:1", "a".repeat(70));
    let mut sender = XraySender::new(endpoint(&url), environment_keys());
    sender.exchange.connection = Connection::without_proxy(&sender.endpoint.url("/"));
    let failure = failed(send(&mut sender, LONG).await);
    assert_eq!(failure.kind, FailureKind::Unreachable(Unreached::UnknownHost));
    assert!(
        failure
            .message
            .starts_with("could not find the address of X-Ray at "),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn without_credentials_nothing_is_sent_and_the_line_says_how_to_mend_it() {
    let stage = Stage::open([]).await;
    let nowhere = CredentialSource::new(CredentialSettings::default());
    let mut sender = XraySender::new(endpoint(&format!("http://{}", stage.address)), nowhere);
    let failure = failed(send(&mut sender, LONG).await);
    assert_eq!(failure.kind, FailureKind::NoCredentials);
    assert!(
        failure.message.contains("set AWS_ACCESS_KEY_ID"),
        "{}",
        failure.message
    );
    assert!(stage.seen().is_empty());
}

#[tokio::test]
async fn a_token_that_no_header_can_hold_makes_the_batch_unsendable() {
    let stage = Stage::open([]).await;
    let keys = CredentialSource::new(CredentialSettings {
        access_key_id: Some("AKIDEXAMPLE".into()),
        secret_access_key: Some(Secret::new("example-secret")),
        session_token: Some(Secret::new("two\nlines")),
        ..CredentialSettings::default()
    });
    let mut sender = XraySender::new(endpoint(&format!("http://{}", stage.address)), keys);
    let failure = failed(send(&mut sender, LONG).await);
    assert_eq!(failure.kind, FailureKind::Unsendable);
    assert!(!failure.message.contains("lines"), "{}", failure.message);
}

#[tokio::test]
async fn the_tally_goes_to_its_own_operation() {
    let denied = answer_with(403, "x-amzn-errortype: AccessDeniedException", "{}");
    let stage = Stage::open([answer(200, "{}"), denied]).await;
    let mut sender = sender_to(&stage);
    let record = TelemetryRecord {
        timestamp: 5.0,
        segments_received_count: 3,
        ..Default::default()
    };
    sender.send_telemetry(record.clone(), noon(), LONG).await.unwrap();
    let [seen] = stage.seen().try_into().unwrap();
    assert!(
        seen.head.starts_with("POST /TelemetryRecords HTTP/1.1\r\n"),
        "{}",
        seen.head
    );
    let body: PutTelemetryRecords = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(body.telemetry_records, std::slice::from_ref(&record));
    let failure = sender.send_telemetry(record, noon(), LONG).await.unwrap_err();
    assert!(
        failure.message.contains("allow xray:PutTelemetryRecords"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn nothing_secret_is_printed_with_a_sender() {
    let stage = Stage::open([]).await;
    let mut sender = sender_to(&stage);
    taken(send(&mut sender, LONG).await);
    let printed = format!("{sender:?}");
    assert!(
        !printed.contains("example-secret") && !printed.contains("example-token"),
        "{printed}"
    );
}

#[test]
fn calls_may_move_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    let mut sender = XraySender::new(endpoint("http://127.0.0.1:1"), environment_keys());
    is_send(&sender.send(&[A], noon(), LONG));
}
