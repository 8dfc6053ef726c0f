//! Timeout, crash, out-of-memory, reset: the failed invocation is told, and the sandbox lives on.

use std::time::Duration;

use emulator::{KilledAs, What};
use serde_json::{Value, json};
use tests::lab::Lab;
use tests::script::Script;

const CALL: &str = "00000000000000a1";

/// The exception of the one function segment that has a cause.
fn cause(finished: &tests::lab::Finished) -> (String, String) {
    let function = finished.tree.named("AWS::Lambda::Function");
    assert_eq!(function["fault"], true);
    let exception = &function["cause"]["exceptions"][0];
    (
        exception["type"].as_str().unwrap_or("-").to_owned(),
        exception["message"].as_str().unwrap_or("-").to_owned(),
    )
}

/// The open form of a subsegment, as an SDK sends it that streams what it begins.
fn open(id: &str, parent: &str, name: &str) -> Value {
    json!({ "id": id, "parent_id": parent, "name": name, "in_progress": true, "end_time": null })
}

#[tokio::test]
async fn a_timeout_is_told_with_the_call_that_hung() {
    let lab = Lab::with(|config| config.timeout = Duration::from_secs(1)).await;
    let script = Script::new()
        .subsegment(CALL, "quick call")
        .document(open("00000000000000a2", "$PARENT", "charge card"))
        .work_ms(60_000);
    let invoked = lab.invoke(&script).await;
    assert!(
        invoked.text().contains("Task timed out after 1.00 seconds"),
        "{}",
        invoked.text()
    );
    let finished = lab.finish_after_reset().await;
    let (kind, message) = cause(&finished);
    assert_eq!(kind, "Sandbox.Timeout");
    assert!(message.starts_with("Task timed out after 1.0"), "{message}");
    assert!(message.ends_with("; still open: charge card"), "{message}");
    assert_eq!(
        finished.tree.named("AWS::Lambda")["http"]["response"]["status"],
        504
    );
    assert!(finished.tree.has("quick call"));
    let hung = finished.tree.named("charge card");
    assert_eq!(
        (&hung["fault"], &hung["in_progress"]),
        (&json!(true), &json!(null))
    );
    assert_eq!(
        hung["end_time"],
        finished.tree.named("AWS::Lambda::Function")["end_time"]
    );
    assert_eq!(finished.count("/evidence"), 1);
    finished.assert_all_sent();
}

#[tokio::test]
async fn a_timeout_that_no_extension_waited_for_leaves_its_evidence_too() {
    let lab = Lab::with(|config| {
        config.timeout = Duration::from_secs(1);
        config
            .variables
            .insert("FLUOROSCOPE_FLUSH".into(), "continuous".into());
    })
    .await;
    lab.succeed(&Script::new().subsegment(CALL, "quick call")).await;
    let script = Script::new()
        .document(open("00000000000000a2", "$PARENT", "charge card"))
        .work_ms(60_000);
    lab.invoke(&script).await;
    let finished = lab.finish_after_reset().await;
    assert_eq!(finished.tree.named("charge card")["fault"], true);
    let functions = finished.tree.all("AWS::Lambda::Function");
    let failed = functions.iter().find(|function| function["fault"] == true);
    let message = failed.and_then(|function| function["cause"]["exceptions"][0]["message"].as_str());
    assert!(
        message.is_some_and(|message| message.ends_with("; still open: charge card")),
        "{message:?}"
    );
    finished.assert_all_sent();
}

#[tokio::test]
async fn a_crash_is_told_and_the_next_processes_trace_again() {
    let lab = Lab::start().await;
    let invoked = lab
        .invoke(
            &Script::new()
                .subsegment(CALL, "last call")
                .document(open("00000000000000a2", "$PARENT", "outer call"))
                .document(open("00000000000000a3", "00000000000000a2", "inner call"))
                .document(json!({ "id": "00000000000000a2", "name": "outer call" }))
                .write("/tmp/fluoroscope-crash-test", "kept")
                .exit(),
        )
        .await;
    assert_eq!(invoked.function_error, Some("Unhandled"));
    let next = lab
        .succeed(
            &Script::new()
                .read("/tmp/fluoroscope-crash-test")
                .subsegment("00000000000000b1", "next call"),
        )
        .await;
    assert_eq!(next.text(), "\"kept\"", "/tmp survives the reset");
    let finished = lab.finish().await;
    assert_eq!(finished.earlier_tallies.len(), 1);
    assert_eq!(finished.earlier_tallies[0]["shutdown"], "failure");
    let paths = finished.tree.paths();
    let evidence = finished.tree.named("inner call");
    assert_eq!(evidence["fault"], true);
    assert_eq!(
        evidence["cause"]["exceptions"][0]["type"], "Runtime.ExitError",
        "{evidence}"
    );
    assert_eq!(finished.tree.named("outer call")["fault"], json!(null));
    for call in ["last call", "next call", "outer call"] {
        let path = format!("AWS::Lambda > AWS::Lambda::Function > {call}");
        assert!(paths.contains(&path), "{paths:?}");
    }
    let functions = finished.tree.all("AWS::Lambda::Function");
    let faults: Vec<bool> = functions
        .iter()
        .map(|function| function["fault"] == true)
        .collect();
    assert_eq!(faults.iter().filter(|fault| **fault).count(), 1, "{functions:?}");
    let crashed = functions
        .iter()
        .find(|function| function["fault"] == true)
        .map(|function| &function["cause"]["exceptions"][0]["type"]);
    assert_eq!(crashed, Some(&json!("Runtime.ExitError")));
    let crashed = &finished.earlier_tallies[0];
    assert_eq!(
        [&crashed["evidence"], &crashed["superseded"]],
        [&json!(1), &json!(1)]
    );
    finished.assert_all_sent();
}

#[tokio::test]
async fn an_out_of_memory_kill_is_told_as_such() {
    let lab = Lab::with(|config| config.killed_as = KilledAs::OutOfMemory).await;
    let invoked = lab
        .invoke(&Script::new().subsegment(CALL, "allocate").killed())
        .await;
    assert_eq!(invoked.function_error, Some("Unhandled"));
    let finished = lab.finish_after_reset().await;
    let (kind, message) = cause(&finished);
    assert_eq!(kind, "Runtime.OutOfMemory");
    assert_eq!(finished.count("/out_of_memory"), 1);
    assert!(
        message.starts_with("the function ran out of memory (256 MB) after "),
        "{message}"
    );
    assert_eq!(
        finished.tree.named("AWS::Lambda")["http"]["response"]["status"],
        502
    );
    finished.assert_all_sent();
}

#[tokio::test]
async fn a_timeout_is_never_pushed_further_by_a_slow_destination() {
    let lab = Lab::with(|config| config.timeout = Duration::from_secs(1)).await;
    lab.xray
        .faults()
        .add(backend::faults::Fault::delay(Duration::from_secs(5)).times(u32::MAX));
    // Ends 400 ms before its deadline: the flush has to fit into what is left, less the margin.
    lab.succeed(&Script::new().subsegment(CALL, "call").work_ms(600))
        .await;
    lab.idle().await;
    let timed_out = lab.environment.journal().iter().any(|entry| {
        matches!(
            &entry.what,
            What::InvocationEnded {
                status: "timeout",
                ..
            }
        )
    });
    assert!(!timed_out, "{}", lab.log());
    let finished = lab.finish().await;
    assert!(finished.count("/received/total") >= 3, "{}", finished.tally);
}
