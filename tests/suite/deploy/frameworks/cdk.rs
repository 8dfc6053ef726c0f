//! The CDK: type-checked, synthesised, and the template held against what the page promises.

use serde_json::Value;

use crate::clients::desk::{Desk, finish};
use crate::clients::tools;
use crate::deploy::judge::{healthy, judge_with_own_policy, lay_out_function};
use crate::deploy::snippets::snippet;

/// Nobody listens there: synthesis asks no service.
const NOBODY: &str = "http://127.0.0.1:9";

#[tokio::test]
async fn the_cdk_snippet_type_checks_and_its_template_attaches_the_layer() {
    let desk = Desk::new("cdk", NOBODY);
    lay_out_function(&desk).await;
    desk.link("node_modules", &tools::frameworks(""));
    desk.write("app.ts", snippet("app.ts"));

    let mut compiler = desk.program("node");
    compiler.arg(tools::frameworks("typescript/bin/tsc"));
    compiler.args(["--strict", "--noEmitOnError", "--skipLibCheck", "--types", "node"]);
    compiler.args(["--module", "commonjs", "--target", "es2022", "app.ts"]);
    let said = finish(&mut compiler).await;
    assert_eq!(said.code, Some(0), "{}{}", said.output, said.errors);

    // As the CDK's command line runs it.
    let mut app = desk.program("node");
    let said = finish(app.arg("app.js").env("CDK_OUTDIR", "out")).await;
    assert_eq!(said.code, Some(0), "{}{}", said.output, said.errors);
    let template: Value = serde_json::from_str(&desk.read("out/orders.template.json")).expect("JSON");
    judge_with_own_policy(&template);
    healthy(&desk, "out/orders.template.json").await;
}
