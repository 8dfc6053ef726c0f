//! Runs Python programs and the AWS CLI to their end.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use super::tools;

/// A program that takes longer is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// Access key and secret that sign a program's calls.
pub(crate) type Keys<'a> = (&'a str, &'a str);

/// Keys for services that do not check them.
pub(crate) const ANY_KEYS: Keys<'static> = ("AKIAIOSFODNN7EXAMPLE", "secret");

/// The JSON that a Python program beside this file prints.
pub(crate) async fn python(program: &str, arguments: &[&str], endpoint: &str, keys: Keys<'_>) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("suite/clients")
        .join(program);
    let mut command = Command::new(tools::python_environment("python"));
    run(command.arg(file).args(arguments), endpoint, keys).await
}

/// The JSON that the AWS CLI prints.
pub(crate) async fn aws(arguments: &[&str], endpoint: &str, keys: Keys<'_>) -> Value {
    // Run by its interpreter: the script's first line may name a path that is too long for the kernel.
    let mut command = Command::new(tools::python_environment("python"));
    command.arg(tools::python_environment("aws")).args(arguments);
    run(
        command.args(["--output", "json", "--endpoint-url", endpoint]),
        endpoint,
        keys,
    )
    .await
}

async fn run(command: &mut Command, endpoint: &str, (key, secret): Keys<'_>) -> Value {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command
        .env_clear()
        .env("PATH", path)
        .env("AWS_ENDPOINT_URL", endpoint);
    // No profile, no instance metadata: nothing from the machine the test happens to run on.
    command.envs([
        ("AWS_ACCESS_KEY_ID", key),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_MAX_ATTEMPTS", "1"),
        ("AWS_PAGER", ""),
    ]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("{} does not end", line(command)));
    let output = output.unwrap_or_else(|error| panic!("{}: {error}", line(command)));
    let (printed, complaint) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{} ended with {}:\n{complaint}",
        line(command),
        output.status
    );
    if printed.trim().is_empty() {
        return Value::Null;
    }
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{}: {error} in {printed}", line(command)))
}

fn line(command: &Command) -> String {
    let words = command.as_std().get_args().map(OsStr::to_string_lossy);
    words.collect::<Vec<_>>().join(" ")
}
