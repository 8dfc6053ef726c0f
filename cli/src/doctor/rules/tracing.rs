//! Who makes which segments, and whether any are made.

use extension::settings::Outbound;

use super::super::finding::Finding;
use super::subject::Subject;

const OUTBOUND: &str = "FLUOROSCOPE_OUTBOUND";
const SEGMENTS: &str = "FLUOROSCOPE_PLATFORM_SEGMENTS";
const MODES: &[&str] = &["Active", "PassThrough"];
/// SAM's word for leaving the mode alone.
const DISABLED: &str = "Disabled";

pub(super) fn value(subject: &Subject<'_>) -> Vec<Finding> {
    let mode = subject.function.tracing.as_ref();
    let Some((node, text)) = mode.and_then(|node| Some((node, node.known()?))) else {
        return Vec::new();
    };
    if MODES.contains(&text) || subject.function.is_written && text == DISABLED {
        return Vec::new();
    }
    vec![
        Finding::error(&node.place, format!("no tracing mode is called {text:?}"))
            .why("the deployment is refused, or the function is not traced")
            .mend("write Active or PassThrough"),
    ]
}

pub(super) fn active(subject: &Subject<'_>) -> Vec<Finding> {
    let function = subject.function;
    let (Some(true), Some(node)) = (function.is_active(), &function.tracing) else {
        return Vec::new();
    };
    let why = match subject.is_redirected() {
        Some(true) => {
            "Lambda samples (one request a second and 5 % of the rest) and sends its own AWS::Lambda segments to X-Ray; \
                       the other endpoint gets those that Fluoroscope makes"
        }
        _ => {
            "Lambda samples (one request a second and 5 % of the rest) and sends AWS::Lambda and AWS::Lambda::Function to X-Ray \
              itself; Fluoroscope adds what the function's SDK records"
        }
    };
    vec![
        Finding::note(&node.place, "tracing is active")
            .why(why)
            .mend("nothing to do"),
    ]
}

pub(super) fn pass_through(subject: &Subject<'_>) -> Vec<Finding> {
    let function = subject.function;
    if function.is_active() != Some(false) {
        return Vec::new();
    }
    let mode = function.tracing.as_ref();
    if mode
        .and_then(|node| node.known())
        .is_some_and(|mode| !MODES.contains(&mode) && mode != DISABLED)
    {
        return Vec::new();
    }
    let place = mode.map_or(&function.place, |node| &node.place);
    let what = "tracing is not active (PassThrough)";
    let decides = subject
        .settings
        .proxy
        .is_some_and(|proxy| proxy.sample_rate.is_some())
        && subject.is_wrapped();
    if decides {
        return vec![
            Finding::note(place, what)
                .why("what callers decided is kept; FLUOROSCOPE_SAMPLE_RATE decides about the rest, and Fluoroscope makes the AWS::Lambda segments")
                .mend("nothing to do"),
        ];
    }
    let is_meant = function.is_written && mode.is_some();
    let finding = if is_meant {
        Finding::note(place, what)
    } else {
        Finding::warning(place, what)
    };
    vec![
        finding
            .why("only invocations are traced whose caller sends a sampled trace header, and failed ones (FLUOROSCOPE_RESCUE)")
            .mend("set tracing to Active (SAM: Tracing: Active; CLI: --tracing-config Mode=Active), or FLUOROSCOPE_PROXY: 1 with FLUOROSCOPE_SAMPLE_RATE"),
    ]
}

pub(super) fn segments_twice(subject: &Subject<'_>) -> Vec<Finding> {
    let Some(node) = subject.function.variable(SEGMENTS) else {
        return Vec::new();
    };
    let is_always = "always".parse() == Ok(subject.settings.platform_segments);
    if !is_always || subject.function.is_active() != Some(true) || subject.is_redirected() != Some(false) {
        return Vec::new();
    }
    vec![
        Finding::warning(&node.place, format!("{SEGMENTS} is always, with active tracing and X-Ray itself"))
            .why("Lambda sends AWS::Lambda and AWS::Lambda::Function as well: each trace shows them twice, and X-Ray bills both")
            .mend("leave it out: auto makes them where Lambda does not"),
    ]
}

pub(super) fn segments_never(subject: &Subject<'_>) -> Vec<Finding> {
    let Some(node) = subject.function.variable(SEGMENTS) else {
        return Vec::new();
    };
    let is_never = "never".parse() == Ok(subject.settings.platform_segments);
    let lambda_makes_them =
        subject.function.is_active() != Some(false) && subject.is_redirected() != Some(true);
    if !is_never || lambda_makes_them {
        return Vec::new();
    }
    vec![
        Finding::warning(&node.place, format!("{SEGMENTS} is never, and nobody else makes them"))
            .why("in PassThrough, and at other endpoints than X-Ray, what the function records hangs under a parent that nobody sends")
            .mend("leave it out: auto makes them where Lambda does not"),
    ]
}

pub(super) fn sample_rate_active(subject: &Subject<'_>) -> Vec<Finding> {
    let node = subject.function.variable("FLUOROSCOPE_SAMPLE_RATE");
    let Some(node) = node.filter(|_| subject.function.is_active() == Some(true)) else {
        return Vec::new();
    };
    vec![
        Finding::warning(&node.place, "FLUOROSCOPE_SAMPLE_RATE with active tracing")
            .why("Lambda has decided about every trace before: the rate is never asked")
            .mend("leave it out, or set tracing to PassThrough"),
    ]
}

pub(super) fn endpoint_elsewhere(subject: &Subject<'_>) -> Vec<Finding> {
    if subject.settings.endpoint.ignore_urls {
        return Vec::new();
    }
    let names = ["AWS_ENDPOINT_URL_XRAY", "AWS_ENDPOINT_URL"];
    let Some((name, (node, url))) = names.iter().find_map(|name| Some((name, subject.known(name)?))) else {
        return Vec::new();
    };
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return vec![
            Finding::error(&node.place, format!("{name} is {url:?}, no address"))
                .why("nothing can be delivered")
                .mend("write it as https://host, or leave it out for X-Ray of the function's region"),
        ];
    }
    let host = url.split("://").last().unwrap_or(url);
    let is_here = ["localhost", "127.", "0.0.0.0", "[::1]", "host.docker.internal"];
    if !is_here.iter().any(|start| host.starts_with(start)) {
        return Vec::new();
    }
    vec![
        Finding::warning(&node.place, format!("{name} is {url}: the sandbox itself"))
            .why("segments are delivered to a program beside the function, which Lambda does not have")
            .mend("leave it out for X-Ray of the function's region; keep it to a configuration for a laptop"),
    ]
}

pub(super) fn daemon_inactive(subject: &Subject<'_>) -> Vec<Finding> {
    let relays = |outbound: &Outbound| matches!(outbound, Outbound::Daemon(_));
    let is_asked_for = subject.settings.outbounds.iter().any(relays);
    let Some((node, value)) = subject.known(OUTBOUND).filter(|_| is_asked_for) else {
        return Vec::new();
    };
    if subject.function.is_active() != Some(false) || subject.known("FLUOROSCOPE_DAEMON_ADDRESS").is_some() {
        return Vec::new();
    }
    vec![
        Finding::warning(&node.place, format!("{OUTBOUND} is {value} without active tracing"))
            .why("Lambda runs its daemon for functions that are actively traced: documents for it are held until room runs out")
            .mend("set the tracing mode to Active, or leave daemon out"),
    ]
}
