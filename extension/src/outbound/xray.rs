//! Sends batches of documents, and the tally, to X-Ray.
//!
//! Invariants
//! - Nothing is built, connected or fetched before the first call.
//! - A call is tried again at once in three cases only, once for each: an older connection failed, fetched
//!   credentials have expired, or our clock is another one than X-Ray's. Every other retry, and every pause,
//!   is the engine's decision.
//! - A clock is corrected for signatures alone; documents keep their times.
//! - After any failure the next call opens a connection of its own.
//! - What must not be counted twice is not sent again after a connection that failed.

use std::borrow::Borrow;
use std::time::Duration;

use bytes::Bytes;
use model::otlp::to_segment::Options;
use model::time::Timestamp;
use model::wire::call_body::put_trace_segments;
use model::wire::sampling::{GET_SAMPLING_RULES_PATH, GET_SAMPLING_TARGETS_PATH, is_rules, is_targets};
use model::wire::xray_api::{
    PUT_TELEMETRY_RECORDS_PATH, PUT_TRACE_SEGMENTS_PATH, PutTelemetryRecords, TelemetryRecord,
};

use rustls::RootCertStore;

use super::answer::{Answer, Refusal};
use super::connection::{Connection, read_bounded};
use super::credentials::CredentialSource;
use super::deadline::Deadline;
use super::endpoint::Endpoint;
use super::error::SendError;
use super::limits::{
    ANSWER_MAX_BYTES, ATTEMPT_WAIT, OLDER_CONNECTION_SHARE, READ_TURNS, READ_WAIT, SECOND_ATTEMPT_MIN,
};
use super::segments::{Texts, once_each};
use super::settle::settle;
use super::signing::{Post, Signer};
use crate::pipeline::document::{Document, Form};
use crate::pipeline::outcome::{Answered, Failure, Outcome};

/// The one sender of a process.
#[derive(Debug)]
pub struct XraySender {
    endpoint: Endpoint,
    credentials: CredentialSource,
    connection: Connection,
    signer: Signer,
    /// How far X-Ray's clock was ahead of ours when a signature was last refused for it, in microseconds.
    ahead_micros: i64,
    attempt_wait: Duration,
    /// How spans are said in X-Ray's words.
    options: Options,
}

/// An operation of X-Ray.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    name: &'static str,
    path: &'static str,
    permission: &'static str,
    /// Whether it does no harm if X-Ray gets the same call twice.
    is_repeatable: bool,
    /// Whether this is an answer to it, where the sender passes answers on.
    is_answer: fn(&[u8]) -> bool,
}

const PUT_TRACE_SEGMENTS: Operation = Operation {
    name: "PutTraceSegments",
    path: PUT_TRACE_SEGMENTS_PATH,
    permission: "xray:PutTraceSegments",
    is_repeatable: true,
    is_answer: |_| true,
};
const PUT_TELEMETRY_RECORDS: Operation = Operation {
    name: "PutTelemetryRecords",
    path: PUT_TELEMETRY_RECORDS_PATH,
    permission: "xray:PutTelemetryRecords",
    is_repeatable: true,
    is_answer: |_| true,
};
/// A sampler's question for the rules.
pub const GET_SAMPLING_RULES: Operation = Operation {
    name: "GetSamplingRules",
    path: GET_SAMPLING_RULES_PATH,
    permission: SAMPLING_PERMISSIONS,
    is_repeatable: true,
    is_answer: is_rules,
};
/// A sampler's report, and its question for quotas.
pub const GET_SAMPLING_TARGETS: Operation = Operation {
    name: "GetSamplingTargets",
    path: GET_SAMPLING_TARGETS_PATH,
    permission: SAMPLING_PERMISSIONS,
    is_repeatable: false,
    is_answer: is_targets,
};
/// A sampler without the one has no use for the other.
const SAMPLING_PERMISSIONS: &str = "xray:GetSamplingRules and xray:GetSamplingTargets";

/// One call, which may take several attempts.
#[derive(Debug)]
struct Call {
    operation: Operation,
    body: Bytes,
    documents: usize,
    deadline: Deadline,
}

impl XraySender {
    /// Prepares to send; costs nothing until the first call.
    pub fn new(endpoint: Endpoint, credentials: CredentialSource) -> Self {
        let connection = Connection::to(&endpoint.url("/"));
        let signer = Signer::new(endpoint.region());
        Self {
            endpoint,
            credentials,
            connection,
            signer,
            ahead_micros: 0,
            attempt_wait: ATTEMPT_WAIT,
            options: Options::default(),
        }
    }

    /// Trusts these authorities beside those compiled in.
    #[must_use]
    pub fn trusting(mut self, authorities: RootCertStore) -> Self {
        self.connection.trust(authorities);
        self
    }

    /// Where it sends to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Translates spans as the operator wants them.
    #[must_use]
    pub fn translating(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Sends one batch and waits at most `wait` for X-Ray's judgement. `now` is the wall clock.
    ///
    /// A batch whose spans are too many texts leaves in several calls; what no call was tried for is given back.
    pub async fn send_batch(
        &mut self,
        batch: &[impl Borrow<Document> + AsRef<[u8]>],
        now: Timestamp,
        wait: Duration,
    ) -> Outcome {
        let mut documents = batch.iter().map(Borrow::borrow);
        if documents.all(|document| document.form == Form::Segment) {
            return self.send(batch, now, wait).await;
        }
        let deadline = Deadline::starting(now, wait);
        let options = std::mem::take(&mut self.options);
        let mut texts = Texts::of(batch, &options);
        self.options = options;
        let mut unprocessed = std::mem::take(&mut texts.untold);
        for (call, range) in texts.calls() {
            match self.send(call, deadline.now(), deadline.left()).await {
                Outcome::Answered(answered) => {
                    unprocessed.extend(texts.attributed(&range, answered.unprocessed));
                }
                Outcome::Failed(failure) if range.start == 0 && unprocessed.is_empty() => {
                    return Outcome::Failed(failure);
                }
                Outcome::Failed(_) => {
                    unprocessed.extend(texts.left(range.start));
                    break;
                }
            }
        }
        Outcome::Answered(Answered {
            documents: batch.len(),
            unprocessed: once_each(unprocessed, batch.len()),
        })
    }

    /// Sends the texts of one call.
    ///
    /// At most 50 of them, each UTF-8.
    pub async fn send(&mut self, documents: &[impl AsRef<[u8]>], now: Timestamp, wait: Duration) -> Outcome {
        if documents.is_empty() {
            return Outcome::Answered(Answered::default());
        }
        let deadline = Deadline::starting(now, wait);
        let call = Call {
            operation: PUT_TRACE_SEGMENTS,
            body: put_trace_segments(documents).into(),
            documents: documents.len(),
            deadline,
        };
        let items = match self.exchange(&call).await {
            Ok(answer) => answer
                .unprocessed()
                .map_err(|reason| self.garbled(answer.status, reason)),
            Err(error) => Err(error),
        };
        match items {
            Ok(items) => Outcome::Answered(Answered {
                documents: documents.len(),
                unprocessed: settle(items, documents),
            }),
            Err(error) => Outcome::Failed(error.into()),
        }
    }

    /// Sends one record of the tally. Best effort: nothing is kept for a second try.
    ///
    /// # Errors
    /// Says why X-Ray did not get it.
    pub async fn send_telemetry(
        &mut self,
        record: TelemetryRecord,
        now: Timestamp,
        wait: Duration,
    ) -> Result<(), Failure> {
        let records = PutTelemetryRecords {
            telemetry_records: vec![record],
            ..Default::default()
        };
        let body = serde_json::to_vec(&records).unwrap_or_default();
        let deadline = Deadline::starting(now, wait);
        let call = Call {
            operation: PUT_TELEMETRY_RECORDS,
            body: body.into(),
            documents: 1,
            deadline,
        };
        self.exchange(&call).await?;
        Ok(())
    }

    /// Puts a question as it is and gives X-Ray's answer as it came.
    ///
    /// It has a connection of its own, with the TLS session of the one before: the next question comes after seconds
    /// at the least, and what keeps a connection keeps memory.
    ///
    /// # Errors
    /// Says why there is no answer.
    pub async fn ask(
        &mut self,
        operation: Operation,
        body: Bytes,
        deadline: Deadline,
    ) -> Result<Vec<u8>, SendError> {
        let call = Call {
            operation,
            body,
            documents: 1,
            deadline,
        };
        let result = self.exchange(&call).await;
        self.connection.drop_idle();
        let answer = result?;
        if answer.content.is_cut {
            return Err(self.garbled(answer.status, "answer too long"));
        }
        if !(operation.is_answer)(&answer.content.bytes) {
            return Err(self.garbled(answer.status, "answer is not what X-Ray answers"));
        }
        Ok(answer.content.bytes)
    }

    /// Forgets what a snapshot must not carry over: fetched credentials, the
    /// connection and its TLS sessions, and how wrong the clock was.
    pub fn forget(&mut self) {
        self.credentials.forget();
        self.connection.forget();
        self.signer.forget();
        self.ahead_micros = 0;
    }

    async fn exchange(&mut self, call: &Call) -> Result<Answer, SendError> {
        let (mut has_renewed, mut has_corrected) = (false, false);
        loop {
            let dialled = self.connection.dialled();
            let result = self.attempt(call).await;
            let used_older_connection = self.connection.dialled() == dialled;
            let has_time = call.deadline.left() >= SECOND_ATTEMPT_MIN;
            match result {
                Ok(answer) if answer.is_success() => return Ok(answer),
                Ok(answer) => {
                    let refusal = Refusal::read(&answer, call.deadline.now());
                    if refusal.is_expired() {
                        self.credentials.forget();
                        if self.credentials.can_renew() && !has_renewed && has_time {
                            has_renewed = true;
                            continue;
                        }
                    }
                    if let Some(time) = refusal.other_time() {
                        self.ahead_micros = time.as_micros() - call.deadline.now().as_micros();
                        if !has_corrected && has_time {
                            has_corrected = true;
                            continue;
                        }
                    }
                    return Err(self.refused(call, refusal));
                }
                Err(error) => {
                    self.connection.drop_idle();
                    // The attempt that follows opens a connection, so it cannot come here again.
                    let may_repeat = call.operation.is_repeatable && used_older_connection && has_time;
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
        let keys = self.credentials.current(call.deadline).await?;
        let url = self.endpoint.url(call.operation.path);
        let time = Timestamp::from_micros(call.deadline.now().as_micros() + self.ahead_micros);
        let post = Post {
            url: &url,
            body: &call.body,
        };
        let headers = self.signer.sign(post, &keys, time)?;
        let request = self
            .connection
            .client()?
            .post(url)
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
            Some(result) => result.map_err(|error| SendError::transport(self.endpoint.name(), error)),
            None if self.connection.dialled() != dialled && self.connection.connected() == connected => {
                let endpoint = self.endpoint.name().to_owned();
                Err(SendError::Unconnected {
                    endpoint,
                    waited_ms: wait.as_millis(),
                })
            }
            None => Err(self.silent(wait)),
        }
    }

    fn silent(&self, waited: Duration) -> SendError {
        SendError::Silent {
            endpoint: self.endpoint.name().to_owned(),
            waited_ms: waited.as_millis(),
        }
    }

    fn garbled(&self, status: u16, reason: &'static str) -> SendError {
        SendError::Garbled {
            endpoint: self.endpoint.name().to_owned(),
            status,
            reason,
        }
    }

    fn refused(&self, call: &Call, refusal: Refusal) -> SendError {
        SendError::Refused {
            endpoint: self.endpoint.name().to_owned(),
            operation: call.operation.name,
            mend: refusal.mend(call.operation.permission),
            refusal,
            documents: call.documents,
        }
    }
}

#[cfg(test)]
mod tests;
