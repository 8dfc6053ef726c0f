//! Spans of OpenTelemetry as X-Ray tells them: the way in of everything that comes as OTLP.
//!
//! Invariants
//! - A bad span costs itself alone; a resource or scope that cannot be read costs its own spans.
//! - To the store a span is one document, taken whole or not at all, even where X-Ray tells it by two: a service, and
//!   the call that it made.
//!
//! Pure.

use model::ids::SegmentId;
use model::otlp::decode as otlp;
use model::otlp::request::{Group, groups};
use model::otlp::scan::{self, Head, check_resource, check_scope, scan};
use model::otlp::span::{Resource, Scope, Value};
use model::otlp::to_segment::{self, Options, documents};

use crate::decode::{Code, Refusal, read_document};
use crate::document::Document;

/// What AWS's collector says in a resource: every attribute becomes an annotation.
const INDEX_ALL: &str = "aws.xray.exporter.config.index_all_attributes";
/// The same: these do.
const INDEXED: &str = "aws.xray.exporter.config.indexed_attributes";

/// A span as X-Ray tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its id.
    pub id: SegmentId,
    /// Nanoseconds since the epoch.
    pub start_unix_nano: u64,
    /// Nanoseconds since the epoch; 0 while it is open.
    pub end_unix_nano: u64,
    /// Its documents: one or two.
    pub texts: Vec<String>,
}

impl Told {
    /// Reads its documents as those that are uploaded are read, into one: that of the span's own id is the first.
    pub fn document(&self) -> Result<Document, Refusal> {
        let mut whole: Option<Document> = None;
        for text in &self.texts {
            let value = serde_json::from_str(text)
                .map_err(|_| self.refused(Code::JsonFormatError, "attributes nested too deep"))?;
            let part = read_document(value)?;
            match &mut whole {
                None => whole = Some(part),
                Some(whole) => whole.nodes.extend(part.nodes),
            }
        }
        whole.ok_or_else(|| self.refused(Code::OtlpFormatError, "no document"))
    }

    /// A refusal of this span.
    pub fn refused(&self, code: Code, cause: &str) -> Refusal {
        Refusal::of_span(Some(self.id), code, cause)
    }
}

/// Tells the spans of one call, within a bound on what they become.
#[derive(Debug)]
pub struct Teller {
    max_bytes: usize,
    told_bytes: usize,
}

impl Teller {
    /// A teller of at most so many bytes of documents.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            told_bytes: 0,
        }
    }

    /// Every span of a request that was [checked](model::otlp::request::check), in its order.
    pub fn tell(&mut self, request: &[u8]) -> Vec<Result<Told, Refusal>> {
        let mut told = Vec::new();
        for group in groups(request) {
            let shared = Shared::read(&group);
            told.extend(group.spans().map(|span| self.span(span, &shared)));
        }
        told
    }

    fn span(&mut self, bytes: &[u8], shared: &Result<Shared<'_>, scan::Refusal>) -> Result<Told, Refusal> {
        let head = scan(bytes).map_err(|refusal| refused(None, refusal))?;
        let shared = shared
            .as_ref()
            .map_err(|refusal| refused(Some(head.span_id), *refusal))?;
        let texts = shared.texts(bytes, &head)?;
        let told_bytes = texts
            .iter()
            .map(String::len)
            .fold(self.told_bytes, usize::saturating_add);
        if told_bytes > self.max_bytes {
            let id = Some(head.span_id.to_string());
            return Err(Refusal::of_size(id, "Request", told_bytes, self.max_bytes));
        }
        self.told_bytes = told_bytes;
        Ok(Told {
            id: head.span_id,
            start_unix_nano: head.start_unix_nano,
            end_unix_nano: head.end_unix_nano,
            texts,
        })
    }
}

/// What the spans of a group share.
struct Shared<'a> {
    resource: Resource<'a>,
    scope: Scope<'a>,
    options: Options,
}

impl<'a> Shared<'a> {
    fn read(group: &Group<'a>) -> Result<Self, scan::Refusal> {
        check_resource(group.resource)?;
        check_scope(group.scope)?;
        let mut resource = otlp::resource(group.resource)?;
        let mut options = Options::default();
        resource.attributes.retain(|attribute| {
            match (&*attribute.key, &attribute.value) {
                (INDEX_ALL, Value::Flag(all)) => options.index_all = *all,
                (INDEXED, Value::List(keys)) => options
                    .indexed
                    .extend(keys.iter().filter_map(Value::as_text).map(str::to_owned)),
                _ => return true,
            }
            false
        });
        Ok(Self {
            resource,
            scope: otlp::scope(group.scope)?,
            options,
        })
    }

    fn texts(&self, bytes: &[u8], head: &Head<'_>) -> Result<Vec<String>, Refusal> {
        let id = Some(head.span_id);
        let span = otlp::span(bytes).map_err(|damaged| refused(id, damaged.into()))?;
        let group = to_segment::Group {
            resource: &self.resource,
            scope: &self.scope,
        };
        let documents = documents(&span, group, &self.options)
            .map_err(|error| Refusal::of_span(id, Code::InvalidTraceId, &error.to_string()))?;
        let texts = documents.into_iter().map(String::from_utf8);
        texts
            .collect::<Result<_, _>>()
            .map_err(|_| refused(id, scan::Refusal::NotUtf8))
    }
}

fn refused(id: Option<SegmentId>, refusal: scan::Refusal) -> Refusal {
    let code = match refusal {
        scan::Refusal::TooLarge => Code::InvalidSegment,
        scan::Refusal::BadTraceId => Code::InvalidTraceId,
        scan::Refusal::BadSpanId => Code::InvalidId,
        _ => Code::OtlpFormatError,
    };
    Refusal::of_span(id, code, &refusal.to_string())
}

#[cfg(test)]
mod tests;
