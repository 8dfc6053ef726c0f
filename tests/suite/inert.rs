//! First the function, then the trace: whatever is wrong with us, invocations succeed and one line says so.

use emulator::{Config, Credentials};
use serde_json::Value;
use tests::lab::{Lab, binary};
use tests::script::Script;

fn script() -> Script {
    Script::new().subsegment("00000000000000a1", "call")
}

/// Three invocations that have to succeed, with the extension's lines.
async fn invocations_succeed(change: impl FnOnce(&mut Config)) -> (Lab, Vec<Value>) {
    let lab = Lab::with(change).await;
    for _ in 0..3 {
        lab.succeed(&script()).await;
    }
    lab.idle().await;
    let lines = lab.lines();
    (lab, lines)
}

fn messages(lines: &[Value]) -> Vec<&str> {
    lines.iter().filter_map(|line| line["message"].as_str()).collect()
}

fn set(name: &'static str, value: &'static str) -> impl FnOnce(&mut Config) {
    move |config| {
        config.variables.insert(name.into(), value.into());
    }
}

#[tokio::test]
async fn a_panic_in_the_engine_leaves_the_function_alone() {
    for defect in ["panic_at_start", "panic_on_invoke", "panic_on_document"] {
        let (lab, lines) = invocations_succeed(set("FLUOROSCOPE_INJECT_DEFECT", defect)).await;
        let expected = "a defect in fluoroscope; the function is not affected, traces may be missing";
        assert_eq!(messages(&lines), [expected], "{defect}");
        assert!(
            lines[0]["place"]
                .as_str()
                .is_some_and(|place| place.contains("defect.rs")),
            "{lines:?}"
        );
        lab.finish_inert().await;
    }
}

#[tokio::test]
async fn an_unreadable_setting_is_named_with_what_it_should_be() {
    let (lab, lines) = invocations_succeed(set("FLUOROSCOPE_MEMORY_BUDGET", "lots")).await;
    let expected =
        r#"FLUOROSCOPE_MEMORY_BUDGET: found "lots", expected a size such as 24MiB; the default is used"#;
    assert_eq!(messages(&lines), [expected]);
    lab.finish().await.assert_all_sent();
}

#[tokio::test]
async fn an_unknown_setting_is_named_with_the_nearest_known_one() {
    let (lab, lines) = invocations_succeed(set("FLUOROSCOPE_PLATFORM_SEGMENT", "never")).await;
    let expected =
        "FLUOROSCOPE_PLATFORM_SEGMENT: no such setting; did you mean FLUOROSCOPE_PLATFORM_SEGMENTS?";
    assert_eq!(messages(&lines), [expected]);
    lab.finish().await.assert_all_sent();
}

#[tokio::test]
async fn a_taken_port_costs_the_functions_own_segments_only() {
    let mut taken = None;
    let (lab, lines) = invocations_succeed(|config| {
        let address = config
            .variables
            .get("FLUOROSCOPE_UDP_ADDRESS")
            .expect("the lab sets it");
        taken = std::net::UdpSocket::bind(address).ok();
    })
    .await;
    assert!(taken.is_some(), "the test could not take the port");
    assert_eq!(lines.len(), 1, "{lines:?}");
    let message = lines[0]["message"].as_str().unwrap_or_default();
    assert!(
        message.contains("the address is taken") && message.contains("set FLUOROSCOPE_UDP_ADDRESS"),
        "{message}"
    );
    let finished = lab.finish().await;
    assert_eq!(finished.tree.all("AWS::Lambda::Function").len(), 3);
    finished.assert_all_sent();
}

#[tokio::test]
async fn missing_credentials_are_named_once_with_the_mend() {
    let none = Credentials {
        access_key_id: String::new(),
        secret_access_key: String::new(),
        session_token: None,
    };
    let (lab, lines) = invocations_succeed(|config| config.credentials = none).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    let message = lines[0]["message"].as_str().unwrap_or_default();
    assert!(
        message.contains("credentials") && message.contains("AWS_ACCESS_KEY_ID"),
        "{message}"
    );
    let finished = lab.finish().await;
    assert_eq!(finished.count("/held"), finished.count("/received/total"));
}

#[tokio::test]
async fn a_missing_region_is_named_once_with_the_mend() {
    let (lab, lines) = invocations_succeed(|config| {
        config.variables.remove("AWS_ENDPOINT_URL_XRAY");
        config.region = String::new();
    })
    .await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    let message = lines[0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("AWS_REGION"), "{message}");
    let finished = lab.finish().await;
    assert_eq!(finished.count("/held"), finished.count("/received/total"));
}

#[test]
fn started_by_hand_it_says_what_it_is_for() {
    for (address, expected) in [
        (None, "fluoroscope local"),
        (Some("127.0.0.1:9001/.rt"), "expected host:port"),
    ] {
        let mut command = std::process::Command::new(binary("fluoroscope-extension"));
        command
            .env_remove("AWS_LAMBDA_RUNTIME_API")
            .envs(address.map(|address| ("AWS_LAMBDA_RUNTIME_API", address)));
        let output = command.output().expect("the extension runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(
            (output.status.code(), text.lines().count()),
            (Some(1), 1),
            "{text}"
        );
        let line: Value = serde_json::from_str(&text).expect("one JSON line");
        assert!(
            line["message"]
                .as_str()
                .is_some_and(|message| message.contains(expected)),
            "{line}"
        );
    }
}
