//! Fenced blocks of docs/deploy.md, by the name behind their language.

use std::fs;
use std::path::Path;

/// The blocks of the page, and the file below `tests/suite` whose tests read each.
const JUDGED: [(&str, &str); 11] = [
    ("template.yaml", "deploy/sam.rs"),
    ("publish.sh", "deploy/cli.rs"),
    ("permit.sh", "deploy/cli.rs"),
    ("attach-first.sh", "deploy/cli.rs"),
    ("attach.sh", "deploy/cli.rs"),
    ("app.ts", "deploy/frameworks/cdk.rs"),
    ("main.tf", "deploy/terraform.rs"),
    ("serverless.yml", "deploy/frameworks/serverless.rs"),
    ("Dockerfile", "layer/image.rs"),
    ("policy.json", "deploy/judge.rs"),
    ("detach.sh", "deploy/cli.rs"),
];

/// How tests ask for blocks, up to the bracket that closes it.
const CALLS: [(&str, char); 2] = [("snippet(", ')'), (".paste(&[", ']')];

/// The block of this name.
pub(crate) fn snippet(name: &str) -> String {
    let found = blocks(&page()).into_iter().find(|(named, _)| named == name);
    found
        .unwrap_or_else(|| panic!("docs/deploy.md has no block named {name}"))
        .1
}

/// Command lines of `layer/publish` that the page shows.
pub(super) fn publish_lines() -> Vec<String> {
    let page = page();
    let lines = page
        .lines()
        .filter_map(|line| line.strip_prefix("    layer/publish "));
    lines.map(str::to_owned).collect()
}

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/deploy.md");
    fs::read_to_string(path).expect("the page is there")
}

fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(head) = line.strip_prefix("```") {
            let name = head.split_once(' ').map_or(head, |(_, name)| name);
            let text: String = lines
                .by_ref()
                .take_while(|line| *line != "```")
                .map(|line| format!("{line}\n"))
                .collect();
            blocks.push((name.to_owned(), text));
        }
    }
    blocks
}

#[test]
fn every_block_of_the_page_is_judged() {
    let names: Vec<String> = blocks(&page()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, JUDGED.map(|(name, _)| name));
}

#[test]
fn every_block_is_read_by_the_file_that_is_said_to_judge_it() {
    for (name, file) in JUDGED {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("suite").join(file);
        let source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(asks_for(&source, name), "no test in {file} reads {name}");
    }
    let source = "// \"a.sh\"\nfn a() { account.paste(&[\"b.sh\"]); f(\"a.sh\"); snippet(\"c.sh\") }";
    let asked = ["a.sh", "b.sh", "c.sh"].map(|name| asks_for(source, name));
    assert_eq!(asked, [false, true, true]);
}

/// Whether a call in the source has the name of a block among its words.
fn asks_for(source: &str, name: &str) -> bool {
    let quoted = format!("\"{name}\"");
    CALLS.iter().any(|(call, end)| {
        let calls = source.split(call).skip(1);
        calls
            .filter_map(|rest| rest.split(*end).next())
            .any(|words| words.contains(&quoted))
    })
}
