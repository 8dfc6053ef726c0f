//! Sends batches of documents, and the tally, to X-Ray.
//!
//! What a call is, `exchange` knows.

use std::borrow::Borrow;
use std::ops::ControlFlow;
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

use super::credentials::CredentialSource;
use super::deadline::Deadline;
use super::dialect::{Dialect, Peer};
use super::endpoint::Endpoint;
use super::error::SendError;
use super::exchange::{Access, Call, Exchange};
use super::pieces::Verdict;
use super::segments;
use super::settle::settle;
use crate::pipeline::document::{Document, Form};
use crate::pipeline::outcome::{Answered, Failure, Outcome};

/// See the module.
#[derive(Debug)]
pub struct XraySender {
    endpoint: Endpoint,
    exchange: Exchange,
    /// How spans are said in X-Ray's words.
    options: Options,
}

const JSON: &str = "application/json";

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

impl XraySender {
    /// Prepares to send; costs nothing until the first call.
    pub fn new(endpoint: Endpoint, credentials: CredentialSource) -> Self {
        let peer = Peer {
            dialect: Dialect::Xray,
            address: endpoint.name().to_owned(),
        };
        let access = Access::signed(credentials, endpoint.region());
        Self {
            exchange: Exchange::with(peer, &endpoint.url("/"), access),
            endpoint,
            options: Options::default(),
        }
    }

    /// Trusts these authorities beside those compiled in.
    #[must_use]
    pub fn trusting(mut self, authorities: RootCertStore) -> Self {
        self.exchange.trust(authorities);
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
        let mut texts = segments::texts(batch, &self.options);
        let mut verdict = Verdict::of(&mut texts, batch.len());
        let mut end = ControlFlow::Continue(());
        for (call, range) in texts.calls(segments::CALL) {
            let outcome = self.send(call, deadline.now(), deadline.left()).await;
            end = verdict.note(&texts, &range, outcome);
            if end.is_break() {
                break;
            }
        }
        verdict.outcome(end)
    }

    /// Sends the texts of one call.
    ///
    /// At most 50 of them, each UTF-8.
    pub async fn send(&mut self, documents: &[impl AsRef<[u8]>], now: Timestamp, wait: Duration) -> Outcome {
        if documents.is_empty() {
            return Outcome::Answered(Answered::default());
        }
        let deadline = Deadline::starting(now, wait);
        let body = put_trace_segments(documents).into();
        let call = Call {
            documents: documents.len(),
            ..self.call(PUT_TRACE_SEGMENTS, body, deadline)
        };
        let items = match self.exchange.call(&call).await {
            Ok(answer) => answer
                .unprocessed()
                .map_err(|reason| self.exchange.garbled(answer.status, reason)),
            Err(error) => Err(error),
        };
        match items {
            Ok(items) => Outcome::Answered(Answered {
                documents: documents.len(),
                unprocessed: settle(items, documents),
                remark: None,
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
        let call = self.call(PUT_TELEMETRY_RECORDS, body.into(), deadline);
        self.exchange.call(&call).await?;
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
        let call = self.call(operation, body, deadline);
        let result = self.exchange.call(&call).await;
        self.exchange.drop_idle();
        let answer = result?;
        if answer.content.is_cut {
            return Err(self.exchange.garbled(answer.status, "answer too long"));
        }
        if !(operation.is_answer)(&answer.content.bytes) {
            return Err(self
                .exchange
                .garbled(answer.status, "answer is not what X-Ray answers"));
        }
        Ok(answer.content.bytes)
    }

    /// Forgets what a snapshot must not carry over.
    pub fn forget(&mut self) {
        self.exchange.forget();
    }

    /// A call with one document.
    fn call(&self, operation: Operation, body: Bytes, deadline: Deadline) -> Call {
        Call {
            operation: operation.name,
            permission: operation.permission,
            is_repeatable: operation.is_repeatable,
            url: self.endpoint.url(operation.path),
            content_type: JSON,
            encoding: None,
            body,
            documents: 1,
            deadline,
        }
    }
}

#[cfg(test)]
mod tests;
