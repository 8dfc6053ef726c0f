//! Variables that are misspelt, refused, or do what was not meant.

use extension::settings::Problem;
use serde_json::{Map, Value};

use super::super::finding::Finding;
use super::super::node::Node;
use super::subject::Subject;

/// Bytes of all variables together, as JSON: what Lambda measures.
const BYTES_MAX: usize = 4096;
/// Names that Lambda keeps for itself.
const RESERVED: &[&str] = &[
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
    "AWS_LAMBDA_MAX_CONCURRENCY",
];

pub(super) fn setting(subject: &Subject<'_>) -> Vec<Finding> {
    let findings = subject.problems.iter().map(|problem| {
        let name = match problem {
            Problem::Unreadable { name, .. } | Problem::Idle { name, .. } | Problem::LeftOut { name, .. } => {
                *name
            }
            Problem::UnknownName { name, .. } => name.as_str(),
        };
        let node = subject.function.variables.iter().find(|(known, _)| known == name);
        let place = node.map_or(&subject.function.variables_place, |(_, node)| &node.place);
        let (why, mend) = match problem {
            Problem::Unreadable { expected, .. } => (
                "the extension logs it once and goes on with the default".to_owned(),
                format!("write {expected}"),
            ),
            Problem::Idle { without, .. } => (
                "the extension logs it once; nothing else comes of it".to_owned(),
                format!("set {without}, or leave {name} out"),
            ),
            Problem::LeftOut { found, .. } => (
                "the extension logs it once and goes on with the others, or with the default if there are none".to_owned(),
                format!("write {name} as docs/operate.md has it, or without {found}"),
            ),
            Problem::UnknownName { nearest, .. } => (
                "the extension logs it once; nothing else comes of it".to_owned(),
                match nearest {
                    Some(nearest) => format!("write {nearest}"),
                    None => format!("leave {name} out; docs/operate.md lists every setting"),
                },
            ),
        };
        Finding::warning(place, problem.to_string()).why(why).mend(mend)
    });
    findings.collect()
}

pub(super) fn sdk_disabled(subject: &Subject<'_>) -> Vec<Finding> {
    let switches = [("AWS_XRAY_SDK_ENABLED", "false"), ("OTEL_SDK_DISABLED", "true")];
    let off = switches.iter().filter_map(|(name, off)| {
        let (node, value) = subject.known(name)?;
        value.eq_ignore_ascii_case(off).then_some((name, node, value))
    });
    let findings = off.map(|(name, node, value)| {
        Finding::warning(&node.place, format!("{name} is {value}"))
            .why("the SDK in the function records nothing: traces end at the function itself")
            .mend(format!("leave {name} out"))
    });
    findings.collect()
}

pub(super) fn context_missing(subject: &Subject<'_>) -> Vec<Finding> {
    let Some((node, value)) = subject.known("AWS_XRAY_CONTEXT_MISSING") else {
        return Vec::new();
    };
    let what = format!("AWS_XRAY_CONTEXT_MISSING is {value}");
    match value {
        "LOG_ERROR" | "IGNORE_ERROR" => Vec::new(),
        "RUNTIME_ERROR" => vec![
            Finding::warning(&node.place, what)
                .why("calls that the function makes outside of an invocation (while it starts) throw")
                .mend("write LOG_ERROR, which is Lambda's own choice, or IGNORE_ERROR"),
        ],
        _ => vec![
            Finding::warning(&node.place, what)
                .why("no SDK knows that word; some refuse to start")
                .mend("write LOG_ERROR or IGNORE_ERROR"),
        ],
    }
}

pub(super) fn reserved(subject: &Subject<'_>) -> Vec<Finding> {
    let findings = subject.function.variables.iter().filter_map(|(name, node)| {
        let is_name = name.len() > 1
            && name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name
                .chars()
                .all(|character| character.is_ascii_alphanumeric() || character == '_');
        let what = if RESERVED.contains(&name.as_str()) {
            format!("{name} is Lambda's own")
        } else if is_name {
            return None;
        } else {
            format!("{name:?} is no name for a variable: a letter first, then letters, digits and _")
        };
        Some(
            Finding::error(&node.place, what)
                .why("Lambda refuses the configuration")
                .mend("leave it out"),
        )
    });
    findings.collect()
}

pub(super) fn too_large(subject: &Subject<'_>) -> Vec<Finding> {
    let variables = &subject.function.variables;
    let json: Map<String, Value> = variables
        .iter()
        .map(|(name, node)| (name.clone(), node.hint().into()))
        .collect();
    let bytes = Value::Object(json).to_string().len();
    if bytes <= BYTES_MAX {
        return Vec::new();
    }
    let largest = variables.iter().max_by_key(|(_, node)| node.hint().len());
    let largest = largest.map_or("", |(name, _)| name.as_str());
    vec![
        Finding::error(
            &subject.function.variables_place,
            format!("the variables come to {bytes} bytes, of at most {BYTES_MAX}"),
        )
        .why("Lambda refuses the configuration")
        .mend(format!(
            "{largest} is the longest: keep it in a file, a parameter or a secret"
        )),
    ]
}

pub(super) fn log_level(subject: &Subject<'_>) -> Vec<Finding> {
    let debug = subject
        .function
        .variable("FLUOROSCOPE_LOG_LEVEL")
        .filter(|node| is_debug(node));
    let findings = debug.map(|node| {
        Finding::note(&node.place, "FLUOROSCOPE_LOG_LEVEL is debug")
            .why("CloudWatch Logs bills every line")
            .mend("leave it out when you are done looking: warn tells everything that needs somebody")
    });
    findings.into_iter().collect()
}

fn is_debug(node: &Node) -> bool {
    node.known()
        .is_some_and(|level| level.trim().eq_ignore_ascii_case("debug"))
}
