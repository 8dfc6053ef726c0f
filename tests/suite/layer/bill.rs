//! The bill of materials: valid by CycloneDX's own schema, and complete.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use super::files::{NATIVE, released, sha256, zip};
use crate::clients::tools;

/// Reads a bill from standard input and judges it by the schema that it names.
const VALIDATOR: &str = "\
import json, sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
text = sys.stdin.read()
version = SchemaVersion.from_version(json.loads(text)['specVersion'])
error = JsonStrictValidator(version).validate_str(text)
sys.exit(str(error) if error else 0)
";

fn validate(bill: &str) -> Result<(), String> {
    let path = tools::target().join(format!("tmp/bill-{}.json", bill.len()));
    std::fs::write(&path, bill).expect("the target folder is ours");
    let output = Command::new(tools::python_environment("python"))
        .args(["-c", VALIDATOR])
        .stdin(std::fs::File::open(&path).expect("it was just written"))
        .output()
        .expect("python starts");
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn bill(arch: &str) -> String {
    let path = released(&format!("fluoroscope-{arch}.cdx.json"));
    std::fs::read_to_string(path).expect("it is text")
}

#[test]
fn the_bill_is_valid_and_a_broken_one_is_not() {
    let bill = bill(NATIVE);
    validate(&bill).expect("the schema accepts it");
    let broken = bill.replacen("\"SHA-256\"", "\"SHA-0\"", 1);
    assert!(validate(&broken).is_err(), "the validator accepts anything");
}

#[test]
fn the_bill_names_the_zip_and_every_package_with_its_checksum() {
    check_bill(NATIVE);
}

/// Names, checksums and edges of a bill, against what cargo says and the lock file has.
#[track_caller]
pub(super) fn check_bill(arch: &str) {
    let bill: Value = serde_json::from_str(&bill(arch)).expect("it is JSON");
    let zip = std::fs::read(zip(arch)).expect("it is there");
    assert_eq!(
        bill["metadata"]["component"]["hashes"][0]["content"],
        sha256(&zip)
    );

    let components = bill["components"].as_array().expect("a list");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let named: BTreeSet<String> = components
        .iter()
        .map(|component| format!("{} {}", text(&component["name"]), text(&component["version"])))
        .collect();
    let mut expected = linked(arch);
    let besides = ["std", "zig-compiler-rt", "llvm-libunwind", "glibc-start-files"];
    expected.extend(
        named
            .iter()
            .filter(|name| {
                besides
                    .iter()
                    .any(|prefix| name.starts_with(&format!("{prefix} ")))
            })
            .cloned(),
    );
    assert_eq!(named, expected);
    assert_eq!(named.len(), linked(arch).len() + besides.len());
    let lock = include_str!("../../../Cargo.lock");
    let archives = components
        .iter()
        .filter(|component| component.get("purl").is_some());
    assert!(archives.clone().count() > besides.len());
    for component in archives {
        let checksum = text(&component["hashes"][0]["content"]);
        assert!(lock.contains(&checksum), "{component}");
    }
    check_edges(&bill);
}

/// What is linked into the extension, as cargo tells it.
fn linked(arch: &str) -> BTreeSet<String> {
    let machine = if arch == "arm64" { "aarch64" } else { arch };
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "-p",
            "extension",
            "-e",
            "normal,no-proc-macro",
            "--prefix",
            "none",
        ])
        .args([
            "--format",
            "{p}",
            "--target",
            &format!("{machine}-unknown-linux-gnu"),
        ])
        .output()
        .expect("cargo started this test");
    let text = String::from_utf8(output.stdout).expect("names are text");
    let mut packages = BTreeSet::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            packages.insert(format!("{name} {}", version.trim_start_matches('v')));
        }
    }
    packages
}

/// From the zip every component can be reached, and nothing is reached that is no component.
#[track_caller]
fn check_edges(bill: &Value) {
    let of = |value: &Value| -> Vec<String> {
        let words = value.as_array().into_iter().flatten();
        words
            .map(|word| word.as_str().expect("text").to_owned())
            .collect()
    };
    let edges: BTreeMap<String, Vec<String>> = bill["dependencies"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| {
            (
                entry["ref"].as_str().expect("text").to_owned(),
                of(&entry["dependsOn"]),
            )
        })
        .collect();
    let top = bill["metadata"]["component"]["bom-ref"]
        .as_str()
        .expect("text")
        .to_owned();
    let (mut reached, mut open) = (BTreeSet::new(), vec![top.clone()]);
    while let Some(next) = open.pop() {
        if reached.insert(next.clone()) {
            open.extend(edges.get(&next).into_iter().flatten().cloned());
        }
    }
    reached.remove(&top);
    let components = bill["components"].as_array().expect("a list");
    let all: BTreeSet<String> = components
        .iter()
        .map(|component| component["bom-ref"].as_str().expect("text").to_owned())
        .collect();
    assert_eq!(reached, all);
}
