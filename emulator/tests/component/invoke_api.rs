//! The Invoke API over HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use emulator::Environment;

use crate::support::*;

struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

async fn post(environment: &Environment, path: &str, headers: &[(&str, &str)], body: String) -> Answer {
    let url = format!("http://{}{path}", environment.invoke_address());
    let headers: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    tokio::task::spawn_blocking(move || {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .new_agent();
        let request = headers.iter().fold(agent.post(url), |request, (name, value)| {
            request.header(name, value)
        });
        let mut answer = request.send(body).unwrap();
        let headers = answer.headers().iter();
        Answer {
            status: answer.status().as_u16(),
            headers: headers
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect(),
            body: answer.body_mut().read_to_string().unwrap(),
        }
    })
    .await
    .unwrap()
}

const PATH: &str = "/2015-03-31/functions/selfies/invocations";

#[tokio::test]
async fn an_invocation_carries_the_headers_that_sdks_read() {
    let environment = start(function()).await;
    let header = "Root=1-6a0edb41-00112233445566778899aabb;Parent=1111111111111111;Sampled=1";
    let context = base64::engine::general_purpose::STANDARD.encode(r#"{"custom":{"a":"b"}}"#);
    let headers = [
        ("X-Amzn-Trace-Id", header),
        ("X-Amz-Log-Type", "Tail"),
        ("X-Amz-Client-Context", context.as_str()),
    ];
    let answer = post(&environment, PATH, &headers, r#"{"n":1}"#.to_owned()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["x-amz-executed-version"], "$LATEST");
    assert!(
        answer.headers["x-amzn-trace-id"].starts_with("Root=1-6a0edb41-00112233445566778899aabb;Parent=")
    );
    assert_eq!(answer.headers.get("x-amz-function-error"), None);
    let seen = json(&answer.body)["headers"].clone();
    assert_eq!(
        seen["lambda-runtime-aws-request-id"],
        *answer.headers["x-amzn-requestid"]
    );
    assert_eq!(seen["lambda-runtime-client-context"], r#"{"custom":{"a":"b"}}"#);
    let tail = base64::engine::general_purpose::STANDARD
        .decode(&answer.headers["x-amz-log-result"])
        .unwrap();
    let tail = String::from_utf8(tail).unwrap();
    let order: Vec<_> = ["START RequestId", "handling", "END RequestId", "REPORT RequestId"]
        .iter()
        .map(|part| {
            tail.find(part)
                .unwrap_or_else(|| panic!("{part} is not in {tail}"))
        })
        .collect();
    assert!(order.is_sorted(), "{tail}");
}

#[tokio::test]
async fn a_function_error_is_200_with_a_header() {
    let environment = start(function()).await;
    let answer = post(&environment, PATH, &[], r#"{"do":"raise"}"#.to_owned()).await;
    assert_eq!(
        (answer.status, answer.headers["x-amz-function-error"].as_str()),
        (200, "Unhandled")
    );
}

#[tokio::test]
async fn an_event_is_accepted_at_once_and_a_dry_run_runs_nothing() {
    let environment = start(function()).await;
    let dry = post(
        &environment,
        PATH,
        &[("X-Amz-Invocation-Type", "DryRun")],
        "{}".to_owned(),
    )
    .await;
    assert_eq!(dry.status, 204);
    let event = post(
        &environment,
        PATH,
        &[("X-Amz-Invocation-Type", "Event")],
        "{}".to_owned(),
    )
    .await;
    assert_eq!((event.status, event.body.as_str()), (202, ""));
    let request_id = event.headers["x-amzn-requestid"].clone();
    let ended = |entries: &[emulator::Entry]| {
        let started: Vec<String> = entries
            .iter()
            .filter_map(|entry| match &entry.what {
                emulator::What::InvocationEnded { request_id, .. } => Some(request_id.to_string()),
                _ => None,
            })
            .collect();
        (!started.is_empty()).then_some(started)
    };
    assert_eq!(environment.wait_until(ended, BOUND).await.unwrap(), [request_id]);
}

#[tokio::test]
async fn wrong_requests_are_refused_as_lambda_refuses_them() {
    let environment = start(function()).await;
    let unknown = post(
        &environment,
        "/2015-03-31/functions/other/invocations",
        &[],
        "{}".to_owned(),
    )
    .await;
    assert_eq!(
        (unknown.status, unknown.headers["x-amzn-errortype"].as_str()),
        (404, "ResourceNotFoundException")
    );
    let not_json = post(&environment, PATH, &[], "{".to_owned()).await;
    assert_eq!(
        (not_json.status, not_json.headers["x-amzn-errortype"].as_str()),
        (400, "InvalidRequestContentException")
    );
    let large = post(
        &environment,
        PATH,
        &[],
        format!("\"{}\"", "x".repeat(6 * 1024 * 1024)),
    )
    .await;
    assert_eq!(
        (large.status, large.headers["x-amzn-errortype"].as_str()),
        (413, "RequestTooLargeException")
    );
}

#[tokio::test]
async fn a_plain_post_and_a_qualified_name_work_too() {
    let environment = start(function()).await;
    let plain = post(&environment, "/", &[], String::new()).await;
    assert_eq!(json(&plain.body)["event"], serde_json::json!({}));
    let path = "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A111122223333%3Afunction%3Aselfies/invocations?Qualifier=live";
    let qualified = post(&environment, path, &[], "{}".to_owned()).await;
    assert_eq!(
        json(&qualified.body)["headers"]["lambda-runtime-invoked-function-arn"],
        "arn:aws:lambda:eu-west-1:111122223333:function:selfies:live"
    );
}

#[tokio::test]
async fn a_response_over_6_mb_is_an_error_of_the_function() {
    let environment = start(function().with_timeout(Duration::from_secs(10))).await;
    let answer = post(&environment, PATH, &[], r#"{"do":"big"}"#.to_owned()).await;
    assert_eq!(
        (answer.status, answer.headers["x-amz-function-error"].as_str()),
        (200, "Unhandled")
    );
    assert_eq!(json(&answer.body)["errorType"], "Function.ResponseSizeTooLarge");
}

#[tokio::test]
async fn a_streamed_response_is_handed_over_whole_and_its_trailers_are_read() {
    let environment = start(function()).await;
    let streamed = post(&environment, PATH, &[], r#"{"do":"stream"}"#.to_owned()).await;
    assert_eq!(streamed.body, "\"one two\"");
    let failed = post(&environment, PATH, &[], r#"{"do":"stream-error"}"#.to_owned()).await;
    assert_eq!(
        (
            failed.body.as_str(),
            failed.headers["x-amz-function-error"].as_str()
        ),
        (r#"{"a":1}"#, "Unhandled")
    );
    let records = emitted(&environment.journal());
    let spans = &of_type(&records, "platform.runtimeDone")[0]["record"]["spans"];
    assert!(
        spans[1]["durationMs"].as_f64().unwrap() >= 100.0,
        "the stream took 200 ms: {spans}"
    );
}
