//! The exec wrapper and the Runtime API proxy: what they show, and that the function works whatever happens to them.

use std::net::{SocketAddr, TcpListener};

use emulator::{Config, IdStyle};
use serde_json::{Value, json};
use tests::lab::{Finished, Lab};
use tests::script::Script;
use tests::wrapped::{proxied, wrap};

const FUNCTION: &str = "AWS::Lambda::Function";
const UNDECIDED: &str = "Root=1-6a0edb41-00112233445566778899aabb;Lineage=a87bd80c:1|68fd508a:5";

fn call() -> Script {
    Script::new().subsegment("00000000000000a1", "call")
}

/// What the function's process was given.
async fn variable(lab: &Lab, name: &str) -> Option<String> {
    let told = lab.succeed(&Script::new().read("/proc/self/environ")).await;
    let told: String = serde_json::from_str(&told.text()).expect("the function answers with a text");
    let value = told
        .split('\0')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    value.map(str::to_owned)
}

/// A lab whose function really talks through the proxy.
async fn through_the_proxy(change: impl FnOnce(&mut Config)) -> (Lab, SocketAddr) {
    let mut address = None;
    let lab = Lab::with(|config| {
        address = Some(proxied(config));
        change(config);
    })
    .await;
    let address = address.expect("the change was made");
    let used = variable(&lab, "AWS_LAMBDA_RUNTIME_API").await;
    assert_eq!(used, Some(address.to_string()), "{}", lab.log());
    (lab, address)
}

fn exception(finished: &Finished) -> &Value {
    let functions = finished.tree.all(FUNCTION);
    let faulty: Vec<&&Value> = functions.iter().filter(|one| one["fault"] == true).collect();
    assert_eq!(faulty.len(), 1, "{functions:?}");
    &faulty[0]["cause"]["exceptions"][0]
}

#[tokio::test]
async fn a_handlers_error_is_told_on_the_functions_segment() {
    let (lab, _) = through_the_proxy(|_| ()).await;
    lab.succeed(&call()).await;
    let failed = lab.invoke(&call().raise()).await;
    assert_eq!(failed.function_error, Some("Unhandled"), "{}", lab.log());
    lab.succeed(&call()).await;
    let finished = lab.finish().await;
    assert_eq!(exception(&finished)["message"], "it went wrong");
    assert_eq!(finished.tree.all(FUNCTION).len(), 4);
    assert_eq!(finished.messages(), [""; 0]);
    finished.assert_all_sent();
}

#[tokio::test]
async fn without_the_proxy_the_wrapper_names_us_as_the_daemon_and_leaves_the_runtime_api_alone() {
    let lab = Lab::with(|config| {
        wrap(config);
        // As Lambda presets it.
        config.xray_daemon_address = Some("169.254.79.129:2000".into());
    })
    .await;
    lab.succeed(&call()).await;
    let ours = variable(&lab, "FLUOROSCOPE_UDP_ADDRESS").await;
    assert_eq!(variable(&lab, "AWS_XRAY_DAEMON_ADDRESS").await, ours);
    assert_eq!(
        variable(&lab, "OTEL_EXPORTER_OTLP_ENDPOINT").await.as_deref(),
        Some("http://127.0.0.1:4318")
    );
    let finished = lab.finish().await;
    assert!(finished.tree.has("call"));
    finished.assert_all_sent();
}

#[tokio::test]
async fn an_undecided_trace_is_recorded_at_the_rate_that_was_asked_for() {
    let (lab, _) = through_the_proxy(|config| {
        config.id_style = IdStyle::PassThrough;
        config
            .variables
            .insert("FLUOROSCOPE_SAMPLE_RATE".into(), "1".into());
    })
    .await;
    let told = lab.invoke_with(&call().tell_header(), UNDECIDED).await;
    let header: String = serde_json::from_str(&told.text()).expect("the function answers with its header");
    assert!(
        header.starts_with("Root=1-6a0edb41-00112233445566778899aabb;Parent="),
        "{header}"
    );
    assert!(
        header.ends_with(";Sampled=1;Lineage=a87bd80c:1|68fd508a:5"),
        "{header}"
    );
    let decided = "Root=1-6a0edb42-00112233445566778899aabb;Sampled=0";
    let told = lab.invoke_with(&Script::new().tell_header(), decided).await;
    assert_eq!(told.text(), json!(decided).to_string());
    let xray = lab.xray.store().clone();
    let finished = lab.finish().await;
    let of = |id: &str| xray.trace(id.parse().expect("a trace id"));
    let trace = of("1-6a0edb41-00112233445566778899aabb").expect("the trace was recorded");
    let tree = tests::tree::Tree::of(trace.segments.iter().map(|segment| &segment.document));
    assert!(
        tree.paths().contains(&format!("AWS::Lambda > {FUNCTION} > call")),
        "{tree}"
    );
    assert!(of("1-6a0edb42-00112233445566778899aabb").is_none());
    finished.assert_all_sent();
}

#[tokio::test]
async fn a_rate_without_the_proxy_costs_one_line() {
    let lab = Lab::with(|config| {
        config
            .variables
            .insert("FLUOROSCOPE_SAMPLE_RATE".into(), "0.5".into());
    })
    .await;
    lab.succeed(&call()).await;
    let finished = lab.finish().await;
    assert_eq!(
        finished.messages(),
        ["FLUOROSCOPE_SAMPLE_RATE: has no effect without FLUOROSCOPE_PROXY=1"]
    );
}

#[tokio::test]
async fn a_taken_port_leaves_the_runtime_with_lambda_itself() {
    let mut taken = None;
    let lab = Lab::with(|config| taken = TcpListener::bind(proxied(config)).ok()).await;
    assert!(taken.is_some(), "the test could not take the port");
    // Whoever has the port does not answer: the wrapper does not wait for long.
    lab.succeed(&call()).await;
    let used = variable(&lab, "AWS_LAMBDA_RUNTIME_API").await.unwrap_or_default();
    assert!(!used.ends_with(":9009"), "{used}");
    let finished = lab.finish().await;
    let [message] = finished.messages()[..] else {
        panic!("{:?}", finished.lines)
    };
    assert!(message.contains("set FLUOROSCOPE_PROXY_ADDRESS"), "{message}");
    finished.assert_all_sent();
}
