//! From files to functions.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use zip::result::ZipError;

use super::arguments::Arguments;
use super::function::Function;
use super::layer::{Declared, KnownLayers, Layer};
use super::layer_zip::{self, LayerZip};
use super::node::{Node, Value};
use super::permissions::Permissions;
use super::template;
use super::yaml::{self, YamlError};

/// Bytes of a file; larger ones are refused. Templates have at most 1 MB.
const FILE_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// What keeps an input from being looked at.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    /// The file itself.
    #[error("could not read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Beyond [`FILE_MAX_BYTES`].
    #[error("{} is larger than any template ({FILE_MAX_BYTES} bytes)", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Neither JSON nor YAML.
    #[error("{} is no JSON: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Likewise.
    #[error("{} is no YAML: {source}", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: YamlError,
    },
    /// Something else.
    #[error(
        "{} is no function's configuration and no template: expected FunctionName, Configuration, Functions or Resources at its root",
        path.display()
    )]
    Stranger {
        /// The file.
        path: PathBuf,
    },
    /// A layer's zip.
    #[error("could not read the layer {}: {source}", path.display())]
    Zip {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ZipError,
    },
    /// No function at all, or none of those asked for.
    #[error("{} has no function{}", path.display(), asked.as_ref().map(|name| format!(" {name}")).unwrap_or_default())]
    NoFunction {
        /// The file.
        path: PathBuf,
        /// The one that was asked for.
        asked: Option<String>,
    },
}

/// Everything there is to look at.
pub(super) struct Input {
    /// Each file's name and functions.
    pub(super) files: Vec<(String, Vec<Function>)>,
    /// The layer's zip.
    pub(super) zip: Option<LayerZip>,
}

/// Reads what the arguments name.
pub(super) fn read(arguments: &Arguments) -> Result<Input, InputError> {
    let mut known = KnownLayers {
        declared: Vec::new(),
        mark: arguments.layer_name.to_ascii_lowercase(),
    };
    for path in &arguments.layer_version {
        known.declared.extend(layer_version(&node(path)?));
    }
    let mut permissions: Option<Permissions> = None;
    for path in &arguments.policy {
        permissions.get_or_insert_default().add(&node(path)?);
    }
    let zip = match &arguments.layer_zip {
        Some(path) => Some(layer_zip::read(path).map_err(|source| InputError::Zip {
            path: path.clone(),
            source,
        })?),
        None => None,
    };
    let mut files = Vec::new();
    for path in &arguments.files {
        let root = node(path)?;
        let mut functions = functions_of(&root, &arguments.parameter, &known)
            .ok_or_else(|| InputError::Stranger { path: path.clone() })?;
        if !arguments.function.is_empty() {
            functions.retain(|function| arguments.function.contains(&function.name));
        }
        if functions.is_empty() {
            return Err(InputError::NoFunction {
                path: path.clone(),
                asked: arguments.function.first().cloned(),
            });
        }
        for function in &mut functions {
            if let Some(given) = &permissions {
                function.permissions = std::mem::take(&mut function.permissions).and(given.clone());
            }
        }
        files.push((named(path), functions));
    }
    Ok(Input { files, zip })
}

fn named(path: &Path) -> String {
    match is_standard_input(path) {
        true => "standard input".to_owned(),
        false => path.display().to_string(),
    }
}

fn is_standard_input(path: &Path) -> bool {
    path == Path::new("-")
}

fn node(path: &Path) -> Result<Node, InputError> {
    let unreadable = |source| InputError::Unreadable {
        path: named(path).into(),
        source,
    };
    let mut text = String::new();
    let read = match is_standard_input(path) {
        true => io::stdin()
            .lock()
            .take(FILE_MAX_BYTES + 1)
            .read_to_string(&mut text),
        false => File::open(path).and_then(|file| file.take(FILE_MAX_BYTES + 1).read_to_string(&mut text)),
    };
    let bytes = read.map_err(unreadable)?;
    if u64::try_from(bytes).is_ok_and(|bytes| bytes > FILE_MAX_BYTES) {
        return Err(InputError::TooLarge {
            path: path.to_owned(),
        });
    }
    parse(&text).map_err(|error| match error {
        ParseError::Json(source) => InputError::Json {
            path: named(path).into(),
            source,
        },
        ParseError::Yaml(source) => InputError::Yaml {
            path: named(path).into(),
            source,
        },
    })
}

pub(super) enum ParseError {
    Json(serde_json::Error),
    Yaml(YamlError),
}

/// JSON, or YAML where it does not begin like JSON.
pub(super) fn parse(text: &str) -> Result<Node, ParseError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !text.trim_start().starts_with(['{', '[']) {
        return yaml::read(text).map_err(ParseError::Yaml);
    }
    match serde_json::from_str::<Json>(text) {
        Ok(json) => Ok(Node::from_json(String::new(), &json)),
        // YAML may begin like that as well.
        Err(error) => yaml::read(text).map_err(|_| ParseError::Json(error)),
    }
}

/// The functions of a template or of an answer of the API; none if it is neither.
pub(super) fn functions_of(
    root: &Node,
    parameters: &[(String, String)],
    known: &KnownLayers,
) -> Option<Vec<Function>> {
    if root.member("Resources").is_some() {
        return Some(template::functions(root, parameters, known));
    }
    let of_api = |node: &Node| of_api(node, known);
    if let Some(list) = root.member("Functions") {
        return Some(list.elements().iter().map(of_api).collect());
    }
    if let Some(configuration) = root.member("Configuration") {
        return Some(vec![of_api(configuration)]);
    }
    let is_configuration = ["FunctionName", "FunctionArn", "Runtime"];
    is_configuration
        .iter()
        .any(|key| root.member(key).is_some())
        .then(|| vec![of_api(root)])
}

fn of_api(configuration: &Node, known: &KnownLayers) -> Function {
    let name = configuration.member("FunctionName").map(Node::hint);
    let mut function = Function::new(name.unwrap_or_else(|| "function".to_owned()), configuration);
    let layers = configuration.member("Layers").map_or(&[][..], Node::elements);
    function.layers = layers.iter().map(|node| Layer::new(node, known)).collect();
    function
}

/// What `get-layer-version` or `get-layer-version-by-arn` says.
pub(super) fn layer_version(answer: &Node) -> Option<Declared> {
    let arn = answer.member("LayerVersionArn")?.known()?.to_owned();
    let name = arn
        .split(":layer:")
        .nth(1)
        .and_then(|rest| rest.split(':').next());
    let architectures = answer
        .member("CompatibleArchitectures")
        .map(|list| match &list.value {
            Value::List(elements) => elements
                .iter()
                .filter_map(Node::known)
                .map(str::to_owned)
                .collect(),
            _ => Vec::new(),
        });
    Some(Declared {
        name: name.unwrap_or_default().to_owned(),
        architectures: architectures.filter(|known: &Vec<String>| !known.is_empty()),
        key: arn,
    })
}
