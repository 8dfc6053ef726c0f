//! The SAM snippet: linted by the SAM CLI, transformed as CloudFormation does it, and the template judged.

use super::judge::{healthy, judge};
use super::snippets::snippet;
use crate::clients::desk::{Desk, finish};
use crate::clients::tools;
use crate::template::translated::translate;

/// Nothing in here asks AWS.
const NOBODY: &str = "http://127.0.0.1:9";

#[tokio::test]
async fn the_sam_snippet_is_valid_and_what_it_becomes_attaches_the_layer() {
    let desk = Desk::new("sam", NOBODY);
    desk.write("template.yaml", snippet("template.yaml"));
    let mut sam = desk.program(tools::sam_environment("python"));
    sam.args(["-m", "samcli", "validate", "--lint"]);
    let said = finish(sam.env("SAM_CLI_TELEMETRY", "0")).await;
    assert_eq!(said.code, Some(0), "{}{}", said.output, said.errors);

    healthy(&desk, "template.yaml").await;
    let translated = translate(&desk, &desk.path("template.yaml"), &[]).await;
    desk.write("translated.json", translated.to_string());
    // Of what functions are made into, SAM's own linting leaves the values unread: the runtime, for one.
    let mut linter = desk.program(tools::sam_environment("python"));
    linter.args([
        "-c",
        "import sys; from cfnlint.runner import main; sys.exit(main())",
    ]);
    let said = finish(linter.args(["translated.json", "--ignore-checks", "W", "I"])).await;
    assert_eq!(said.code, Some(0), "{}{}", said.output, said.errors);

    let granted = judge(&translated);
    assert_eq!(
        granted.len(),
        2,
        "one with the wrapper, one of an OS-only runtime"
    );
    for role in granted {
        assert!(
            role.policies.contains("AWSXrayWriteOnlyAccess"),
            "{:?}",
            role.policies
        );
    }
}
