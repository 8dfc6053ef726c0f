//! A batch in OpenTelemetry's words: spans as they came, segment documents translated.
//!
//! A document becomes a span for itself and one for each subsegment nested in it. Spans of one resource and one scope
//! stand together, whichever documents they are of.
//!
//! The engine keeps a document that is open until its completed form comes or its invocation ends. So one that is open
//! here is the last that is known of it, and is told: as a span that ends when the document arrived, and says that it was
//! open. Should it be completed later all the same, destinations get two spans of that id.

use std::borrow::Borrow;

use model::limits::SPAN_MAX_BYTES;
use model::otlp::from_segment::{self, Given, Reject, Spans, lambda_resource};
use model::otlp::request::{Group, Writer};
use model::otlp::span::Attribute;

use super::limits::{OTLP_BODY_MAX, OTLP_SPANS_MAX, XRAY_AROUND_MAX_BYTES};
use super::pieces::{Most, Piece, Pieces, UNTOLD};
use crate::pipeline::document::{Document, Form};

/// The most that one request holds.
pub const CALL: Most = Most {
    pieces: OTLP_SPANS_MAX,
    bytes: OTLP_BODY_MAX,
};

/// Bytes in front of a field's content.
const FIELD_MAX_BYTES: usize = 6;
/// Fields around the spans of a group.
const GROUP_FIELDS: usize = 6;
/// What a span or its surroundings are refused for that the destination would refuse the whole request for.
const TOO_LARGE: &str = "TooLarge";

/// What is known of the function.
#[derive(Debug, Clone, Default)]
pub struct Function {
    /// How its own spans call the service, if they do.
    pub service: Option<String>,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// Its memory in MB.
    pub memory_mb: Option<u64>,
    /// Where it logs.
    pub log_group: String,
}

impl Function {
    fn resource(&self) -> Vec<Attribute<'_>> {
        lambda_resource(&from_segment::Sandbox {
            service: self.service.as_deref(),
            function: &self.name,
            version: self.version.as_deref(),
            region: self.region.as_deref(),
            log_group: Some(&self.log_group),
            memory_mb: self.memory_mb,
            ..from_segment::Sandbox::default()
        })
    }
}

/// How documents are said to a destination.
#[derive(Debug, Clone, Default)]
pub struct Words {
    /// Whose they are.
    pub function: Function,
    /// Lambda's own segments are where the spans go.
    pub has_front_end: bool,
    /// It is X-Ray, which refuses a whole request for one group whose resource and scope are too large.
    pub is_xray: bool,
}

/// A batch whose segment documents are translated.
#[derive(Debug)]
pub struct Told {
    /// For each document what it became; nothing for a span.
    spans: Vec<Spans>,
}

impl Words {
    /// Translates what needs to be.
    pub fn translate(&self, batch: &[impl Borrow<Document>]) -> Told {
        let resource = self.function.resource();
        let mut given = Given {
            resource: &resource,
            older_names: false,
            has_front_end: self.has_front_end,
            open_until: None,
        };
        let documents = batch.iter().map(Borrow::borrow);
        let spans = documents.map(|document| match document.form {
            Form::Span(_) => Spans::default(),
            Form::Segment => {
                given.open_until = Some(document.arrived);
                from_segment::spans(&document.bytes, &given)
            }
        });
        Told {
            spans: spans.collect(),
        }
    }

    /// The spans of a batch, group by group.
    pub fn pieces<'a>(&self, batch: &'a [impl Borrow<Document>], told: &'a Told) -> Pieces<SpanPiece<'a>> {
        let mut pieces = Pieces::default();
        let mut groups: Vec<Group<'a>> = Vec::new();
        let mut found = Vec::new();
        for (owner, (document, spans)) in batch.iter().map(Borrow::borrow).zip(&told.spans).enumerate() {
            let (around, alone) = match &document.form {
                Form::Span(surroundings) => (surroundings.group(), Some(document.bytes.as_slice())),
                Form::Segment => (Group::around([&spans.resource, b""], [b"", b""]), None),
            };
            if let (None, [], [reject, ..]) = (alone, spans.spans.as_slice(), spans.rejects.as_slice()) {
                pieces.refuse(owner, UNTOLD, reject.to_string());
                continue;
            }
            if let Some(why) = self.too_large(&around) {
                pieces.refuse(owner, TOO_LARGE, why);
                continue;
            }
            let known = groups.iter().position(|known| *known == around);
            let group = known.unwrap_or(groups.len());
            if known.is_none() {
                groups.push(around);
            }
            let spans = alone.into_iter().chain(spans.spans.iter().map(AsRef::as_ref));
            for span in spans {
                if span.len() > SPAN_MAX_BYTES {
                    let why = format!("a span of {} bytes: at most {SPAN_MAX_BYTES}", span.len());
                    pieces.refuse(owner, TOO_LARGE, why);
                } else {
                    found.push((owner, SpanPiece { group, around, span }));
                }
            }
        }
        found.sort_by_key(|(_, piece)| piece.group);
        found
            .into_iter()
            .for_each(|(owner, piece)| pieces.push(owner, piece));
        pieces
    }

    fn too_large(&self, around: &Group<'_>) -> Option<String> {
        let length = around.resource.len() + around.scope.len();
        (self.is_xray && length > XRAY_AROUND_MAX_BYTES)
            .then(|| format!("resource and scope of {length} bytes: at most {XRAY_AROUND_MAX_BYTES}"))
    }
}

impl Told {
    /// What of documents that are told otherwise could not be spans.
    pub fn left_out(&self) -> Option<String> {
        let partly = self.spans.iter().filter(|spans| !spans.spans.is_empty());
        let rejects: Vec<&Reject> = partly.flat_map(|spans| &spans.rejects).collect();
        let first = rejects.first()?;
        let count = rejects.len();
        Some(format!(
            "subsegments that could not be spans: {count}, the first for {first}"
        ))
    }
}

/// A span on its way into a request.
#[derive(Debug, Clone, Copy)]
pub struct SpanPiece<'a> {
    /// The place of its group among the batch's.
    group: usize,
    around: Group<'a>,
    span: &'a [u8],
}

impl Piece for SpanPiece<'_> {
    fn weight(&self, before: Option<&Self>) -> usize {
        let own = self.span.len() + FIELD_MAX_BYTES;
        if before.is_some_and(|before| before.group == self.group) {
            return own;
        }
        let around = &self.around;
        let parts = [
            around.resource,
            around.resource_schema,
            around.scope,
            around.scope_schema,
        ];
        own + GROUP_FIELDS * FIELD_MAX_BYTES + parts.iter().map(|part| part.len()).sum::<usize>()
    }
}

/// The request of a call.
pub fn request(call: &[SpanPiece<'_>]) -> Vec<u8> {
    let mut request = Writer::default();
    let mut group = None;
    for piece in call {
        if group != Some(piece.group) {
            request.begin(&piece.around);
            group = Some(piece.group);
        }
        request.span(piece.span);
    }
    request.finish()
}

#[cfg(test)]
mod tests;
