//! Other tracers in the same sandbox.

use super::super::finding::Finding;
use super::subject::{Subject, WRAPPER};

/// Parts of the names of other tracers' layers, in lower case, and what they are.
const TRACERS: &[(&str, &str)] = &[
    // With a collector; AWS's newer layers and those of the community for languages have SDKs alone, which send to us.
    ("aws-otel", "the AWS Distro for OpenTelemetry with its collector"),
    ("opentelemetry-collector", "an OpenTelemetry collector"),
    ("otel-collector", "an OpenTelemetry collector"),
    ("datadog-extension", "Datadog's extension"),
    ("newrelic", "New Relic's extension"),
    ("new-relic", "New Relic's extension"),
    ("dynatrace", "Dynatrace's extension"),
    ("elastic-apm", "Elastic's extension"),
    ("lumigo", "Lumigo's tracer"),
    ("honeycomb-lambda", "Honeycomb's extension"),
    ("rotel", "Rotel"),
    ("splunk-apm", "Splunk's tracer"),
    ("instana", "Instana's tracer"),
    ("xray-daemon", "an X-Ray daemon"),
];
/// Where OpenTelemetry's SDKs send spans.
const OTLP_TO: &[&str] = &[
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];

/// That of a URL that names none.
const HTTP_PORT: u16 = 80;

pub(super) fn other_tracer(subject: &Subject<'_>) -> Vec<Finding> {
    let wrapper = subject.known("AWS_LAMBDA_EXEC_WRAPPER").map(|(_, path)| path);
    let others = subject.function.layers.iter().filter(|layer| !layer.is_ours);
    let findings = others.filter_map(|layer| {
        let name = layer.name.to_ascii_lowercase();
        let (_, what) = TRACERS.iter().find(|(mark, _)| name.contains(mark))?;
        let of_wrapper = match wrapper {
            Some(path) if path != WRAPPER => "; there is one exec wrapper, and it is the other one's",
            Some(_) => "; there is one exec wrapper, and it is Fluoroscope's",
            None => "",
        };
        Some(
            Finding::warning(&layer.node.place, format!("{what} ({}) is attached as well", layer.name))
                .why(format!(
                    "both may trace the same calls, and an X-Ray daemon or collector may hold port 2000 or 4318{of_wrapper}"
                ))
                .mend("keep one of them, or give Fluoroscope a port of its own (FLUOROSCOPE_UDP_ADDRESS and AWS_XRAY_DAEMON_ADDRESS)"),
        )
    });
    findings.collect()
}

pub(super) fn otlp_nobody(subject: &Subject<'_>) -> Vec<Finding> {
    let others = subject.function.layers.iter().filter(|layer| !layer.is_ours);
    let names: Vec<String> = others.map(|layer| layer.name.to_ascii_lowercase()).collect();
    let is_taken_in = names
        .iter()
        .any(|name| TRACERS.iter().any(|(mark, _)| name.contains(mark)));
    let found = OTLP_TO.iter().find_map(|name| Some((name, subject.known(name)?)));
    let Some((name, (node, url))) = found.filter(|_| !is_taken_in) else {
        return Vec::new();
    };
    let Some(authority) = of_sandbox(url) else {
        return Vec::new();
    };
    let ours = subject.settings.otlp_address;
    let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    if ours.is_some_and(|ours| port.unwrap_or(HTTP_PORT) == ours.port()) {
        return Vec::new();
    }
    let mend = match ours {
        Some(ours) => format!(
            "leave {name} out where the layer's wrapper runs, or set it to http://{ours} (OTLP over HTTP, OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf; there is no gRPC)"
        ),
        None => format!("leave FLUOROSCOPE_OTLP_ADDRESS out, which is off, or {name}"),
    };
    vec![
        Finding::warning(&node.place, format!("{name} is {url}, where nobody listens"))
            .why("exporters wait for an answer and log an error for each request, and their spans are lost")
            .mend(mend),
    ]
}

/// Host and port of a URL that leads into the sandbox itself.
fn of_sandbox(url: &str) -> Option<&str> {
    let behind_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = behind_scheme.split('/').next().unwrap_or(behind_scheme);
    let is_here = ["localhost", "127.", "0.0.0.0"]
        .iter()
        .any(|host| authority.starts_with(host));
    is_here.then_some(authority)
}
