//! Java: AWS's runtime client with the X-Ray SDK, which nests subsegments in one document.

use emulator::FunctionCommand;
use serde_json::json;
use tests::lab::Lab;

use super::orders::{COLD, WARM, assert_charge_failed, assert_paths, assert_taken};
use super::stage::{Function, end, fail, succeed};
use super::tools;

fn runtime_client() -> Function {
    let folder = tools::java_libraries();
    let handler = "fluoroscope.Orders::handleRequest".to_owned();
    let command = FunctionCommand::new("java")
        .arg("-cp")
        .arg(format!("{}/*", folder.display()))
        .arg("com.amazonaws.services.lambda.runtime.api.client.AWSLambda")
        .arg(&handler);
    Function {
        command,
        handler,
        folder,
    }
}

#[tokio::test]
async fn nested_subsegments_with_times_in_scientific_notation_end_up_in_one_connected_trace() {
    let lab = Lab::with(|config| runtime_client().play(config)).await;
    let cold = succeed(&lab, &json!({})).await;
    let warm = fail(&lab, &json!({ "raise": true })).await;
    let ended = end(lab).await;

    let tree = ended.trace(cold);
    assert_paths(&tree, COLD, &["take order", "take order > price"]);
    assert_taken(&tree);
    assert_eq!(
        tree.named("take order")["metadata"]["shop"]["basket"]["items"],
        json!(["tea", "cup"])
    );

    let tree = ended.trace(warm);
    assert_paths(
        &tree,
        WARM,
        &["take order", "take order > price", "take order > charge"],
    );
    assert_charge_failed(&tree);
    assert_eq!(
        ended.finished.tally["received"]["udp"], 2,
        "one document an invocation"
    );
    assert_eq!(ended.finished.tally["held"], 0);
}
