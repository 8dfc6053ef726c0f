//! The local environment with the function, the extension and the X-Ray backend.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use serde_json::{Value, json};

use super::built;
use super::child::{Program, http};
use super::moto::{Moto, REGION, TABLE};
use super::sdk::Sdk;
use crate::failure::{Failure, Outcome};
use crate::{process, project};

/// The function's name.
pub(super) const FUNCTION: &str = "selfies";

/// A running environment.
pub(super) struct Session {
    program: Program,
    invoke: String,
    xray: String,
}

/// What came back from an invocation.
pub(super) struct Invoked {
    pub(super) answer: String,
    pub(super) function_error: Option<String>,
    pub(super) trace_id: String,
}

impl Session {
    /// Starts `fluoroscope local` and waits until it takes invocations.
    pub(super) fn start(moto: &Moto, sdk: Sdk, interrupted: &AtomicBool) -> Outcome<Self> {
        let addresses = Addresses::new();
        let variables = [
            ("AWS_ENDPOINT_URL_DYNAMODB", moto.url().to_owned()),
            ("SELFIES_TABLE", TABLE.to_owned()),
            ("SELFIES_PICTURE_URL", moto.page()),
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
        ];
        let mut program = Program::start("the local environment", &built("fluoroscope"), |command| {
            command.current_dir(project::root().join(sdk.sources()));
            command
                .args(["local", "--name", FUNCTION, "--timeout", "30", "--addresses"])
                .arg(&addresses.file);
            let variables = variables.iter().map(|(name, value)| (*name, value.as_str()));
            for (name, value) in variables.chain(sdk.variables().iter().copied()) {
                command.arg("--env").arg(format!("{name}={value}"));
            }
            command
                .arg("--")
                .args(sdk.command())
                .args(["-m", "awslambdaric", "app.handler"]);
            // Nothing of the caller's account comes in, and nothing goes out to it.
            for (name, value) in [
                ("AWS_REGION", REGION),
                ("AWS_ACCESS_KEY_ID", "demo"),
                ("AWS_SECRET_ACCESS_KEY", "demo"),
                ("AWS_SESSION_TOKEN", ""),
            ] {
                command.env(name, value);
            }
        })?;
        let (invoke, xray) = program.wait_until("ready", interrupted, |_| addresses.read())?;
        Ok(Self {
            program,
            invoke,
            xray,
        })
    }

    /// Invokes the function as the AWS CLI does.
    pub(super) fn invoke(&self, payload: &Value) -> Outcome<Invoked> {
        let url = format!("{}/2015-03-31/functions/{FUNCTION}/invocations", self.invoke);
        let failed = |error: ureq::Error| {
            Failure::new(format!(
                "could not invoke at {url}: {error}{}",
                self.program.last_words()
            ))
        };
        let mut response = http().post(&url).send(payload.to_string()).map_err(failed)?;
        let header = |name| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let trace_header = header("X-Amzn-Trace-Id").unwrap_or_default();
        let function_error = header("X-Amz-Function-Error");
        let root = trace_header
            .split(';')
            .find_map(|pair| pair.trim().strip_prefix("Root="));
        let Some(trace_id) = root.map(str::to_owned) else {
            return Err(Failure::new(format!("the answer from {url} has no trace header")));
        };
        let answer = response.body_mut().read_to_string().map_err(failed)?;
        Ok(Invoked {
            answer,
            function_error,
            trace_id,
        })
    }

    /// The documents of a trace; none if the backend does not know it.
    pub(super) fn documents(&self, trace_id: &str) -> Outcome<Vec<Value>> {
        let url = format!("{}/Traces", self.xray);
        let failed =
            |error: ureq::Error| Failure::new(format!("could not read the trace from {url}: {error}"));
        let mut response = http()
            .post(&url)
            .send_json(json!({"TraceIds": [trace_id]}))
            .map_err(failed)?;
        let answer: Value = response.body_mut().read_json().map_err(failed)?;
        let segments = answer
            .pointer("/Traces/0/Segments")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let document = |segment: &Value| serde_json::from_str(segment.get("Document")?.as_str()?).ok();
        Ok(segments.filter_map(document).collect())
    }

    /// Draws a trace on our own standard output.
    pub(super) fn draw(&self, trace_id: &str) -> Outcome {
        let mut trace = process::program(&built("fluoroscope").to_string_lossy());
        let status = trace
            .args(["trace", "--annotations", "--endpoint", &self.xray, trace_id])
            .status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Failure::new(format!(
                "`fluoroscope trace` ended with {status}{}",
                self.program.last_words()
            ))),
            Err(error) => Err(Failure::new(format!(
                "`fluoroscope trace` could not be started: {error}"
            ))),
        }
    }

    /// Says where it can be reached, and shows what it logs from now on.
    pub(super) fn announce(&self) {
        println!(
            "\ninvoke:  {}/2015-03-31/functions/{FUNCTION}/invocations",
            self.invoke
        );
        println!("         curl -d '{{\"person\": \"you\"}}' {}/", self.invoke);
        println!("x-ray:   {}", self.xray);
        println!(
            "         target/release/fluoroscope trace --endpoint {}",
            self.xray
        );
        println!("Ctrl-C ends the demo\n");
        self.program.lines().show();
    }

    pub(super) fn is_up(&mut self) -> bool {
        self.program.is_up()
    }

    /// Ends the environment as Lambda does. Returns the extension's tally.
    pub(super) fn stop(&mut self) -> Outcome<Option<Value>> {
        self.program.end();
        Ok(self.program.lines().find_last(tally))
    }
}

/// The tally of a log line: the JSON object behind the name of its source.
fn tally(line: &str) -> Option<Value> {
    let (_, json) = line.split_once('{')?;
    let line: Value = serde_json::from_str(&format!("{{{json}")).ok()?;
    (line.get("message")?.as_str()? == "tally").then_some(line)
}

/// The file in which the environment says where it is.
struct Addresses {
    file: PathBuf,
}

impl Addresses {
    fn new() -> Self {
        let file = project::target().join(format!("demo-addresses-{}.json", std::process::id()));
        Self { file }
    }

    fn read(&self) -> Option<(String, String)> {
        let addresses: Value = serde_json::from_str(&fs::read_to_string(&self.file).ok()?).ok()?;
        let address = |name| addresses.get(name).and_then(Value::as_str).map(str::to_owned);
        address("invoke").zip(address("xray"))
    }
}

impl Drop for Addresses {
    fn drop(&mut self) {
        // It may never have been written.
        _ = fs::remove_file(&self.file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tally_is_found_behind_the_name_of_its_source() {
        let line = r#"extension    │ {"level":"info","message":"tally","sent":3}"#;
        assert_eq!(tally(line).unwrap()["sent"], 3);
        for other in [
            "",
            "extension │ {\"message\":\"other\"}",
            "function │ {tally}",
            "{\"message\":\"tally\"",
        ] {
            assert_eq!(tally(other), None, "{other}");
        }
    }
}
