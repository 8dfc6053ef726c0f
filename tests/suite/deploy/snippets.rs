//! Fenced blocks of docs/deploy.md, by the name behind their language.

use std::fs;
use std::path::Path;

/// The blocks that some test of this module judges; `Dockerfile` is judged with the layer's own.
const JUDGED: [&str; 11] = [
    "template.yaml",
    "publish.sh",
    "permit.sh",
    "attach-first.sh",
    "attach.sh",
    "app.ts",
    "main.tf",
    "serverless.yml",
    "Dockerfile",
    "policy.json",
    "detach.sh",
];

/// The block of this name.
pub(super) fn snippet(name: &str) -> String {
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
    assert_eq!(names, JUDGED);
}
