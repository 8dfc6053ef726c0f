//! A batch in X-Ray's words: segment documents as they came, spans translated.
//!
//! A span becomes a document, or two; one that is too large in those words is cut like any other. X-Ray judges texts, the
//! engine documents: what is said of a text is said of the document that it is of.
//!
//! Invariants
//! - Every document of a batch has a text, or is named as one that has none.
//! - A document is taken if all its texts are, is tried again if one of them may be taken later, and else refused.

use std::borrow::{Borrow, Cow};
use std::ops::Range;

use model::limits::{DOCUMENTS_PER_CALL_MAX, SEGMENT_DOCUMENT_MAX_BYTES};
use model::otlp::decode;
use model::otlp::to_segment::{Group, Options, documents};
use model::size::ByteCount;
use model::wire::oversize;

use crate::limits::BATCH_MAX;
use crate::pipeline::document::{Document, Form};
use crate::pipeline::outcome::Unprocessed;
use crate::pipeline::span::Surroundings;

/// Texts for X-Ray and whose they are.
#[derive(Debug, Default)]
pub struct Texts<'a> {
    texts: Vec<Cow<'a, [u8]>>,
    /// The place in the batch of the document that each text is of.
    owners: Vec<usize>,
    /// Documents that cannot be said in X-Ray's words.
    pub untold: Vec<Unprocessed>,
}

/// What a span that cannot be said in X-Ray's words is refused for.
const UNTOLD: &str = "untranslatable";

impl<'a> Texts<'a> {
    /// Those of a batch.
    pub fn of(batch: &'a [impl Borrow<Document>], options: &Options) -> Self {
        let mut texts = Self::default();
        for (place, document) in batch.iter().map(Borrow::borrow).enumerate() {
            match &document.form {
                Form::Segment => texts.push(place, Cow::Borrowed(&document.bytes)),
                Form::Span(surroundings) => match translated(&document.bytes, surroundings, options) {
                    Ok(parts) => parts
                        .into_iter()
                        .for_each(|part| texts.push(place, Cow::Owned(part))),
                    Err(message) => texts.untold.push(Unprocessed {
                        document: Some(place),
                        code: UNTOLD.to_owned(),
                        message,
                        retriable: false,
                    }),
                },
            }
        }
        texts
    }

    fn push(&mut self, owner: usize, text: Cow<'a, [u8]>) {
        self.texts.push(text);
        self.owners.push(owner);
    }

    /// The texts.
    pub fn all(&self) -> &[Cow<'a, [u8]>] {
        &self.texts
    }

    /// The texts, in calls as large as X-Ray takes them.
    pub fn calls(&self) -> impl Iterator<Item = (&[Cow<'a, [u8]>], Range<usize>)> {
        let mut from = 0;
        std::iter::from_fn(move || {
            let rest = self.texts.get(from..).filter(|rest| !rest.is_empty())?;
            let mut bytes = ByteCount::ZERO;
            let fitting = rest.iter().take(DOCUMENTS_PER_CALL_MAX).take_while(|text| {
                bytes = bytes.plus(ByteCount::of(text.len()));
                bytes <= BATCH_MAX
            });
            // One that is larger than a call may be leaves alone.
            let range = from..from + fitting.count().max(1);
            from = range.end;
            Some((self.texts.get(range.clone())?, range))
        })
    }

    /// What X-Ray said of the texts of a call, said of the documents.
    pub fn attributed(&self, call: &Range<usize>, items: Vec<Unprocessed>) -> Vec<Unprocessed> {
        let owner = |place: usize| self.owners.get(call.start + place).copied();
        items
            .into_iter()
            .map(|item| Unprocessed {
                document: item.document.and_then(owner),
                ..item
            })
            .collect()
    }

    /// The documents of texts that were not sent, which may be taken later.
    pub fn left(&self, from: usize) -> impl Iterator<Item = Unprocessed> {
        let owners = self.owners.get(from..).unwrap_or_default();
        owners.iter().map(|owner| Unprocessed {
            document: Some(*owner),
            code: String::new(),
            message: String::new(),
            retriable: true,
        })
    }
}

/// No document is named twice: the word that it may be taken later stands above the others.
pub fn once_each(mut items: Vec<Unprocessed>, documents: usize) -> Vec<Unprocessed> {
    items.sort_by_key(|item| (item.document.is_none(), item.document, !item.retriable));
    items.dedup_by(|later, first| first.document.is_some() && later.document == first.document);
    items.truncate(documents);
    items
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
