//! Whether a function's role may do what it has to, and nothing else.

use serde_json::{Value, json};

/// What active tracing and the extension take. X-Ray knows no resource to narrow them down to.
const SEND_TRACES: [&str; 4] = [
    "xray:PutSpans",
    "xray:PutSpansForIndexing",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
];

/// What is wrong with the role of a function.
pub(super) fn faults(template: &Value, function: &Value) -> Vec<String> {
    let role = &function["Properties"]["Role"]["Fn::GetAtt"][0];
    let Some(role) = role
        .as_str()
        .map(|name| &template["Resources"][name]["Properties"])
    else {
        return vec!["no role of the template's".to_owned()];
    };
    let mut faults = Vec::new();
    if let Some(policies) = role.get("ManagedPolicyArns") {
        faults.push(format!("policies that others write: {policies}"));
    }
    let trusted = &role["AssumeRolePolicyDocument"]["Statement"];
    if *trusted
        != json!([{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}])
    {
        faults.push(format!("others than Lambda may take its role: {trusted}"));
    }
    let policies = role["Policies"].as_array().into_iter().flatten();
    let statements: Vec<&Value> = policies
        .filter_map(|policy| policy["PolicyDocument"]["Statement"].as_array())
        .flatten()
        .collect();
    faults.extend(statements.iter().flat_map(|statement| of_statement(statement)));
    let mut of_xray: Vec<&str> = statements
        .iter()
        .flat_map(|statement| texts(&statement["Action"]))
        .filter(|action| action.starts_with("xray:"))
        .collect();
    of_xray.sort_unstable();
    if of_xray != SEND_TRACES {
        faults.push(format!("may do {of_xray:?} in X-Ray, not {SEND_TRACES:?}"));
    }
    faults
}

fn of_statement(statement: &Value) -> Vec<String> {
    let known = ["Effect", "Action", "Resource"];
    let members = statement
        .as_object()
        .into_iter()
        .flat_map(|members| members.keys());
    let mut faults: Vec<String> = members
        .filter(|member| !known.contains(&member.as_str()))
        .map(|member| format!("a statement with {member}"))
        .collect();
    let actions = texts(&statement["Action"]);
    let wild = actions.iter().filter(|action| action.contains(['*', '?']));
    faults.extend(wild.map(|action| format!("may do {action}")));
    let is_narrow = |resource: &Value| resource.is_object();
    let resources = &statement["Resource"];
    let are_narrow = match resources.as_array() {
        Some(resources) => resources.iter().all(is_narrow),
        None => is_narrow(resources),
    };
    let is_of_xray = actions.iter().all(|action| SEND_TRACES.contains(action)) && *resources == "*";
    if !are_narrow && !is_of_xray {
        faults.push(format!("may do {actions:?} to {resources}"));
    }
    faults
}

/// One text, or several.
fn texts(value: &Value) -> Vec<&str> {
    match value.as_array() {
        Some(several) => several.iter().filter_map(Value::as_str).collect(),
        None => value.as_str().into_iter().collect(),
    }
}
