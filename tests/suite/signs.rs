//! What the extension shows of its own accord: invocations that sampling left out, and its account of itself.

use std::collections::BTreeSet;
use std::time::Duration;

use backend::faults::Fault;
use serde_json::Value;
use tests::lab::Lab;
use tests::script::Script;

const UNSAMPLED: &str = "Root=1-6a0edb41-00112233445566778899aabb;Parent=0123456789abcdef;Sampled=0";

#[tokio::test]
async fn an_invocation_that_sampling_left_out_is_told_if_it_failed() {
    let lab = Lab::with(|config| config.timeout = Duration::from_secs(1)).await;
    lab.invoke_with(&Script::new(), UNSAMPLED).await;
    lab.invoke_with(&Script::new().work_ms(60_000), UNSAMPLED).await;
    let finished = lab.finish_after_reset().await;
    let lambda = finished.tree.named("AWS::Lambda");
    assert!(
        lambda["parent_id"].is_null(),
        "nobody above recorded anything: {lambda}"
    );
    assert_eq!(lambda["fault"], true);
    let function = finished.tree.named("AWS::Lambda::Function");
    assert_eq!(function["parent_id"], lambda["id"]);
    assert_eq!(function["annotations"]["rescued"], true);
    assert_eq!(function["cause"]["exceptions"][0]["type"], "Sandbox.Timeout");
    assert_eq!(finished.count("/rescued"), 1, "{}", finished.tally);
    finished.assert_all_sent();
}

#[tokio::test]
async fn nothing_is_rescued_where_the_setting_says_none() {
    let lab = Lab::with(|config| {
        config.timeout = Duration::from_secs(1);
        config
            .variables
            .insert("FLUOROSCOPE_RESCUE".into(), "none".into());
    })
    .await;
    lab.invoke_with(&Script::new().work_ms(60_000), UNSAMPLED).await;
    let finished = lab.finish_after_reset().await;
    assert_eq!(
        (finished.count("/received/total"), finished.count("/rescued")),
        (0, 0)
    );
}

#[tokio::test]
async fn the_tally_tells_what_it_cost_and_xray_hears_the_same() {
    let lab = Lab::start().await;
    lab.xray.faults().add(Fault::status(503).times(1));
    for id in ["00000000000000a1", "00000000000000a2", "00000000000000a3"] {
        lab.succeed(&Script::new().subsegment(id, "call")).await;
    }
    lab.idle().await;
    let finished = lab.finish().await;
    finished.assert_all_sent();
    let tally = &finished.tally;
    assert_eq!(
        tally["failures"],
        serde_json::json!({ "total": 1, "unavailable": 1 })
    );
    assert!(
        finished.count("/attempts") >= 2 && finished.count("/retried") >= 1,
        "{tally}"
    );
    assert!(tally["flush"]["max_ms"].as_u64().is_some(), "{tally}");
    assert!(finished.count("/memory/peak_resident") > 1 << 20, "{tally}");
    let init = |name: &str| tally["init"][name].as_f64().unwrap_or_default();
    assert!(
        0.0 < init("registered_ms") && init("registered_ms") <= init("ready_ms"),
        "{tally}"
    );
    let sum =
        |of: fn(&model::wire::xray_api::TelemetryRecord) -> u64| finished.records.iter().map(of).sum::<u64>();
    assert_eq!(
        sum(|record| record.segments_received_count),
        finished.count("/received/total")
    );
    assert_eq!(sum(|record| record.segments_sent_count), finished.count("/sent"));
    assert_eq!(
        sum(|record| record.backend_connection_errors.http_code_5xx_count),
        1
    );
}

#[tokio::test]
async fn metrics_are_a_line_that_cloudwatch_reads_and_the_function_log_gets_none_unasked() {
    for is_on in [true, false] {
        let lab = Lab::with(|config| {
            if is_on {
                config
                    .variables
                    .insert("FLUOROSCOPE_METRICS".into(), "emf".into());
            }
        })
        .await;
        lab.succeed(&Script::new().subsegment("00000000000000a1", "call"))
            .await;
        let finished = lab.finish().await;
        let lines: Vec<&Value> = finished
            .lines
            .iter()
            .filter(|line| line["_aws"].is_object())
            .collect();
        assert_eq!(lines.len(), usize::from(is_on), "{lines:?}");
        for line in lines {
            assert_embedded_metrics(line);
            assert_eq!(line["FunctionName"], "orders");
            assert_eq!(line["DocumentsSent"], finished.tally["sent"]);
            assert_eq!(line["DocumentsReceived"], finished.tally["received"]["total"]);
        }
    }
}

/// The rules of CloudWatch's embedded metric format.
fn assert_embedded_metrics(line: &Value) {
    const UNITS: [&str; 3] = ["Count", "Bytes", "Milliseconds"];
    let metadata = &line["_aws"];
    assert!(
        metadata["Timestamp"]
            .as_u64()
            .is_some_and(|millis| millis > 1_600_000_000_000),
        "{line}"
    );
    let directives = metadata["CloudWatchMetrics"]
        .as_array()
        .expect("an array of directives");
    assert!(!directives.is_empty());
    for directive in directives {
        let is_name = |name: &Value| name.as_str().is_some_and(|name| (1..=1024).contains(&name.len()));
        assert!(is_name(&directive["Namespace"]), "{directive}");
        for dimension in directive["Dimensions"].as_array().into_iter().flatten() {
            let names = dimension.as_array().expect("an array of names");
            assert!(names.len() <= 30);
            let is_text = |name: &Value| name.as_str().is_some_and(|name| is_name(&line[name]));
            assert!(names.iter().all(is_text), "{line}");
        }
        let metrics = directive["Metrics"].as_array().expect("an array of metrics");
        assert!((1..=100).contains(&metrics.len()));
        let mut seen = BTreeSet::new();
        for metric in metrics {
            let name = metric["Name"].as_str().expect("a name");
            assert!(is_name(&metric["Name"]) && seen.insert(name), "{name}");
            assert!(line[name].is_number(), "{name} in {line}");
            assert!(
                metric["Unit"].as_str().is_some_and(|unit| UNITS.contains(&unit)),
                "{metric}"
            );
        }
    }
}
