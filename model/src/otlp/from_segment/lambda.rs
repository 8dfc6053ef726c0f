//! The segments of Lambda's platform, by the conventions of FaaS.
//!
//! AWS's own mapping of telemetry records to spans gives an invocation one span of kind SERVER: its id is `spanId`, its
//! parent the Parent of the header. That span is AWS::Lambda::Function; between it and that parent hangs AWS::Lambda,
//! of kind SERVER too. Its parent is kept unless it is a segment that Lambda's front end sends to X-Ray alone.

use super::super::span::{Attribute, Value};
use super::finish::keep;
use super::json;
use super::part::{Part, find};
use crate::wire::object::{Object, text};

/// The platform's segment around the function's.
const SERVICE: &str = "AWS::Lambda";
/// The metadata that the platform's segments have of us.
const METADATA: &str = "lambda";
/// There: whose segment the parent is.
const PARENT: &str = "parent";
/// The parent is a segment of Lambda's front end, which sends it to X-Ray itself.
pub const FRONT_END: &str = "front-end";
const BYTES_PER_MB: i64 = 1024 * 1024;

/// Adds what is known of an invocation and its function to their segment's span.
pub(super) fn tell(part: &mut Part<'_>) {
    let origin = part.nature.origin.as_deref();
    let is_service = origin == Some(SERVICE);
    if part.was_span || !is_service && origin != Some("AWS::Lambda::Function") {
        return;
    }
    if let Some(request) = part.text("aws.request_id").map(str::to_owned) {
        part.put("faas.invocation_id", request);
    }
    if let Some(Value::Flag(is_cold)) = find(&part.span.attributes, "cold_start").cloned() {
        part.put("faas.coldstart", is_cold);
    }
    let metadata = part.later.metadata.as_ref();
    let own = metadata.and_then(|metadata| Object::read(metadata.read_value(METADATA)?));
    if let Some(own) = own {
        let size = own.read_value("memory_size_mb").and_then(json::integer);
        if let Some(bytes) = size.and_then(|size| size.checked_mul(BYTES_PER_MB)) {
            part.put_resource("faas.max_memory", bytes);
        }
        let parent = own.read_value(PARENT).and_then(text);
        if is_service && parent.as_deref() == Some(FRONT_END) && !part.given.has_front_end {
            stand_alone(part);
        }
    }
    let name = part.span.name.clone();
    part.put_resource("faas.name", name);
    let arn = part.text("aws.lambda.invoked_arn");
    let Some(arn) = arn
        .or_else(|| part.text("aws.xray.resource_arn"))
        .map(str::to_owned)
    else {
        return;
    };
    for (key, value) in of_arn(&arn) {
        part.put_resource(key, value.to_owned());
    }
    part.put_resource("cloud.resource_id", arn);
}

/// A root: its parent is nowhere that its span goes.
fn stand_alone(part: &mut Part<'_>) {
    if let Some(parent) = part.span.parent.take() {
        keep(&mut part.unsaid, "parent_id", &format!("\"{parent}\""));
        part.span.flags &= 0xff;
    }
}

/// Region and account in an ARN.
fn of_arn(arn: &str) -> impl Iterator<Item = (&'static str, &str)> {
    let parts = arn.split(':').skip(3).zip(["cloud.region", "cloud.account.id"]);
    let is_there = |(value, _): &(&str, &str)| !value.is_empty();
    parts.filter(is_there).map(|(value, key)| (key, value))
}

/// What is known of the sandbox that a function runs in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sandbox<'a> {
    /// How the service is called; the function's name if it is not.
    pub service: Option<&'a str>,
    /// `AWS_LAMBDA_FUNCTION_NAME`
    pub function: &'a str,
    /// `AWS_LAMBDA_FUNCTION_VERSION`
    pub version: Option<&'a str>,
    /// `AWS_REGION`
    pub region: Option<&'a str>,
    /// `AWS_LAMBDA_LOG_GROUP_NAME`
    pub log_group: Option<&'a str>,
    /// `AWS_LAMBDA_LOG_STREAM_NAME`
    pub log_stream: Option<&'a str>,
    /// `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`
    pub memory_mb: Option<u64>,
    /// The part of `AWS_EXECUTION_ENV` behind `AWS_Lambda_`, such as `python3.13`.
    pub runtime: Option<&'a str>,
}

/// The resource of a function: to be [given](super::Given) with its documents.
pub fn resource<'a>(sandbox: &Sandbox<'a>) -> Vec<Attribute<'a>> {
    let mut attributes = vec![
        Attribute::new("service.name", sandbox.service.unwrap_or(sandbox.function)),
        Attribute::new("cloud.provider", "aws"),
        Attribute::new("cloud.platform", "aws_lambda"),
        Attribute::new("faas.name", sandbox.function),
    ];
    let texts = [
        ("faas.version", sandbox.version),
        ("cloud.region", sandbox.region),
        ("faas.instance", sandbox.log_stream),
        ("telemetry.sdk.language", sandbox.runtime.and_then(language)),
    ];
    let texts = texts
        .into_iter()
        .filter_map(|(key, text)| Some(Attribute::new(key, text?)));
    attributes.extend(texts);
    let groups = sandbox.log_group.map(|group| Value::List(vec![group.into()]));
    attributes.extend(groups.map(|groups| Attribute::new("aws.log.group.names", groups)));
    let memory = sandbox.memory_mb.and_then(|size| i64::try_from(size).ok());
    let memory = memory.and_then(|size| size.checked_mul(BYTES_PER_MB));
    attributes.extend(memory.map(|bytes| Attribute::new("faas.max_memory", bytes)));
    attributes
}

/// The language of one of Lambda's runtimes.
fn language(runtime: &str) -> Option<&'static str> {
    let languages = ["python", "nodejs", "java", "dotnet", "ruby", "go"];
    languages
        .into_iter()
        .find(|language| runtime.starts_with(language))
}
