//! `fluoroscope local --layer` as a person runs it: a function with exactly the tree of a zip.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use backend::Running;
use serde_json::Value;
use tests::lab::{BOUND, assert_balanced, binary, own_udp_address};
use tests::tree::Tree;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

use crate::clients::orders::{COLD, WARM, assert_paths};
use crate::clients::stage::xray;
use crate::clients::tools::{self, target};

/// Between two looks for the file with the addresses.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A running environment.
pub(super) struct Local {
    child: Child,
    invoke: String,
    /// Of ours: what the environment brings itself is gone when it ends, and some documents leave at its end.
    xray: Running,
    _folder: Folder,
}

/// A folder of one test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Local {
    /// The Python function behind the layer's exec wrapper; `change` sees the command before it starts.
    pub(super) async fn start(layer: &Path, change: impl FnOnce(&mut Command)) -> Self {
        let folder = Folder(target().join(format!("tmp/layer-{}", own_udp_address().ip())));
        std::fs::create_dir_all(&folder.0).expect("the target folder is ours");
        let addresses = folder.0.join("addresses.json");
        let xray = xray().await;
        let udp = format!("FLUOROSCOPE_UDP_ADDRESS={}", own_udp_address());
        let mut command = Command::new(binary("fluoroscope"));
        command
            .args([
                "local",
                "--name",
                "orders",
                "--handler",
                "orders.handler",
                "--timeout",
                "60",
                "--layer",
            ])
            .arg(layer)
            .args([
                "--env",
                "AWS_LAMBDA_EXEC_WRAPPER=/opt/fluoroscope",
                "--env",
                &udp,
                "--xray-endpoint",
                &xray.url(),
                "--addresses",
            ])
            .arg(&addresses)
            .arg("--")
            .arg(tools::python_environment("python"))
            .args(["-m", "awslambdaric", "orders.handler"])
            .current_dir(tools::functions().join("python"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        change(&mut command);
        let mut child = command.spawn().expect("the command was built");
        let text = wait_for(&addresses, &mut child).await;
        let read: Value = serde_json::from_str(&text).expect("it is written whole");
        Self {
            child,
            invoke: read["invoke"].as_str().expect("it is told").to_owned(),
            xray,
            _folder: folder,
        }
    }

    /// Invokes the function, which has to succeed.
    pub(super) async fn succeed(&self) {
        let url = format!("{}/2015-03-31/functions/orders/invocations", self.invoke);
        let answer = tokio::task::spawn_blocking(move || ureq::post(&url).send("{}"));
        let answer = answer
            .await
            .expect("it does not panic")
            .expect("the function answers");
        assert!(
            answer.headers().get("X-Amz-Function-Error").is_none(),
            "{answer:?}"
        );
    }

    /// Ends it as Ctrl-C does; what it printed.
    async fn end(&mut self) -> String {
        let pid = self.child.id().expect("it runs").to_string();
        let signalled = Command::new("kill").args(["-INT", &pid]).status().await;
        assert!(signalled.is_ok_and(|status| status.success()));
        let (mut out, mut err) = (String::new(), String::new());
        let mut pipes = (self.child.stdout.take(), self.child.stderr.take());
        let (Some(stdout), Some(stderr)) = (&mut pipes.0, &mut pipes.1) else {
            panic!("it ends once");
        };
        let reading =
            async { tokio::try_join!(stdout.read_to_string(&mut out), stderr.read_to_string(&mut err)) };
        let read = tokio::time::timeout(BOUND, reading).await;
        read.expect("it ends").expect("it prints text");
        out + &err
    }

    /// The last traces as `fluoroscope trace` reads them, newest last.
    async fn traces(&self, count: u16) -> Vec<Tree> {
        let mut trace = Command::new(binary("fluoroscope"));
        trace.args([
            "trace",
            "--json",
            "--endpoint",
            &self.xray.url(),
            "--last",
            &count.to_string(),
        ]);
        let output = trace.output().await.expect("the command was built");
        let traces: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        let traces = traces.as_array().into_iter().flatten();
        traces
            .map(|trace| Tree::of(trace["Segments"].as_array().into_iter().flatten()))
            .collect()
    }
}

/// The file's text, once it is there.
async fn wait_for(file: &Path, child: &mut Child) -> String {
    let began = Instant::now();
    loop {
        if let Ok(text) = std::fs::read_to_string(file) {
            return text;
        }
        let ended = child.try_wait().expect("it is ours");
        assert!(
            ended.is_none() && began.elapsed() < BOUND,
            "no addresses, {ended:?}"
        );
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Plays a cold and a warm invocation, and judges their traces and the account.
pub(super) async fn check_layer(layer: &Path, change: impl FnOnce(&mut Command)) {
    let mut local = Local::start(layer, change).await;
    local.succeed().await;
    local.succeed().await;
    let printed = local.end().await;
    let traces = local.traces(2).await;
    assert_eq!(traces.len(), 2, "{printed}");
    let sdk = ["take order", "take order > price"];
    assert_paths(&traces[0], COLD, &sdk);
    // The last invocation's report comes with the end.
    let platform = |tree: &Tree| {
        if tree.has("ExtensionOverhead") {
            WARM
        } else {
            &WARM[..2]
        }
    };
    assert_paths(&traces[1], platform(&traces[1]), &sdk);
    let tally = printed.lines().find_map(|line| {
        let json = line.find('{').map(|at| &line[at..])?;
        serde_json::from_str::<Value>(json)
            .ok()
            .filter(|read| read.get("received").is_some())
    });
    assert_balanced(&tally.unwrap_or_else(|| panic!("no tally in:\n{printed}")));
}
