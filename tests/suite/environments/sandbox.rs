//! One Runtime Interface Emulator with `/opt`, `/var/task` and process ids of its own.
//!
//! The emulator starts extensions from `/opt/extensions` and, in its managed mode, the function from
//! `/var/task`. Both are laid over the real folders in a mount namespace; the process ids are a
//! namespace too, so that nothing outlives a test that fails.

use std::fs::{self, File, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tests::lab::{binary, free_tcp_addresses, otlp_address, own_udp_address};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::clients::tools;

/// How long the emulator may take to listen, and to end.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);
const OVERLAY: &str = "mount -t overlay overlay -o lowerdir=\"$1/opt:/opt\" /opt && \
    mount -t overlay overlay -o lowerdir=\"$1/var:/var\" /var && cd \"$2\" && shift 2 && exec \"$@\"";

/// What the emulator runs.
pub(super) enum Function {
    /// A runtime client on the search path, with its arguments: classic mode.
    Command(Vec<String>),
    /// A file that becomes `/var/task/bootstrap`: managed-instances mode with this concurrency.
    Bootstrap(PathBuf, u32),
}

/// A running emulator.
pub(super) struct Sandbox {
    process: Child,
    invoke: SocketAddr,
    output: PathBuf,
}

/// What is left of it.
pub(super) struct Ended {
    /// Whether the emulator ended by itself after SIGTERM.
    pub(super) gracefully: bool,
    /// What emulator, function and extension printed.
    pub(super) output: String,
}

impl Sandbox {
    /// Starts the emulator with the extension, which sends to `xray`.
    pub(super) async fn start(function: Function, xray: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = format!(
            "rie-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique);
        lay_out(&folder, &function).unwrap_or_else(|error| panic!("could not lay out {folder:?}: {error}"));
        let output = folder.join("output");
        let log = File::create(&output).expect("the folder was just made");

        let [invoke, runtime_api] = free_tcp_addresses();
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--pid",
            "--fork",
            "--mount-proc",
            "--kill-child",
            "sh",
            "-c",
            OVERLAY,
            "sh",
        ]);
        command.args([&folder, &tools::functions().join("python"), &tools::rie()]);
        command.args(["--log-level", "info"]);
        command.args(["--runtime-interface-emulator-address", &invoke.to_string()]);
        command.args(["--runtime-api-address", &runtime_api.to_string()]);
        set_variables(&mut command, xray);
        match function {
            Function::Command(words) => command
                .args(words)
                .env("LAMBDA_TASK_ROOT", tools::functions().join("python")),
            Function::Bootstrap(_, concurrency) => {
                command.env("AWS_LAMBDA_MAX_CONCURRENCY", concurrency.to_string())
            }
        };
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log);
        let process = command
            .kill_on_drop(true)
            .spawn()
            .expect("unshare is part of util-linux");
        let mut sandbox = Self {
            process,
            invoke,
            output,
        };
        sandbox.wait_until_it_listens().await;
        sandbox
    }

    /// Calls the function, and returns the status and the answer.
    pub(super) async fn invoke(&self, event: &str, trace_header: &str) -> (u16, String) {
        let url = format!("http://{}/2015-03-31/functions/function/invocations", self.invoke);
        let request = ureq::post(url).header("X-Amzn-Trace-Id", trace_header);
        let request = request
            .config()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build();
        let event = event.to_owned();
        let called = tokio::task::spawn_blocking(move || {
            let mut answer = request.send(event)?;
            Ok::<_, ureq::Error>((answer.status().as_u16(), answer.body_mut().read_to_string()?))
        });
        let answer = called.await.expect("the call does not panic");
        answer.unwrap_or_else(|error| panic!("no answer: {error}\n{}", self.output()))
    }

    /// What was printed so far.
    pub(super) fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.output).unwrap_or_default()).into_owned()
    }

    /// Tells the emulator to shut its sandbox down, and waits for its end.
    pub(super) async fn stop(mut self) -> Ended {
        let unshare = self
            .process
            .id()
            .expect("the emulator runs until it is told to stop");
        let children = fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children"));
        let emulator = children.expect("unshare waits for its child").trim().to_owned();
        let told = Command::new("kill").args(["-TERM", &emulator]).status().await;
        assert!(
            told.is_ok_and(|status| status.success()),
            "could not send SIGTERM to {emulator}"
        );
        let ended = tokio::time::timeout(PATIENCE, self.process.wait()).await;
        let gracefully = ended.is_ok_and(|status| status.is_ok_and(|status| status.success()));
        let output = self.output();
        // Binaries of many megabytes; what a failed test leaves stays for whoever looks into it.
        let removed = self.output.parent().map(fs::remove_dir_all);
        assert!(
            removed.is_some_and(|removed| removed.is_ok()),
            "could not remove {:?}",
            self.output
        );
        Ended { gracefully, output }
    }

    async fn wait_until_it_listens(&mut self) {
        let listening = async {
            while TcpStream::connect(self.invoke).await.is_err() {
                if let Ok(Some(status)) = self.process.try_wait() {
                    panic!("the emulator ended with {status}:\n{}", self.output());
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, listening).await;
        assert!(waited.is_ok(), "the emulator does not listen:\n{}", self.output());
    }
}

fn lay_out(folder: &Path, function: &Function) -> io::Result<()> {
    let extension = folder.join("opt/extensions/fluoroscope");
    let bootstrap = folder.join("var/task/bootstrap");
    fs::create_dir_all(folder.join("opt/extensions"))?;
    fs::create_dir_all(folder.join("var/task"))?;
    fs::copy(binary("fluoroscope-extension"), &extension)?;
    if let Function::Bootstrap(program, _) = function {
        fs::copy(program, &bootstrap)?;
    }
    // In managed mode the processes belong to another user.
    for path in [
        folder.to_owned(),
        folder.join("opt"),
        folder.join("opt/extensions"),
        folder.join("var"),
        folder.join("var/task"),
    ] {
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn set_variables(command: &mut Command, xray: &str) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let address = own_udp_address();
    let (udp, otlp) = (address.to_string(), otlp_address(address).to_string());
    command.env_clear().env("PATH", path).envs([
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_LAMBDA_FUNCTION_NAME", "orders"),
        ("AWS_LAMBDA_FUNCTION_TIMEOUT", "20"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_ENDPOINT_URL_XRAY", xray),
        ("FLUOROSCOPE_UDP_ADDRESS", &udp),
        ("AWS_XRAY_DAEMON_ADDRESS", &udp),
        ("FLUOROSCOPE_OTLP_ADDRESS", &otlp),
    ]);
}
