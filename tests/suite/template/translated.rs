//! The template as CloudFormation gets it: `AWS::Serverless` transformed.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::clients::desk::{Desk, finish};
use crate::clients::tools;

/// The template at `path`, with the parameters that were given.
pub(crate) async fn translate(desk: &Desk, path: &Path, parameters: &[&str]) -> Value {
    let mut translated = translate_all(desk, &[path.to_owned()], parameters).await;
    assert_eq!(translated.len(), 1);
    translated.remove(0)
}

/// Several templates, in one go: the transformer takes seconds to start.
pub(super) async fn translate_all(desk: &Desk, paths: &[PathBuf], parameters: &[&str]) -> Vec<Value> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("suite/template/translate.py");
    let mut command = desk.program(tools::sam_environment("python"));
    let said = finish(command.arg(program).args(paths).args(parameters)).await;
    assert_eq!(said.code, Some(0), "{}", said.errors);
    serde_json::from_str(&said.output).unwrap_or_else(|error| panic!("{error}: {}", said.output))
}
