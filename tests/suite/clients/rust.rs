//! Rust: `lambda_runtime` with OpenTelemetry, whose spans come through `opentelemetry-aws`' daemon client.

use emulator::FunctionCommand;
use serde_json::json;
use tests::lab::Lab;

use super::orders::{COLD, WARM, assert_charge_failed, assert_paths, assert_taken};
use super::stage::{Function, end, fail, succeed};
use super::tools;

fn bootstrap() -> Function {
    Function {
        command: FunctionCommand::new(env!("CARGO_BIN_EXE_orders-function")),
        handler: "bootstrap".to_owned(),
        folder: tools::functions().join("rust"),
    }
}

#[tokio::test]
async fn opentelemetry_spans_end_up_in_one_connected_trace() {
    let lab = Lab::with(|config| bootstrap().play(config)).await;
    let cold = succeed(&lab, &json!({})).await;
    let warm = fail(&lab, &json!({ "raise": true })).await;
    let ended = end(lab).await;

    let tree = ended.trace(cold);
    assert_paths(&tree, COLD, &["take order", "take order > price"]);
    assert_taken(&tree);
    assert_eq!(
        tree.named("take order")["aws"]["xray"]["sdk"],
        "opentelemetry for rust"
    );

    let tree = ended.trace(warm);
    assert_paths(
        &tree,
        WARM,
        &["take order", "take order > price", "take order > charge"],
    );
    assert_charge_failed(&tree);
    assert_eq!(ended.finished.tally["received"]["udp"], 5);
    assert_eq!(ended.finished.tally["held"], 0);
}
