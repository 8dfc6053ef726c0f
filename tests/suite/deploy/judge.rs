//! What every way of attaching has to come to.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use tests::lab::binary;

use super::snippets::snippet;
use crate::clients::desk::{Desk, finish};

/// What the wrapper takes.
pub(super) const WRAPPER: (&str, &str) = ("AWS_LAMBDA_EXEC_WRAPPER", "/opt/fluoroscope");

/// What OS-only runtimes take instead.
const ADDRESS: (&str, &str) = ("AWS_XRAY_DAEMON_ADDRESS", "127.0.0.1:2000");

/// Holds a template or configuration on the desk to what `fluoroscope doctor` knows: not even a warning.
pub(super) async fn healthy(desk: &Desk, name: &str) {
    let mut doctor = desk.program(binary("fluoroscope"));
    let said = finish(doctor.args(["doctor", name])).await;
    assert_eq!(said.code, Some(0), "{name}: {}{}", said.output, said.errors);
    assert!(said.output.contains(" 0 errors, 0 warnings"), "{}", said.output);
}

/// What the page says lies beside a snippet.
pub(super) async fn lay_out_function(desk: &Desk) {
    desk.folder("src");
    desk.write("src/app.py", "def handler(event, context):\n    return {}\n");
    desk.zip("fluoroscope-x86_64.zip", "the layer").await;
}

/// Actions that the page says a role needs.
pub(super) fn actions_of_the_page() -> BTreeSet<String> {
    let policy: Value = serde_json::from_str(&snippet("policy.json")).expect("the policy is JSON");
    assert_eq!(policy["Version"], "2012-10-17");
    let actions = xray_actions(&policy);
    let two = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"];
    assert_eq!(actions, two.map(str::to_owned).into());
    actions
}

/// Actions of X-Ray that a policy allows, on everything.
pub(super) fn xray_actions(policy: &Value) -> BTreeSet<String> {
    let statements = policy["Statement"].as_array().expect("a policy has statements");
    let allowed = statements
        .iter()
        .filter(|statement| statement["Effect"] == "Allow")
        .filter(|statement| statement["Resource"] == "*" || statement["Resource"] == json!(["*"]));
    let actions = allowed.flat_map(|statement| match &statement["Action"] {
        Value::Array(several) => several.clone(),
        one => vec![one.clone()],
    });
    actions
        .filter_map(|action| action.as_str().map(str::to_owned))
        .filter(|action| action.starts_with("xray:"))
        .collect()
}

/// What the role of a function may do with X-Ray.
pub(super) struct Granted {
    /// Actions that the template grants by itself.
    pub(super) actions: BTreeSet<String>,
    /// Policies that are AWS's, by the end of their names.
    pub(super) policies: BTreeSet<String>,
}

/// Holds a CloudFormation template to it: the layer from the zip, and functions with it, active tracing and the variable
/// of their runtime. Returns what the role of each may do.
pub(super) fn judge(template: &Value) -> Vec<Granted> {
    let resources = template["Resources"]
        .as_object()
        .expect("a template has resources");
    let of_type = |kind: &str| {
        let found = resources.iter().filter(|(_, resource)| resource["Type"] == kind);
        let found: Vec<(&String, &Value)> = found
            .map(|(id, resource)| (id, &resource["Properties"]))
            .collect();
        assert!(!found.is_empty(), "no {kind} in {template:#}");
        found
    };
    let (layer_id, layer) = of_type("AWS::Lambda::LayerVersion")[0];
    assert_eq!(layer["LayerName"], "fluoroscope-x86_64");
    assert_eq!(layer["CompatibleArchitectures"], json!(["x86_64"]));
    assert_eq!(layer["LicenseInfo"], "Apache-2.0");
    let functions = of_type("AWS::Lambda::Function").into_iter();
    functions
        .map(|(_, function)| {
            assert_eq!(function["Layers"], json!([{"Ref": layer_id}]));
            assert_eq!(function["TracingConfig"], json!({"Mode": "Active"}));
            assert_eq!(function["Architectures"], json!(["x86_64"]));
            let has_wrapper = !function["Runtime"]
                .as_str()
                .is_some_and(|name| name.starts_with("provided"));
            let (name, value) = if has_wrapper { WRAPPER } else { ADDRESS };
            assert_eq!(function["Environment"]["Variables"], json!({name: value}));
            granted(resources, &function["Role"]["Fn::GetAtt"][0])
        })
        .collect()
}

fn granted(resources: &Map<String, Value>, role_id: &Value) -> Granted {
    let attached = resources.values().filter(|resource| {
        resource["Type"] == "AWS::IAM::Policy" && resource["Properties"]["Roles"] == json!([{"Ref": role_id}])
    });
    let role = &resources[role_id.as_str().expect("the function has a role of the template")]["Properties"];
    let inline = role["Policies"].as_array().into_iter().flatten();
    let policies = attached
        .map(|policy| &policy["Properties"]["PolicyDocument"])
        .chain(inline.map(|policy| &policy["PolicyDocument"]));
    let managed = role["ManagedPolicyArns"].as_array().into_iter().flatten();
    Granted {
        actions: policies.flat_map(xray_actions).collect(),
        policies: managed
            .filter_map(|arn| arn.as_str()?.rsplit('/').next().map(str::to_owned))
            .collect(),
    }
}

/// Holds a template with one function to granting what the page says, and no more of X-Ray.
pub(super) fn judge_with_own_policy(template: &Value) {
    let [one] = <[Granted; 1]>::try_from(judge(template)).unwrap_or_else(|_| panic!("one function"));
    assert_eq!(one.actions, actions_of_the_page());
    assert!(
        !one.policies
            .iter()
            .any(|name| name.to_lowercase().contains("xray"))
    );
}
