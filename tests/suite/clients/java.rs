//! Java: AWS's runtime client with the X-Ray SDK, which nests subsegments in one document.

use emulator::FunctionCommand;

use super::nested::assert_one_document_an_invocation;
use super::stage::Function;
use super::tools;

pub(crate) fn runtime_client() -> Function {
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
    assert_one_document_an_invocation(runtime_client()).await;
}
