//! Init types, id styles, wrapper, path prefix, variables.

use std::sync::Arc;
use std::time::Duration;

use emulator::{Environment, Faults, IdStyle, InitType, Reason, Request, What};
use serde_json::{Value, json};

use crate::support::*;

const UPSTREAM: &str = "Root=1-6a0edb41-00112233445566778899aabb;Parent=1111111111111111;Sampled=1";

fn parent(header: &Value) -> String {
    let text = header.as_str().unwrap_or_else(|| panic!("no header: {header}"));
    let part = text.split(';').find_map(|part| part.strip_prefix("Parent="));
    part.unwrap_or("none").to_owned()
}

#[tokio::test]
async fn each_style_shows_its_ids_to_extension_and_runtime() {
    for style in [
        IdStyle::CurrentActive,
        IdStyle::ClassicActive,
        IdStyle::PassThrough,
    ] {
        let environment = start(function().with_extension(extension(&[])).with_id_style(style)).await;
        let answer = environment
            .invoke(Request::json("{}").with_trace_header(UPSTREAM))
            .await;
        let d = parent(&json(&answer.text())["headers"]["lambda-runtime-trace-id"]);
        let records = emitted(&environment.journal());
        let tracing = of_type(&records, "platform.start")[0]["record"]["tracing"].clone();
        let shutdown = environment.shutdown(Reason::Spindown).await;
        let p = parent(&said_about(&shutdown.logs, "event")[0]["event"]["tracing"]["value"]);
        let w = parent(&tracing["value"]);
        let s = tracing["spanId"].as_str();
        let upstream = "1111111111111111";
        match style {
            IdStyle::CurrentActive => assert!(s == Some(p.as_str()) && d == p && w != p && p != upstream),
            IdStyle::ClassicActive => assert!(s == Some(p.as_str()) && d != p && d != w && w != p),
            _ => assert_eq!(
                (p.as_str(), d.as_str(), s, w.as_str()),
                (upstream, upstream, None, upstream)
            ),
        }
    }
}

fn managed(max_concurrency: u16) -> emulator::Config {
    function()
        .with_init_type(InitType::ManagedInstances { max_concurrency })
        .with_id_style(IdStyle::Managed)
        .with_timeout(Duration::from_secs(10))
}

#[tokio::test]
async fn a_managed_instance_plays_requests_at_once_without_invoke_freeze_or_runtime_done() {
    let extension = extension(&[
        "--events",
        "SHUTDOWN",
        "--subscribe",
        "25",
        "--schema",
        "2025-01-29",
    ]);
    let environment = Arc::new(start(managed(3).with_extension(extension)).await);
    let callers = (0..3).map(|number| {
        let environment = Arc::clone(&environment);
        let event = format!(r#"{{"n":{number},"seconds":1}}"#);
        tokio::spawn(async move {
            environment
                .invoke(Request::json(event).with_trace_header(UPSTREAM))
                .await
        })
    });
    let callers: Vec<_> = callers.collect();
    for (number, caller) in callers.into_iter().enumerate() {
        let answer = json(&caller.await.unwrap().text());
        assert_eq!(answer["event"]["n"], number);
    }
    let entries = environment.journal();
    let released = entries
        .iter()
        .rposition(|entry| matches!(entry.what, What::Released { .. }))
        .unwrap();
    let responded = entries
        .iter()
        .position(|entry| matches!(entry.what, What::Responded { .. }))
        .unwrap();
    assert!(released < responded, "all three were under way together");
    assert_eq!(count(&entries, |what| *what == What::Frozen), 0);
    let reports = |entries: &[emulator::Entry]| {
        let records = delivered(entries).concat();
        (of_type(&records, "platform.report").len() == 3).then_some(records)
    };
    let records = environment.wait_until(reports, BOUND).await.unwrap();
    assert!(of_type(&records, "platform.runtimeDone").is_empty());
    let tracing = &of_type(&records, "platform.start")[0]["record"]["tracing"];
    assert_eq!(
        (parent(&tracing["value"]).as_str(), tracing["spanId"].is_string()),
        ("1111111111111111", true)
    );
    let shutdown = environment.stop(Reason::Spindown).await;
    assert_eq!(said_about(&shutdown.logs, "event").len(), 1, "SHUTDOWN only");
}

#[tokio::test]
async fn a_managed_instance_refuses_invoke_and_older_schemas() {
    let old = extension(&["--events", "SHUTDOWN", "--subscribe", "25"]);
    let environment = start(managed(1).with_extension(old)).await;
    assert_eq!(environment.invoke(Request::json("{}")).await.function_error, None);
    let shutdown = environment.shutdown(Reason::Spindown).await;
    assert_eq!(said_about(&shutdown.logs, "subscribed")[0]["status"], 400);

    let environment = start(managed(1).with_extension(extension(&[]))).await;
    see(&environment, |what| {
        matches!(
            what,
            What::Refused {
                error_type: "Extension.InvalidEventType",
                ..
            }
        )
    })
    .await;
}

#[tokio::test]
async fn a_managed_instance_whose_process_breaks_is_given_up() {
    let environment = start(managed(1).with_extension(extension(&[]))).await;
    assert_eq!(
        environment.invoke(Request::json("{}")).await.status,
        503,
        "init failed for good"
    );

    let environment = start(managed(1)).await;
    let crashed = environment.invoke(Request::json(r#"{"do":"exit"}"#)).await;
    assert_eq!(json(&crashed.text())["errorType"], "Runtime.ExitError");
    assert_eq!(environment.invoke(Request::json("{}")).await.status, 503);
}

#[tokio::test]
async fn a_sandbox_can_hide_the_trace_from_extension_and_runtime() {
    let faults = Faults {
        invoke_without_tracing: true,
        runtime_without_trace_header: true,
        invoke_deadline_ms: Some(0),
        ..Faults::default()
    };
    let environment = start(function().with_extension(extension(&[])).with_faults(faults)).await;
    let answer = environment
        .invoke(Request::json("{}").with_trace_header(UPSTREAM))
        .await;
    assert_eq!(
        json(&answer.text())["headers"].get("lambda-runtime-trace-id"),
        None
    );
    let shutdown = environment.shutdown(Reason::Spindown).await;
    let event = &said_about(&shutdown.logs, "event")[0]["event"];
    assert_eq!((event.get("tracing"), &event["deadlineMs"]), (None, &json!(0)));
}

#[tokio::test]
async fn a_managed_instance_reports_a_timeout_but_lets_the_request_run_on() {
    let environment = start(managed(2).with_timeout(Duration::from_millis(400))).await;
    let late = environment.invoke(Request::json(r#"{"seconds":1}"#)).await;
    assert_eq!(json(&late.text())["errorType"], "Sandbox.Timedout");
    assert_eq!(environment.invoke(Request::json("{}")).await.function_error, None);
    assert_eq!(pids(&environment.journal()).len(), 1, "no reset");
}

fn snap_start() -> InitType {
    InitType::SnapStart {
        published: Duration::from_secs(3 * 24 * 3600),
    }
}

#[tokio::test]
async fn a_snapshots_old_init_records_arrive_with_the_first_restore() {
    let config = function()
        .with_extension(extension(&["--subscribe", "25"]))
        .with_init_type(snap_start());
    let environment = start(config).await;
    see(&environment, |what| *what == What::Frozen).await;
    assert!(
        delivered(&environment.journal()).is_empty(),
        "nothing arrives at publish time"
    );
    let answer = environment.invoke(Request::json(r#"{"seconds":0.2}"#)).await;
    let env = &json(&answer.text())["env"];
    assert_eq!(env.get("AWS_ACCESS_KEY_ID"), None);
    assert!(
        env["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
            .as_str()
            .unwrap()
            .ends_with("/2021-04-23/credentials")
    );
    let started = |entries: &[emulator::Entry]| {
        let records = delivered(entries).concat();
        (!of_type(&records, "platform.start").is_empty()).then_some(records)
    };
    let records = environment.wait_until(started, BOUND).await.unwrap();
    let order: Vec<_> = [
        "initStart",
        "initReport",
        "restoreStart",
        "restoreRuntimeDone",
        "restoreReport",
        "start",
    ]
    .iter()
    .map(|kind| {
        types(&records)
            .iter()
            .position(|known| *known == format!("platform.{kind}"))
            .unwrap()
    })
    .collect();
    assert!(order.is_sorted(), "{:?}", types(&records));
    let time = |kind: &str| {
        let text = of_type(&records, kind)[0]["time"].as_str().unwrap().to_owned();
        model::time::Timestamp::parse_iso8601(&text).unwrap()
    };
    let gap = time("platform.restoreStart").since(time("platform.initReport"));
    assert!(gap > Duration::from_secs(2 * 24 * 3600), "{gap:?}");
}

#[tokio::test]
async fn a_restore_hook_that_fails_is_reported_and_the_environment_is_reset() {
    let config = function()
        .with_init_type(snap_start())
        .with_variable("SCRIPT_RESTORE", "fail");
    let environment = start(config).await;
    let failed = environment.invoke(Request::json("{}")).await;
    assert_eq!(
        json(&failed.text())["errorType"],
        "Runtime.AfterRestoreError",
        "again, inside the invocation"
    );
    let records = emitted(&environment.journal());
    let report = &of_type(&records, "platform.restoreReport")[0]["record"];
    assert_eq!(
        (&report["status"], &report["errorType"]),
        (&json!("failure"), &json!("Runtime.AfterRestoreError"))
    );
    see(
        &environment,
        |what| matches!(what, What::Reset { reason } if &**reason == "failure"),
    )
    .await;
}

#[tokio::test]
async fn the_credentials_endpoint_wants_its_token() {
    let environment = start(function().with_init_type(snap_start())).await;
    let answer = json(&environment.invoke(Request::json("{}")).await.text());
    let env = |name: &str| answer["env"][name].as_str().unwrap().to_owned();
    let (uri, token) = (
        env("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        env("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    );
    let get = |token: String| {
        let uri = uri.clone();
        tokio::task::spawn_blocking(move || {
            let agent = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .build()
                .new_agent();
            let mut answer = agent.get(uri).header("Authorization", token).call().unwrap();
            (
                answer.status().as_u16(),
                answer.body_mut().read_to_string().unwrap(),
            )
        })
    };
    let (status, body) = get(token).await.unwrap();
    assert_eq!((status, json(&body)["AccessKeyId"].is_string()), (200, true));
    assert_eq!(get("wrong".to_owned()).await.unwrap().0, 404);
}

#[tokio::test]
async fn provisioned_concurrency_is_initialised_ahead_and_frozen() {
    let environment = start(function().with_init_type(InitType::ProvisionedConcurrency)).await;
    see(&environment, |what| *what == What::Frozen).await;
    environment.invoke(Request::json("{}")).await;
    let records = emitted(&environment.journal());
    assert_eq!(of_type(&records, "platform.initStart").len(), 1);
    assert_eq!(
        of_type(&records, "platform.initStart")[0]["record"]["initializationType"],
        "provisioned-concurrency"
    );
}

#[tokio::test]
async fn an_exec_wrapper_wraps_the_runtime() {
    let environment = start(function().with_variable("AWS_LAMBDA_EXEC_WRAPPER", script("wrapper"))).await;
    let answer = environment.invoke(Request::json("{}")).await;
    assert_eq!(json(&answer.text())["env"]["AWS_WRAPPED"], "yes");
}

#[tokio::test]
async fn the_runtime_api_can_have_a_path_prefix() {
    let mut config = function().with_extension(extension(&["--subscribe", "25"]));
    config.path_prefix = "/.rt".to_owned();
    let environment: Environment = start(config).await;
    assert!(environment.runtime_api().ends_with("/.rt"));
    let answer = environment.invoke(Request::json("{}")).await;
    assert_eq!(answer.function_error, None);
    let shutdown = environment.shutdown(Reason::Spindown).await;
    assert_eq!(said_about(&shutdown.logs, "subscribed")[0]["status"], 200);
}

#[tokio::test]
async fn an_extension_sees_only_what_lambda_shows_it() {
    let environment = start(
        function()
            .with_extension(extension(&["--show-env"]))
            .with_variable("MINE", "1"),
    )
    .await;
    let answer = json(&environment.invoke(Request::json("{}")).await.text());
    assert_eq!(answer["env"]["_HANDLER"], "app.handler");
    let shutdown = environment.shutdown(Reason::Spindown).await;
    let names = said_about(&shutdown.logs, "env")[0]["names"].clone();
    let has = |name: &str| names.as_array().unwrap().contains(&json!(name));
    assert!(has("MINE") && has("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") && has("AWS_REGION"));
    for name in [
        "_HANDLER",
        "LAMBDA_TASK_ROOT",
        "AWS_XRAY_DAEMON_ADDRESS",
        "AWS_EXECUTION_ENV",
        "CARGO_MANIFEST_DIR",
    ] {
        assert!(!has(name), "{name}");
    }
}

// The runtime asked for the request that its reset had begun, and was refused for not having answered it.
#[tokio::test]
async fn a_snapshots_runtime_that_broke_is_started_again_and_gets_the_next_request() {
    let environment = start(function().with_init_type(snap_start())).await;
    let broken = environment.invoke(Request::json(r#"{"do":"exit"}"#)).await;
    assert_eq!(broken.function_error, Some("Unhandled"));
    for _ in 0..2 {
        let next = environment.invoke(Request::json("{}")).await;
        assert_eq!((next.status, next.function_error), (200, None), "{}", next.text());
    }
}
