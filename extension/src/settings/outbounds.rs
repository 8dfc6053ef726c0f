//! Where documents go: a list of names, each with what it needs.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use model::otlp::to_segment::Options;

use super::otlp::{self, OtlpDestination};
use super::problem::Problem;
use super::reading::{Reader, is_ours, quoted, set};
use super::{
    DAEMON_ADDRESS, INDEXED_ATTRIBUTES, OTLP_COMPRESSION, OTLP_ENDPOINT, OTLP_HEADERS, OUTBOUND, Vars,
};
use crate::limits::LANES_MAX;
use crate::outbound::kind::OutboundKind;
use crate::outbound::otlp::Packing;

/// Where documents go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outbound {
    /// X-Ray's own API.
    Xray,
    /// X-Ray's endpoint for OpenTelemetry's protocol, with requests packed like this.
    XrayOtlp(Packing),
    /// Any other endpoint for that protocol.
    Otlp(OtlpDestination),
    /// The X-Ray daemon at this address.
    Daemon(SocketAddr),
    /// The log.
    Stdout,
}

impl Outbound {
    /// Of which kind it is.
    pub const fn kind(&self) -> OutboundKind {
        match self {
            Self::Xray => OutboundKind::Xray,
            Self::XrayOtlp(_) => OutboundKind::XrayOtlp,
            Self::Otlp(_) => OutboundKind::Otlp,
            Self::Daemon(_) => OutboundKind::Daemon,
            Self::Stdout => OutboundKind::Stdout,
        }
    }
}

/// Where functions find Lambda's own daemon, which extensions are not told.
const LAMBDAS_DAEMON: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(169, 254, 79, 129)), 2000);
const EXPECTED: &str = "expected xray, xray-otlp, otlp, daemon or stdout, several with commas between";

/// Where the extension itself takes documents in.
pub(super) struct Own {
    pub(super) udp: SocketAddr,
    pub(super) otlp: Option<SocketAddr>,
}

/// What lies outside of the list is told, and the rest is used; where nothing is left, X-Ray.
pub(super) fn read(read: &mut Reader<'_, impl Vars>, own: &Own) -> Vec<Outbound> {
    let mut outbounds: Vec<Outbound> = Vec::new();
    let named = set(read.vars, OUTBOUND).unwrap_or_default();
    let daemon = daemon_address(read, own.udp);
    let names = named.split(',').map(str::trim).filter(|name| !name.is_empty());
    for name in names {
        let found = match name.parse() {
            Err(()) => Err(EXPECTED.to_owned()),
            Ok(kind) if outbounds.iter().any(|known| known.kind() == kind) => {
                Err("it is named before: a destination gets each document once".to_owned())
            }
            Ok(_) if outbounds.len() >= LANES_MAX => Err(format!("at most {LANES_MAX} at once")),
            Ok(OutboundKind::Xray) => Ok(Outbound::Xray),
            Ok(OutboundKind::XrayOtlp) => Ok(Outbound::XrayOtlp(otlp::packing(read))),
            Ok(OutboundKind::Otlp) => otlp::destination(read, own.otlp).map(Outbound::Otlp),
            Ok(OutboundKind::Stdout) => Ok(Outbound::Stdout),
            Ok(OutboundKind::Daemon) => daemon.clone().map(Outbound::Daemon),
        };
        match found {
            Ok(outbound) => outbounds.push(outbound),
            Err(why) => read.problems.push(Problem::LeftOut {
                name: OUTBOUND,
                found: quoted(name),
                why,
            }),
        }
    }
    idle(read, &named);
    if outbounds.is_empty() {
        outbounds.push(Outbound::Xray);
    }
    outbounds
}

/// Settings of outbounds that are not asked for.
fn idle(read: &mut Reader<'_, impl Vars>, named: &str) {
    use OutboundKind::{Daemon, Otlp, Stdout, Xray, XrayOtlp};
    let settings: [(_, &[_], _); 5] = [
        (DAEMON_ADDRESS, &[Daemon], "daemon in FLUOROSCOPE_OUTBOUND"),
        (OTLP_ENDPOINT, &[Otlp], "otlp in FLUOROSCOPE_OUTBOUND"),
        (OTLP_HEADERS, &[Otlp], "otlp in FLUOROSCOPE_OUTBOUND"),
        (
            OTLP_COMPRESSION,
            &[Otlp, XrayOtlp],
            "otlp or xray-otlp in FLUOROSCOPE_OUTBOUND",
        ),
        (
            INDEXED_ATTRIBUTES,
            &[Xray, Stdout],
            "xray or stdout in FLUOROSCOPE_OUTBOUND",
        ),
    ];
    let is_default = named.trim().is_empty();
    for (name, kinds, without) in settings {
        let is_named = |text: &str| text.parse().is_ok_and(|kind| kinds.contains(&kind));
        let is_used = named.split(',').any(is_named) || (is_default && kinds.contains(&Xray));
        if set(read.vars, name).is_some() && !is_used {
            read.problems.push(Problem::Idle { name, without });
        }
    }
}

/// Attributes of spans that become annotations of their documents.
pub(super) fn translation(vars: &impl Vars) -> Options {
    let text = set(vars, INDEXED_ATTRIBUTES).unwrap_or_default();
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let (all, named): (Vec<_>, Vec<_>) = names.map(str::to_owned).partition(|name| name == "*");
    Options {
        indexed: named,
        index_all: !all.is_empty(),
        ..Options::default()
    }
}

/// Where Lambda's own daemon is: as the operator says, as the function's environment says where we see that, or where
/// functions are told it is. What of this is our own address would come back to us.
fn daemon_address(read: &mut Reader<'_, impl Vars>, own: SocketAddr) -> Result<SocketAddr, String> {
    let expected = "host:port with a numeric host, such as 169.254.79.129:2000";
    if let Some(daemon) = read.parsed(DAEMON_ADDRESS, expected) {
        return match is_ours(daemon, own) {
            false => Ok(daemon),
            true => Err(format!(
                "{daemon} is our own address, and what is sent there comes back; set {DAEMON_ADDRESS} to that of Lambda's \
                 daemon, or leave it out"
            )),
        };
    }
    // Lambda keeps its value from extensions; one of the function's own points SDKs at us, as a rule.
    let seen = set(read.vars, "AWS_XRAY_DAEMON_ADDRESS").and_then(|text| udp_part(&text));
    let daemon = seen.filter(|daemon| !is_ours(*daemon, own));
    Ok(daemon.unwrap_or(LAMBDAS_DAEMON))
}

/// SDKs take `host:port`, or `tcp:host:port udp:host:port` in any order.
fn udp_part(text: &str) -> Option<SocketAddr> {
    let mut parts = text.split_whitespace();
    let udp = parts.clone().find_map(|part| part.strip_prefix("udp:"));
    udp.or_else(|| parts.next())?.parse().ok()
}
