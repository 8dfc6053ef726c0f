//! The Terraform snippet, parsed and evaluated as HCL, and held against the names that the AWS provider gives to its
//! resources and arguments.
//!
//! Providers come from a registry of Terraform's own, so that no `terraform validate` runs here: whether the provider
//! takes a value is judged by this file, from the provider's source.

use std::collections::{BTreeMap, BTreeSet};

use hcl::eval::{Context, Evaluate, FuncArgs, FuncDef, ParamType};
use hcl::{Body, Map, Value};

use super::judge::{WRAPPER, actions_of_the_page, xray_actions};
use super::snippets::snippet;

/// Resources of the provider, with the arguments and blocks that the page uses; those that must be there end in `!`.
const ARGUMENTS: [(&str, &str); 5] = [
    (
        "aws_lambda_layer_version",
        "layer_name! filename source_code_hash compatible_architectures license_info",
    ),
    ("aws_iam_role", "name assume_role_policy!"),
    ("aws_iam_role_policy_attachment", "role! policy_arn!"),
    ("aws_iam_role_policy", "name role! policy!"),
    (
        "aws_lambda_function",
        "function_name! role! runtime architectures handler filename source_code_hash layers tracing_config environment",
    ),
];
/// Arguments that Terraform itself knows, whatever the resource.
const OF_EVERY_RESOURCE: &str = "depends_on";
/// What other resources refer to.
const ATTRIBUTES: [&str; 3] = ["arn", "id", "name"];

/// Resources by type and name, with every expression evaluated.
type Resources = BTreeMap<String, BTreeMap<String, serde_json::Value>>;

fn resources() -> Resources {
    let body: Body = hcl::parse(&snippet("main.tf")).expect("the snippet is HCL");
    let mut context = Context::new();
    context.declare_func("jsonencode", FuncDef::new(jsonencode, [ParamType::Any]));
    context.declare_func("filebase64sha256", FuncDef::new(hash_of_zip, [ParamType::String]));
    for (kind, named) in &declared(&body) {
        context.declare_var(kind.as_str(), named.clone());
    }
    // A reference to what is not declared fails here, and so does an unknown function.
    let evaluated = body.evaluate(&context).expect("every expression has a value");
    let all: serde_json::Value = hcl::from_body(evaluated).expect("a body is a map");
    serde_json::from_value(all["resource"].clone()).expect("resources have a type and a name")
}

/// Every resource, with the attributes that others may refer to.
fn declared(body: &Body) -> BTreeMap<String, Map<String, Value>> {
    let mut declared: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for block in body.blocks().filter(|block| block.identifier() == "resource") {
        let labels: Vec<&str> = block.labels().iter().map(hcl::BlockLabel::as_str).collect();
        let [kind, name] = labels.as_slice() else {
            panic!("a resource has a type and a name: {labels:?}");
        };
        let attributes = ATTRIBUTES.map(|attribute| {
            let path = format!("{kind}.{name}.{attribute}");
            (attribute.to_owned(), Value::from(path))
        });
        let named = declared.entry((*kind).to_owned()).or_default();
        named.insert(
            (*name).to_owned(),
            Value::Object(attributes.into_iter().collect()),
        );
    }
    declared
}

fn jsonencode(arguments: FuncArgs) -> Result<Value, String> {
    let encoded = serde_json::to_string(&arguments[0]).map_err(|error| error.to_string())?;
    Ok(Value::from(encoded))
}

fn hash_of_zip(arguments: FuncArgs) -> Result<Value, String> {
    match arguments[0].as_str() {
        Some(zip) if zip.ends_with(".zip") => Ok(Value::from(format!("hash of {zip}"))),
        other => Err(format!("{other:?} is no zip")),
    }
}

#[test]
fn the_terraform_snippet_uses_the_providers_names() {
    for (kind, named) in &resources() {
        let known = ARGUMENTS.iter().find(|(known, _)| known == kind);
        let (_, arguments) = known.unwrap_or_else(|| panic!("the provider's {kind} is not known here"));
        let optional = arguments.replace('!', "");
        let optional: BTreeSet<&str> = optional.split(' ').chain([OF_EVERY_RESOURCE]).collect();
        let required = arguments.split(' ').filter_map(|name| name.strip_suffix('!'));
        for (name, resource) in named {
            let resource = resource.as_object().expect("a resource is a block");
            for key in resource.keys() {
                assert!(optional.contains(key.as_str()), "{kind}.{name} has no {key}");
            }
            for key in required.clone() {
                assert!(resource.contains_key(key), "{kind}.{name} lacks {key}");
            }
        }
    }
}

#[test]
fn the_terraform_snippet_attaches_the_layer_turns_tracing_on_and_permits_it() {
    let resources = resources();
    let layer = &resources["aws_lambda_layer_version"]["fluoroscope"];
    assert_eq!(layer["layer_name"], "fluoroscope-x86_64");
    assert_eq!(layer["compatible_architectures"], serde_json::json!(["x86_64"]));
    assert_eq!(layer["source_code_hash"], "hash of fluoroscope-x86_64.zip");
    assert_eq!(layer["filename"], "fluoroscope-x86_64.zip");

    let function = &resources["aws_lambda_function"]["orders"];
    let arn = "aws_lambda_layer_version.fluoroscope.arn";
    assert_eq!(function["layers"], serde_json::json!([arn]));
    assert_eq!(function["architectures"], serde_json::json!(["x86_64"]));
    assert_eq!(function["tracing_config"], serde_json::json!({"mode": "Active"}));
    let variables = serde_json::json!({"variables": {WRAPPER.0: WRAPPER.1}});
    assert_eq!(function["environment"], variables);
    assert_eq!(function["role"], "aws_iam_role.orders.arn");

    let permission = &resources["aws_iam_role_policy"]["fluoroscope"];
    assert_eq!(permission["role"], "aws_iam_role.orders.id");
    let policy = permission["policy"].as_str().expect("a policy is a text");
    let policy: serde_json::Value = serde_json::from_str(policy).expect("a policy is JSON");
    assert_eq!(xray_actions(&policy), actions_of_the_page());
    let trust = resources["aws_iam_role"]["orders"]["assume_role_policy"].as_str();
    assert!(trust.is_some_and(|trust| trust.contains("lambda.amazonaws.com")));
}
