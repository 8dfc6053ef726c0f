//! The SAM snippet: linted and built by the SAM CLI, transformed as CloudFormation does it, and the template judged.

use serde_json::Value;

use super::judge::{healthy, judge, lay_out_function};
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

#[tokio::test]
async fn sam_builds_the_snippet_from_the_folders_that_the_page_names() {
    let desk = Desk::new("sam-build", NOBODY);
    lay_out_function(&desk).await;
    desk.folder("bin");
    desk.write("bin/bootstrap", "a program");
    // SAM builds a function with the very version of Python that it runs on. The machine has one, and not always the page's.
    let version = "import sys; print('python%d.%d' % sys.version_info[:2])";
    let here = sam(&desk, &["-c", version]).await;
    let right = snippet("template.yaml");
    let template = right.replace("python3.13", here.trim());
    assert!(template.contains(here.trim()), "{template}");
    desk.write("template.yaml", template);
    sam(&desk, &["-m", "samcli", "build"]).await;

    // As `sam deploy` finds it: what was built, and what was built already.
    let read = "import json, sys; from samcli.yamlhelper import yaml_parse; print(json.dumps(yaml_parse(open(sys.argv[1]).read())))";
    let built = sam(&desk, &["-c", read, ".aws-sam/build/template.yaml"]).await;
    let built: Value = serde_json::from_str(&built).expect("it prints JSON");
    for (resource, place, content) in [
        ("Orders", "CodeUri", "/app.py"),
        ("Thumbnails", "CodeUri", "/bootstrap"),
        ("FluoroscopeLayer", "ContentUri", ""),
    ] {
        let folder = built["Resources"][resource]["Properties"][place].as_str();
        let folder = folder.unwrap_or_else(|| panic!("{resource} is nowhere: {built:#}"));
        let path = desk.path(&format!(".aws-sam/build/{folder}{content}"));
        assert!(path.is_file(), "{resource}: {}", path.display());
    }
    assert_eq!(desk.read(".aws-sam/build/Orders/app.py"), desk.read("src/app.py"));
}

/// What the interpreter that the SAM CLI runs on prints. It is on the path, as SAM looks for it there.
async fn sam(desk: &Desk, words: &[&str]) -> String {
    let python = tools::sam_environment("python");
    let own = python.parent().expect("a program lies in a folder").to_owned();
    let mut command = desk.program(&python);
    let searched = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::env::join_paths([own].into_iter().chain(std::env::split_paths(&searched)));
    command.env("PATH", paths.expect("paths that were split"));
    command.args(words).env("SAM_CLI_TELEMETRY", "0");
    let said = finish(&mut command).await;
    assert_eq!(said.code, Some(0), "{words:?}: {}{}", said.output, said.errors);
    said.output
}
