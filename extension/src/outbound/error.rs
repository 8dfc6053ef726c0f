//! Why a call to a destination failed, for people and for code.

use std::error::Error;
use std::io;

use super::answer::Refusal;
use super::connection::BuildError;
use super::credentials::CredentialError;
use super::dialect::Peer;
use super::endpoint::EndpointError;
use super::signing::SignError;
use crate::pipeline::outcome::{Failure, FailureKind, Unreached};

/// Why a call failed. Messages hold the destination's address, which holds no secret.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No connection came about.
    #[error("{} {} at {}", tried(*why), peer.dialect.name(), peer.address)]
    Unreachable {
        /// The destination.
        peer: Peer,
        /// What kind of failure.
        why: Unreached,
        /// What the system says.
        #[source]
        source: reqwest::Error,
    },
    /// No connection in time.
    #[error(
        "no connection to {peer} within {waited_ms} ms: check that there is a route to it (from a VPC: a NAT gateway, or \
         a VPC endpoint of its own)"
    )]
    Unconnected {
        /// The destination.
        peer: Peer,
        /// How long it was given.
        waited_ms: u128,
    },
    /// The connection broke with the request under way.
    #[error("lost the connection to {peer} before its answer")]
    Disconnected {
        /// The destination.
        peer: Peer,
        /// What the system says.
        #[source]
        source: reqwest::Error,
    },
    /// No answer in time.
    #[error("no answer from {peer} within {waited_ms} ms")]
    Silent {
        /// The destination.
        peer: Peer,
        /// How long it was given.
        waited_ms: u128,
    },
    /// Success, but with an answer nobody can read.
    #[error("unreadable answer {status} from {peer}: {reason}")]
    Garbled {
        /// The destination.
        peer: Peer,
        /// Status of the answer.
        status: u16,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The destination, or what answers in its place, refused the call.
    #[error(
        "{peer} answered {refusal} to {operation}{}{}",
        if mend.is_empty() { "" } else { ": " },
        mend
    )]
    Refused {
        /// The destination.
        peer: Peer,
        /// The operation.
        operation: &'static str,
        /// What it said.
        refusal: Refusal,
        /// What the operator can do; may be empty.
        mend: String,
        /// Documents in the call.
        documents: usize,
    },
    /// Nothing to sign with.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// The request could not be signed.
    #[error(transparent)]
    Signing(#[from] SignError),
    /// There is no client to send with.
    #[error(transparent)]
    Client(#[from] BuildError),
}

fn tried(why: Unreached) -> &'static str {
    match why {
        Unreached::Untrusted => "could not trust the certificate of",
        Unreached::UnknownHost => "could not find the address of",
        Unreached::TimedOut => "no connection in time to",
        Unreached::ConnectionRefused | Unreached::Other => "could not reach",
    }
}

impl SendError {
    /// Tells apart what the HTTP client reports.
    pub fn transport(peer: Peer, error: reqwest::Error) -> Self {
        let source = error.without_url();
        if !source.is_connect() {
            return Self::Disconnected { peer, source };
        }
        Self::Unreachable {
            peer,
            why: unreached(&source),
            source,
        }
    }

    /// Whether an older connection can have been the cause.
    pub fn may_be_stale_connection(&self) -> bool {
        matches!(self, Self::Disconnected { .. } | Self::Silent { .. })
    }

    /// What code decides on.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Unreachable { why, .. } => FailureKind::Unreachable(*why),
            Self::Unconnected { .. } => FailureKind::Unreachable(Unreached::TimedOut),
            Self::Disconnected { .. } => FailureKind::Disconnected,
            Self::Silent { .. } => FailureKind::Silent,
            Self::Garbled { .. } => FailureKind::Garbled,
            Self::Refused {
                refusal, documents, ..
            } => refusal.kind(*documents),
            Self::Credentials(error) if error.may_pass() => FailureKind::CredentialsUnavailable,
            Self::Credentials(_) => FailureKind::NoCredentials,
            Self::Signing(_) | Self::Client(_) => FailureKind::Unsendable,
        }
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        Self {
            kind: error.kind(),
            message: one_line(&error),
        }
    }
}

impl From<EndpointError> for Failure {
    fn from(error: EndpointError) -> Self {
        Self {
            kind: FailureKind::NoEndpoint,
            message: one_line(&error),
        }
    }
}

/// An error and its causes, each once, from the outermost to the innermost.
///
/// The HTTP client's own layers are left out: they only repeat that a request failed.
pub fn one_line(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !cause.is::<reqwest::Error>() && !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        next = cause.source();
    }
    line
}

fn unreached(error: &reqwest::Error) -> Unreached {
    if error.is_timeout() {
        return Unreached::TimedOut;
    }
    if error.is_dns() {
        return Unreached::UnknownHost;
    }
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref().and_then(unreached_by_system) {
            return found;
        }
        next = cause.source();
    }
    Unreached::Other
}

fn unreached_by_system(error: &io::Error) -> Option<Unreached> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => return Some(Unreached::ConnectionRefused),
        io::ErrorKind::TimedOut => return Some(Unreached::TimedOut),
        _ => {}
    }
    // An I/O error leaves out of its chain of causes the error it wraps, which may be another of its kind.
    let wrapped = error.get_ref()?;
    match wrapped.downcast_ref() {
        Some(rustls::Error::InvalidCertificate(_)) => Some(Unreached::Untrusted),
        _ => unreached_by_system(wrapped.downcast_ref()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_found_under_its_wrappings() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let certificate = || rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        for (error, expected) in [
            (refused(), Some(Unreached::ConnectionRefused)),
            (io::Error::other(refused()), Some(Unreached::ConnectionRefused)),
            (io::ErrorKind::TimedOut.into(), Some(Unreached::TimedOut)),
            (
                io::Error::other(io::Error::other(certificate())),
                Some(Unreached::Untrusted),
            ),
            (io::Error::other(rustls::Error::HandshakeNotComplete), None),
            (io::ErrorKind::NetworkUnreachable.into(), None),
        ] {
            assert_eq!(unreached_by_system(&error), expected, "{error:?}");
        }
    }

    #[test]
    fn each_kind_of_unreached_reads_as_a_sentence() {
        for (why, beginning) in [
            (Unreached::UnknownHost, "could not find the address of"),
            (Unreached::ConnectionRefused, "could not reach"),
            (Unreached::TimedOut, "no connection in time to"),
            (Unreached::Untrusted, "could not trust the certificate of"),
            (Unreached::Other, "could not reach"),
        ] {
            assert_eq!(tried(why), beginning);
        }
    }

    #[test]
    fn a_missing_region_becomes_a_failure_that_names_its_mend() {
        let failure = Failure::from(EndpointError::NoRegion);
        assert_eq!(failure.kind, FailureKind::NoEndpoint);
        assert_eq!(
            failure.message,
            "no region to sign for: set AWS_REGION, for example AWS_REGION=eu-west-1"
        );
    }

    #[test]
    fn causes_follow_each_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("could not open the door: {source}")]
        struct Outer {
            source: io::Error,
        }
        let error = Outer {
            source: io::Error::other("jammed"),
        };
        assert_eq!(one_line(&error), "could not open the door: jammed");
        let error = CredentialError::TokenFile {
            path: "/t".into(),
            source: io::Error::other("jammed"),
        };
        assert_eq!(
            one_line(&error),
            "could not read AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE /t: jammed"
        );
    }
}
