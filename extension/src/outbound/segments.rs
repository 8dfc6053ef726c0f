//! A batch in X-Ray's words: segment documents as they came, spans translated.
//!
//! A span becomes a document, or two; one that is too large in those words is cut like any other.

use std::borrow::{Borrow, Cow};

use model::limits::{DOCUMENTS_PER_CALL_MAX, SEGMENT_DOCUMENT_MAX_BYTES};
use model::otlp::decode;
use model::otlp::to_segment::{Group, Options, documents};
use model::wire::oversize;

use super::pieces::{Most, Piece, Pieces, UNTOLD};
use crate::limits::BATCH_MAX;
use crate::pipeline::document::{Document, Form};
use crate::pipeline::span::Surroundings;

/// The most that X-Ray takes at once.
pub const CALL: Most = Most {
    pieces: DOCUMENTS_PER_CALL_MAX,
    bytes: BATCH_MAX,
};

/// A text for X-Ray.
pub type Text<'a> = Cow<'a, [u8]>;

impl Piece for Text<'_> {
    fn weight(&self, _: Option<&Self>) -> usize {
        self.len()
    }
}

/// The texts of a batch.
pub fn texts<'a>(batch: &'a [impl Borrow<Document>], options: &Options) -> Pieces<Text<'a>> {
    let mut texts = Pieces::default();
    for (place, document) in batch.iter().map(Borrow::borrow).enumerate() {
        match &document.form {
            Form::Segment => texts.push(place, Cow::Borrowed(document.bytes.as_slice())),
            Form::Span(surroundings) => match translated(&document.bytes, surroundings, options) {
                Ok(parts) => parts
                    .into_iter()
                    .for_each(|part| texts.push(place, Cow::Owned(part))),
                Err(message) => texts.refuse(place, UNTOLD, message),
            },
        }
    }
    texts
}

fn translated(bytes: &[u8], surroundings: &Surroundings, options: &Options) -> Result<Vec<Vec<u8>>, String> {
    let group = surroundings.group();
    // They were looked at when they came: damage is somebody's who reached the files.
    let damaged = |_| "the span cannot be read any more".to_owned();
    let span = decode::span(bytes).map_err(damaged)?;
    let resource = decode::resource(group.resource).map_err(damaged)?;
    let scope = decode::scope(group.scope).map_err(damaged)?;
    let group = Group {
        resource: &resource,
        scope: &scope,
    };
    let texts = documents(&span, group, options).map_err(|error| error.to_string())?;
    let mut parts = Vec::with_capacity(texts.len());
    for text in texts {
        if text.len() <= SEGMENT_DOCUMENT_MAX_BYTES {
            parts.push(text);
            continue;
        }
        let cut = oversize::cut(&text).map_err(|refusal| refusal.to_string())?;
        parts.extend(cut.parts.into_iter().map(<[u8]>::into_vec));
    }
    Ok(parts)
}

#[cfg(test)]
pub(in crate::outbound) mod tests;
