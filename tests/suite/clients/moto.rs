//! A moto server: one process that plays every AWS service.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};

use super::tools;

const PATIENCE: Duration = Duration::from_secs(60);

/// A running moto.
pub(crate) struct Moto {
    /// Ended when this is dropped.
    _process: Child,
    url: String,
}

impl Moto {
    /// One that takes whatever keys it is shown.
    pub(crate) async fn start() -> Self {
        Self::with(&["-m", "moto.server"], &[]).await
    }

    /// One that checks signatures and rights after so many calls.
    pub(crate) async fn that_checks_signatures(free_calls: &str) -> Self {
        let variables = [("INITIAL_NO_AUTH_ACTION_COUNT", free_calls)];
        Self::with(&["-m", "moto.server"], &variables).await
    }

    /// One that a Python program starts, which teaches it what it lacks.
    pub(crate) async fn taught_by(program: &str) -> Self {
        Self::with(&[program], &[]).await
    }

    async fn with(server: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(tools::python_environment("python"));
        command.arg("-u").args(server);
        command.args(["--host", "127.0.0.1", "--port", "0"]);
        command.envs(variables.iter().copied()).kill_on_drop(true);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = command.spawn().expect("the Python environment has moto");
        let said = process.stderr.take().expect("standard error was piped");
        let address = tokio::time::timeout(PATIENCE, address_in(BufReader::new(said))).await;
        Self {
            _process: process,
            url: format!("http://{}", address.expect("moto listens in time")),
        }
    }

    /// Its endpoint, for every service.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// moto says where it listens: ` * Running on http://127.0.0.1:34567`.
async fn address_in(mut said: BufReader<ChildStderr>) -> SocketAddr {
    let mut lines = String::new();
    loop {
        let read = said.read_line(&mut lines).await.expect("moto writes text");
        assert!(read > 0, "moto ended:\n{lines}");
        let address = lines.lines().last().and_then(|line| line.split_once("http://"));
        if let Some(address) = address.and_then(|(_, address)| address.trim().parse().ok()) {
            // What follows is the log of requests: read on, so that moto never waits for us.
            tokio::spawn(async move {
                while said
                    .read_line(&mut String::new())
                    .await
                    .is_ok_and(|read| read > 0)
                {}
            });
            return address;
        }
    }
}
