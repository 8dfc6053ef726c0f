//! The sender against real sockets.

use std::io::Read;
use std::time::Duration;

use flate2::read::GzDecoder;
use http::header::HeaderValue;
use model::otlp::answer::status_to_protobuf;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

use super::*;
use crate::outbound::credentials::{CredentialSettings, Secret};
use crate::outbound::endpoint::EndpointSettings;
use crate::outbound::segments::tests::{span, text};
use crate::outbound::stage::{Act, Seen, Stage, answer, answer_with};
use crate::pipeline::outcome::{Failure, FailureKind, Retry};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(150);
/// Two spans.
const SEGMENT: &str = r#"{"name":"x","id":"00000000000000aa","trace_id":"1-67881233-abcdef012345678812345678",
    "start_time":1736970803.12,"end_time":1736970803.164,
    "subsegments":[{"name":"y","id":"00000000000000bb","start_time":1736970803.13,"end_time":1736970803.14}]}"#;

fn noon() -> Timestamp {
    Timestamp::parse_iso8601("2026-05-21T12:00:00Z").unwrap()
}

fn taken() -> Act {
    answer_with(200, "content-type: application/x-protobuf", "")
}

fn batch() -> [Document; 2] {
    [text(SEGMENT), span(1, |_| ())]
}

fn with_headers(stage: &Stage, headers: &[(&'static str, &'static str)]) -> OtlpSender {
    let url = Url::parse(&format!("http://{}/s3cr3t-path/v1/traces", stage.address)).unwrap();
    let headers = headers.iter().map(|(name, value)| {
        (
            http::HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    });
    OtlpSender::new(url, headers.collect(), Words::default())
}

fn sender_to(stage: &Stage) -> OtlpSender {
    with_headers(stage, &[])
}

fn sender_to_xray(stage: &Stage) -> OtlpSender {
    let endpoint = Endpoint::resolve(&EndpointSettings {
        xray_url: Some(format!("http://{}", stage.address)),
        region: Some("eu-west-1".to_owned()),
        ..EndpointSettings::default()
    });
    let keys = CredentialSource::new(CredentialSettings {
        access_key_id: Some("AKIDEXAMPLE".into()),
        secret_access_key: Some(Secret::new("example-secret")),
        session_token: Some(Secret::new("example-token")),
        ..CredentialSettings::default()
    });
    OtlpSender::to_xray(&endpoint.unwrap(), keys, Words::default())
}

async fn sent(script: impl IntoIterator<Item = Act>) -> (Outcome, Vec<Seen>) {
    let stage = Stage::open(script).await;
    let outcome = sender_to(&stage).send(&batch(), noon(), LONG).await;
    (outcome, stage.seen())
}

#[track_caller]
fn answered(outcome: Outcome) -> Answered {
    match outcome {
        Outcome::Answered(answered) => answered,
        Outcome::Failed(failure) => panic!("{failure:?}"),
    }
}

async fn failure_of(act: Act) -> Failure {
    match sent([act]).await.0 {
        Outcome::Failed(failure) => failure,
        Outcome::Answered(answered) => panic!("{answered:?}"),
    }
}

fn names(bytes: &[u8]) -> Vec<String> {
    let request = ExportTraceServiceRequest::decode(bytes).unwrap();
    let groups = request.resource_spans.into_iter();
    let scopes = groups.flat_map(|group| group.scope_spans);
    scopes
        .flat_map(|scope| scope.spans)
        .map(|span| span.name)
        .collect()
}

#[tokio::test]
async fn a_batch_is_posted_in_protobuf_with_the_operators_headers() {
    let stage = Stage::open([taken()]).await;
    let mut sender = with_headers(&stage, &[("api-key", "s3cr3t")]);
    let outcome = sender.send(&batch(), noon(), LONG).await;
    assert_eq!(
        outcome,
        Outcome::Answered(Answered {
            documents: 2,
            ..Answered::default()
        })
    );
    let [seen] = stage.seen().try_into().unwrap();
    assert!(
        seen.head.starts_with("POST /s3cr3t-path/v1/traces HTTP/1.1\r\n"),
        "{}",
        seen.head
    );
    assert_eq!(seen.header("content-type"), "application/x-protobuf");
    assert_eq!(seen.header("content-encoding"), "");
    assert_eq!(seen.header("api-key"), "s3cr3t");
    assert_eq!(seen.header("authorization"), "");
    assert_eq!(names(&seen.bytes), ["x", "y", "work"]);
}

#[tokio::test]
async fn to_xray_it_is_signed_with_its_format() {
    let stage = Stage::open([taken()]).await;
    answered(sender_to_xray(&stage).send(&batch(), noon(), LONG).await);
    let [seen] = stage.seen().try_into().unwrap();
    assert!(
        seen.head.starts_with("POST /v1/traces HTTP/1.1\r\n"),
        "{}",
        seen.head
    );
    let scope = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260521/eu-west-1/xray/aws4_request, SignedHeaders=content-type;host;";
    assert!(seen.header("authorization").starts_with(scope), "{}", seen.head);
    assert_eq!(seen.header("x-amz-security-token"), "example-token");
    assert_eq!(seen.header("content-type"), "application/x-protobuf");
}

#[tokio::test]
async fn a_packed_request_unpacks_to_what_it_was() {
    let stage = Stage::open([taken(), taken()]).await;
    answered(sender_to(&stage).send(&batch(), noon(), LONG).await);
    let mut packing = sender_to(&stage).packing(Packing::Gzip);
    answered(packing.send(&batch(), noon(), LONG).await);
    let [plain, packed] = stage.seen().try_into().unwrap();
    assert_eq!(packed.header("content-encoding"), "gzip");
    let mut unpacked = Vec::new();
    GzDecoder::new(packed.bytes.as_slice())
        .read_to_end(&mut unpacked)
        .unwrap();
    assert_eq!(unpacked, plain.bytes);
}

#[tokio::test]
async fn what_the_protocol_lets_be_repeated_is_with_the_pause_that_was_asked_for() {
    for status in [429, 502, 503, 504] {
        for (header, expected) in [
            ("", None),
            ("retry-after: 7", Some(7)),
            (
                "date: Thu, 21 May 2026 12:00:00 GMT\r\nretry-after: Thu, 21 May 2026 12:00:30 GMT",
                Some(30),
            ),
        ] {
            let failure = failure_of(answer_with(
                status,
                if header.is_empty() { "x: y" } else { header },
                "",
            ))
            .await;
            let at_least = expected.map(Duration::from_secs);
            assert_eq!(failure.retry(), Retry::Later { at_least }, "{status} {header}");
        }
    }
}

#[tokio::test]
async fn what_the_protocol_forbids_to_repeat_is_given_up_and_named() {
    for status in [408, 500, 507] {
        let (outcome, seen) = sent([answer_with(status, "content-type: text/plain", "no room")]).await;
        let answered = answered(outcome);
        let items: Vec<_> = answered
            .unprocessed
            .iter()
            .map(|item| {
                (
                    item.document,
                    item.code.clone(),
                    item.message.as_str(),
                    item.retriable,
                )
            })
            .collect();
        let expected = [0, 1].map(|place| (Some(place), status.to_string(), "no room", false));
        assert_eq!(items, expected);
        assert_eq!(seen.len(), 1);
    }
}

#[tokio::test]
async fn what_somebody_has_to_mend_is_held_and_the_line_says_where_to_look() {
    for (act, kind, words) in [
        (
            answer(401, ""),
            FailureKind::Forbidden { code: String::new() },
            "FLUOROSCOPE_OTLP_HEADERS",
        ),
        (
            answer(403, ""),
            FailureKind::Forbidden { code: String::new() },
            "FLUOROSCOPE_OTLP_HEADERS",
        ),
        (
            answer(404, "<html>"),
            FailureKind::Misdirected { status: 404 },
            "FLUOROSCOPE_OTLP_ENDPOINT",
        ),
        (
            answer(405, ""),
            FailureKind::Misdirected { status: 405 },
            "FLUOROSCOPE_OTLP_ENDPOINT",
        ),
        (
            answer(501, ""),
            FailureKind::Misdirected { status: 501 },
            "FLUOROSCOPE_OTLP_ENDPOINT",
        ),
    ] {
        let failure = failure_of(act).await;
        assert_eq!((failure.retry(), &failure.kind), (Retry::WhenMended, &kind));
        assert!(
            failure.message.contains(words)
                && failure
                    .message
                    .starts_with("the OTLP destination at http://127.0.0.1"),
            "{}",
            failure.message
        );
        assert!(!failure.message.contains("s3cr3t"), "{}", failure.message);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Stage::open([]).await;
    let location = format!("location: http://{}/", other.address);
    for status in [301, 307, 308] {
        let failure = failure_of(answer_with(status, &location, "")).await;
        assert_eq!(failure.kind, FailureKind::Misdirected { status });
    }
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn a_request_that_is_wrong_or_too_large_comes_in_smaller_ones() {
    let refused = FailureKind::Refused {
        status: 400,
        code: String::new(),
        documents: 2,
    };
    let body = String::from_utf8(status_to_protobuf(3, "bad span")).unwrap();
    let failure = failure_of(answer_with(400, "content-type: application/x-protobuf", &body)).await;
    assert_eq!((failure.retry(), &failure.kind), (Retry::Smaller, &refused));
    assert!(
        failure
            .message
            .ends_with("answered 400 (bad span) to an export of spans"),
        "{}",
        failure.message
    );
    let failure = failure_of(answer(413, "")).await;
    assert_eq!(failure.kind, FailureKind::TooLarge { documents: 2 });
}

#[tokio::test]
async fn aws_asks_for_fewer_calls_by_a_code_too() {
    let throttled = answer_with(400, "x-amzn-errortype: ThrottlingException", "{}");
    let stage = Stage::open([throttled]).await;
    let outcome = sender_to_xray(&stage).send(&batch(), noon(), LONG).await;
    let Outcome::Failed(failure) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(failure.kind, FailureKind::Throttled { retry_after: None });
}

#[tokio::test]
async fn aws_says_which_permissions_are_missing() {
    let denied = answer_with(403, "x-amzn-errortype: AccessDeniedException", "{}");
    let stage = Stage::open([denied]).await;
    let outcome = sender_to_xray(&stage).send(&batch(), noon(), LONG).await;
    let Outcome::Failed(failure) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(
        failure
            .message
            .ends_with("allow xray:PutSpans and xray:PutSpansForIndexing in the role of the function"),
        "{}",
        failure.message
    );
}

fn partial(rejected: u64, message: &str) -> Act {
    let partial = answer::Answer {
        rejected,
        message: message.into(),
    };
    let body = String::from_utf8(partial.to_protobuf()).unwrap();
    answer_with(200, "content-type: application/x-protobuf", &body)
}

#[tokio::test]
async fn spans_that_were_not_taken_are_counted_by_number_and_not_sent_again() {
    for (rejected, expected) in [
        (1, vec![None]),
        (2, vec![None, None]),
        // All three spans: both documents, by name.
        (3, vec![Some(0), Some(1)]),
        (9, vec![Some(0), Some(1)]),
    ] {
        let answered = answered(sent([partial(rejected, "too old")]).await.0);
        let items: Vec<_> = answered.unprocessed.iter().map(|item| item.document).collect();
        assert_eq!(items, expected, "{rejected}");
        for item in &answered.unprocessed {
            assert_eq!(
                (item.code.as_str(), item.message.as_str(), item.retriable),
                (REJECTED_SPANS, "too old", false)
            );
        }
        assert_eq!(answered.remark, None);
    }
}

#[tokio::test]
async fn a_warning_costs_no_document_and_is_passed_on() {
    let answered = answered(sent([partial(0, "slow down, please")]).await.0);
    assert_eq!(
        (answered.unprocessed.len(), answered.remark.as_deref()),
        (0, Some("slow down, please"))
    );
}

#[tokio::test]
async fn a_text_that_repeats_a_secret_is_not_passed_on() {
    let stage = Stage::open([
        answer_with(401, "content-type: text/plain", "no such key: s3cr3t"),
        partial(0, "the key s3cr3t is about to expire"),
    ])
    .await;
    let mut sender = with_headers(&stage, &[("api-key", "s3cr3t")]);
    for _ in 0..2 {
        let outcome = sender.send(&batch(), noon(), LONG).await;
        assert!(!format!("{outcome:?}").contains("s3cr3t"), "{outcome:?}");
    }
}

#[tokio::test]
async fn success_is_believed_unless_it_comes_from_something_else() {
    for (kind, body, is_believed) in [
        ("content-type: application/x-protobuf", "", true),
        ("content-type: application/x-protobuf", "{}", false),
        ("content-type: application/json; charset=utf-8", "{}", true),
        ("content-type: application/json", "[]", false),
        ("content-type: text/plain", "OK", true),
        ("x: y", "{}", true),
        ("content-type: text/html", "<html>Welcome</html>", false),
    ] {
        let (outcome, _) = sent([answer_with(200, kind, body)]).await;
        match outcome {
            Outcome::Answered(answered) => {
                assert!(is_believed && answered.taken() == 2, "{kind} {body}");
            }
            Outcome::Failed(failure) => {
                assert_eq!(
                    (failure.kind, is_believed),
                    (FailureKind::Garbled, false),
                    "{kind} {body}"
                );
            }
        }
    }
    assert_eq!(failure_of(Act::Flood).await.kind, FailureKind::Garbled);
}

#[tokio::test]
async fn a_stale_connection_costs_one_attempt_and_a_lost_one_the_call() {
    let stage = Stage::open([taken(), Act::Reset, taken(), Act::Reset, Act::Reset]).await;
    let mut sender = sender_to(&stage);
    for _ in 0..2 {
        assert_eq!(answered(sender.send(&batch(), noon(), LONG).await).taken(), 2);
    }
    let outcome = sender.send(&batch(), noon(), LONG).await;
    assert!(
        matches!(&outcome, Outcome::Failed(failure) if failure.kind == FailureKind::Disconnected),
        "{outcome:?}"
    );
    assert_eq!(stage.connections(), [0, 0, 1, 1, 2]);
}

#[tokio::test]
async fn silence_is_waited_for_as_long_as_was_given() {
    let stage = Stage::open([Act::Stall]).await;
    let outcome = sender_to(&stage).send(&batch(), noon(), SHORT).await;
    let Outcome::Failed(failure) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(failure.kind, FailureKind::Silent);
    assert!(
        failure
            .message
            .starts_with("no answer from the OTLP destination at http://127.0.0.1"),
        "{}",
        failure.message
    );
}

/// Spans that two requests have room for, of three documents that are larger than a half of one.
fn large() -> Vec<Document> {
    let value = || model::otlp::span::Value::Text("x".repeat(180_000).into());
    let large = |id| {
        span(id, |span| {
            let attribute = model::otlp::span::Attribute::new("big", value());
            span.attributes.push(attribute);
        })
    };
    (1..=7).map(large).collect()
}

#[tokio::test]
async fn what_a_failed_request_had_is_given_back_and_what_was_taken_before_is_not() {
    let stage = Stage::open([taken(), answer(503, "")]).await;
    let answered = answered(sender_to(&stage).send(&large(), noon(), LONG).await);
    let back: Vec<_> = answered
        .unprocessed
        .iter()
        .map(|item| (item.document, item.retriable))
        .collect();
    assert_eq!(back, [(Some(5), true), (Some(6), true)]);
    let stage = Stage::open([answer(503, "")]).await;
    let outcome = sender_to(&stage).send(&large(), noon(), LONG).await;
    assert!(
        matches!(&outcome, Outcome::Failed(failure) if matches!(failure.kind, FailureKind::Unavailable { status: 503, .. }))
    );
    assert_eq!(stage.seen().len(), 1);
}

#[tokio::test]
async fn where_nothing_can_be_said_nobody_is_called() {
    let stage = Stage::open([]).await;
    let answered = answered(sender_to(&stage).send(&[text("{}")], noon(), LONG).await);
    assert_eq!((answered.documents, answered.taken()), (1, 0));
    assert!(stage.seen().is_empty());
}

#[tokio::test]
async fn nothing_secret_is_printed_with_a_sender() {
    let stage = Stage::open([]).await;
    let url = Url::parse(&format!("http://{}/v1/traces", stage.address)).unwrap();
    let mut value = HeaderValue::from_static("s3cr3t");
    value.set_sensitive(true);
    let headers = [(http::HeaderName::from_static("api-key"), value)];
    let sender = OtlpSender::new(url, headers.into_iter().collect(), Words::default());
    assert!(!format!("{sender:?}").contains("s3cr3t"));
}

#[test]
fn calls_may_move_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    let url = Url::parse("http://127.0.0.1:1/v1/traces").unwrap();
    let mut sender = OtlpSender::new(url, HeaderMap::new(), Words::default());
    let batch = batch();
    is_send(&sender.send(&batch, noon(), LONG));
}
