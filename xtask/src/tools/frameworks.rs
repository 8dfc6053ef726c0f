//! The CDK with a type checker, and the Serverless Framework: they judge the snippets of docs/deploy.md.

use super::node;
use crate::failure::Outcome;
use crate::project;

const SOURCES: &str = "tests/suite/deploy/frameworks";

/// Installs them unless they are current: 315 MB, most of half a minute, once.
pub(crate) fn install() -> Outcome {
    if obstacle().is_some() {
        return Ok(());
    }
    node::install_from(SOURCES, &project::tools().join("frameworks"))
}

/// Why they cannot run here, if they cannot.
pub(crate) fn obstacle() -> Option<String> {
    node::check().err().map(|failure| failure.to_string())
}
