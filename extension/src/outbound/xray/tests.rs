//! The sender against real sockets.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::net::TcpSocket;

use super::*;
use crate::outbound::credentials::{CredentialSettings, Secret};
use crate::outbound::endpoint::EndpointSettings;
use crate::outbound::stage::{Act, Stage, all_taken, answer, answer_with};
use crate::pipeline::outcome::{FailureKind, Retry, Unprocessed, Unreached};

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
            unprocessed: Vec::new()
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
async fn an_attempt_has_a_bound_of_its_own() {
    let stage = Stage::open([Act::Stall]).await;
    let mut sender = sender_to(&stage);
    sender.attempt_wait = SHORT;
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
async fn an_endless_answer_is_left_unread_and_believed_in_nothing() {
    let failure = failure_of(Act::Flood).await;
    assert_eq!(failure.kind, FailureKind::Garbled);
    assert!(
        failure.message.ends_with(": answer too long"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn an_answer_that_is_not_xrays_is_believed_in_nothing() {
    let failure = failure_of(answer(200, "<html>Welcome to the lobby</html>")).await;
    assert_eq!(failure.kind, FailureKind::Garbled);
    assert_eq!(failure.retry(), Retry::Later { at_least: None });
}

#[tokio::test]
async fn an_empty_answer_means_that_all_was_taken() {
    let stage = Stage::open([answer(200, ""), answer(200, "{}")]).await;
    let mut sender = sender_to(&stage);
    taken(send(&mut sender, LONG).await);
    taken(send(&mut sender, LONG).await);
}

#[tokio::test]
async fn documents_that_were_not_taken_are_named_one_by_one() {
    let body = r#"{"UnprocessedTraceSegments":[
        {"Id":"00000000000000bb","ErrorCode":"ThrottledException","Message":"slow down"},
        {"Id":null,"ErrorCode":"MissingId","Message":"Invalid segment. ErrorCode: MissingId"}]}"#;
    let stage = Stage::open([answer(200, body)]).await;
    let Outcome::Answered(answered) = sender_to(&stage).send(&[A, "[]", B], noon(), LONG).await else {
        panic!("not answered");
    };
    assert_eq!(answered.taken(), 1);
    let expected = [
        (Some(2), "ThrottledException", true),
        (Some(1), "MissingId", false),
    ];
    let seen: Vec<_> = answered
        .unprocessed
        .iter()
        .map(
            |Unprocessed {
                 document,
                 code,
                 retriable,
                 ..
             }| (*document, code.as_str(), *retriable),
        )
        .collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn throttling_passes_on_how_long_to_wait() {
    let throttled = |after| FailureKind::Throttled { retry_after: after };
    let failure = failure_of(answer_with(
        429,
        "retry-after: 7",
        r#"{"Message":"Rate exceeded"}"#,
    ))
    .await;
    assert_eq!(failure.kind, throttled(Some(Duration::from_secs(7))));
    assert_eq!(
        failure.retry(),
        Retry::Later {
            at_least: Some(Duration::from_secs(7))
        }
    );
    assert!(
        failure
            .message
            .ends_with("answered 429 (Rate exceeded) to PutTraceSegments"),
        "{}",
        failure.message
    );
    let by_code = answer_with(400, "x-amzn-errortype: ThrottledException:http://aws/", "{}");
    assert_eq!(failure_of(by_code).await.kind, throttled(None));
    let dated = "date: Thu, 21 May 2026 12:00:00 GMT\r\nretry-after: Thu, 21 May 2026 12:00:09 GMT";
    assert_eq!(
        failure_of(answer_with(429, dated, "")).await.kind,
        throttled(Some(Duration::from_secs(9)))
    );
}

#[tokio::test]
async fn trouble_at_xray_passes_and_is_not_tried_again_at_once() {
    let stage = Stage::open([answer_with(503, "retry-after: 1", "busy"), answer(500, "")]).await;
    let mut sender = sender_to(&stage);
    let failure = failed(send(&mut sender, LONG).await);
    let retry_after = Some(Duration::from_secs(1));
    assert_eq!(
        failure.kind,
        FailureKind::Unavailable {
            status: 503,
            retry_after
        }
    );
    let failure = failed(send(&mut sender, LONG).await);
    assert_eq!(
        failure.kind,
        FailureKind::Unavailable {
            status: 500,
            retry_after: None
        }
    );
    assert_eq!(stage.connections(), [0, 0]);
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let body = r#"{"__type":"com.amazon.coral#AccessDeniedException","Message":"User: arn:aws:sts::1:x is not authorized"}"#;
    let failure = failure_of(answer(403, body)).await;
    assert_eq!(
        failure.kind,
        FailureKind::Forbidden {
            code: "AccessDeniedException".into()
        }
    );
    assert_eq!(failure.retry(), Retry::WhenMended);
    assert!(
        failure
            .message
            .contains("allow xray:PutTraceSegments in the role"),
        "{}",
        failure.message
    );
    assert!(failure.message.contains("not authorized"), "{}", failure.message);
}

#[tokio::test]
async fn keys_of_the_environment_that_expired_are_not_tried_again() {
    let stage = Stage::open([answer(
        403,
        r#"{"__type":"ExpiredTokenException","Message":"expired"}"#,
    )])
    .await;
    let failure = failed(send(&mut sender_to(&stage), LONG).await);
    assert_eq!(
        failure.kind,
        FailureKind::Expired {
            code: "ExpiredTokenException".into()
        }
    );
    assert_eq!(stage.seen().len(), 1);
}

#[tokio::test]
async fn differing_clocks_are_told_from_wrong_keys() {
    let headers = "date: Thu, 21 May 2026 12:20:00 GMT\r\nx-amzn-errortype: InvalidSignatureException";
    let late = answer_with(
        403,
        headers,
        r#"{"message":"Signature expired: 20260521T120000Z is now earlier than"}"#,
    );
    let failure = failure_of(late).await;
    let server = noon().after(Duration::from_secs(20 * 60));
    assert_eq!(failure.kind, FailureKind::ClockSkew { server: Some(server) });
    assert!(
        failure.message.contains("s ahead of the one here"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn a_wrong_signature_does_not_bring_the_token_into_the_log() {
    let echo = r#"{"message":"The request signature we calculated does not match. The Canonical String should have been 'POST\n/TraceSegments\n\nx-amz-security-token:example-token'"}"#;
    let failure = failure_of(answer_with(
        403,
        "x-amzn-errortype: InvalidSignatureException",
        echo,
    ))
    .await;
    assert_eq!(
        failure.kind,
        FailureKind::Forbidden {
            code: "InvalidSignatureException".into()
        }
    );
    assert!(
        failure.message.contains("check the credentials"),
        "{}",
        failure.message
    );
    assert!(!failure.message.contains("example-token"), "{}", failure.message);
    let tail = answer(
        403,
        r#"{"message":"headers were X-Amz-Security-Token: example-token"}"#,
    );
    let failure = failure_of(tail).await;
    assert!(!failure.message.contains("example-token"), "{}", failure.message);
}

#[tokio::test]
async fn a_batch_that_is_refused_is_taken_apart_by_the_engine() {
    let failure = failure_of(answer(413, "")).await;
    assert_eq!(failure.kind, FailureKind::TooLarge { documents: 2 });
    let failure = failure_of(answer_with(
        400,
        "x-amzn-errortype: InvalidRequestException",
        "{}",
    ))
    .await;
    let code = "InvalidRequestException".to_owned();
    assert_eq!(
        failure.kind,
        FailureKind::Refused {
            status: 400,
            code,
            documents: 2
        }
    );
    assert_eq!(failure.retry(), Retry::Smaller);
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_our_signature() {
    let stage = Stage::open([answer_with(302, "location: /elsewhere", "")]).await;
    let failure = failed(send(&mut sender_to(&stage), LONG).await);
    assert_eq!(failure.kind, FailureKind::Misdirected { status: 302 });
    assert!(
        failure
            .message
            .contains("is not X-Ray, check AWS_ENDPOINT_URL_XRAY"),
        "{}",
        failure.message
    );
    assert_eq!(stage.seen().len(), 1);
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
    assert_eq!(sender.connection.dialled(), 1);
}

#[tokio::test]
async fn a_name_without_an_address_is_said_to_have_none() {
    // Longer than a label may be: the system refuses it without asking anybody.
    let url = format!("http://{}.invalid:1", "a".repeat(70));
    let mut sender = XraySender::new(endpoint(&url), environment_keys());
    sender.connection = Connection::without_proxy(&sender.endpoint.url("/"));
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

fn container_keys(stage: &Stage) -> CredentialSource {
    CredentialSource::new(CredentialSettings {
        container_uri: Some(format!("http://{}/credentials", stage.address)),
        container_token: Some(Secret::new("door-token")),
        ..CredentialSettings::default()
    })
}

fn gives(id: &str) -> Act {
    let expires = "2026-05-21T18:00:00Z";
    let body =
        serde_json::json!({ "AccessKeyId": id, "SecretAccessKey": "s", "Token": "t", "Expiration": expires });
    answer(200, &body.to_string())
}

fn expired() -> Act {
    answer(
        403,
        r#"{"__type":"ExpiredTokenException","message":"The security token is expired"}"#,
    )
}

/// The access key ids that requests were signed with.
fn signers(stage: &Stage) -> Vec<String> {
    let seen = stage.seen();
    let credentials = seen
        .iter()
        .filter_map(|seen| seen.header("authorization").split("Credential=").nth(1));
    credentials
        .filter_map(|rest| rest.split('/').next())
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn expired_container_credentials_are_renewed_and_the_batch_is_sent_again_at_once() {
    let door = Stage::open([gives("ONE"), gives("TWO")]).await;
    let stage = Stage::open([all_taken(), expired()]).await;
    let mut sender = XraySender::new(
        endpoint(&format!("http://{}", stage.address)),
        container_keys(&door),
    );
    assert!(door.seen().is_empty());
    taken(send(&mut sender, LONG).await);
    taken(send(&mut sender, LONG).await);
    assert_eq!(signers(&stage), ["ONE", "ONE", "TWO"]);
    assert_eq!(door.seen().len(), 2);
}

#[tokio::test]
async fn credentials_that_expired_twice_are_the_end_of_the_call() {
    let door = Stage::open([gives("ONE"), gives("TWO"), gives("THREE")]).await;
    let stage = Stage::open([expired(), expired()]).await;
    let mut sender = XraySender::new(
        endpoint(&format!("http://{}", stage.address)),
        container_keys(&door),
    );
    let failure = failed(send(&mut sender, LONG).await);
    assert_eq!(
        failure.kind,
        FailureKind::Expired {
            code: "ExpiredTokenException".into()
        }
    );
    assert_eq!(signers(&stage), ["ONE", "TWO"]);
    taken(send(&mut sender, LONG).await);
    assert_eq!(signers(&stage), ["ONE", "TWO", "THREE"]);
}

#[tokio::test]
async fn a_restore_forgets_credentials_and_connection() {
    let door = Stage::open([gives("ONE"), gives("TWO")]).await;
    let stage = Stage::open([]).await;
    let mut sender = XraySender::new(
        endpoint(&format!("http://{}", stage.address)),
        container_keys(&door),
    );
    taken(send(&mut sender, LONG).await);
    sender.forget();
    taken(send(&mut sender, LONG).await);
    assert_eq!(signers(&stage), ["ONE", "TWO"]);
    assert_eq!(stage.connections(), [0, 1]);
}

#[tokio::test]
async fn a_container_endpoint_that_gives_nothing_yet_is_asked_again_with_the_next_call() {
    let door = Stage::open([answer(404, ""), gives("ONE")]).await;
    let stage = Stage::open([]).await;
    let mut sender = XraySender::new(
        endpoint(&format!("http://{}", stage.address)),
        container_keys(&door),
    );
    let failure = failed(send(&mut sender, LONG).await);
    assert_eq!(failure.kind, FailureKind::CredentialsUnavailable);
    assert_eq!(failure.retry(), Retry::Later { at_least: None });
    assert!(stage.seen().is_empty());
    taken(send(&mut sender, LONG).await);
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
