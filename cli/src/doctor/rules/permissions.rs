//! Whether the role may send what is received.

use super::super::finding::Finding;
use super::super::node::{Node, Place};
use super::super::permissions::Answer;
use super::subject::Subject;
use extension::settings::Outbound;

const SEGMENTS: &str = "xray:PutTraceSegments";
const TELEMETRY: &str = "xray:PutTelemetryRecords";
const SPANS: [&str; 2] = ["xray:PutSpans", "xray:PutSpansForIndexing"];
const SAMPLING: [&str; 2] = ["xray:GetSamplingRules", "xray:GetSamplingTargets"];
const MEND: &str = "attach AWSXRayDaemonWriteAccess to the execution role, or allow both actions on \"*\" \
                    (for a role that SAM makes, Tracing: Active attaches AWSXrayWriteOnlyAccess, which does as well)";

pub(super) fn segments(subject: &Subject<'_>) -> Vec<Finding> {
    let Some((place, what)) = refused(subject, SEGMENTS).filter(|_| subject.calls_xray()) else {
        return Vec::new();
    };
    vec![
        Finding::error(&place, what)
            .why("X-Ray refuses every document with 403; they are held and tried again each minute, and shed when room runs out")
            .mend(MEND),
    ]
}

pub(super) fn telemetry(subject: &Subject<'_>) -> Vec<Finding> {
    let Some((place, what)) = refused(subject, TELEMETRY).filter(|_| subject.calls_xray()) else {
        return Vec::new();
    };
    vec![
        Finding::warning(&place, what)
            .why("traces arrive, but X-Ray is not told how many segments were received, sent and lost")
            .mend(MEND),
    ]
}

pub(super) fn spans(subject: &Subject<'_>) -> Vec<Finding> {
    let is_to_xray = |outbound: &Outbound| matches!(outbound, Outbound::XrayOtlp(_));
    if !subject.settings.outbounds.iter().any(is_to_xray) {
        return Vec::new();
    }
    let Some((place, what)) = SPANS.iter().find_map(|action| refused(subject, action)) else {
        return Vec::new();
    };
    // What AWS's own policies allow of this differs by their version: no error.
    vec![
        Finding::warning(&place, what)
            .why("X-Ray's OTLP endpoint refuses every span with 403; documents are held and tried again each minute, and shed when room runs out")
            .mend("allow xray:PutSpans and xray:PutSpansForIndexing on \"*\" in the execution role"),
    ]
}

pub(super) fn sampling(subject: &Subject<'_>) -> Vec<Finding> {
    let is_asked = subject.known("OTEL_TRACES_SAMPLER");
    if is_asked.is_none_or(|(_, sampler)| !sampler.eq_ignore_ascii_case("xray")) {
        return Vec::new();
    }
    let Some((place, what)) = SAMPLING.iter().find_map(|action| refused(subject, action)) else {
        return Vec::new();
    };
    vec![
        Finding::warning(&place, what)
            .why("the sampler that OTEL_TRACES_SAMPLER names hears 403 instead of X-Ray's rules, and goes by its own: one request a second and 5 % of the others")
            .mend("attach AWSXRayDaemonWriteAccess to the execution role, or allow xray:GetSamplingRules and xray:GetSamplingTargets on \"*\""),
    ]
}

/// Where and why an action of X-Ray's is not allowed. With another endpoint it does not have to be.
fn refused(subject: &Subject<'_>, action: &str) -> Option<(Place, String)> {
    if subject.is_redirected() != Some(false) {
        return None;
    }
    match subject.function.permissions.answer(action) {
        Answer::Denied(place) => Some((place, format!("a statement denies {action}"))),
        Answer::Narrow(place) => Some((
            place,
            format!("{action} is allowed, but not on \"*\", the only resource it has"),
        )),
        Answer::Missing(place) => Some((place, format!("no policy of the role allows {action}"))),
        Answer::Allowed | Answer::Unknown(_) => None,
    }
}

pub(super) fn unknown(subject: &Subject<'_>) -> Vec<Finding> {
    let Answer::Unknown(why) = subject.function.permissions.answer(SEGMENTS) else {
        return Vec::new();
    };
    if subject.is_redirected() == Some(true) || !subject.calls_xray() {
        return Vec::new();
    }
    let role = subject.function.role.as_ref();
    let place = role.map_or(&subject.function.place, |role| &role.place);
    let name = role
        .and_then(Node::known)
        .and_then(|arn| arn.rsplit('/').next())
        .unwrap_or("ROLE");
    let (what, mend) = match why.is_empty() {
        true => (
            format!("whether the role may {SEGMENTS} is not known from this file"),
            format!(
                "give its policies: `aws iam list-attached-role-policies --role-name {name} > attached.json`, then --policy attached.json; \
                 inline ones with `aws iam get-role-policy`, ones of your own with `aws iam get-policy-version`"
            ),
        ),
        false => (
            format!("whether the role may {SEGMENTS} depends on {why}"),
            "give that policy's document with --policy (`aws iam get-policy-version`)".to_owned(),
        ),
    };
    vec![
        Finding::note(place, what)
            .why("without it X-Ray refuses every document")
            .mend(mend),
    ]
}
