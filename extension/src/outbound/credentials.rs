//! Where the keys come from that requests are signed with.
//!
//! Keys in the environment win. Without them (SnapStart) the container endpoint inside the sandbox gives
//! keys that expire: they are fetched when first needed, never while a snapshot is taken, and renewed before
//! they expire.
//!
//! Invariant: nothing here prints a key or a token; `Debug` says only whether there is one.

use std::fmt;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderValue, InvalidHeaderValue};
use model::time::Timestamp;
use reqwest::Url;

use super::connection::{BuildError, client_for_one_call, read_bounded};
use super::deadline::Deadline;
use super::limits::{
    CREDENTIALS_ANSWER_MAX_BYTES, CREDENTIALS_MARGIN, CREDENTIALS_WAIT, TOKEN_FILE_MAX_BYTES,
};

/// A text that is never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` to itself.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for what has to be signed or sent.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("«secret»")
    }
}

/// What requests are signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// Says whose signature it is.
    pub access_key_id: String,
    /// What is signed with.
    pub secret_access_key: Secret,
    /// What goes with temporary keys.
    pub session_token: Option<Secret>,
}

/// What the environment says about credentials. Empty values count as absent.
#[derive(Debug, Clone, Default)]
pub struct CredentialSettings {
    /// `AWS_ACCESS_KEY_ID`
    pub access_key_id: Option<String>,
    /// `AWS_SECRET_ACCESS_KEY`
    pub secret_access_key: Option<Secret>,
    /// `AWS_SESSION_TOKEN`
    pub session_token: Option<Secret>,
    /// `AWS_CONTAINER_CREDENTIALS_FULL_URI`
    pub container_uri: Option<String>,
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN`
    pub container_token: Option<Secret>,
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`; wins over the token itself, as in SDKs.
    pub container_token_file: Option<PathBuf>,
}

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The environment names none.
    #[error(
        "no credentials to sign with: on Lambda the function's role gives them; elsewhere set \
         AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )]
    Missing,
    /// The container endpoint's address cannot be used.
    #[error("AWS_CONTAINER_CREDENTIALS_FULL_URI: {reason}")]
    BadUri {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The container endpoint's token cannot be read from its file.
    #[error("could not read AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE {}", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The token cannot be sent in a header.
    #[error("AWS_CONTAINER_AUTHORIZATION_TOKEN holds characters that a header cannot")]
    BadToken(#[source] InvalidHeaderValue),
    /// No HTTP client for the container endpoint.
    #[error("could not ask the container credentials endpoint")]
    Client(#[from] BuildError),
    /// The container endpoint did not answer.
    #[error("could not ask the container credentials endpoint")]
    Unreachable(#[source] reqwest::Error),
    /// The container endpoint did not answer in time.
    #[error("no answer from the container credentials endpoint within {waited_ms} ms")]
    Silent {
        /// How long it was given.
        waited_ms: u128,
    },
    /// The container endpoint refused.
    #[error("the container credentials endpoint answered {status}")]
    Refused {
        /// Status of the answer.
        status: u16,
    },
    /// The container endpoint's answer holds no credentials.
    #[error("the container credentials endpoint gave no credentials: {reason}")]
    Unreadable {
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl CredentialError {
    /// Whether asking again may help.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Missing | Self::BadUri { .. } | Self::BadToken(_) | Self::Client(_) => false,
            Self::TokenFile { .. }
            | Self::Unreachable(_)
            | Self::Silent { .. }
            | Self::Refused { .. }
            | Self::Unreadable { .. } => true,
        }
    }
}

/// Gives credentials, and fetches them where they have to be fetched.
#[derive(Debug)]
pub struct CredentialSource {
    origin: Origin,
    cached: Option<Fetched>,
}

#[derive(Debug)]
enum Origin {
    Environment(Arc<Keys>),
    Container(Container),
    Nowhere,
}

#[derive(Debug)]
struct Container {
    uri: String,
    token: Option<Secret>,
    token_file: Option<PathBuf>,
}

#[derive(Debug)]
struct Fetched {
    keys: Arc<Keys>,
    expires: Option<Timestamp>,
}

impl Fetched {
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.expires
            .is_none_or(|expires| now < expires.before(CREDENTIALS_MARGIN))
    }

    fn is_valid(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

impl CredentialSource {
    /// Chooses where credentials come from; fetches nothing.
    pub fn new(settings: CredentialSettings) -> Self {
        Self {
            origin: origin(settings),
            cached: None,
        }
    }

    /// Credentials that are valid now.
    ///
    /// # Errors
    /// If there are none, or the container endpoint gives none within its bound.
    pub async fn current(&mut self, deadline: Deadline) -> Result<Arc<Keys>, CredentialError> {
        let container = match &self.origin {
            Origin::Environment(keys) => return Ok(Arc::clone(keys)),
            Origin::Nowhere => return Err(CredentialError::Missing),
            Origin::Container(container) => container,
        };
        let now = deadline.now();
        if let Some(cached) = self.cached.as_ref().filter(|cached| cached.is_fresh(now)) {
            return Ok(Arc::clone(&cached.keys));
        }
        match container.fetch(deadline).await {
            Ok(fetched) => {
                let keys = Arc::clone(&fetched.keys);
                self.cached = Some(fetched);
                Ok(keys)
            }
            // About to expire is still good enough for this call.
            Err(error) => match self.cached.as_ref().filter(|cached| cached.is_valid(now)) {
                Some(cached) => Ok(Arc::clone(&cached.keys)),
                None => Err(error),
            },
        }
    }

    /// Drops what was fetched: after a restore, or when X-Ray says it has expired.
    pub fn forget(&mut self) {
        self.cached = None;
    }

    /// Whether other credentials can be had after [`Self::forget`].
    pub fn can_renew(&self) -> bool {
        matches!(self.origin, Origin::Container(_))
    }
}

fn origin(settings: CredentialSettings) -> Origin {
    let text = |value: Option<String>| value.filter(|value| !value.trim().is_empty());
    let secret = |value: Option<Secret>| value.filter(|value| !value.0.trim().is_empty());
    if let (Some(id), Some(key)) = (text(settings.access_key_id), secret(settings.secret_access_key)) {
        return Origin::Environment(Arc::new(Keys {
            access_key_id: id,
            secret_access_key: key,
            session_token: secret(settings.session_token),
        }));
    }
    match text(settings.container_uri) {
        Some(uri) => Origin::Container(Container {
            uri,
            token: secret(settings.container_token),
            token_file: settings
                .container_token_file
                .filter(|path| !path.as_os_str().is_empty()),
        }),
        None => Origin::Nowhere,
    }
}

impl Container {
    async fn fetch(&self, deadline: Deadline) -> Result<Fetched, CredentialError> {
        let url = container_url(&self.uri).map_err(|reason| CredentialError::BadUri { reason })?;
        let wait = CREDENTIALS_WAIT.min(deadline.left());
        let mut request = client_for_one_call(&url, wait)?.get(url);
        if let Some(authorization) = self.authorization()? {
            request = request.header(AUTHORIZATION, authorization);
        }
        let exchange = async {
            let answer = request.send().await?;
            let status = answer.status().as_u16();
            Ok::<_, reqwest::Error>((status, read_bounded(answer, CREDENTIALS_ANSWER_MAX_BYTES).await?))
        };
        let (status, content) = tokio::time::timeout(wait, exchange)
            .await
            .map_err(|_| CredentialError::Silent {
                waited_ms: wait.as_millis(),
            })?
            .map_err(|error| CredentialError::Unreachable(error.without_url()))?;
        if status != 200 {
            return Err(CredentialError::Refused { status });
        }
        if content.is_cut {
            return Err(CredentialError::Unreadable {
                reason: "answer too long",
            });
        }
        read_answer(&content.bytes).map_err(|reason| CredentialError::Unreadable { reason })
    }

    fn authorization(&self) -> Result<Option<HeaderValue>, CredentialError> {
        let token = match (&self.token_file, &self.token) {
            (Some(path), _) => read_token(path).map_err(|source| CredentialError::TokenFile {
                path: path.clone(),
                source,
            })?,
            (None, Some(token)) => token.0.clone(),
            (None, None) => return Ok(None),
        };
        let mut value = HeaderValue::from_str(token.trim()).map_err(CredentialError::BadToken)?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// The token goes out in plain text over `http`, so only to this machine or its link.
fn container_url(uri: &str) -> Result<Url, &'static str> {
    let url = Url::parse(uri).map_err(|_| "not an address")?;
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match url.scheme() {
        "https" => Ok(url),
        "http" if bare == "localhost" || bare.parse().is_ok_and(is_near) => Ok(url),
        "http" => Err("http is only allowed to a loopback or link-local address"),
        _ => Err("neither http nor https"),
    }
}

fn is_near(address: IpAddr) -> bool {
    /// Where EKS answers over IPv6.
    const EKS: [u16; 8] = [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23];
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.segments() == EKS,
    }
}

fn read_token(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    let read_bytes = file.take(TOKEN_FILE_MAX_BYTES + 1).read_to_string(&mut text)?;
    if u64::try_from(read_bytes).is_ok_and(|bytes| bytes > TOKEN_FILE_MAX_BYTES) {
        return Err(std::io::Error::other("token too long"));
    }
    Ok(text)
}

fn read_answer(bytes: &[u8]) -> Result<Fetched, &'static str> {
    let answer: serde_json::Value = serde_json::from_slice(bytes).map_err(|_| "not JSON")?;
    let text = |name: &str| {
        answer
            .get(name)
            .and_then(|value| value.as_str())
            .filter(|text| !text.is_empty())
    };
    let id = text("AccessKeyId").ok_or("no AccessKeyId")?;
    let key = text("SecretAccessKey").ok_or("no SecretAccessKey")?;
    let expires = match text("Expiration") {
        Some(time) => Some(Timestamp::parse_iso8601(time).ok_or("unreadable Expiration")?),
        None => None,
    };
    Ok(Fetched {
        keys: Arc::new(Keys {
            access_key_id: id.to_owned(),
            secret_access_key: Secret::new(key),
            session_token: text("Token").map(Secret::new),
        }),
        expires,
    })
}

#[cfg(test)]
mod tests;
