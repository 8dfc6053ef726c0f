//! AWS's Runtime Interface Emulator, in both of its modes.
//!
//! The classic mode answers the telemetry subscription with 202 and gives the runtime no trace header,
//! so its function takes the header from the event. The managed-instances mode has a real Telemetry
//! API, refuses INVOKE, and runs the function as another user.
//!
//! Needs root: extensions are started from `/opt/extensions` only, and each test has its own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::ids::TraceId;
use serde_json::{Value, json};

use super::sandbox::{Ended, Function, Sandbox};
use crate::clients::orders::{assert_charge_failed, assert_paths};
use crate::clients::stage::{trace, xray};
use crate::clients::tools;
use tests::lab::assert_balanced;

/// Refusals before the function's workers are taken for broken, and the time between them.
const WORKERS_WAIT: u32 = 200;
const PAUSE: Duration = Duration::from_millis(20);

#[tokio::test]
async fn in_classic_mode_documents_arrive_without_telemetry_or_trace_header() {
    let xray = xray().await;
    let python = tools::python_environment("python").to_string_lossy().into_owned();
    let words = [&python, "-m", "awslambdaric", "relayed.handler"].map(str::to_owned);
    let sandbox = Sandbox::start(Function::Command(words.into()), &xray.url()).await;
    let (first, header) = new_header();
    let event = json!({ "trace_header": header });
    let (status, answer) = sandbox.invoke(&event.to_string(), &header).await;
    assert_eq!(status, 200, "{answer}\n{}", sandbox.output());
    let (second, header) = new_header();
    let event = json!({ "trace_header": header, "raise": true });
    let (status, answer) = sandbox.invoke(&event.to_string(), &header).await;
    assert!(
        status == 200 && answer.contains("card refused"),
        "{answer}\n{}",
        sandbox.output()
    );

    let ended = sandbox.stop().await;
    let warnings: Vec<&str> = ended
        .output
        .lines()
        .filter(|line| line.contains(r#""level":"warn""#))
        .collect();
    assert!(warnings.len() == 1 && warnings[0].contains("202"), "{warnings:?}");
    settle(&ended);
    let documents = ["take order", "take order > price"];
    assert_paths(&trace(xray.store(), first), &["Invocation"], &documents);
    let tree = trace(xray.store(), second);
    assert_paths(
        &tree,
        &["Invocation"],
        &[&documents[..], &["take order > charge"]].concat(),
    );
    assert_charge_failed(&tree);
}

#[tokio::test]
async fn in_managed_mode_concurrent_invocations_each_have_their_trace() {
    let xray = xray().await;
    let bootstrap = PathBuf::from(env!("CARGO_BIN_EXE_orders-function"));
    let sandbox = Sandbox::start(Function::Bootstrap(bootstrap, 2), &xray.url()).await;
    let (first, first_header) = new_header();
    let (second, second_header) = new_header();
    tokio::join!(
        take_order(&sandbox, &first_header),
        take_order(&sandbox, &second_header)
    );
    settle(&sandbox.stop().await);
    for id in [first, second] {
        assert_paths(
            &trace(xray.store(), id),
            &["Invocation"],
            &["take order", "take order > price"],
        );
    }
}

/// Invokes the function until one of its workers is idle: the emulator takes requests before they are.
async fn take_order(sandbox: &Sandbox, header: &str) {
    let mut refused = 0;
    loop {
        match sandbox.invoke("{}", header).await {
            (200, answer) if answer == "\"taken\"" => return,
            (400, answer) if answer.contains("Runtime.Unavailable") && refused < WORKERS_WAIT => {
                refused += 1;
                tokio::time::sleep(PAUSE).await;
            }
            other => panic!("{other:?}\n{}", sandbox.output()),
        }
    }
}

/// The extension ended by itself, the account is balanced, and nothing was lost on the way.
#[track_caller]
fn settle(ended: &Ended) {
    println!("{}", ended.output);
    assert!(ended.gracefully, "the emulator did not end by itself");
    // The emulator kills what does not leave in time, and says so.
    let killed = ended
        .output
        .lines()
        .find(|line| line.contains("SIGKILL") && line.contains("extension-fluoroscope"));
    assert_eq!(killed, None);
    let mut lines = ended
        .output
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let tally = lines.rfind(|line| line["message"] == "tally");
    let tally = tally.unwrap_or_else(|| panic!("no tally"));
    assert_balanced(&tally);
    assert_eq!(tally["sent"], tally["received"]["total"], "{tally}");
}

/// A caller's trace header, sampled, with a trace id of its own.
fn new_header() -> (TraceId, String) {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is later than 1970")
        .as_secs();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let root = format!("1-{now:08x}-{:012x}{count:012x}", std::process::id());
    (
        root.parse().expect("it has the form of a trace id"),
        format!("Root={root};Parent=53995c3f42cd8ad8;Sampled=1"),
    )
}
