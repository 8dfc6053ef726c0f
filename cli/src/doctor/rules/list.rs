//! Every rule by its name, in the order in which findings are told.

use super::super::finding::Finding;
use super::subject::Subject;
use super::{address, beside, layers, permissions, sandbox, tracing, variables};

/// One thing to look for.
pub(in super::super) struct Rule {
    /// How findings name it, and `docs/operate.md`.
    pub(in super::super) name: &'static str,
    /// Finds it.
    pub(in super::super) check: fn(&Subject<'_>) -> Vec<Finding>,
}

/// Told of functions that nothing attaches to Fluoroscope; no other rule looks at them.
pub(in super::super) const NOT_ATTACHED: &str = "not-attached";

const fn rule(name: &'static str, check: fn(&Subject<'_>) -> Vec<Finding>) -> Rule {
    Rule { name, check }
}

/// All of them.
pub(in super::super) const RULES: &[Rule] = &[
    rule("layer-missing", layers::missing),
    rule("layer-architecture", layers::architecture),
    rule("layer-twice", layers::twice),
    rule("layer-count", layers::count),
    rule("layer-zip", layers::zip),
    rule("image-layers", layers::image),
    rule("runtime-too-old", layers::runtime_too_old),
    rule("wrapper-os-only", address::wrapper_os_only),
    rule("wrapper-path", address::wrapper_path),
    rule("address-missing", address::missing),
    rule("address-form", address::form),
    rule("address-of-lambda", address::of_lambda),
    rule("address-elsewhere", address::elsewhere),
    rule("address-differs", address::differs),
    rule("address-unusable", address::unusable),
    rule("proxy-without-wrapper", address::proxy_without_wrapper),
    rule("tracing-value", tracing::value),
    rule("tracing-active", tracing::active),
    rule("tracing-pass-through", tracing::pass_through),
    rule("segments-twice", tracing::segments_twice),
    rule("segments-never", tracing::segments_never),
    rule("daemon-inactive", tracing::daemon_inactive),
    rule("sample-rate-active", tracing::sample_rate_active),
    rule("endpoint-elsewhere", tracing::endpoint_elsewhere),
    rule("policy-segments", permissions::segments),
    rule("policy-telemetry", permissions::telemetry),
    rule("policy-spans", permissions::spans),
    rule("policy-sampling", permissions::sampling),
    rule("policy-unknown", permissions::unknown),
    rule("setting", variables::setting),
    rule("sdk-disabled", variables::sdk_disabled),
    rule("context-missing", variables::context_missing),
    rule("variable-reserved", variables::reserved),
    rule("variables-too-large", variables::too_large),
    rule("log-level", variables::log_level),
    rule("other-tracer", beside::other_tracer),
    rule("otlp-nobody", beside::otlp_nobody),
    rule("memory-budget", sandbox::memory_budget),
    rule("spill-limit", sandbox::spill_limit),
    rule("timeout-short", sandbox::timeout_short),
    rule("vpc-egress", sandbox::vpc_egress),
    rule("snap-start", sandbox::snap_start),
    rule("managed-instances", sandbox::managed_instances),
];
