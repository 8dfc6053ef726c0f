//! Sends batches to a destination of OpenTelemetry's protocol, in protobuf over HTTP: X-Ray's own endpoint, or any other.
//!
//! What the protocol says of answers (docs/decisions/0019-answers-of-otlp.md): 429, 502, 503 and 504 may be taken later,
//! everything else is not sent again. A request that is wrong or too large comes in smaller ones, so that one bad document
//! costs itself alone; and where somebody has to mend something first (401, 403, 404 and the like) documents are held.
//!
//! Nothing is translated, packed or connected before the first call.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::ops::{ControlFlow, Range};
use std::str::FromStr;
use std::time::Duration;

use http::header::HeaderMap;
use model::otlp::answer;
use model::time::Timestamp;
use reqwest::Url;
use rustls::RootCertStore;

use super::answer::{Answer, Refusal};
use super::credentials::CredentialSource;
use super::deadline::Deadline;
use super::dialect::{Dialect, Peer};
use super::endpoint::Endpoint;
use super::error::SendError;
use super::exchange::{Access, Call, Exchange};
use super::pieces::{Pieces, Verdict};
use super::quote::quote;
use super::spans::{self, SpanPiece, Words};
use crate::gzip;
use crate::pipeline::document::Document;
use crate::pipeline::outcome::{Answered, Outcome, Unprocessed};

/// Where traces are posted, behind the address of a destination.
pub const TRACES_PATH: &str = "/v1/traces";
const PROTOBUF: &str = "application/x-protobuf";
const PERMISSIONS: &str = "xray:PutSpans and xray:PutSpansForIndexing";
/// What spans are counted under that a destination took a call without.
const REJECTED_SPANS: &str = "rejected_spans";

/// Whether requests are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Packing {
    /// They are not: it takes longer than sending what it spares.
    #[default]
    None,
    /// By gzip.
    Gzip,
}

impl FromStr for Packing {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "none" => Ok(Self::None),
            "gzip" => Ok(Self::Gzip),
            _ => Err(()),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct OtlpSender {
    url: Url,
    exchange: Exchange,
    words: Words,
    packing: Packing,
}

impl OtlpSender {
    /// Prepares to post to this address with these headers; costs nothing until the first batch.
    pub fn new(url: Url, headers: HeaderMap, words: Words) -> Self {
        let peer = Peer {
            dialect: Dialect::Otlp,
            // The path may be a secret of the operator's.
            address: url.origin().ascii_serialization(),
        };
        Self {
            exchange: Exchange::with(peer, &url, Access::Headers(headers)),
            url,
            words,
            packing: Packing::None,
        }
    }

    /// The same for X-Ray's own endpoint.
    pub fn to_xray(endpoint: &Endpoint, credentials: CredentialSource, words: Words) -> Self {
        let url = endpoint.url(TRACES_PATH);
        let peer = Peer {
            dialect: Dialect::XrayOtlp,
            address: endpoint.name().to_owned(),
        };
        let access = Access::signed(credentials, endpoint.region());
        Self {
            exchange: Exchange::with(peer, &url, access),
            url,
            words: Words {
                is_xray: true,
                has_front_end: endpoint.is_aws(),
                ..words
            },
            packing: Packing::None,
        }
    }

    /// Trusts these authorities beside those compiled in.
    #[must_use]
    pub fn trusting(mut self, authorities: RootCertStore) -> Self {
        self.exchange.trust(authorities);
        self
    }

    /// Packs requests like this.
    #[must_use]
    pub fn packing(self, packing: Packing) -> Self {
        Self { packing, ..self }
    }

    /// Sends one batch and waits at most `wait` for what becomes of it. `now` is the wall clock.
    pub async fn send(&mut self, batch: &[impl Borrow<Document>], now: Timestamp, wait: Duration) -> Outcome {
        let deadline = Deadline::starting(now, wait);
        let told = self.words.translate(batch);
        let mut pieces = self.words.pieces(batch, &told);
        let mut verdict = Verdict::of(&mut pieces, batch.len());
        verdict.remark(told.left_out());
        let mut end = ControlFlow::Continue(());
        for (call, range) in pieces.calls(spans::CALL) {
            let documents = documents_in(&pieces, &range);
            let outcome = self.post(call, documents, deadline).await;
            end = verdict.note(&pieces, &range, outcome);
            if end.is_break() {
                break;
            }
        }
        verdict.outcome(end)
    }

    /// Forgets what a snapshot must not carry over.
    pub fn forget(&mut self) {
        self.exchange.forget();
    }

    /// One call, with spans of so many documents.
    async fn post(&mut self, spans: &[SpanPiece<'_>], documents: usize, deadline: Deadline) -> Outcome {
        let (body, encoding) = pack(spans::request(spans), self.packing);
        let call = Call {
            operation: "an export of spans",
            permission: PERMISSIONS,
            // Spans that come twice are the same spans.
            is_repeatable: true,
            url: self.url.clone(),
            content_type: PROTOBUF,
            encoding,
            body: body.into(),
            documents,
            deadline,
        };
        let answer = match self.exchange.call(&call).await {
            Ok(answer) => answer,
            Err(SendError::Refused { refusal, .. }) if refusal.is_final() => {
                return Outcome::Answered(given_up(&refusal, spans.len(), documents));
            }
            Err(error) => return Outcome::Failed(error.into()),
        };
        match partial_success(&answer) {
            Ok(partial) => Outcome::Answered(self.judged(&partial, spans.len(), documents)),
            Err(reason) => Outcome::Failed(self.exchange.garbled(answer.status, reason).into()),
        }
    }

    /// What a destination says of a call that it took. It gives the number of spans that it did not take, and not which:
    /// as many documents count as rejected, unless it took none.
    fn judged(&self, partial: &answer::Answer<'_>, spans: usize, documents: usize) -> Answered {
        let message = match self.exchange.tells_secret(&partial.message) {
            true => String::new(),
            false => quote(&partial.message),
        };
        let rejected = usize::try_from(partial.rejected).unwrap_or(usize::MAX);
        let items = if rejected >= spans {
            0..spans
        } else {
            0..rejected.min(documents)
        };
        let place = |place| (rejected >= spans).then_some(place);
        Answered {
            documents,
            unprocessed: items
                .map(|at| item(place(at), REJECTED_SPANS, &message))
                .collect(),
            remark: (rejected == 0 && !message.is_empty()).then_some(message),
        }
    }
}

/// What becomes of a call that must not be repeated.
fn given_up(refusal: &Refusal, spans: usize, documents: usize) -> Answered {
    let code = match refusal.code.as_str() {
        "" => refusal.status.to_string(),
        code => code.to_owned(),
    };
    let places = (0..spans).map(Some);
    Answered {
        documents,
        unprocessed: places.map(|place| item(place, &code, &refusal.message)).collect(),
        remark: None,
    }
}

fn item(document: Option<usize>, code: &str, message: &str) -> Unprocessed {
    Unprocessed {
        document,
        code: code.to_owned(),
        message: message.to_owned(),
        retriable: false,
    }
}

fn documents_in(pieces: &Pieces<SpanPiece<'_>>, call: &Range<usize>) -> usize {
    let owners = call.clone().filter_map(|place| pieces.owner(place));
    owners.collect::<BTreeSet<_>>().len()
}

/// What a success says. What is no answer of the protocol's and does not claim to be counts as one without a word, but for a
/// web page, which comes from something in between.
fn partial_success(answer: &Answer) -> Result<answer::Answer<'_>, &'static str> {
    const FOREIGN: &str = "answer is not what the protocol has";
    if answer.content.is_cut {
        return Err("answer too long");
    }
    let bytes = answer.content.bytes.as_slice();
    let kind = answer.content_type();
    let is_foreign = kind.ends_with("html");
    if bytes.is_empty() {
        return Ok(answer::Answer::default());
    }
    if kind.ends_with("json") {
        return answer::Answer::from_json(bytes).ok_or(FOREIGN);
    }
    match answer::Answer::from_protobuf(bytes) {
        Ok(partial) if !is_foreign => Ok(partial),
        Err(_) if !is_foreign && !kind.ends_with("protobuf") => Ok(answer::Answer::default()),
        _ => Err(FOREIGN),
    }
}

/// A request as it travels, and the name of how it is packed.
fn pack(request: Vec<u8>, packing: Packing) -> (Vec<u8>, Option<&'static str>) {
    match packing {
        Packing::None => (request, None),
        Packing::Gzip => (gzip::pack(&request), Some("gzip")),
    }
}

#[cfg(test)]
mod tests;
