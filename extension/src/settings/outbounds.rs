//! Where documents go: a list of names, each with what it needs.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::problem::Problem;
use super::reading::{Reader, quoted, set};
use super::{DAEMON_ADDRESS, OUTBOUND, Vars};
use crate::limits::LANES_MAX;
use crate::outbound::kind::OutboundKind;

/// Where documents go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outbound {
    /// X-Ray's own API.
    Xray,
    /// The X-Ray daemon at this address.
    Daemon(SocketAddr),
    /// The log.
    Stdout,
}

impl Outbound {
    /// Of which kind it is.
    pub const fn kind(self) -> OutboundKind {
        match self {
            Self::Xray => OutboundKind::Xray,
            Self::Daemon(_) => OutboundKind::Daemon,
            Self::Stdout => OutboundKind::Stdout,
        }
    }
}

/// Where functions find Lambda's own daemon, which extensions are not told.
const LAMBDAS_DAEMON: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(169, 254, 79, 129)), 2000);
const EXPECTED: &str = "expected xray, daemon or stdout, several with commas between";

/// What lies outside of the list is told, and the rest is used; where nothing is left, X-Ray.
pub(super) fn read(read: &mut Reader<'_, impl Vars>, own: SocketAddr) -> Vec<Outbound> {
    let mut outbounds: Vec<Outbound> = Vec::new();
    let named = set(read.vars, OUTBOUND).unwrap_or_default();
    let daemon = daemon_address(read, own);
    let names = named.split(',').map(str::trim).filter(|name| !name.is_empty());
    for name in names {
        let found = match name.parse() {
            Err(()) => Err(EXPECTED.to_owned()),
            Ok(kind) if outbounds.iter().any(|known| known.kind() == kind) => {
                Err("it is named before: a destination gets each document once".to_owned())
            }
            Ok(_) if outbounds.len() >= LANES_MAX => Err(format!("at most {LANES_MAX} at once")),
            Ok(OutboundKind::Xray) => Ok(Outbound::Xray),
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
    let is_daemon = |name: &str| name.parse() == Ok(OutboundKind::Daemon);
    if set(read.vars, DAEMON_ADDRESS).is_some() && !named.split(',').any(is_daemon) {
        read.problems.push(Problem::Idle {
            name: DAEMON_ADDRESS,
            without: "daemon in FLUOROSCOPE_OUTBOUND",
        });
    }
    if outbounds.is_empty() {
        outbounds.push(Outbound::Xray);
    }
    outbounds
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

/// Whether what is sent there comes back to us.
fn is_ours(daemon: SocketAddr, own: SocketAddr) -> bool {
    let is_here = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified();
    let is_same = daemon.ip() == own.ip() || (own.ip().is_unspecified() && is_here(daemon.ip()));
    daemon.port() == own.port() && (is_same || (daemon.ip().is_unspecified() && is_here(own.ip())))
}
