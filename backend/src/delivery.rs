//! What one call brings, in X-Ray's words or in OpenTelemetry's.
//!
//! AWS's collector and its distributions of OpenTelemetry put spans among the documents of PutTraceSegments: `T1S` or
//! `T1U`, then base64 of an OTLP request. Behind `T1U` are spans that were not sampled; they are sent for figures
//! alone, and no trace shows them.
//!
//! Invariants
//! - What of an element cannot be read costs itself alone.
//!
//! Pure.

use model::otlp::datagram::{Part, parts};
use model::otlp::request::{check, groups};

use crate::decode::{Code, Refusal, decode};
use crate::document::Document;
use crate::limits::Limits;
use crate::spans::{Teller, Told};

const OTLP_PREFIXES: [&str; 2] = ["T1S", "T1U"];

/// The documents of a call, understood or refused, and how many of them came as what.
#[derive(Debug, Default)]
pub struct Delivery {
    /// In the order in which they came.
    pub documents: Vec<Result<Document, Refusal>>,
    /// How many of them came as spans.
    pub spans: u64,
    /// Spans that were not sampled, beside those.
    pub unsampled_spans: u64,
    /// Whether the call was an OTLP request.
    pub is_export: bool,
}

impl From<Vec<Result<Document, Refusal>>> for Delivery {
    fn from(documents: Vec<Result<Document, Refusal>>) -> Self {
        Self {
            documents,
            ..Self::default()
        }
    }
}

impl Delivery {
    /// What elements of `TraceSegmentDocuments` bring.
    pub fn of_documents<'a>(texts: impl IntoIterator<Item = &'a str>, limits: &Limits) -> Self {
        let mut delivery = Self::default();
        let mut teller = Teller::new(limits.told_max_bytes);
        for text in texts {
            let start = text.trim_start();
            let is_otlp = OTLP_PREFIXES.iter().any(|prefix| start.starts_with(prefix));
            if !is_otlp {
                delivery.documents.extend(decode(text, limits.document_max_bytes));
            } else if text.len() > limits.document_max_bytes {
                let refusal = Refusal::of_size(None, "Document", text.len(), limits.document_max_bytes);
                delivery.documents.push(Err(refusal));
            } else {
                for part in parts(text.as_bytes()) {
                    delivery.part(&part, &mut teller);
                }
            }
        }
        delivery
    }

    /// What the spans of an OTLP request bring.
    pub fn of_export(told: impl IntoIterator<Item = Result<Told, Refusal>>) -> Self {
        let mut delivery = Self {
            is_export: true,
            ..Self::default()
        };
        delivery.add(told);
        delivery
    }

    fn part(&mut self, part: &Part, teller: &mut Teller) {
        let request = part.request.as_deref().ok_or("not base64");
        let request = request.and_then(|request| match check(request) {
            Ok(()) => Ok(request),
            Err(_) => Err("not an OTLP request in protobuf, or one cut short"),
        });
        match request {
            Err(cause) => {
                let refusal = Refusal::of_span(None, Code::OtlpFormatError, cause);
                self.documents.push(Err(refusal));
            }
            Ok(request) if part.is_sampled => self.add(teller.tell(request)),
            Ok(request) => {
                let spans = groups(request).flat_map(|group| group.spans()).count();
                self.unsampled_spans += u64::try_from(spans).unwrap_or(u64::MAX);
            }
        }
    }

    fn add(&mut self, told: impl IntoIterator<Item = Result<Told, Refusal>>) {
        for told in told {
            self.spans += 1;
            self.documents.push(told.and_then(|told| told.document()));
        }
    }
}

#[cfg(test)]
mod tests;
