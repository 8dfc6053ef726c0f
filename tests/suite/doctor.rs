//! `fluoroscope doctor` as it is called: files, standard input, exit status, JSON; and what this project tells its users.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tests::lab::binary;

use crate::clients::desk::{Desk, finish};
use crate::clients::moto::Moto;
use crate::clients::tools;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs the doctor with this on its standard input.
fn doctor(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(binary("fluoroscope"))
        .arg("doctor")
        .args(arguments)
        .current_dir(project())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have ended before it read anything.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A sound function, as `get-function` prints it.
fn sound() -> Value {
    json!({
        "Configuration": {
            "FunctionName": "orders",
            "Runtime": "python3.13",
            "Role": "arn:aws:iam::111122223333:role/orders-role",
            "Timeout": 10,
            "MemorySize": 256,
            "Architectures": ["arm64"],
            "TracingConfig": {"Mode": "Active"},
            "Layers": [{"Arn": "arn:aws:lambda:eu-west-1:111122223333:layer:fluoroscope-arm64:7"}],
            "Environment": {"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/fluoroscope"}},
        },
        "Code": {"Location": "https://example.com"},
    })
}

#[test]
fn a_sound_function_ends_with_0_and_a_mistake_with_1() {
    let output = doctor(&["-"], &sound().to_string());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(
        text(&output).contains("standard input: orders"),
        "{}",
        text(&output)
    );

    let mut wrong = sound();
    wrong["Configuration"]["Architectures"] = json!(["x86_64"]);
    let output = doctor(&["-"], &wrong.to_string());
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let told = text(&output);
    for part in [
        "error",
        "[layer-architecture]",
        "Configuration.Layers[0]",
        "why",
        "mend",
        "attach fluoroscope-x86_64",
    ] {
        assert!(told.contains(part), "no {part} in {told}");
    }
}

#[test]
fn a_warning_ends_with_1_only_if_that_is_asked_for() {
    let mut odd = sound();
    odd["Configuration"]["Environment"]["Variables"]["FLUOROSCOPE_FLUHS"] = json!("end");
    let odd = odd.to_string();
    assert_eq!(doctor(&["-"], &odd).status.code(), Some(0));
    assert_eq!(doctor(&["-", "--strict"], &odd).status.code(), Some(1));
}

#[test]
fn what_cannot_be_read_ends_with_2_and_says_what() {
    for (input, part) in [
        ("{\"FunctionName\": ", "is no JSON"),
        ("a: [b", "is no YAML"),
        ("a: b", "is no function's configuration and no template"),
        ("Resources: {}", "has no function"),
        ("", "is no YAML"),
    ] {
        let output = doctor(&["-"], input);
        assert_eq!(output.status.code(), Some(2), "{input}: {}", text(&output));
        assert!(text(&output).contains(part), "{input}: {}", text(&output));
    }
    let missing = doctor(&["no-such-file.yaml"], "");
    assert_eq!(missing.status.code(), Some(2));
    assert!(
        text(&missing).contains("could not read no-such-file.yaml"),
        "{}",
        text(&missing)
    );
    let missing = doctor(&["template.yaml", "--function", "Nobody"], "");
    assert_eq!(missing.status.code(), Some(2));
    assert!(
        text(&missing).contains("has no function Nobody"),
        "{}",
        text(&missing)
    );
}

#[test]
fn findings_are_json_if_that_is_asked_for() {
    let mut wrong = sound();
    wrong["Configuration"]["Timeout"] = json!(1);
    let output = doctor(&["-", "--json", "--level", "warning"], &wrong.to_string());
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["errors"], &told["warnings"]), (&json!(0), &json!(1)));
    let finding = &told["functions"][0]["findings"][0];
    assert_eq!(
        (&finding["rule"], &finding["path"], &finding["level"]),
        (
            &json!("timeout-short"),
            &json!("Configuration.Timeout"),
            &json!("warning")
        )
    );
    assert_eq!(told["functions"][0]["findings"].as_array().unwrap().len(), 1);
}

#[test]
fn policies_and_the_layers_own_answer_are_taken_into_account() {
    let folder = std::env::temp_dir().join(format!("doctor-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, content: Value| {
        let path = folder.join(name);
        std::fs::write(&path, content.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let policy = |actions: Value| json!({"PolicyName": "p", "PolicyDocument": {"Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}});
    let good = write(
        "good.json",
        policy(json!(["xray:PutTraceSegments", "xray:PutTelemetryRecords"])),
    );
    let bad = write("bad.json", policy(json!("logs:*")));
    let layer = write(
        "layer.json",
        json!({
            "LayerVersionArn": "arn:aws:lambda:eu-west-1:111122223333:layer:fluoroscope-arm64:7",
            "CompatibleArchitectures": ["x86_64"],
        }),
    );
    let input = sound().to_string();
    assert_eq!(doctor(&["-", "--policy", &good], &input).status.code(), Some(0));
    let refused = doctor(&["-", "--policy", &bad], &input);
    assert!(text(&refused).contains("[policy-segments]"), "{}", text(&refused));
    assert_eq!(
        doctor(&["-", "--policy", &bad, "--policy", &good], &input)
            .status
            .code(),
        Some(0)
    );
    let other = doctor(&["-", "--layer-version", &layer], &input);
    assert!(text(&other).contains("[layer-architecture]"), "{}", text(&other));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn this_projects_template_has_nothing_to_mend() {
    for architecture in ["x86_64", "arm64"] {
        let parameter = format!("Architecture={architecture}");
        let output = doctor(&["template.yaml", "--strict", "--parameter", &parameter], "");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    }
}

/// Fenced blocks of a Markdown text that are templates.
fn templates(markdown: &str) -> Vec<String> {
    let blocks = markdown.split("\n```").skip(1).step_by(2);
    let templates = blocks.filter_map(|block| {
        let (_, body) = block.split_once('\n')?;
        let is_template = body
            .lines()
            .any(|line| line.starts_with("Resources:") || line.starts_with("  \"Resources\":"));
        is_template.then(|| body.to_owned())
    });
    templates.collect()
}

#[test]
fn templates_of_the_documents_have_nothing_to_mend() {
    let mut documents = vec![project().join("README.md")];
    let folder = std::fs::read_dir(project().join("docs")).unwrap();
    documents.extend(
        folder
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "md")),
    );
    for document in documents {
        let markdown = std::fs::read_to_string(&document).unwrap();
        for template in templates(&markdown) {
            let output = doctor(&["-", "--strict"], &template);
            assert_eq!(
                output.status.code(),
                Some(0),
                "{}: {}\n{template}",
                document.display(),
                text(&output)
            );
        }
    }
    let found = templates(
        "a\n\n```yaml t.yaml\nResources:\n  A: 1\n```\n\n```sh\nls\n```\n\n```yaml\nResources: {}\n```\n",
    );
    assert_eq!(found, ["Resources:\n  A: 1", "Resources: {}"]);
}

/// What the AWS CLI prints, of a function that lives in moto.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_aws_cli_prints_is_read_as_it_is() {
    let moto = Moto::start().await;
    let desk = Desk::new("doctor", moto.url());
    let python = tools::python_environment("python");
    let zip = "import zipfile; zipfile.ZipFile('it.zip', 'w').writestr('app.py', '')";
    assert_eq!(
        finish(desk.program(&python).args(["-c", zip])).await.code,
        Some(0)
    );
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let put = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["xray:PutTraceSegments","xray:PutTelemetryRecords"],"Resource":"*"}]}"#;
    let role = desk
        .aws(&[
            "iam",
            "create-role",
            "--role-name",
            "orders",
            "--assume-role-policy-document",
            trust,
        ])
        .await;
    let role = role["Role"]["Arn"].as_str().unwrap().to_owned();
    desk.aws(&[
        "iam",
        "put-role-policy",
        "--role-name",
        "orders",
        "--policy-name",
        "traces",
        "--policy-document",
        put,
    ])
    .await;
    let layer = [
        "lambda",
        "publish-layer-version",
        "--layer-name",
        "fluoroscope",
        "--zip-file",
        "fileb://it.zip",
    ];
    let layer = desk
        .aws(&[&layer[..], &["--compatible-architectures", "x86_64"]].concat())
        .await;
    let layer = layer["LayerVersionArn"].as_str().unwrap().to_owned();
    let function = [
        "lambda",
        "create-function",
        "--function-name",
        "orders",
        "--runtime",
        "python3.13",
        "--handler",
        "app.handler",
    ];
    let rest = [
        "--role",
        &role,
        "--zip-file",
        "fileb://it.zip",
        "--layers",
        &layer,
        "--architectures",
        "arm64",
    ];
    let more = [
        "--tracing-config",
        "Mode=Active",
        "--environment",
        "Variables={AWS_LAMBDA_EXEC_WRAPPER=/opt/fluoroscope}",
        "--timeout",
        "10",
    ];
    desk.aws(&[&function[..], &rest[..], &more[..]].concat()).await;

    let mut configurations = Vec::new();
    for command in ["get-function-configuration", "get-function", "list-functions"] {
        let named = ["--function-name", "orders"];
        let words = [
            &["lambda", command][..],
            if command.starts_with("get") { &named } else { &[] },
        ]
        .concat();
        configurations.push(desk.aws(&words).await.to_string());
    }
    let print = |name: &str, answer: Value| {
        desk.write(name, answer.to_string());
        desk.path(name).to_str().unwrap().to_owned()
    };
    let policy = desk
        .aws(&[
            "iam",
            "get-role-policy",
            "--role-name",
            "orders",
            "--policy-name",
            "traces",
        ])
        .await;
    let policy = print("policy.json", policy);
    let attached = desk
        .aws(&["iam", "list-attached-role-policies", "--role-name", "orders"])
        .await;
    let attached = print("attached.json", attached);
    let version = print(
        "layer.json",
        desk.aws(&[
            "lambda",
            "get-layer-version",
            "--layer-name",
            "fluoroscope",
            "--version-number",
            "1",
        ])
        .await,
    );
    for configuration in configurations {
        let sound = doctor(
            &[
                "-", "--policy", &policy, "--policy", &attached, "--level", "warning",
            ],
            &configuration,
        );
        assert_eq!(sound.status.code(), Some(0), "{}\n{configuration}", text(&sound));
        assert!(
            text(&sound).contains("orders: nothing to mend"),
            "{}\n{configuration}",
            text(&sound)
        );
        let refused = doctor(
            &["-", "--policy", &attached, "--layer-version", &version],
            &configuration,
        );
        for rule in ["[policy-segments]", "[layer-architecture]"] {
            assert!(
                text(&refused).contains(rule),
                "no {rule} in {}\n{configuration}",
                text(&refused)
            );
        }
    }
}
