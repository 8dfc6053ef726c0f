//! The kinds of outbound there are, by the names that `FLUOROSCOPE_OUTBOUND` has for them.

use std::str::FromStr;

/// Where documents can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutboundKind {
    /// X-Ray's own API: `PutTraceSegments`, signed.
    Xray,
    /// X-Ray's endpoint for OpenTelemetry's protocol, signed.
    XrayOtlp,
    /// Any other endpoint for that protocol, over HTTP.
    Otlp,
    /// Lambda's own daemon, over UDP.
    Daemon,
    /// The log: a line for each document.
    Stdout,
}

impl OutboundKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Xray, Self::XrayOtlp, Self::Otlp, Self::Daemon, Self::Stdout];

    /// Its name in settings, the tally and the names of files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xray => "xray",
            Self::XrayOtlp => "xray-otlp",
            Self::Otlp => "otlp",
            Self::Daemon => "daemon",
            Self::Stdout => "stdout",
        }
    }
}

impl FromStr for OutboundKind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_meant = |kind: &Self| kind.name().eq_ignore_ascii_case(text.trim());
        Self::ALL.into_iter().find(is_meant).ok_or(())
    }
}
