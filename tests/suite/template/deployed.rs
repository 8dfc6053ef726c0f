//! The stack comes up, and what was uploaded for it is what was built, and is traced when it runs.

use std::collections::BTreeMap;
use std::time::Instant;

use backend::Running;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use emulator::{Config, Layers};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tests::lab::{BOUND, Lab};
use tests::tree::Tree;

use super::faults::{faults, resources};
use super::runtimes;
use super::stack::{Stack, architecture};
use super::zips::{Entries, entries, unpack};
use crate::clients::desk::finish;
use crate::clients::orders::{COLD, WARM, assert_paths};
use crate::clients::readers::tree_of;
use crate::clients::stage::{Function, fail, xray};
use crate::clients::tools;

/// Where Lambda's own daemon is: whoever is left with it is not traced here.
const LAMBDAS_DAEMON: &str = "169.254.79.129:2000";

#[tokio::test]
async fn the_stack_comes_up_as_it_was_built_and_every_function_in_it_is_traced() {
    let stack = Stack::create().await;
    assert_eq!(stack.description["StackStatus"], "CREATE_COMPLETE");
    assert_eq!(faults(&stack.template), [""; 0]);
    let layer = the_layer(&stack).await;
    for (name, _) in resources(&stack.template, "AWS::Lambda::Function") {
        attached(&stack, name, &layer).await;
    }
    privileged(&stack).await;
    for (name, own, calls) in [
        (
            "Python",
            "take selfie",
            &["127.0.0.1", "dynamodb", "dynamodb"][..],
        ),
        ("Node", "like selfie", &["DynamoDB"]),
        ("Rust", "judge selfie", &["find faces"]),
    ] {
        traced(&stack, name, own, calls).await;
    }
}

/// The layer is published, and has in it what the zip has. Its ARN.
async fn the_layer(stack: &Stack) -> String {
    let layers = resources(&stack.template, "AWS::Lambda::LayerVersion");
    let uploaded = stack.uploaded(layers[0].0).await;
    let zip = tools::built(&format!("layer/fluoroscope-{}.zip", architecture()));
    let (uploaded_entries, entries) = (entries(&uploaded), entries(&zip));
    let names = |entries: &Entries| entries.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&uploaded_entries), names(&entries));
    assert!(
        uploaded_entries == entries,
        "another mode or content than in {}",
        zip.display()
    );
    std::fs::copy(&uploaded, stack.desk.path("layer.zip")).expect("the desk is ours");

    // moto gives it the resource's name instead of its own.
    let listed = stack.desk.aws(&["lambda", "list-layers"]).await;
    let published = &listed["Layers"][0]["LatestMatchingVersion"];
    let arn = published["LayerVersionArn"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let name = listed["Layers"][0]["LayerName"].as_str().unwrap_or_default();
    let words = [
        "lambda",
        "get-layer-version",
        "--version-number",
        "1",
        "--layer-name",
        name,
    ];
    let version = stack.desk.aws(&words).await;
    let bytes = std::fs::read(&uploaded).expect("it was just written");
    let sum = STANDARD.encode(digest(&SHA256, &bytes));
    assert_eq!(version["Content"]["CodeSha256"], sum, "{version}");
    arn
}

/// A function that is made of the template's properties carries the layer and active tracing.
///
/// moto's CloudFormation leaves both out of the functions that it makes; its Lambda keeps them. So each is made once more,
/// by Lambda's own API, with the template's values for these two.
async fn attached(stack: &Stack, name: &str, layer: &str) {
    let properties = &stack.template["Resources"][name]["Properties"];
    // The template names its layer, and no other.
    let layers = resources(&stack.template, "AWS::Lambda::LayerVersion");
    assert_eq!(properties["Layers"], json!([{ "Ref": layers[0].0 }]), "{name}");
    let made = configuration(stack, &stack.ids[name]).await;
    let again = format!("again-{name}");
    let function = json!({
        "FunctionName": again,
        "Code": properties["Code"],
        "TracingConfig": properties["TracingConfig"],
        "Layers": [layer],
        "Runtime": made["Runtime"],
        "Role": made["Role"],
        "Handler": made["Handler"],
    });
    stack.desk.write("function.json", function.to_string());
    let create = [
        "lambda",
        "create-function",
        "--cli-input-json",
        "file://function.json",
    ];
    stack.desk.aws(&create).await;
    let found = configuration(stack, &again).await;
    assert_eq!(found["TracingConfig"]["Mode"], "Active", "{found}");
    assert_eq!(found["Layers"][0]["Arn"], layer, "{found}");
    assert_eq!(found["CodeSha256"], made["CodeSha256"], "{found}");
    assert_eq!(made["Architectures"], json!([architecture()]), "{made}");
}

/// Roles have the rights that the template gives them, to the resources that were made.
async fn privileged(stack: &Stack) {
    let table = &stack.ids["SelfiesTable"];
    for (role, action) in [
        ("PythonRole", "dynamodb:PutItem"),
        ("NodeRole", "dynamodb:UpdateItem"),
    ] {
        let words = [
            "iam",
            "get-role-policy",
            "--role-name",
            &stack.ids[role],
            "--policy-name",
            "own-work",
        ];
        let policy = stack.desk.aws(&words).await;
        let statements = policy["PolicyDocument"].to_string();
        assert!(statements.contains("xray:PutTraceSegments"), "{statements}");
        assert!(
            statements.contains(action) && statements.contains(&format!("table/{table}")),
            "{statements}"
        );
    }
}

/// A function that is run as it was deployed leaves a complete trace, read with the command that the stack names.
async fn traced(stack: &Stack, name: &str, own: &str, calls: &[&str]) {
    let xray = xray().await;
    let function = format!("{name}Function");
    let code = stack.desk.path(&function);
    unpack(&stack.uploaded(&function).await, &code);
    let found = configuration(stack, &stack.ids[&function]).await;
    let command = runtimes::command(stack, name);
    let lab = Lab::with(|config| {
        deploy(stack, &found, config);
        let handler = found["Handler"].as_str().unwrap_or_default().to_owned();
        Function {
            command,
            handler,
            folder: code.clone(),
        }
        .play(config);
        config
            .variables
            .insert("AWS_ENDPOINT_URL_XRAY".into(), xray.url());
    })
    .await;
    let invoke = format!("http://{}", lab.environment.invoke_address());
    let answer = shell(stack, stack.output(&format!("Invoke{name}")), &invoke).await;
    assert!(
        answer.contains("\"person\"") && !answer.contains("FunctionError"),
        "{answer}\n{}",
        lab.log()
    );
    fail(&lab, &json!({"person": "ada", "eyes": "closed"})).await;
    lab.finish().await.assert_all_sent();

    let traces = read(stack, &xray).await;
    let path = |call: &&str| format!("{own} > {call}");
    let mut paths: Vec<String> = calls.iter().map(path).collect();
    paths.push(own.to_owned());
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let (cold, warm): (Vec<&Tree>, Vec<&Tree>) = traces.iter().partition(|trace| trace.has("Initialization"));
    assert_eq!((cold.len(), warm.len()), (1, 1), "{name}");
    assert_paths(cold[0], COLD, &paths);
    assert_paths(warm[0], WARM, &paths);
    assert_eq!(cold[0].named(own)["annotations"]["person"], "ada");
    for failed in [own, "AWS::Lambda::Function"] {
        assert_eq!(warm[0].named(failed)["fault"], true, "{}", warm[0].named(failed));
    }
}

/// The environment as Lambda makes it of the function's configuration, and AWS where moto is.
fn deploy(stack: &Stack, found: &Value, config: &mut Config) {
    config.function_name = found["FunctionName"].as_str().unwrap_or_default().to_owned();
    config.xray_daemon_address = Some(LAMBDAS_DAEMON.to_owned());
    config.extensions.clear();
    let layers = Layers::unpack(&[stack.desk.path("layer.zip")]);
    let attached = config
        .clone()
        .with_layers(layers.expect("the layer was just published"));
    *config = attached;
    let deployed: BTreeMap<String, String> =
        serde_json::from_value(found["Environment"]["Variables"].clone()).expect("variables are texts");
    config.variables.extend(deployed);
    // Every test has an address of its own for what is at 127.0.0.1:2000 on Lambda.
    let own = config.variables["FLUOROSCOPE_UDP_ADDRESS"].clone();
    if let Some(address) = config.variables.get_mut("AWS_XRAY_DAEMON_ADDRESS") {
        *address = address.replace("127.0.0.1:2000", &own);
    }
    let moto = stack.moto.url();
    config
        .variables
        .insert("AWS_ENDPOINT_URL_DYNAMODB".into(), moto.into());
    if let Some(page) = config.variables.get_mut("SELFIES_PICTURE_URL") {
        *page = format!("{moto}/moto-api/");
    }
}

/// What moto has of a function, by its id.
async fn configuration(stack: &Stack, id: &str) -> Value {
    let words = ["lambda", "get-function-configuration", "--function-name", id];
    stack.desk.aws(&words).await
}

/// Both traces, read as the stack's output says: its time ends at the last whole second, and theirs may not have.
async fn read(stack: &Stack, xray: &Running) -> Vec<Tree> {
    let asked = Instant::now();
    loop {
        let read = shell(stack, stack.output("ReadTraces"), &xray.url()).await;
        let read: Value = serde_json::from_str(&read).unwrap_or_else(|error| panic!("{error}: {read}"));
        let traces: Vec<Tree> = read["Traces"]
            .as_array()
            .into_iter()
            .flatten()
            .map(tree_of)
            .collect();
        if traces.len() > 1 || asked.elapsed() > BOUND {
            return traces;
        }
    }
}

/// What a line says that was pasted into a shell.
async fn shell(stack: &Stack, line: &str, endpoint: &str) -> String {
    let mut sh = stack.desk.program("sh");
    let said = finish(sh.args(["-c", line]).env("AWS_ENDPOINT_URL", endpoint)).await;
    assert_eq!(said.code, Some(0), "{line}: {}", said.errors);
    said.output
}
