//! Cold and warm starts, freeze, timeout, crash, reset.

use std::time::Duration;

use emulator::{Freeze, InitAt, KilledAs, Reason, Request, What};
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn a_cold_start_initialises_extensions_before_the_runtime_and_a_warm_one_reuses_both() {
    let environment = start(function().with_extension(extension(&[]))).await;
    assert!(
        environment.journal().is_empty(),
        "nothing starts before the first request"
    );
    let cold = environment.invoke(Request::json(r#"{"n":1}"#)).await;
    let warm = environment.invoke(Request::json(r#"{"n":2}"#)).await;
    let (cold, warm) = (json(&cold.text()), json(&warm.text()));
    assert_eq!((&cold["event"], &cold["call"]), (&json!({"n": 1}), &json!(1)));
    assert_eq!((&warm["event"], &warm["call"]), (&json!({"n": 2}), &json!(2)));
    assert_eq!(cold["pid"], warm["pid"]);

    let shutdown = environment.shutdown(Reason::Spindown).await;
    let events = said_about(&shutdown.logs, "event");
    let kinds: Vec<&str> = events
        .iter()
        .map(|line| line["event"]["eventType"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["INVOKE", "INVOKE", "SHUTDOWN"]);
    assert_eq!(
        events[0]["event"]["requestId"],
        cold["headers"]["lambda-runtime-aws-request-id"]
    );
    assert_eq!(
        events[0]["event"]["deadlineMs"].to_string(),
        cold["headers"]["lambda-runtime-deadline-ms"].as_str().unwrap()
    );
}

#[tokio::test]
async fn the_runtime_is_started_only_when_every_extension_has_registered() {
    let config = function()
        .with_extension(extension(&[]))
        .with_init_at(InitAt::Start);
    let environment = start(config).await;
    see(&environment, |what| *what == What::RuntimeNext).await;
    let entries = environment.journal();
    let position =
        |wanted: &dyn Fn(&What) -> bool| entries.iter().position(|entry| wanted(&entry.what)).unwrap();
    let registered = position(&|what| matches!(what, What::Registered { .. }));
    let runtime = position(&|what| matches!(what, What::ProcessStarted { name, .. } if &**name == "runtime"));
    assert!(registered < runtime);
}

#[tokio::test]
async fn between_invocations_every_process_is_stopped() {
    let environment = start(function().with_extension(extension(&[]))).await;
    environment.invoke(Request::json("{}")).await;
    see(&environment, |what| *what == What::Frozen).await;
    let pids = pids(&environment.journal());
    assert_eq!(pids.len(), 2);
    until(|| pids.iter().all(|(_, pid)| process_state(*pid) == Some('T'))).await;
    let warm = environment.invoke(Request::json("{}")).await;
    assert_eq!(
        warm.function_error, None,
        "thawed before the event was handed out"
    );
    assert_eq!(count(&environment.journal(), |what| *what == What::Thawed), 1);
}

#[tokio::test]
async fn without_freeze_processes_run_on() {
    let environment = start(function().with_freeze(Freeze::Off)).await;
    environment.invoke(Request::json("{}")).await;
    see(&environment, |what| matches!(what, What::InvocationEnded { .. })).await;
    let entries = environment.journal();
    assert_eq!(count(&entries, |what| *what == What::Frozen), 0);
    assert!(
        pids(&entries)
            .iter()
            .all(|(_, pid)| process_state(*pid) != Some('T'))
    );
}

#[tokio::test]
async fn a_timeout_kills_the_runtime_tells_the_extension_and_the_next_request_gets_new_processes() {
    let config = function()
        .with_extension(extension(&["--subscribe", "25"]))
        .with_timeout(Duration::from_secs(3));
    let environment = start(config).await;
    let late = environment.invoke(Request::json(r#"{"do":"hang"}"#)).await;
    assert_eq!((late.status, late.function_error), (200, Some("Unhandled")));
    let message = json(&late.text())["errorMessage"].as_str().unwrap().to_owned();
    assert!(
        message.ends_with(&format!("{} Task timed out after 3.00 seconds", late.request_id)),
        "{message}"
    );

    let next = environment.invoke(Request::json("{}")).await;
    assert_eq!(
        (next.function_error, &json(&next.text())["call"]),
        (None, &json!(1))
    );
    assert_eq!(pids(&environment.journal()).len(), 4, "two processes, twice");

    let shutdown = environment.shutdown(Reason::Spindown).await;
    let events = said_about(&shutdown.logs, "event");
    assert_eq!(events[1]["event"]["shutdownReason"], "timeout");
    assert_eq!(
        said_about(&shutdown.logs, "subscribed").len(),
        2,
        "subscriptions do not survive a reset"
    );
}

#[tokio::test]
async fn a_timeouts_records_say_so_and_the_next_init_runs_inside_the_invocation() {
    let config = function().with_timeout(Duration::from_secs(3));
    let environment = start(config).await;
    environment.invoke(Request::json(r#"{"do":"hang"}"#)).await;
    environment.invoke(Request::json("{}")).await;
    see(&environment, |what| {
        matches!(
            what,
            What::InvocationEnded {
                status: "success",
                ..
            }
        )
    })
    .await;
    let records = emitted(&environment.journal());
    let done = of_type(&records, "platform.runtimeDone");
    assert_eq!(
        (&done[0]["record"]["status"], &done[1]["record"]["status"]),
        (&json!("timeout"), &json!("success"))
    );
    assert_eq!(done[0]["record"].get("errorType"), None);
    assert_eq!(done[0]["record"].get("spans"), None);
    assert_eq!(done[0]["record"]["metrics"]["producedBytes"], 0);
    let starts = of_type(&records, "platform.initStart");
    assert_eq!(
        (&starts[0]["record"]["phase"], &starts[1]["record"]["phase"]),
        (&json!("init"), &json!("invoke"))
    );
    let reports = of_type(&records, "platform.report");
    assert_eq!(reports[0]["record"]["metrics"]["durationMs"], 3000.0);
    assert!(
        reports[0]["record"]["metrics"]["maxMemoryUsedMB"]
            .as_u64()
            .unwrap()
            > 0
    );
    assert_eq!(
        reports[1]["record"]["metrics"].get("initDurationMs"),
        None,
        "not a cold start"
    );
}

#[tokio::test]
async fn a_crash_of_the_runtime_fails_the_invocation_and_resets() {
    let config = function().with_extension(extension(&[])).with_timeout(BOUND);
    let environment = start(config).await;
    let crashed = environment
        .invoke(Request::json(r#"{"do":"exit","code":3}"#))
        .await;
    assert_eq!(crashed.function_error, Some("Unhandled"));
    let error = json(&crashed.text());
    assert_eq!(error["errorType"], "Runtime.ExitError");
    assert_eq!(
        error["errorMessage"],
        format!(
            "RequestId: {} Error: Runtime exited with error: exit status 3",
            crashed.request_id
        )
    );
    let next = environment.invoke(Request::json("{}")).await;
    assert_eq!(next.function_error, None);
    let records = emitted(&environment.journal());
    let done = &of_type(&records, "platform.runtimeDone")[0]["record"];
    assert_eq!(
        (&done["status"], &done["errorType"]),
        (&json!("error"), &json!("Runtime.ExitError"))
    );
    let shutdown = environment.shutdown(Reason::Spindown).await;
    assert_eq!(
        said_about(&shutdown.logs, "event")[1]["event"]["shutdownReason"],
        "failure"
    );
}

#[tokio::test]
async fn the_temporary_folder_is_the_sandboxs_own_and_survives_a_reset() {
    let environment = start(function().with_timeout(BOUND)).await;
    let folder = environment.scratch().to_owned();
    std::fs::write(folder.join("left"), "by the first processes").unwrap();
    environment.invoke(Request::json(r#"{"do":"exit"}"#)).await;
    let next = environment.invoke(Request::json("{}")).await;
    assert_eq!(json(&next.text())["env"]["TMPDIR"], folder.to_str().unwrap());
    assert!(folder.join("left").exists());
    let other = start(function()).await;
    assert_ne!(other.scratch(), folder);
    environment.stop(Reason::Spindown).await;
    drop(environment);
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_killed_runtime_is_reported_as_configured() {
    for (killed_as, expected) in [
        (KilledAs::ExitError, "Runtime.ExitError"),
        (KilledAs::OutOfMemory, "Runtime.OutOfMemory"),
    ] {
        let mut config = function();
        config.killed_as = killed_as;
        let environment = start(config).await;
        let killed = json(&environment.invoke(Request::json(r#"{"do":"kill"}"#)).await.text());
        assert_eq!(killed["errorType"], expected);
        assert!(
            killed["errorMessage"]
                .as_str()
                .unwrap()
                .ends_with("signal: killed"),
            "{killed}"
        );
    }
}

#[tokio::test]
async fn an_extension_that_exits_outside_shutdown_fails_the_invocation_even_with_status_0() {
    let environment = start(function().with_extension(extension(&["--exit-on-invoke"]))).await;
    let failed = environment.invoke(Request::json(r#"{"seconds":5}"#)).await;
    assert_eq!(json(&failed.text())["errorType"], "Extension.Crash");
    see(
        &environment,
        |what| matches!(what, What::Reset { reason } if &**reason == "failure"),
    )
    .await;
}

#[tokio::test]
async fn an_extension_that_reports_an_exit_error_names_the_failure() {
    let environment = start(function().with_extension(extension(&["--exit-error-on-invoke"]))).await;
    let failed = environment.invoke(Request::json(r#"{"seconds":5}"#)).await;
    assert_eq!(json(&failed.text())["errorType"], "Extension.Scripted");
}

#[tokio::test]
async fn an_extension_that_holds_the_invocation_past_the_deadline_resets_but_the_caller_has_its_answer() {
    let config = function()
        .with_extension(extension(&["--hang-on-invoke"]))
        .with_timeout(Duration::from_millis(1500));
    let environment = start(config).await;
    let answered = environment.invoke(Request::json("{}")).await;
    assert_eq!(answered.function_error, None);
    see(
        &environment,
        |what| matches!(what, What::Reset { reason } if &**reason == "timeout"),
    )
    .await;
    let records = emitted(&environment.journal());
    assert_eq!(
        of_type(&records, "platform.runtimeDone")[0]["record"]["status"],
        "success"
    );
    assert_eq!(
        of_type(&records, "platform.report")[0]["record"]["status"],
        "timeout"
    );
}

#[tokio::test]
async fn an_extension_that_never_registers_keeps_the_runtime_from_starting() {
    let mut config = function()
        .with_extension(extension(&["--no-register"]))
        .with_timeout(Duration::from_secs(1));
    config.init_limit = Duration::from_millis(300);
    let environment = start(config).await;
    let late = environment.invoke(Request::json("{}")).await;
    assert!(
        late.text().contains("Task timed out after 1.00 seconds"),
        "{}",
        late.text()
    );
    let entries = environment.journal();
    let is_runtime = |what: &What| matches!(what, What::ProcessStarted { name, .. } if &**name == "runtime");
    assert_eq!(count(&entries, is_runtime), 0);
    let records = emitted(&entries);
    let statuses: Vec<&serde_json::Value> = of_type(&records, "platform.initReport")
        .iter()
        .map(|record| &record["record"]["status"])
        .collect();
    assert_eq!(statuses, ["timeout", "timeout"]);
}

#[tokio::test]
async fn an_extension_that_cannot_be_started_fails_init() {
    let environment = start(function().with_extension("/nowhere/extension")).await;
    let failed = json(&environment.invoke(Request::json("{}")).await.text());
    assert_eq!(failed["errorType"], "Extension.LaunchError");
    assert!(
        failed["errorMessage"]
            .as_str()
            .unwrap()
            .contains("/nowhere/extension"),
        "{failed}"
    );
}

#[tokio::test]
async fn a_handler_error_is_a_success_of_the_platform() {
    let environment = start(function()).await;
    let raised = environment.invoke(Request::json(r#"{"do":"raise"}"#)).await;
    assert_eq!((raised.status, raised.function_error), (200, Some("Unhandled")));
    assert_eq!(json(&raised.text())["errorType"], "ValueError");
    see(&environment, |what| {
        matches!(
            what,
            What::InvocationEnded {
                status: "success",
                ..
            }
        )
    })
    .await;
}

#[tokio::test]
async fn an_init_that_fails_is_tried_again_inside_the_invocation_and_its_error_reaches_the_caller() {
    let environment = start(function().with_variable("SCRIPT_INIT", "fail")).await;
    let failed = environment.invoke(Request::json("{}")).await;
    assert_eq!(json(&failed.text())["errorType"], "Runtime.ImportModuleError");
    let records = emitted(&environment.journal());
    let phases: Vec<String> = of_type(&records, "platform.initReport")
        .iter()
        .map(|record| format!("{} {}", record["record"]["phase"], record["record"]["errorType"]))
        .collect();
    let error = r#""Runtime.ImportModuleError""#;
    assert_eq!(
        phases,
        [format!(r#""init" {error}"#), format!(r#""invoke" {error}"#)]
    );
}

#[tokio::test]
async fn an_init_beyond_its_limit_is_tried_again_inside_the_invocation() {
    let mark = std::env::temp_dir().join(format!("emulator-init-{}", std::process::id()));
    let mut config = function()
        .with_variable("SCRIPT_INIT", "slow once")
        .with_variable("SCRIPT_MARK", mark.to_string_lossy())
        .with_timeout(BOUND);
    config.init_limit = Duration::from_secs(3);
    let environment = start(config).await;
    let answered = environment.invoke(Request::json("{}")).await;
    std::fs::remove_file(&mark).unwrap();
    assert_eq!(answered.function_error, None, "{}", answered.text());
    let records = emitted(&environment.journal());
    let reports = of_type(&records, "platform.initReport");
    assert_eq!(reports[0]["record"]["status"], "timeout");
    assert_eq!(
        (&reports[1]["record"]["phase"], &reports[1]["record"]["status"]),
        (&json!("invoke"), &json!("success"))
    );
}
