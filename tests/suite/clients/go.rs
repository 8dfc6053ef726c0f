//! Go: aws-lambda-go with the X-Ray SDK, whose nested subsegments name the function as their parent.

use emulator::FunctionCommand;

use super::nested::assert_one_document_an_invocation;
use super::stage::Function;
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
    assert_one_document_an_invocation(bootstrap()).await;
}
