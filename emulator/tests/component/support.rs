//! Starts environments around the scripts in `tests/programs` and reads what they saw.

use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use emulator::{Config, Entry, Environment, ExtensionProgram, FunctionCommand, LogLine, Source, What};
use serde_json::Value;

/// Longer than anything here takes, even on a busy machine.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

pub(crate) fn script(name: &str) -> String {
    format!("{}/tests/programs/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The interpreter itself: what `PATH` finds first may be a slow shell script around it.
fn python() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| {
        let asked = Command::new("python3")
            .args(["-c", "import sys; print(sys.executable)"])
            .output();
        let output = asked.expect("the tests need python3");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    })
}

/// The scripted function, with a timeout that nothing here reaches by being slow.
pub(crate) fn function() -> Config {
    let command = FunctionCommand::new(python())
        .arg("-S")
        .arg(script("function.py"));
    Config::new("selfies", command).with_timeout(BOUND)
}

pub(crate) fn extension(arguments: &[&str]) -> ExtensionProgram {
    let program = ExtensionProgram::new(python())
        .named("extension")
        .arg("-S")
        .arg(script("extension.py"));
    arguments
        .iter()
        .fold(program, |program, argument| program.arg(*argument))
}

pub(crate) async fn start(config: Config) -> Environment {
    Environment::start(config).await.unwrap()
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What the extension said, in order.
pub(crate) fn said(logs: &[LogLine]) -> Vec<Value> {
    let lines = logs
        .iter()
        .filter(|line| matches!(line.source, Source::Extension(_)));
    lines
        .filter_map(|line| serde_json::from_str(&line.text).ok())
        .collect()
}

/// What the extension said about `what`.
pub(crate) fn said_about(logs: &[LogLine], what: &str) -> Vec<Value> {
    said(logs)
        .into_iter()
        .filter(|line| line["saw"] == what)
        .collect()
}

/// Telemetry elements that were generated, in order.
pub(crate) fn emitted(entries: &[Entry]) -> Vec<Value> {
    let records = entries.iter().filter_map(|entry| match &entry.what {
        What::Emitted { record, .. } => Some(json(record)),
        _ => None,
    });
    records.collect()
}

/// Types of the elements that were delivered, in order.
pub(crate) fn delivered(entries: &[Entry]) -> Vec<Vec<Value>> {
    let bodies = entries.iter().filter_map(|entry| match &entry.what {
        What::Delivered { body, .. } => Some(json(body).as_array().unwrap().clone()),
        _ => None,
    });
    bodies.collect()
}

pub(crate) fn types(records: &[Value]) -> Vec<&str> {
    records
        .iter()
        .map(|record| record["type"].as_str().unwrap())
        .collect()
}

pub(crate) fn of_type<'a>(records: &'a [Value], kind: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| record["type"] == kind).collect()
}

/// The state letter of a process (`S` sleeping, `T` stopped), `None` if it is gone.
pub(crate) fn process_state(pid: u32) -> Option<char> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("State:")?.trim().chars().next())
}

/// Waits until `condition` holds.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + BOUND;
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "not within {BOUND:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The process ids of the newest generation: name and id.
pub(crate) fn pids(entries: &[Entry]) -> Vec<(String, u32)> {
    let started = entries.iter().filter_map(|entry| match &entry.what {
        What::ProcessStarted { name, pid } => Some((name.to_string(), *pid)),
        _ => None,
    });
    started.collect()
}

/// Waits for an entry.
pub(crate) async fn see(environment: &Environment, wanted: impl Fn(&What) -> bool) {
    let look = |entries: &[Entry]| entries.iter().any(|entry| wanted(&entry.what)).then_some(());
    environment
        .wait_until(look, BOUND)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
}

/// How many entries are so.
pub(crate) fn count(entries: &[Entry], wanted: impl Fn(&What) -> bool) -> usize {
    entries.iter().filter(|entry| wanted(&entry.what)).count()
}
