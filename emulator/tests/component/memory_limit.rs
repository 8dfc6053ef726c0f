//! Memory that is really limited, which takes root and the memory controller of control groups.

use std::path::{Path, PathBuf};

use emulator::{Config, Environment, Reason, Request};
use serde_json::Value;

use crate::support::*;

const MEGABYTES: u32 = 128;

fn limited() -> Config {
    let mut config = function().with_extension(extension(&[]));
    config.memory_mb = MEGABYTES;
    config.enforce_memory = true;
    config
}

/// The groups of the two newest processes, found by their names.
fn groups(environment: &Environment) -> Vec<PathBuf> {
    let pids = pids(&environment.journal());
    let group = |(_, pid): &(String, u32)| {
        let own = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        let at = own
            .find("fluoroscope-sandbox-")
            .unwrap_or_else(|| panic!("{own}"));
        let name = own[at..].lines().next().unwrap();
        let mounts = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"].map(|mount| Path::new(mount).join(name));
        mounts.into_iter().find(|path| path.exists()).unwrap()
    };
    pids.iter().rev().take(2).map(group).collect()
}

#[tokio::test]
async fn a_function_that_takes_more_than_its_memory_is_killed_and_told_as_lambda_tells_it() {
    let environment = start(limited()).await;
    let fits = environment
        .invoke(Request::json(r#"{"do":"fill","mb":40}"#))
        .await;
    assert_eq!((fits.status, fits.function_error), (200, None), "{}", fits.text());
    let killed = environment
        .invoke(Request::json(r#"{"do":"fill","mb":160}"#))
        .await;
    assert_eq!(killed.function_error, Some("Unhandled"));
    let error = json(&killed.text());
    assert_eq!(error["errorType"], "Runtime.OutOfMemory", "{error}");
    let records = emitted(&environment.journal());
    let reports: Vec<&Value> = of_type(&records, "platform.report")
        .into_iter()
        .map(|report| &report["record"])
        .collect();
    assert_eq!(reports[1]["errorType"], "Runtime.OutOfMemory");
    let used = |report: &Value| report["metrics"]["maxMemoryUsedMB"].as_u64().unwrap();
    assert_eq!(used(reports[1]), u64::from(MEGABYTES));
    assert!((40..128).contains(&used(reports[0])), "{}", reports[0]);
    // The same sandbox goes on, under the same limit.
    let again = environment.invoke(Request::json("{}")).await;
    assert_eq!(again.status, 200, "{}", again.text());
    let groups = groups(&environment);
    assert_eq!(groups[0], groups[1]);
    environment.shutdown(Reason::Spindown).await;
    until(|| !groups[0].exists()).await;
}

#[tokio::test]
async fn the_group_goes_with_an_environment_that_is_dropped_in_the_middle() {
    let environment = start(limited()).await;
    environment.invoke(Request::json("{}")).await;
    let groups = groups(&environment);
    drop(environment);
    until(|| !groups[0].exists()).await;
}
