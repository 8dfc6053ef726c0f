//! What is wrong with a translated template, in words: the judge of the tests beside it.

use serde_json::{Value, json};

use super::privileges;

/// The functions that there are to be, by their runtimes.
const LANGUAGES: [&str; 3] = ["python", "nodejs", "provided"];
const WRAPPER: &str = "AWS_LAMBDA_EXEC_WRAPPER";
const DAEMON_ADDRESS: &str = "AWS_XRAY_DAEMON_ADDRESS";

/// Everything that is wrong with it.
pub(super) fn faults(template: &Value) -> Vec<String> {
    let layers = resources(template, "AWS::Lambda::LayerVersion");
    let [(layer, published)] = layers.as_slice() else {
        return vec![format!("{} layers instead of one", layers.len())];
    };
    let functions = resources(template, "AWS::Lambda::Function");
    let mut faults = Vec::new();
    let architectures = &published["Properties"]["CompatibleArchitectures"];
    if *architectures != architecture() {
        faults.push(format!("the layer is for {architectures}"));
    }
    for language in LANGUAGES {
        let runtime = |function: &&(&String, &Value)| runtime_of(function.1).starts_with(language);
        if functions.iter().filter(runtime).count() != 1 {
            faults.push(format!("not one function, but another number, in {language}"));
        }
    }
    for (name, function) in functions {
        let mut of_function = of_function(template, layer, function);
        of_function.extend(privileges::faults(template, function));
        faults.extend(of_function.into_iter().map(|fault| format!("{name}: {fault}")));
    }
    faults
}

fn of_function(template: &Value, layer: &str, function: &Value) -> Vec<String> {
    let properties = &function["Properties"];
    let variables = &properties["Environment"]["Variables"];
    let runs_wrappers = !runtime_of(function).starts_with("provided");
    let (wrapper, address) = match runs_wrappers {
        true => (json!("/opt/fluoroscope"), Value::Null),
        false => (Value::Null, json!("127.0.0.1:2000")),
    };
    let group = properties["LoggingConfig"]["LogGroup"]["Ref"]
        .as_str()
        .unwrap_or_default();
    let wanted = [
        ("tracing", &properties["TracingConfig"], json!({"Mode": "Active"})),
        ("layers", &properties["Layers"], json!([{ "Ref": layer }])),
        ("architecture", &properties["Architectures"], architecture()),
        ("exec wrapper", &variables[WRAPPER], wrapper),
        ("daemon's address", &variables[DAEMON_ADDRESS], address),
        (
            "flush policy",
            &variables["FLUOROSCOPE_FLUSH"],
            json!({"Ref": "FlushPolicy"}),
        ),
        (
            "where segments go",
            &variables["AWS_ENDPOINT_URL_XRAY"],
            json!({"Fn::If": ["HasXRayEndpoint", {"Ref": "XRayEndpoint"}, {"Ref": "AWS::NoValue"}]}),
        ),
        (
            "outbound",
            &variables["FLUOROSCOPE_OUTBOUND"],
            json!({"Ref": "Outbound"}),
        ),
        (
            "where spans go",
            &variables["FLUOROSCOPE_OTLP_ENDPOINT"],
            json!({"Fn::If": ["HasOtlpEndpoint", {"Ref": "OtlpEndpoint"}, {"Ref": "AWS::NoValue"}]}),
        ),
        (
            "headers of spans",
            &variables["FLUOROSCOPE_OTLP_HEADERS"],
            json!({"Fn::If": ["HasOtlpHeaders", {"Ref": "OtlpHeaders"}, {"Ref": "AWS::NoValue"}]}),
        ),
        (
            "days its logs are kept",
            &template["Resources"][group]["Properties"]["RetentionInDays"],
            json!({"Ref": "LogRetentionDays"}),
        ),
    ];
    let unmet = wanted.into_iter().filter(|(_, found, wanted)| *found != wanted);
    unmet
        .map(|(what, found, wanted)| format!("{what}: {found}, not {wanted}"))
        .collect()
}

/// The resources of a type, by name.
pub(super) fn resources<'a>(template: &'a Value, kind: &str) -> Vec<(&'a String, &'a Value)> {
    let all = template["Resources"].as_object().into_iter().flatten();
    all.filter(|(_, resource)| resource["Type"] == kind).collect()
}

fn architecture() -> Value {
    json!([{"Ref": "Architecture"}])
}

fn runtime_of(function: &Value) -> &str {
    function["Properties"]["Runtime"].as_str().unwrap_or_default()
}
