//! Calls over HTTP to one destination, each of which may take several attempts.
//!
//! Invariants
//! - Nothing is built, connected or fetched before the first call.
//! - A call is tried again at once in three cases only, once for each: an older connection failed, fetched
//!   credentials have expired, or our clock is another one than the destination's. Every other retry, and every pause,
//!   is the engine's decision.
//! - A clock is corrected for signatures alone; documents keep their times.
//! - After any failure the next call opens a connection of its own.
//! - What must not be counted twice is not sent again after a connection that failed.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use model::time::Timestamp;
use reqwest::Url;
use rustls::RootCertStore;

use super::answer::{Answer, Refusal};
use super::connection::{Connection, read_bounded};
use super::credentials::CredentialSource;
use super::deadline::Deadline;
use super::dialect::Peer;
use super::error::SendError;
use super::limits::{
    ANSWER_MAX_BYTES, ATTEMPT_WAIT, OLDER_CONNECTION_SHARE, READ_TURNS, READ_WAIT, SECOND_ATTEMPT_MIN,
};
use super::signing::{Post, Signer};

/// The calls to one destination.
#[derive(Debug)]
pub struct Exchange {
    peer: Peer,
    access: Access,
    pub(super) connection: Connection,
    pub(super) attempt_wait: Duration,
}

/// How a destination knows who calls.
#[derive(Debug)]
pub enum Access {
    /// By AWS's signature.
    Signed(Box<Signature>),
    /// By headers of the operator's, if at all. Their values may be secrets.
    Headers(HeaderMap),
}

/// What AWS's signature takes.
#[derive(Debug)]
pub struct Signature {
    credentials: CredentialSource,
    signer: Signer,
    /// How far the other clock was ahead of ours when a signature was last refused for it, in microseconds.
    ahead_micros: i64,
}

/// One call.
#[derive(Debug)]
pub struct Call {
    /// In messages.
    pub operation: &'static str,
    /// The permission that it takes, where AWS is asked.
    pub permission: &'static str,
    /// Whether it does no harm if the destination gets it twice.
    pub is_repeatable: bool,
    /// The whole address.
    pub url: Url,
    /// In which format the body is.
    pub content_type: &'static str,
    /// How it is packed, if it is.
    pub encoding: Option<&'static str>,
    /// The content.
    pub body: Bytes,
    /// Documents in it.
    pub documents: usize,
    /// Until when an answer is waited for.
    pub deadline: Deadline,
}

impl Access {
    /// By AWS's signature, for X-Ray in this region.
    pub fn signed(credentials: CredentialSource, region: &str) -> Self {
        Self::Signed(Box::new(Signature {
            credentials,
            signer: Signer::new(region),
            ahead_micros: 0,
        }))
    }
}

impl Exchange {
    /// Prepares to call `peer`, which is at `url`; costs nothing until the first call.
    pub fn with(peer: Peer, url: &Url, access: Access) -> Self {
        Self {
            peer,
            access,
            connection: Connection::to(url),
            attempt_wait: ATTEMPT_WAIT,
        }
    }

    /// Trusts these authorities beside those compiled in.
    pub fn trust(&mut self, authorities: RootCertStore) {
        self.connection.trust(authorities);
    }

    /// Gives up the connection, if there is one, but not its TLS session.
    pub fn drop_idle(&mut self) {
        self.connection.drop_idle();
    }

    /// Forgets what a snapshot must not carry over: fetched credentials, the connection and its TLS sessions, and how
    /// wrong the clock was.
    pub fn forget(&mut self) {
        self.connection.forget();
        if let Access::Signed(signature) = &mut self.access {
            signature.credentials.forget();
            signature.signer.forget();
            signature.ahead_micros = 0;
        }
    }

    /// Makes a call and waits for success.
    ///
    /// # Errors
    /// Says why there is none.
    pub async fn call(&mut self, call: &Call) -> Result<Answer, SendError> {
        let (mut has_renewed, mut has_corrected) = (false, false);
        loop {
            let dialled = self.connection.dialled();
            let result = self.attempt(call).await;
            let used_older_connection = self.connection.dialled() == dialled;
            let has_time = call.deadline.left() >= SECOND_ATTEMPT_MIN;
            match result {
                Ok(answer) if answer.is_success() => return Ok(answer),
                Ok(answer) => {
                    let refusal = Refusal::read(&answer, call.deadline.now(), self.peer.dialect);
                    if let Access::Signed(signature) = &mut self.access {
                        if refusal.is_expired() {
                            signature.credentials.forget();
                            if signature.credentials.can_renew() && !has_renewed && has_time {
                                has_renewed = true;
                                continue;
                            }
                        }
                        if let Some(time) = refusal.other_time() {
                            signature.ahead_micros = time.as_micros() - call.deadline.now().as_micros();
                            if !has_corrected && has_time {
                                has_corrected = true;
                                continue;
                            }
                        }
                    }
                    return Err(self.refused(call, refusal));
                }
                Err(error) => {
                    self.connection.drop_idle();
                    // The attempt that follows opens a connection, so it cannot come here again.
                    let may_repeat = call.is_repeatable && used_older_connection && has_time;
                    if may_repeat && error.may_be_stale_connection() {
                        continue;
                    }
                    return Err(error);
                }
            }
        }
    }

    async fn attempt(&mut self, call: &Call) -> Result<Answer, SendError> {
        if call.deadline.left().is_zero() {
            return Err(self.silent(Duration::ZERO));
        }
        let share = if self.connection.may_be_open() {
            OLDER_CONNECTION_SHARE
        } else {
            1
        };
        let headers = self.access.headers(call).await?;
        let request = self
            .connection
            .client()?
            .post(call.url.clone())
            .headers(headers)
            .body(call.body.clone());
        let connected = self.connection.connected();
        let dialled = self.connection.dialled();
        let wait = self.attempt_wait.min(call.deadline.left() / share);
        let exchange = async {
            let response = request.send().await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let content = read_bounded(response, ANSWER_MAX_BYTES).await?;
            Ok(Answer {
                status,
                headers,
                content,
            })
        };
        let mut exchange = std::pin::pin!(exchange);
        let mut result = tokio::time::timeout(wait, exchange.as_mut()).await.ok();
        if result.is_none() {
            // After a thaw the time is over and the answer lies in the socket: it only has to be read.
            result = tokio::time::timeout(READ_WAIT, exchange.as_mut()).await.ok();
        }
        for _ in 0..READ_TURNS {
            if result.is_some() {
                break;
            }
            // On a share of a CPU that time may pass in one standstill: what lies there takes turns, not time.
            tokio::task::yield_now().await;
            result = tokio::select! {
                biased;
                result = exchange.as_mut() => Some(result),
                () = std::future::ready(()) => None,
            };
        }
        match result {
            Some(result) => result.map_err(|error| SendError::transport(self.peer.clone(), error)),
            None if self.connection.dialled() != dialled && self.connection.connected() == connected => {
                let peer = self.peer.clone();
                Err(SendError::Unconnected {
                    peer,
                    waited_ms: wait.as_millis(),
                })
            }
            None => Err(self.silent(wait)),
        }
    }

    fn silent(&self, waited: Duration) -> SendError {
        SendError::Silent {
            peer: self.peer.clone(),
            waited_ms: waited.as_millis(),
        }
    }

    /// A success that nobody can read.
    pub fn garbled(&self, status: u16, reason: &'static str) -> SendError {
        SendError::Garbled {
            peer: self.peer.clone(),
            status,
            reason,
        }
    }

    /// Whether a text of the destination's repeats a header that lets us in.
    pub fn tells_secret(&self, text: &str) -> bool {
        let Access::Headers(headers) = &self.access else {
            return false;
        };
        let mut values = headers.values().filter_map(|value| value.to_str().ok());
        values.any(|value| !value.is_empty() && text.contains(value))
    }

    fn refused(&self, call: &Call, mut refusal: Refusal) -> SendError {
        if self.tells_secret(&refusal.message) {
            refusal.message.clear();
        }
        SendError::Refused {
            peer: self.peer.clone(),
            operation: call.operation,
            mend: refusal.mend(call.permission),
            refusal,
            documents: call.documents,
        }
    }
}

impl Access {
    /// The headers of an attempt.
    async fn headers(&mut self, call: &Call) -> Result<HeaderMap, SendError> {
        let mut headers = match self {
            Self::Headers(headers) => headers.clone(),
            Self::Signed(signature) => {
                let keys = signature.credentials.current(call.deadline).await?;
                let time = Timestamp::from_micros(call.deadline.now().as_micros() + signature.ahead_micros);
                let post = Post {
                    url: &call.url,
                    body: &call.body,
                    content_type: call.content_type,
                };
                signature.signer.sign(post, &keys, time)?
            }
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(call.content_type));
        if let Some(encoding) = call.encoding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        Ok(headers)
    }
}
