//! `docs/verify-on-aws.sh` with the real AWS CLI against moto. What its functions answer is what they find in the local
//! environment: moto keeps stacks and traces, and starts no function.

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tests::lab::binary;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::clients::desk::{Desk, Said, finish};
use crate::clients::moto::Moto;
use crate::clients::tools;

const STACK: &str = "fluoroscope-verify";
/// Longest a local environment takes to be ready on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest the script takes to make its stack there; each word to AWS takes its CLI seconds.
const SCRIPT_PATIENCE: Duration = Duration::from_secs(180);
/// Between two looks whether it is.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A file of docs/.
pub(crate) fn documents(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

/// The code in Python of this name.
fn code(name: &str) -> String {
    let template = fs::read_to_string(documents("verify-on-aws.yaml")).unwrap();
    let (_, rest) = template.split_once(&format!("      {name}: |\n")).unwrap();
    let lines = rest
        .lines()
        .map_while(|line| line.strip_prefix("        ").or(line.is_empty().then_some("")));
    lines.collect::<Vec<_>>().join("\n").trim_end().to_owned() + "\n"
}

/// An account: moto, and a desk from where it is looked at.
struct Account {
    moto: Moto,
    desk: Desk,
}

impl Account {
    async fn open(name: &str) -> Self {
        let moto = Moto::start().await;
        let desk = Desk::new(name, moto.url());
        Self { moto, desk }
    }

    /// Lets functions answer this, one after the other.
    fn answers(&self, results: &[String]) {
        self.post("/moto-api/config", &json!({"lambda": {"use_docker": false}}));
        let results = json!({"region": "eu-west-1", "results": results});
        self.post("/moto-api/static/lambda-simple/response", &results);
    }

    fn post(&self, path: &str, body: &Value) {
        let url = format!("{}{path}", self.moto.url());
        let answer = ureq::post(&url)
            .header("Content-Type", "application/json")
            .send(body.to_string());
        answer.unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    fn script(&self, words: &[&str]) -> Command {
        let mut script = self.desk.program(documents("verify-on-aws.sh"));
        script
            .args(words)
            .env("VERIFY_ATTEMPTS", "3")
            .env("VERIFY_PAUSE", "0");
        script
    }

    /// Runs the script, which is to end with `code`.
    async fn verify(&self, code: i32, words: &[&str]) -> Said {
        finish(&mut self.script(words)).await.with_code(code)
    }

    /// How the stacks that ever were ended.
    async fn stacks(&self) -> Value {
        let query = "StackSummaries[].StackStatus";
        self.desk
            .aws(&["cloudformation", "list-stacks", "--query", query])
            .await
    }

    async fn put(&self, document: &Value) {
        let documents = document.to_string();
        self.desk
            .aws(&[
                "xray",
                "put-trace-segments",
                "--trace-segment-documents",
                &documents,
            ])
            .await;
    }
}

/// A function in a local environment, with its code in the desk's folder.
struct Local {
    _process: Child,
    url: String,
}

impl Local {
    async fn start(account: &Account, name: &str, variables: &[String]) -> Self {
        let (tracing, code) = match name {
            "clock" => ("passthrough", code("Clock")),
            mode => (mode, code("Probe")),
        };
        account.desk.write(&format!("{name}.py"), code);
        let handler = format!("{name}.handler");
        let port = UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let addresses = format!("addresses-{name}.json");
        let mut command = account.desk.program(binary("fluoroscope"));
        command.args([
            "local",
            "--no-extension",
            "--tracing",
            tracing,
            "--handler",
            &handler,
        ]);
        command.args(["--name", &format!("{STACK}-{name}"), "--addresses", &addresses]);
        command.args(["--xray-endpoint", account.moto.url()]);
        command.args([
            "--env",
            "AWS_XRAY_DAEMON_ADDRESS=127.0.0.1:2000",
            "--env",
            &format!("PROBE_PORT={port}"),
        ]);
        for variable in variables {
            command.args(["--env", variable]);
        }
        command
            .arg("--")
            .arg(tools::python_environment("python"))
            .args(["-m", "awslambdaric", &handler]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        let process = command.spawn().unwrap();
        let path = account.desk.path(&addresses);
        let ready = async {
            loop {
                let addresses = fs::read(&path)
                    .ok()
                    .and_then(|text| serde_json::from_slice::<Value>(&text).ok());
                if let Some(url) =
                    addresses.and_then(|addresses| addresses["invoke"].as_str().map(str::to_owned))
                {
                    return url;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let url = tokio::time::timeout(PATIENCE, ready)
            .await
            .expect("the environment is ready in time");
        Self {
            _process: process,
            url,
        }
    }

    /// What it answers.
    async fn answer(&self, event: &Value) -> String {
        let (url, event) = (self.url.clone(), event.to_string());
        let answer = tokio::task::spawn_blocking(move || {
            ureq::post(&url)
                .send(event)
                .unwrap()
                .body_mut()
                .read_to_string()
                .unwrap()
        });
        answer.await.unwrap()
    }
}

/// A fact out of a function's answer.
fn fact(answer: &str, name: &str) -> String {
    let facts = answer.trim_matches('"').split(';');
    let found = facts
        .filter_map(|fact| fact.split_once('='))
        .find(|(key, _)| *key == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {answer}"))
        .1
        .to_owned()
}

/// The same answer with another fact.
fn with(answer: &str, name: &str, value: &str) -> String {
    let old = fact(answer, name);
    assert!(old.parse::<u64>().is_ok(), "{name} is {old:?} in {answer}");
    answer.replace(&format!("{name}={old}"), &format!("{name}={value}"))
}

/// The verdict on each fact, in their order.
fn verdicts(said: &Said) -> Vec<&str> {
    let words = ["as assumed", "NOT AS ASSUMED", "not seen"];
    said.output
        .lines()
        .map(str::trim)
        .filter(|line| words.contains(line))
        .collect()
}

fn segment(root: &str, id: &str, origin: &str) -> Value {
    json!({"trace_id": root, "id": id, "name": "probe", "origin": origin, "start_time": 1_779_358_529.0, "end_time": 1_779_358_530.0})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_as_it_is_assumed_agrees_with_every_fact_and_the_stack_is_gone() {
    let account = Account::open("verify-agreeing").await;
    let passive = Local::start(&account, "passthrough", &[]).await;
    let callee = format!("AWS_ENDPOINT_URL_LAMBDA={}", passive.url);
    let active = Local::start(&account, "active", &[callee]).await;
    let clock = Local::start(&account, "clock", &[]).await;
    let first = active.answer(&json!({})).await;
    let root = fact(&first, "root");
    let answers = [
        // What `clients::node` hears of the function for Node.js.
        "\"address=127.0.0.1:2000\"".to_owned(),
        passive.answer(&json!({})).await,
        first,
        active.answer(&json!({"send": true})).await,
        active
            .answer(&json!({"invoke": format!("{STACK}-passthrough")}))
            .await,
        // This machine's memory is not a sandbox's.
        with(&clock.answer(&json!({})).await, "total", "128"),
        clock.answer(&json!({})).await,
    ];
    assert!(
        answers.iter().all(|answer| !answer.contains("errorMessage")),
        "{answers:#?}"
    );
    account.answers(&answers);
    account
        .put(&segment(&root, "aabbccddeeff0011", "AWS::Lambda"))
        .await;
    account
        .put(&segment(&root, "1122334455667788", "AWS::Lambda::Function"))
        .await;
    let said = account.verify(0, &["--yes"]).await;
    assert_eq!(
        verdicts(&said),
        ["as assumed"; 13],
        "{}\n{answers:#?}",
        said.output
    );
    assert!(said.output.contains("in the current style"), "{}", said.output);
    assert_eq!(account.stacks().await, json!(["DELETE_COMPLETE"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_unless_it_is_asked_for_and_answered() {
    let account = Account::open("verify-dry").await;
    let script = || account.script(&[]);
    // Nobody listens there: whatever is asked of AWS fails.
    let nobody = "http://127.0.0.1:1";
    let plan = finish(script().env("AWS_ENDPOINT_URL", nobody)).await;
    assert_eq!(plan.code, Some(0), "{}", plan.errors);
    assert!(
        plan.output.contains("This was a dry run: nothing was done."),
        "{}",
        plan.output
    );
    let refused = finish(script().arg("--run")).await;
    assert_eq!(refused.code, Some(2), "{}", refused.errors);
    assert!(
        refused.output.contains("Go on? [y/N] Nothing was done."),
        "{}",
        refused.output
    );
    assert_eq!(account.stacks().await, json!([]));
    let unknown = finish(script().arg("--what")).await;
    assert_eq!((unknown.code, unknown.output.as_str()), (Some(2), ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_fails_leaves_no_stack_behind() {
    let account = Account::open("verify-failing").await;
    // Without answers moto wants to start a container.
    let said = account.verify(2, &["--yes"]).await;
    assert!(
        said.errors.contains("could not be invoked") || said.errors.contains("-node failed"),
        "{}",
        said.errors
    );
    assert_eq!(account.stacks().await, json!(["DELETE_COMPLETE"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_is_interrupted_leaves_no_stack_behind() {
    let account = Account::open("verify-interrupted").await;
    account.answers(&std::iter::repeat_n("\"sampled=1\"".to_owned(), 8).collect::<Vec<_>>());
    let mut command = account.script(&["--yes"]);
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut script = command.spawn().unwrap();
    let mut lines = BufReader::new(script.stdout.take().unwrap()).lines();
    let begun = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.starts_with("invoking") {
                return;
            }
        }
        panic!("the script ended");
    };
    tokio::time::timeout(SCRIPT_PATIENCE, begun).await.unwrap();
    let id = script.id().unwrap().to_string();
    let killed = finish(account.desk.program("kill").args(["-TERM", &id])).await;
    assert_eq!(killed.code, Some(0), "{}", killed.errors);
    let rest = async { while lines.next_line().await.unwrap().is_some() {} };
    let (status, ()) = tokio::join!(script.wait(), rest);
    assert_eq!(status.unwrap().code(), Some(2));
    assert_eq!(account.stacks().await, json!(["DELETE_COMPLETE"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_of_that_name_is_left_alone() {
    let account = Account::open("verify-taken").await;
    let template = r#"{"Resources":{"T":{"Type":"AWS::SNS::Topic"}}}"#;
    account
        .desk
        .aws(&[
            "cloudformation",
            "create-stack",
            "--stack-name",
            "mine",
            "--template-body",
            template,
        ])
        .await;
    let said = account.verify(2, &["--yes", "--stack", "mine"]).await;
    assert!(
        said.errors.contains("there is a stack mine already"),
        "{}",
        said.errors
    );
    assert_eq!(account.stacks().await, json!(["CREATE_COMPLETE"]));
}

#[test]
fn the_probes_fit_into_a_template() {
    for name in ["Probe", "Clock"] {
        let code = code(name);
        assert!(
            code.ends_with('\n') && code.contains("def handler("),
            "{name}: {code}"
        );
        assert!(code.len() <= 4096, "{name}: {}", code.len());
    }
}

/// Numbers such as `V7` at the beginning of something.
fn numbers<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    let behind = text
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix(before));
    let words = behind.filter_map(|rest| rest.split([' ', '|']).next());
    let mut numbers: Vec<&str> = words
        .filter(|word| {
            word.len() > 1 && word.starts_with('V') && word[1..].bytes().all(|digit| digit.is_ascii_digit())
        })
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

#[test]
fn every_unconfirmed_fact_of_the_guide_is_checked_or_said_to_be_for_the_hand() {
    let guide = fs::read_to_string(documents("operate.md")).unwrap();
    let script = fs::read_to_string(documents("verify-on-aws.sh")).unwrap();
    let mut told = numbers(&script, "tell ");
    told.extend(numbers(&script, ""));
    told.sort_unstable();
    let facts = numbers(&guide, "| ");
    assert!(facts.len() >= 21, "{facts:?}");
    assert_eq!(told, facts);
}
