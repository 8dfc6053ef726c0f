//! Node.js: a runtime client of our own with the X-Ray SDK, every subsegment streamed on its own.

use emulator::FunctionCommand;
use serde_json::json;
use tests::lab::Lab;

use super::dynamodb::{Answer, Dynamodb};
use super::orders::{COLD, WARM, assert_charge_failed, assert_paths, assert_taken};
use super::stage::{Function, end, fail, succeed};
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
    let lab = Lab::with(|config| runtime_client("orders.handler").play(config)).await;
    let cold = succeed(&lab, &json!({ "endpoint": dynamodb.url() })).await;
    let warm = fail(&lab, &json!({ "raise": true })).await;
    let ended = end(lab).await;

    let tree = ended.trace(cold);
    assert_paths(
        &tree,
        COLD,
        &["take order", "take order > price", "take order > DynamoDB"],
    );
    assert_taken(&tree);
    assert_eq!(
        tree.named("take order")["metadata"]["shop"]["basket"]["items"],
        json!(["tea", "cup"])
    );
    assert_eq!(tree.named("DynamoDB")["aws"]["operation"], "ListTables");

    let tree = ended.trace(warm);
    assert_paths(
        &tree,
        WARM,
        &["take order", "take order > price", "take order > charge"],
    );
    assert_charge_failed(&tree);
    assert_eq!(
        ended.finished.tally["received"]["udp"], 6,
        "each subsegment is a document of its own"
    );
    assert_eq!(ended.finished.tally["held"], 0);
}
