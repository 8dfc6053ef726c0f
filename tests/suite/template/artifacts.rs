//! The template, and what `sam build` made of it before the tests began.

use std::path::{Path, PathBuf};

use crate::clients::tools;

/// The folder of the project's files.
pub(super) fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The text of `template.yaml`.
pub(super) fn template() -> String {
    let path = project().join("template.yaml");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The template that `sam build` wrote, beside everything that it built.
#[track_caller]
pub(super) fn built_template() -> PathBuf {
    tools::built("template/build/template.yaml")
}
