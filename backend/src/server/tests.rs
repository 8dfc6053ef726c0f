//! The API through HTTP, as clients see it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::faults::Fault;
use crate::{Limits, Running, serve};

mod export;

const TRACE: &str = "1-67881233-abcdef012345678812345678";

struct Answer {
    status: u16,
    error_type: Option<String>,
    body: Value,
}

async fn running(limits: Limits) -> Running {
    serve(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), limits)
        .await
        .unwrap()
}

/// Sends bytes as they are: no content type, no signature.
async fn send(backend: &Running, path: &str, body: impl Into<Vec<u8>>) -> Answer {
    let (url, body) = (format!("{}{path}", backend.url()), body.into());
    tokio::task::spawn_blocking(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .into();
        let mut response = agent.post(url).send(&body[..]).unwrap();
        let error_type = response
            .headers()
            .get("x-amzn-ErrorType")
            .map(|text| text.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        Answer {
            status,
            error_type,
            body: response.body_mut().read_json().unwrap(),
        }
    })
    .await
    .unwrap()
}

async fn call(backend: &Running, path: &str, body: Value) -> Value {
    let answer = send(backend, path, body.to_string()).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.body
}

#[track_caller]
fn assert_invalid(answer: &Answer, message: &str) {
    assert_eq!(
        (answer.status, answer.error_type.as_deref()),
        (400, Some("InvalidRequestException"))
    );
    assert_eq!(answer.body["__type"], "InvalidRequestException");
    assert!(
        answer.body["Message"].as_str().unwrap().contains(message),
        "{}",
        answer.body
    );
}

fn segment(id: &str) -> Value {
    json!({"name": "checkout", "id": id, "trace_id": TRACE, "start_time": 1736970803.12, "end_time": 1736970803.164})
}

async fn put(backend: &Running, documents: &[Value]) -> Value {
    let documents: Vec<String> = documents.iter().map(Value::to_string).collect();
    call(
        backend,
        "/TraceSegments",
        json!({"TraceSegmentDocuments": documents}),
    )
    .await
}

#[tokio::test]
async fn what_was_put_is_read_back_compiled() {
    let backend = running(Limits::default()).await;
    let child = json!({"type": "subsegment", "name": "work", "id": "00f067aa0ba902b8", "parent_id": "00f067aa0ba902b7",
                       "trace_id": TRACE, "start_time": 1736970803.13, "end_time": 1736970803.14});
    let answer = put(&backend, &[child, segment("00f067aa0ba902b7")]).await;
    assert_eq!(answer, json!({"UnprocessedTraceSegments": []}));

    let unknown = "1-67881233-000000000000000000000000";
    let w3c = TRACE.replace('-', "").split_off(1);
    let answer = call(&backend, "/Traces", json!({"TraceIds": [TRACE, unknown, w3c]})).await;
    assert_eq!(answer["UnprocessedTraceIds"], json!([unknown]));
    assert_eq!(answer["Traces"][0], answer["Traces"][1]);
    assert_eq!(answer["Traces"][0]["Id"], TRACE);
    assert_eq!(answer["Traces"][0]["LimitExceeded"], false);
    let segments = answer["Traces"][0]["Segments"].as_array().unwrap();
    assert_eq!(segments.len(), 1);
    assert_eq!(segments[0]["Id"], "00f067aa0ba902b7");
    let document: Value = serde_json::from_str(segments[0]["Document"].as_str().unwrap()).unwrap();
    assert_eq!(document["subsegments"][0]["name"], "work");

    let window = json!({"StartTime": 1736970800, "EndTime": "2025-01-15T20:00:00Z", "FilterExpression": ""});
    let answer = call(&backend, "/TraceSummaries", window).await;
    assert_eq!(answer["TracesProcessedCount"], 1);
    assert_eq!(answer["ApproximateTime"], 1736970803.12);
    assert_eq!(answer["TraceSummaries"][0]["Id"], TRACE);
    assert_eq!(answer.get("NextToken"), None);
}

#[tokio::test]
async fn documents_that_are_not_taken_come_back_one_by_one_with_status_200() {
    let backend = running(Limits::default()).await;
    let mut nameless = segment("00f067aa0ba902b8");
    nameless["name"] = json!("what?");
    let answer = put(&backend, &[json!([]), nameless, segment("00f067aa0ba902b7")]).await;
    let expected = json!({"UnprocessedTraceSegments": [
        {"Id": null, "ErrorCode": "MissingId", "Message": "Invalid segment. ErrorCode: MissingId"},
        {"Id": "00f067aa0ba902b8", "ErrorCode": "InvalidName", "Message": "Invalid segment. ErrorCode: InvalidName"},
    ]});
    assert_eq!(answer, expected);
    assert_eq!(backend.store().counts().accepted, 1);
    assert_eq!(backend.store().received_documents(), 3);
}

#[tokio::test]
async fn pages_are_followed_by_token_until_there_is_none() {
    let backend = running(Limits {
        summaries_per_page: 2,
        ..Limits::default()
    })
    .await;
    let mut documents = Vec::new();
    for second in 1..=5 {
        let mut document = segment("00f067aa0ba902b7");
        document["trace_id"] = json!(format!("1-0000000{second}-abcdef012345678812345678"));
        document["start_time"] = json!(second);
        documents.push(document);
    }
    put(&backend, &documents).await;
    let mut request = json!({"StartTime": 0, "EndTime": 10});
    let mut starts = Vec::new();
    loop {
        let answer = call(&backend, "/TraceSummaries", request.clone()).await;
        let summaries = answer["TraceSummaries"].as_array().unwrap().clone();
        starts.push(
            summaries
                .iter()
                .map(|summary| summary["StartTime"].as_f64().unwrap())
                .collect::<Vec<_>>(),
        );
        let Some(token) = answer.get("NextToken") else {
            break;
        };
        assert_ne!(request.get("NextToken"), Some(token));
        request["NextToken"] = token.clone();
    }
    assert_eq!(starts, [vec![5.0, 4.0], vec![3.0, 2.0], vec![1.0]]);
}

#[tokio::test]
async fn telemetry_records_are_kept_as_they_came() {
    let backend = running(Limits::default()).await;
    let record = json!({"Timestamp": 1736970803, "SegmentsReceivedCount": 7, "SegmentsSentCount": 6,
                        "SegmentsSpilloverCount": 1, "SegmentsRejectedCount": 0, "BackendConnectionErrors": {}});
    let answer = call(
        &backend,
        "/TelemetryRecords",
        json!({"TelemetryRecords": [record], "Hostname": "h"}),
    )
    .await;
    assert_eq!(answer, json!({}));
    assert_eq!(backend.store().telemetry()[0].segments_received_count, 7);
}

#[tokio::test]
async fn requests_that_cannot_be_answered_are_refused_with_the_reason() {
    let backend = running(Limits {
        body_max_bytes: 1000,
        ..Limits::default()
    })
    .await;
    let six: Vec<&str> = vec![TRACE; 6];
    let table: [(&str, String, &str); 12] = [
        (
            "/TraceSegments",
            String::new(),
            "TraceSegmentDocuments must be a list",
        ),
        ("/TraceSegments", "{".into(), "not JSON"),
        ("/TraceSegments", "[]".into(), "no object"),
        (
            "/TraceSegments",
            json!({"TraceSegmentDocuments": [1]}).to_string(),
            "must be a string",
        ),
        ("/TraceSegments", " ".repeat(1001), "at most 1000 bytes"),
        (
            "/TelemetryRecords",
            json!({"TelemetryRecords": 1}).to_string(),
            "TelemetryRecords",
        ),
        ("/Traces", json!({}).to_string(), "TraceIds must be a list"),
        (
            "/Traces",
            json!({"TraceIds": six}).to_string(),
            "6 ids; at most 5",
        ),
        (
            "/Traces",
            json!({"TraceIds": [1]}).to_string(),
            "must be a string",
        ),
        (
            "/TraceSummaries",
            json!({"FilterExpression": "fault"}).to_string(),
            "filter expressions are not there yet",
        ),
        (
            "/CreateSamplingRule",
            String::new(),
            "CreateSamplingRule is not there yet",
        ),
        (
            "/Nonsense",
            String::new(),
            "no operation of the X-Ray API has the path /Nonsense",
        ),
    ];
    for (path, body, message) in table {
        assert_invalid(&send(&backend, path, body).await, message);
    }
    let token = json!({"StartTime": 0, "EndTime": 1, "NextToken": "mine"}).to_string();
    assert_invalid(
        &send(&backend, "/TraceSummaries", token).await,
        "NextToken is not one of this backend's",
    );
    assert_invalid(
        &send(&backend, "/TraceSummaries", "{}").await,
        "StartTime must be a time",
    );
}

#[tokio::test]
async fn five_ids_are_still_answered_and_so_is_a_path_with_a_slash_behind_it() {
    let backend = running(Limits::default()).await;
    call(&backend, "/Traces/", json!({"TraceIds": []})).await;
    let answer = call(&backend, "/Traces", json!({"TraceIds": vec![TRACE; 5]})).await;
    assert_eq!(answer["UnprocessedTraceIds"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_fault_that_was_asked_for_is_met_and_then_over() {
    let backend = running(Limits::default()).await;
    let body = json!({"TraceSegmentDocuments": [segment("00f067aa0ba902b7").to_string()]}).to_string();
    backend.faults().add(Fault::status(429));
    backend.faults().add(Fault::status(500));
    let answer = send(&backend, "/TraceSegments", body.clone()).await;
    assert_eq!(
        (answer.status, answer.error_type.as_deref()),
        (429, Some("ThrottledException"))
    );
    assert_eq!(send(&backend, "/TraceSegments", body).await.status, 500);
    assert_eq!(backend.store().received_documents(), 0);

    backend
        .faults()
        .add(Fault::unprocessed("InternalFailure").containing("902b7"));
    let answer = put(
        &backend,
        &[segment("00f067aa0ba902b7"), segment("00f067aa0ba902b8")],
    )
    .await;
    assert_eq!(answer["UnprocessedTraceSegments"][0]["Id"], "00f067aa0ba902b7");
    assert_eq!(
        answer["UnprocessedTraceSegments"][0]["ErrorCode"],
        "InternalFailure"
    );
    assert_eq!(answer["UnprocessedTraceSegments"].as_array().unwrap().len(), 1);
    assert_eq!(backend.store().received_documents(), 1);

    let wait = Duration::from_millis(50);
    backend.faults().add(Fault::delay(wait));
    let sent = Instant::now();
    put(&backend, &[segment("00f067aa0ba902b7")]).await;
    assert!(sent.elapsed() >= wait);
}

#[tokio::test]
async fn whoever_waits_for_changes_is_told_of_arrivals() {
    let backend = running(Limits::default()).await;
    let mut changes = backend.store().changes();
    changes.mark_unchanged();
    put(&backend, &[segment("00f067aa0ba902b7")]).await;
    tokio::time::timeout(Duration::from_secs(5), changes.changed())
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_stopped_backend_gives_its_port_back() {
    let backend = running(Limits::default()).await;
    let address = backend.address();
    put(&backend, &[segment("00f067aa0ba902b7")]).await;
    backend.stop().await;
    let again = serve(address, Limits::default()).await.unwrap();
    assert_eq!(again.store().traces(), []);
}

#[tokio::test]
async fn a_backend_that_is_dropped_stops_listening() {
    let backend = running(Limits::default()).await;
    let address = backend.address();
    drop(backend);
    let freed = async {
        while serve(address, Limits::default()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), freed).await.unwrap();
}

#[tokio::test]
async fn a_sampler_is_given_the_rule_that_every_account_has() {
    let backend = running(Limits::default()).await;
    for body in ["", "{}"] {
        let answer = send(&backend, "/GetSamplingRules", body).await;
        assert_eq!(answer.status, 200);
        let records = answer.body["SamplingRuleRecords"].as_array().unwrap();
        assert_eq!(records.len(), 1);
        let rule = &records[0]["SamplingRule"];
        for (member, value) in [
            ("RuleName", json!("Default")),
            ("Priority", json!(10_000)),
            ("ReservoirSize", json!(1)),
            ("FixedRate", json!(0.05)),
            ("ResourceARN", json!("*")),
            ("Version", json!(1)),
            ("Attributes", json!({})),
        ] {
            assert_eq!(rule[member], value, "{member}");
        }
        assert_eq!(answer.body.get("NextToken"), None);
    }
}

fn report(rule: &str) -> Value {
    json!({ "RuleName": rule, "ClientID": "0123456789abcdef01234567", "Timestamp": 1736970810,
        "RequestCount": 40, "SampledCount": 3, "BorrowCount": 1 })
}

#[tokio::test]
async fn a_sampler_is_given_a_quota_for_each_rule_that_is_there() {
    let backend = running(Limits::default()).await;
    let body = json!({ "SamplingStatisticsDocuments": [report("Default"), report("cats")] });
    let answer = call(&backend, "/SamplingTargets", body).await;
    let target = &answer["SamplingTargetDocuments"][0];
    assert_eq!(
        (&target["RuleName"], &target["FixedRate"]),
        (&json!("Default"), &json!(0.05))
    );
    assert_eq!(
        (&target["ReservoirQuota"], &target["Interval"]),
        (&json!(1), &json!(10))
    );
    let holds_s =
        target["ReservoirQuotaTTL"].as_i64().unwrap() - crate::server::wall_clock().as_millis() / 1000;
    assert!((290..=301).contains(&holds_s), "{holds_s}");
    assert_eq!(
        answer["UnprocessedStatistics"],
        json!([{ "RuleName": "cats", "ErrorCode": "400", "Message": "Unknown rule" }])
    );
    assert_eq!(answer["LastRuleModification"], 0);
}

#[tokio::test]
async fn a_report_that_cannot_be_read_is_refused() {
    let backend = running(Limits::default()).await;
    for (body, message) in [
        (json!({}), "must be a list of reports"),
        (
            json!({ "SamplingStatisticsDocuments": {} }),
            "must be a list of reports",
        ),
        (
            json!({ "SamplingStatisticsDocuments": [{}] }),
            "must have a RuleName",
        ),
        (
            json!({ "SamplingStatisticsDocuments": vec![report("Default"); 26] }),
            "26 reports; at most 25",
        ),
    ] {
        assert_invalid(
            &send(&backend, "/SamplingTargets", body.to_string()).await,
            message,
        );
    }
    let most = json!({ "SamplingStatisticsDocuments": vec![report("Default"); 25] });
    call(&backend, "/SamplingTargets", most).await;
}
