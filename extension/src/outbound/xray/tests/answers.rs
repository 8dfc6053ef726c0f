//! What the sender makes of each answer.

use super::*;

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
