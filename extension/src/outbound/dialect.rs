//! The kinds of destination that take calls over HTTP: what they are called, and how they speak of what went wrong.
//!
//! Pure.

use std::fmt;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// X-Ray's own API.
    Xray,
    /// X-Ray's endpoint for OpenTelemetry's protocol.
    XrayOtlp,
    /// Anything else that takes OpenTelemetry's protocol.
    Otlp,
}

impl Dialect {
    /// Whether answers mean what OpenTelemetry's protocol says they do.
    pub const fn is_otlp(self) -> bool {
        matches!(self, Self::XrayOtlp | Self::Otlp)
    }

    /// In messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xray => "X-Ray",
            Self::XrayOtlp => "X-Ray's OTLP endpoint",
            Self::Otlp => "the OTLP destination",
        }
    }

    /// What to look at where something else than the destination answers.
    pub(super) const fn if_misdirected(self) -> &'static str {
        match self {
            Self::Xray => {
                "what answers there is not X-Ray, check AWS_ENDPOINT_URL_XRAY, AWS_ENDPOINT_URL and the proxy"
            }
            Self::XrayOtlp => {
                "nothing there takes spans, check AWS_ENDPOINT_URL_XRAY, AWS_ENDPOINT_URL and the proxy"
            }
            Self::Otlp => {
                "nothing there takes spans in protobuf over HTTP, check FLUOROSCOPE_OTLP_ENDPOINT and the proxy"
            }
        }
    }

    /// What to look at where the destination does not let us in. AWS's own doors give a reason with it.
    pub(super) fn if_denied(self, permission: &str, has_code: bool) -> String {
        match (self, has_code) {
            (Self::Otlp, _) => "check FLUOROSCOPE_OTLP_HEADERS".to_owned(),
            (Self::Xray | Self::XrayOtlp, false) => format!(
                "allow {permission} in the role of the function, or check the credentials and what stands in between"
            ),
            (Self::Xray, true) => format!(
                "allow {permission} in the role of the function (managed policy AWSXRayDaemonWriteAccess)"
            ),
            (Self::XrayOtlp, true) => format!("allow {permission} in the role of the function"),
        }
    }
}

/// A destination as messages name it. Its address holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Of which kind it is.
    pub dialect: Dialect,
    /// Where it is.
    pub address: String,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.dialect.name(), self.address)
    }
}
