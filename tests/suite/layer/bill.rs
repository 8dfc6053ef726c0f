//! The bill of materials: valid by CycloneDX's own schema, and complete.

use std::process::Command;

use serde_json::Value;

use super::files::{NATIVE, released, zip};
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
    let path = super::files::target().join(format!("tmp/bill-{}.json", bill.len()));
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

fn bill() -> String {
    let path = released(&format!("fluoroscope-{NATIVE}.cdx.json"));
    std::fs::read_to_string(path).expect("it is text")
}

#[test]
fn the_bill_is_valid_and_a_broken_one_is_not() {
    let bill = bill();
    validate(&bill).expect("the schema accepts it");
    let broken = bill.replacen("\"SHA-256\"", "\"SHA-0\"", 1);
    assert!(validate(&broken).is_err(), "the validator accepts anything");
}

#[test]
fn the_bill_names_the_zip_and_every_package_with_its_checksum() {
    let bill: Value = serde_json::from_str(&bill()).expect("it is JSON");
    let zip = std::fs::read(zip(NATIVE)).expect("it is there");
    let digest = ring::digest::digest(&ring::digest::SHA256, &zip);
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(bill["metadata"]["component"]["hashes"][0]["content"], hex);

    let components = bill["components"].as_array().expect("a list");
    let named = |name: &str| components.iter().find(|component| component["name"] == name);
    for name in [
        "tokio",
        "rustls",
        "ring",
        "reqwest",
        "lambda-extension",
        "serde_json",
        "webpki-roots",
        "std",
    ] {
        assert!(named(name).is_some(), "no {name}");
    }
    let lock = include_str!("../../../Cargo.lock");
    for component in components
        .iter()
        .filter(|component| component.get("purl").is_some())
    {
        let checksum = component["hashes"][0]["content"].as_str().expect("a checksum");
        assert!(lock.contains(checksum), "{component}");
    }
    // What only tests and build scripts use is not in the layer.
    for name in ["proptest", "axum", "serde_derive", "cc"] {
        assert!(named(name).is_none(), "{name} is not in the layer");
    }
}
