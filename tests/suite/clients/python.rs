//! Python: AWS's runtime client with the X-Ray SDK, and with Powertools' Tracer.

use emulator::FunctionCommand;
use serde_json::json;
use tests::lab::Lab;

use super::dynamodb::{Answer, Dynamodb};
use super::orders::{COLD, WARM, assert_paths};
use super::played::play;
use super::stage::{Function, end, fail, succeed};
use super::tools;

pub(crate) fn runtime_client(handler: &str) -> Function {
    let python = FunctionCommand::new(tools::python_environment("python"));
    Function {
        command: python.arg("-m").arg("awslambdaric").arg(handler),
        handler: handler.to_owned(),
        folder: tools::functions().join("python"),
    }
}

#[tokio::test]
async fn the_xray_sdk_leaves_one_connected_trace_per_invocation() {
    let dynamodb = Dynamodb::start(Answer::Tables).await;
    let event = json!({ "endpoint": dynamodb.url() });
    let played = play(
        runtime_client("orders.handler"),
        &event,
        &["take order > dynamodb"],
    )
    .await;
    played.assert_basket();
    let call = played.taken.named("dynamodb");
    assert_eq!(
        (&call["aws"]["operation"], &call["aws"]["request_id"]),
        (&json!("ListTables"), &json!("ORDERS1"))
    );
    let charge = played.failed.named("charge");
    assert_eq!(charge["cause"]["exceptions"][0]["type"], "ValueError");
    played.assert_received(6);
}

#[tokio::test]
async fn a_call_that_aws_refuses_is_an_error_of_the_call_and_a_fault_of_the_function() {
    let dynamodb = Dynamodb::start(Answer::Refusal).await;
    let lab = Lab::with(|config| runtime_client("orders.handler").play(config)).await;
    let id = fail(&lab, &json!({ "endpoint": dynamodb.url() })).await;
    let ended = end(lab).await;

    let tree = ended.trace(id);
    let call = tree.named("dynamodb");
    assert_eq!(
        (&call["error"], &call["http"]["response"]["status"]),
        (&json!(true), &json!(400)),
        "{call}"
    );
    assert_eq!(tree.named("AWS::Lambda::Function")["fault"], true);
}

#[tokio::test]
async fn the_powertools_tracer_leaves_one_connected_trace_per_invocation() {
    let lab = Lab::with(|config| runtime_client("traced.handler").play(config)).await;
    let cold = succeed(&lab, &json!({})).await;
    let warm = fail(&lab, &json!({ "raise": true })).await;
    let ended = end(lab).await;

    let tree = ended.trace(cold);
    assert_paths(&tree, COLD, &["## handler", "## handler > ## traced.price"]);
    let handler = tree.named("## handler");
    assert_eq!(
        handler["annotations"],
        json!({ "ColdStart": true, "Service": "orders" })
    );
    assert_eq!(
        handler["metadata"]["orders"]["priced"],
        json!({ "item": "tea", "cents": 250 })
    );

    let tree = ended.trace(warm);
    assert_paths(
        &tree,
        WARM,
        &[
            "## handler",
            "## handler > ## traced.price",
            "## handler > ## traced.charge",
        ],
    );
    assert_eq!(tree.named("## handler")["annotations"]["ColdStart"], false);
    for name in ["## handler", "## traced.charge", "AWS::Lambda::Function"] {
        assert_eq!(tree.named(name)["fault"], true, "{}", tree.named(name));
    }
}
