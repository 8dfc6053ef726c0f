//! Node.js: a runtime client of our own with the X-Ray SDK, every subsegment streamed on its own.

use emulator::FunctionCommand;
use serde_json::json;
use tokio::process::Command;

use super::desk::finish;
use super::dynamodb::{Answer, Dynamodb};
use super::played::play;
use super::stage::Function;
use super::tools;

pub(crate) fn runtime_client(handler: &str) -> Function {
    let modules = format!("NODE_PATH={}", tools::node_modules().display());
    Function {
        command: FunctionCommand::new("env")
            .arg(modules)
            .arg("node")
            .arg("runtime.mjs")
            .arg(handler),
        handler: handler.to_owned(),
        folder: tools::functions().join("node"),
    }
}

#[tokio::test]
async fn streamed_subsegments_end_up_in_one_connected_trace() {
    let dynamodb = Dynamodb::start(Answer::Tables).await;
    let event = json!({ "endpoint": dynamodb.url() });
    let played = play(
        runtime_client("orders.handler"),
        &event,
        &["take order > DynamoDB"],
    )
    .await;
    played.assert_basket();
    let call = played.taken.named("DynamoDB");
    assert_eq!(call["aws"]["operation"], "ListTables");
    // Each subsegment is a document of its own.
    played.assert_received(6);
}

/// `docs/verify-on-aws.sh` takes this form of answer apart.
#[tokio::test]
async fn the_function_of_the_verification_says_where_its_sdk_would_send() {
    let template = include_str!("../../../docs/verify-on-aws.yaml");
    let code = template.lines().find(|line| line.contains("exports.handler"));
    let code = code.expect("the template has a function for Node.js").trim();
    let program = format!("{code} exports.handler().then((answer) => console.log(JSON.stringify(answer)))");
    let mut node = Command::new("node");
    node.args(["-e", &program])
        .env("AWS_XRAY_DAEMON_ADDRESS", "127.0.0.1:2000");
    let said = finish(&mut node).await;
    assert_eq!(
        said.output.trim(),
        "\"address=127.0.0.1:2000\"",
        "{}",
        said.errors
    );
}
