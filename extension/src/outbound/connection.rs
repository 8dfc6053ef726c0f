//! The HTTP client of the outbounds: at most one idle connection, and TLS sessions that outlive it.
//!
//! Invariants
//! - Nothing is built before the first call; TLS roots are only loaded for `https` addresses.
//! - Dropping the connection keeps the TLS session store, so the next handshake is a short one.
//! - Redirects are not followed: a signature is valid for one host only.
//! - Loopback addresses are never asked through a proxy, which could not reach our loopback.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::{Client, ClientBuilder, Response, Url};
use rustls::{ClientConfig, RootCertStore};
use tower::util::{MapRequestLayer, MapResponseLayer};

use super::limits::{CONNECT_WAIT, IDLE_CONNECTION_WAIT, IDLE_CONNECTIONS_MAX};
use super::tls;

/// The connection to one endpoint.
pub struct Connection {
    is_secure: bool,
    uses_proxy: bool,
    /// Authorities that are trusted beside those compiled in.
    authorities: RootCertStore,
    tls: Option<ClientConfig>,
    client: Option<Client>,
    dialled: Arc<AtomicU64>,
    connected: Arc<AtomicU64>,
}

impl fmt::Debug for Connection {
    /// Leaves out the client, which knows the proxy's password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("is_secure", &self.is_secure)
            .field("uses_proxy", &self.uses_proxy)
            .field("dialled", &self.dialled())
            .finish_non_exhaustive()
    }
}

/// Why no client could be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The TLS set-up was refused.
    #[error("could not set up TLS")]
    Tls(#[from] rustls::Error),
    /// The HTTP client was refused.
    #[error("could not set up the HTTP client")]
    Http(#[from] reqwest::Error),
}

impl Connection {
    /// Prepares for `url`; connects to nothing.
    pub fn to(url: &Url) -> Self {
        Self {
            is_secure: url.scheme() == "https",
            uses_proxy: !is_loopback(url),
            authorities: RootCertStore::empty(),
            tls: None,
            client: None,
            dialled: Arc::default(),
            connected: Arc::default(),
        }
    }

    /// Trusts these authorities too.
    pub fn trust(&mut self, authorities: RootCertStore) {
        self.authorities = authorities;
        self.tls = None;
    }

    /// The same, past any proxy of the machine the tests run on.
    #[cfg(test)]
    pub(super) fn without_proxy(url: &Url) -> Self {
        Self {
            uses_proxy: false,
            ..Self::to(url)
        }
    }

    /// The client, built when first needed and after [`Self::drop_idle`].
    ///
    /// # Errors
    /// If TLS or HTTP cannot be set up at all.
    pub fn client(&mut self) -> Result<Client, BuildError> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let client = self.build()?;
        self.client = Some(client.clone());
        Ok(client)
    }

    /// Gives up the connection, if there is one; the next call opens another.
    pub fn drop_idle(&mut self) {
        self.client = None;
    }

    /// Gives up the connection and the TLS sessions: after a restore they are those of other sandboxes too.
    pub fn forget(&mut self) {
        self.client = None;
        self.tls = None;
    }

    /// Whether the next call may go out on an older connection.
    pub fn may_be_open(&self) -> bool {
        self.client.is_some()
    }

    /// How often a connection has been attempted. A call that leaves it as it was used an older connection.
    pub fn dialled(&self) -> u64 {
        self.dialled.load(Ordering::Relaxed)
    }

    /// How many of these attempts led to a connection, TLS included.
    pub fn connected(&self) -> u64 {
        self.connected.load(Ordering::Relaxed)
    }

    fn build(&mut self) -> Result<Client, BuildError> {
        let tls = match &self.tls {
            Some(tls) => tls.clone(),
            None => {
                let mut roots = roots(self.is_secure);
                roots.roots.extend_from_slice(&self.authorities.roots);
                let tls = tls::config(roots)?;
                self.tls = Some(tls.clone());
                tls
            }
        };
        let (dialled, connected) = (Arc::clone(&self.dialled), Arc::clone(&self.connected));
        let builder = base_builder(tls)
            .connect_timeout(CONNECT_WAIT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .pool_idle_timeout(IDLE_CONNECTION_WAIT)
            .connector_layer(MapRequestLayer::new(move |target| count(&dialled, target)))
            .connector_layer(MapResponseLayer::new(move |connection| {
                count(&connected, connection)
            }));
        let builder = if self.uses_proxy {
            builder
        } else {
            builder.no_proxy()
        };
        Ok(builder.build()?)
    }
}

fn count<T>(counter: &AtomicU64, passing: T) -> T {
    counter.fetch_add(1, Ordering::Relaxed);
    passing
}

/// A client for one call inside the sandbox: no TLS roots for `http`, no proxy, nothing kept.
///
/// # Errors
/// If TLS or HTTP cannot be set up at all.
pub fn client_for_one_call(url: &Url, wait: Duration) -> Result<Client, BuildError> {
    let tls = tls::config(roots(url.scheme() == "https"))?;
    let builder = base_builder(tls).connect_timeout(wait).pool_max_idle_per_host(0);
    Ok(builder.no_proxy().build()?)
}

fn base_builder(tls: ClientConfig) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(concat!("fluoroscope/", env!("CARGO_PKG_VERSION")))
        // Probes would wake a sandbox that has nothing to say.
        .tcp_keepalive(None)
}

/// The roots compiled in; none where no certificate will be looked at.
fn roots(is_secure: bool) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    if is_secure {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

/// Whether `url` names this machine.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => bare == "localhost" || bare.ends_with(".localhost"),
    }
}

/// The content of an answer, up to a bound.
#[derive(Debug, Default)]
pub struct Content {
    /// The bytes read.
    pub bytes: Vec<u8>,
    /// Whether there were more.
    pub is_cut: bool,
}

/// Reads at most `max_bytes` of an answer's content and leaves the rest.
///
/// # Errors
/// If the connection breaks before.
pub async fn read_bounded(mut response: Response, max_bytes: usize) -> Result<Content, reqwest::Error> {
    let mut content = Content::default();
    while let Some(chunk) = response.chunk().await? {
        let room = max_bytes.saturating_sub(content.bytes.len());
        content.is_cut = chunk.len() > room;
        content.bytes.extend(chunk.iter().take(room));
        if content.is_cut {
            break;
        }
    }
    Ok(content)
}

#[cfg(test)]
mod tests;
