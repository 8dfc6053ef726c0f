//! boto3 and the AWS CLI: they invoke the function, and read from the backend what it left.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use emulator::Config;
use serde_json::{Value, json};
use tests::lab::Lab;
use tests::tree::Tree;

use super::orders::{COLD, assert_paths};
use super::program::{ANY_KEYS, aws, python};
use super::python::runtime_client;
use super::stage::xray;

#[tokio::test]
async fn boto3_invokes_the_function_and_reads_its_trace() {
    let xray = xray().await;
    let lab = Lab::with(|config| orders(config, &xray.url())).await;
    let url = invoke_url(&lab);
    let invoked = python(
        "invoke.py",
        &[&url, "orders", r#"{"raise":true}"#],
        &url,
        ANY_KEYS,
    )
    .await;
    lab.finish().await;
    assert_eq!(
        (&invoked["status"], &invoked["error"]),
        (&json!(200), &json!("Unhandled"))
    );
    assert_eq!(invoked["payload"]["errorMessage"], "card refused");
    let log = invoked["log"].as_str().expect("the log tail was asked for");
    assert!(
        log.contains("START RequestId") && log.contains("REPORT RequestId"),
        "{log}"
    );

    let read = python("read_trace.py", &[], &xray.url(), ANY_KEYS).await;
    let summary = &read["summaries"][0];
    assert_eq!(read["summaries"].as_array().map(Vec::len), Some(1), "{read}");
    assert_eq!(summary["IsPartial"], false, "{summary}");
    assert!(
        summary["FaultRootCauses"].to_string().contains("card refused"),
        "{summary}"
    );
    assert_eq!(read["traces"][0]["Id"], summary["Id"]);
    let tree = tree_of(&read["traces"][0]);
    assert_paths(
        &tree,
        COLD,
        &["take order", "take order > price", "take order > charge"],
    );
}

#[tokio::test]
async fn the_aws_cli_invokes_the_function_and_reads_its_trace() {
    let xray = xray().await;
    let lab = Lab::with(|config| orders(config, &xray.url())).await;
    let url = invoke_url(&lab);
    let answer = format!(
        "{}/aws-cli-answer-{}",
        env!("CARGO_TARGET_TMPDIR"),
        std::process::id()
    );
    let payload = ["--payload", r#"{"order":1}"#, &answer];
    let invoke = [&["lambda", "invoke", "--function-name", "orders"], &payload[..]].concat();
    let invoked = aws(&invoke, &url, ANY_KEYS).await;
    lab.finish().await;
    assert_eq!(invoked["StatusCode"], 200, "{invoked}");
    let written = std::fs::read_to_string(&answer).expect("the CLI writes the answer to the file");
    std::fs::remove_file(&answer).expect("the file was just read");
    assert!(written.contains("\"trace\""), "{written}");

    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is later than 1970");
    let range = [now - Duration::from_secs(600), now + Duration::from_secs(60)];
    let [start, end] = range.map(|time| time.as_secs().to_string());
    let summaries = [
        "xray",
        "get-trace-summaries",
        "--start-time",
        &start,
        "--end-time",
        &end,
    ];
    let found = aws(&summaries, &xray.url(), ANY_KEYS).await;
    let id = found["TraceSummaries"][0]["Id"]
        .as_str()
        .unwrap_or_else(|| panic!("no summary in {found}"));
    let read = aws(
        &["xray", "batch-get-traces", "--trace-ids", id],
        &xray.url(),
        ANY_KEYS,
    )
    .await;
    assert_eq!(read["UnprocessedTraceIds"], json!([]), "{read}");
    assert_paths(
        &tree_of(&read["Traces"][0]),
        COLD,
        &["take order", "take order > price"],
    );
}

/// The function, its traces sent to a backend that outlives the lab.
pub(crate) fn orders(config: &mut Config, xray: &str) {
    runtime_client("orders.handler").play(config);
    config
        .variables
        .insert("AWS_ENDPOINT_URL_XRAY".to_owned(), xray.to_owned());
}

fn invoke_url(lab: &Lab) -> String {
    format!("http://{}", lab.environment.invoke_address())
}

/// Documents come as JSON text in the API's answer.
pub(crate) fn tree_of(trace: &Value) -> Tree {
    let segments = trace["Segments"].as_array().into_iter().flatten();
    let documents: Vec<Value> = segments
        .filter_map(|segment| segment["Document"].as_str())
        .map(|document| serde_json::from_str(document).expect("documents are JSON"))
        .collect();
    Tree::of(&documents)
}
