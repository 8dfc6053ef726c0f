//! Real and hand-made data of the field, where the folder that holds them is at hand: `../shared/fixtures`.
//!
//! Nothing of it is part of the project. `cargo xtask test` leaves this suite out, and says so, where it is not.

mod datagrams;
mod deviations;
mod exported_trees;
mod headers;
mod round_trips;
mod sampling;
mod segment_spans;
mod segments;
mod span_documents;
mod telemetry;

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures");
    assert!(
        folder.is_dir(),
        "../shared/fixtures is not here: `cargo xtask test` leaves this suite out then"
    );
    folder
}

fn read(path: &str) -> Value {
    let path = folder().join(path);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of a member, at least one.
fn rows<'a>(table: &'a Value, name: &str) -> &'a [Value] {
    let rows = table[name].as_array().map(Vec::as_slice).unwrap_or_default();
    assert!(!rows.is_empty(), "no rows {name}");
    rows
}

/// Says how much was played, past the test runner's capture.
fn report(what: &str, count: usize) {
    let _ = writeln!(std::io::stdout(), "fixtures: {count} {what}");
}
