//! Go: aws-lambda-go with the X-Ray SDK, whose nested subsegments name the function as their parent.

use emulator::FunctionCommand;
use serde_json::json;
use tests::lab::Lab;

use super::orders::{COLD, WARM, assert_charge_failed, assert_paths, assert_taken};
use super::stage::{Function, end, fail, succeed};
use super::tools;

fn bootstrap() -> Function {
    let bootstrap = tools::go_function();
    let folder = bootstrap
        .parent()
        .expect("the function lies in a folder")
        .to_owned();
    Function {
        command: FunctionCommand::new(bootstrap),
        handler: "bootstrap".to_owned(),
        folder,
    }
}

#[tokio::test]
async fn nested_subsegments_end_up_in_one_connected_trace() {
    let lab = Lab::with(|config| bootstrap().play(config)).await;
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
