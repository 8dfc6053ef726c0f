//! The Serverless Framework, in the version that is kept up (`osls`): packaged, and the template judged.

use serde_json::Value;

use crate::clients::desk::{Desk, finish};
use crate::clients::moto::Moto;
use crate::clients::tools;
use crate::deploy::judge::{healthy, judge_with_own_policy, lay_out_function};
use crate::deploy::snippets::snippet;

#[tokio::test]
async fn the_serverless_snippet_is_packaged_and_its_template_attaches_the_layer() {
    // It asks CloudFormation whether the stack is there.
    let moto = Moto::start().await;
    let desk = Desk::new("serverless", moto.url());
    lay_out_function(&desk).await;
    desk.write("serverless.yml", snippet("serverless.yml"));

    let mut framework = desk.program("node");
    framework.arg(tools::frameworks("osls/bin/serverless.js"));
    framework
        .args(["package", "--verbose"])
        .env("NODE_NO_WARNINGS", "1");
    let said = finish(&mut framework).await;
    assert_eq!(said.code, Some(0), "{}{}", said.output, said.errors);
    let said = format!("{}{}", said.output, said.errors);
    assert!(
        !said.contains("onfiguration"),
        "it warns of the configuration: {said}"
    );
    let template = desk.read(".serverless/cloudformation-template-update-stack.json");
    let template: Value = serde_json::from_str(&template).expect("JSON");
    judge_with_own_policy(&template);
    healthy(&desk, ".serverless/cloudformation-template-update-stack.json").await;
}
