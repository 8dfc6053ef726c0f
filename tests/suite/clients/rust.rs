//! Rust: `lambda_runtime` with OpenTelemetry, whose spans come through `opentelemetry-aws`' daemon client.

use emulator::FunctionCommand;
use serde_json::json;

use super::played::play;
use super::stage::Function;
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
    let played = play(bootstrap(), &json!({}), &[]).await;
    let order = played.taken.named("take order");
    assert_eq!(order["aws"]["xray"]["sdk"], "opentelemetry for rust");
    played.assert_received(5);
}
