//! `fluoroscope local` as a person runs it, around the emulator's scripted function and extension.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything here takes, even on a busy machine.
#[cfg(test)]
const BOUND: Duration = Duration::from_secs(30);

#[cfg(test)]
mod scratch {
    use super::*;

    /// A folder of one test, removed at its end.
    pub(super) struct Folder(pub(super) PathBuf);

    impl Folder {
        pub(super) fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("fluoroscope-local-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    pub(super) fn script(name: &str) -> String {
        format!("{}/../emulator/tests/programs/{name}", env!("CARGO_MANIFEST_DIR"))
    }

    pub(super) fn local(arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fluoroscope"));
        command
            .arg("local")
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The addresses, once they are written.
    pub(super) fn addresses(path: &Path) -> (String, String) {
        let began = Instant::now();
        while !path.exists() {
            assert!(began.elapsed() < BOUND, "no addresses");
            std::thread::sleep(Duration::from_millis(5));
        }
        let text = std::fs::read_to_string(path).unwrap();
        let addresses: serde_json::Value = serde_json::from_str(&text).unwrap();
        let address = |name: &str| addresses[name].as_str().unwrap().to_owned();
        (address("invoke"), address("xray"))
    }

    /// Ends it with a signal and returns what it printed and its code.
    pub(super) fn end(mut child: Child, signal: &str) -> (String, Option<i32>) {
        let pid = child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        let mut printed = String::new();
        child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        (printed, child.wait().unwrap().code())
    }

    pub(super) fn text(output: &Output) -> String {
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::scratch::*;

    #[test]
    fn it_runs_a_function_until_a_signal_and_shuts_down_as_lambda_does() {
        for signal in ["-INT", "-TERM"] {
            let folder = Folder::new(&format!("runs{signal}"));
            let file = folder.0.join("addresses.json");
            let (extension, function) = (script("extension"), script("function.py"));
            let child = local(&["--name", "selfies", "--env", "AWS_MINE=1", "--addresses"])
                .arg(&file)
                .arg("--extension")
                .arg(&extension)
                .args(["--", "python3", &function])
                .spawn()
                .unwrap();
            let (invoke, xray) = addresses(&file);
            let answer = ureq::post(format!("{invoke}/2015-03-31/functions/selfies/invocations"))
                .send(r#"{"n":1}"#)
                .unwrap()
                .body_mut()
                .read_to_string()
                .unwrap();
            let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
            assert_eq!(answer["event"]["n"], 1);
            assert_eq!(answer["env"]["AWS_ENDPOINT_URL_XRAY"], xray.as_str());
            assert_eq!(answer["env"]["AWS_MINE"], "1");

            let (printed, code) = end(child, signal);
            assert_eq!(code, Some(0), "{printed}");
            for part in [
                format!("curl -d '{{}}' {invoke}/"),
                format!("aws lambda invoke --endpoint-url {invoke} --function-name selfies"),
                "function     │ handling ".to_owned(),
                r#"extension    │ {"saw": "event""#.to_owned(),
                "platform     │ START RequestId: ".to_owned(),
                "shutdown     │ extension ended by itself".to_owned(),
            ] {
                assert!(printed.contains(&part), "{part} is not in\n{printed}");
            }
            assert!(!printed.contains('\x1b'), "colour in a pipe");
        }
    }

    #[test]
    fn the_embedded_backend_answers_and_a_named_endpoint_replaces_it() {
        let folder = Folder::new("endpoint");
        let file = folder.0.join("addresses.json");
        let function = script("function.py");
        let start = |more: &[&str]| {
            local(&["--no-extension", "--addresses"])
                .arg(&file)
                .args(more)
                .args(["--", "python3", &function])
                .spawn()
                .unwrap()
        };
        let child = start(&[]);
        let (_, xray) = addresses(&file);
        let status = ureq::post(format!("{xray}/TraceSegments"))
            .send(r#"{"TraceSegmentDocuments":[]}"#)
            .unwrap()
            .status();
        assert_eq!(status, 200);
        end(child, "-TERM");
        std::fs::remove_file(&file).unwrap();
        let child = start(&["--xray-endpoint", "http://127.0.0.1:1"]);
        assert_eq!(addresses(&file).1, "http://127.0.0.1:1");
        end(child, "-TERM");
    }

    #[test]
    fn a_missing_extension_and_a_taken_port_say_what_to_do() {
        let missing = local(&["--extension", "/nowhere/ext", "--", "true"])
            .output()
            .unwrap();
        assert_eq!(missing.status.code(), Some(1));
        assert!(
            text(&missing).contains("no extension at /nowhere/ext: build it with"),
            "{}",
            text(&missing)
        );

        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port().to_string();
        let busy = local(&["--no-extension", "--port", &port, "--", "true"])
            .output()
            .unwrap();
        assert_eq!(busy.status.code(), Some(1));
        assert!(
            text(&busy).contains(&format!("could not listen on 127.0.0.1:{port}")),
            "{}",
            text(&busy)
        );
        assert!(
            text(&busy).contains("in use"),
            "the cause is told: {}",
            text(&busy)
        );
    }
}
