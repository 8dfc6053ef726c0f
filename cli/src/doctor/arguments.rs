//! What `fluoroscope doctor` takes.

use std::path::PathBuf;

use clap::Args;

use super::finding::Level;

const EXAMPLES: &str = "\
Examples:
  aws lambda get-function-configuration --function-name orders | fluoroscope doctor -
  fluoroscope doctor template.yaml
  fluoroscope doctor template.yaml --parameter Architecture=arm64 --strict
  fluoroscope doctor orders.json --policy attached.json --layer-zip target/layer/fluoroscope-arm64.zip --json

  aws iam list-attached-role-policies --role-name orders-role > attached.json
  aws iam get-role-policy --role-name orders-role --policy-name inline > inline.json
  aws lambda get-layer-version-by-arn --arn LAYER_VERSION_ARN > layer.json     (for --layer-version)

Exit status: 0 without errors, 1 with errors (with --strict, with warnings too), 2 if something cannot be read.
What each finding means: docs/operate.md.";

/// Finds common mistakes in a function's configuration, and names the mend for each.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Answers of `get-function-configuration`, `get-function` or `list-functions`, or a SAM or CloudFormation
    /// template (JSON or YAML); `-` for standard input.
    #[arg(value_name = "FILE", required = true)]
    pub(super) files: Vec<PathBuf>,
    /// Looks at this function alone; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub(super) function: Vec<String>,
    /// A policy of the execution role, as `aws iam` prints it, or a policy document; may be given several times.
    #[arg(long, value_name = "FILE")]
    pub(super) policy: Vec<PathBuf>,
    /// What `aws lambda get-layer-version-by-arn` prints of a layer; may be given several times.
    #[arg(long, value_name = "FILE")]
    pub(super) layer_version: Vec<PathBuf>,
    /// The layer's zip, to look into.
    #[arg(long, value_name = "FILE")]
    pub(super) layer_zip: Option<PathBuf>,
    /// What names this extension's layer, in any part of its name.
    #[arg(long, value_name = "TEXT", default_value = "fluoroscope")]
    pub(super) layer_name: String,
    /// A parameter of the template; may be given several times. Others have their defaults.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter)]
    pub(super) parameter: Vec<(String, String)>,
    /// The least level that is shown.
    #[arg(long, value_enum, default_value_t = Level::Note)]
    pub(super) level: Level,
    /// Fails with warnings too.
    #[arg(long)]
    pub(super) strict: bool,
    /// Prints findings as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
