//! The function in the two forms that it is traced in.

use std::path::PathBuf;

use crate::tools::python;

/// What the function is instrumented with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Sdk {
    /// The X-Ray SDK for Python
    Xray,
    /// AWS's distribution of OpenTelemetry for Python
    Otel,
}

/// As AWS's layer for OpenTelemetry starts Python; the layer also names the service.
const OTEL: [(&str, &str); 6] = [
    ("OTEL_PYTHON_DISTRO", "aws_distro"),
    ("OTEL_PYTHON_CONFIGURATOR", "aws_configurator"),
    ("OTEL_PROPAGATORS", "xray-lambda"),
    ("OTEL_METRICS_EXPORTER", "none"),
    ("OTEL_LOGS_EXPORTER", "none"),
    ("OTEL_SERVICE_NAME", super::session::FUNCTION),
];

impl Sdk {
    /// Where the function's code is.
    pub(super) fn sources(self) -> &'static str {
        match self {
            Self::Xray => "examples/selfies/python",
            Self::Otel => "examples/selfies/python-otel",
        }
    }

    /// What starts the runtime client.
    pub(super) fn command(self) -> Vec<PathBuf> {
        let bin = python::folder().join("bin");
        let python = bin.join("python");
        match self {
            Self::Xray => vec![python],
            Self::Otel => vec![bin.join("opentelemetry-instrument"), python],
        }
    }

    /// What the SDK is told by variables.
    pub(super) const fn variables(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Xray => &[],
            Self::Otel => &OTEL,
        }
    }

    /// Where a trace of X-Ray's shows what the function says of its camera.
    pub(super) const fn camera(self) -> &'static str {
        match self {
            Self::Xray => "/metadata/selfies/camera",
            Self::Otel => "/metadata/default/camera.lens",
        }
    }
}
