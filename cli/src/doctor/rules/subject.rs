//! What a rule looks at.

use extension::settings::{Outbound, Problem, Settings};

use super::super::function::Function;
use super::super::layer_zip::LayerZip;
use super::super::node::Node;

/// A function, and what the extension makes of its settings.
pub(in super::super) struct Subject<'input> {
    pub(in super::super) function: &'input Function,
    pub(in super::super) settings: &'input Settings,
    pub(in super::super) problems: &'input [Problem],
    /// The layer's zip, if one was given.
    pub(in super::super) zip: Option<&'input LayerZip>,
}

/// Beginning of the path of the layer's own wrapper.
pub(super) const WRAPPER: &str = "/opt/fluoroscope";

impl Subject<'_> {
    /// A variable's value, if it is set and known.
    pub(super) fn known(&self, name: &str) -> Option<(&Node, &str)> {
        let node = self.function.variable(name)?;
        Some((node, node.known()?.trim()))
    }

    /// Whether the layer's own wrapper is set.
    pub(super) fn has_our_wrapper(&self) -> bool {
        self.known("AWS_LAMBDA_EXEC_WRAPPER")
            .is_some_and(|(_, path)| path == WRAPPER)
    }

    /// Whether the layer's own wrapper is set where Lambda runs it.
    pub(super) fn is_wrapped(&self) -> bool {
        self.has_our_wrapper() && !self.function.is_os_only()
    }

    /// Whether documents leave for X-Ray's own API at all.
    pub(super) fn calls_xray(&self) -> bool {
        self.settings.outbounds.contains(&Outbound::Xray)
    }

    /// Whether documents leave for X-Ray by any of its doors.
    pub(super) fn reaches_xray(&self) -> bool {
        let is_xray = |outbound: &Outbound| matches!(outbound, Outbound::Xray | Outbound::XrayOtlp(_));
        self.settings.outbounds.iter().any(is_xray)
    }

    /// Whether documents leave for something else than X-Ray of the function's region; none if that is not known.
    pub(super) fn is_redirected(&self) -> Option<bool> {
        if self.settings.endpoint.ignore_urls {
            return Some(false);
        }
        let names = ["AWS_ENDPOINT_URL_XRAY", "AWS_ENDPOINT_URL"];
        let set = names.iter().find_map(|name| self.function.variable(name));
        let Some(node) = set else {
            return self.function.variables_error.is_none().then_some(false);
        };
        node.known().map(|url| {
            let host = url.split("://").last().unwrap_or(url);
            let host = host.split(['/', ':']).next().unwrap_or(host);
            let is_xray = host.starts_with("xray") || host.contains(".xray.");
            let is_aws = host.ends_with(".api.aws") || host.contains(".amazonaws.com");
            let region = self.function.region.as_deref();
            !(is_xray && is_aws && region.is_none_or(|region| host.contains(region)))
        })
    }
}
