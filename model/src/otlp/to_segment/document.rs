//! The documents of a span, from their frame to what is left.

use super::super::mapping::{IN_PROGRESS, UNSAID};
use super::super::span::{Kind, Value};
use super::super::span::{Link, Resource, Scope, Span};
use super::ids::Ids;
use super::json::Json;
use super::known::Known;
use super::options::{Options, TraceTime};
use super::shape::{Aspect, aspects};
use super::{attributes, cause, members, name, overlay};
use crate::wire::object::Object;

/// What the spans of a group share.
#[derive(Debug, Clone, Copy)]
pub struct Group<'a> {
    /// What made them.
    pub resource: &'a Resource<'a>,
    /// The library that made them.
    pub scope: &'a Scope<'a>,
}

/// The documents of a span, ready for PutTraceSegments; each may be larger than X-Ray takes, and is cut then as any
/// other (`wire::oversize`).
///
/// # Errors
/// [`TraceTime`] if the options ask for it, and the trace began too long ago.
pub fn documents(span: &Span<'_>, group: Group<'_>, options: &Options) -> Result<Vec<Vec<u8>>, TraceTime> {
    options.check(span.trace_id)?;
    let aspects = aspects(span, group.resource, options);
    Ok(aspects
        .iter()
        .map(|aspect| document(span, group, options, *aspect))
        .collect())
}

fn document(span: &Span<'_>, group: Group<'_>, options: &Options, aspect: Aspect) -> Vec<u8> {
    let mut known = Known::new(span, group.resource, aspect);
    let mut json = Json::new();
    let unsaid = unsaid(&mut known);
    frame(&mut known, &mut json);
    members::write(&mut known, &mut json);
    let stacks = cause::write(&mut known, &mut json);
    let listed = attributes::annotations(&mut known, options, &mut json);
    attributes::metadata(
        &mut known,
        &attributes::Rest {
            scope: group.scope,
            stacks,
            listed,
        },
        &mut json,
    );
    // Links tell where a message came from, or of whom a call was one.
    let has_links = match aspect {
        Aspect::Call => span.kind != Kind::Consumer,
        Aspect::Service => span.kind == Kind::Consumer,
        _ => true,
    };
    if has_links && !span.links.is_empty() {
        links(&span.links, &mut json);
    }
    let document = json.finish();
    match unsaid {
        Some(unsaid) if aspect != Aspect::Service => overlay::overlaid(document, &unsaid),
        _ => document,
    }
}

/// Which document it is: the span alone says that.
const IDENTITY: &[&str] = &["id", "trace_id"];

/// What no attribute could say, if the span has it.
fn unsaid<'a>(known: &mut Known<'a>) -> Option<Object<'a>> {
    let (place, value) = known.find(UNSAID)?;
    let mut object = Object::read(value.as_text()?)?;
    object
        .members
        .retain(|member| !IDENTITY.contains(&member.name.as_ref()));
    known.take(place);
    Some(object)
}

/// What every document begins with.
fn frame(known: &mut Known<'_>, json: &mut Json) {
    let span = known.span;
    let own = Ids::of(span.trace_id, span.span_id);
    let (id, parent) = match known.aspect {
        Aspect::Service => (own.service(), span.parent),
        Aspect::Call => (span.span_id, Some(own.service())),
        _ => (span.span_id, span.parent),
    };
    let named = name::named(known);
    json.member("name");
    json.string(&named.name);
    json.member("id");
    json.id(id);
    json.member("trace_id");
    json.trace_id(span.trace_id);
    if let Some(parent) = parent {
        json.member("parent_id");
        json.id(parent);
    }
    if !known.aspect.is_segment() {
        json.member("type");
        json.string("subsegment");
    }
    if let Some(namespace) = named.namespace {
        json.member("namespace");
        json.string(namespace);
    }
    json.member("start_time");
    json.time(span.start_unix_nano);
    let open = known
        .find(IN_PROGRESS)
        .filter(|(_, value)| **value == Value::Flag(true));
    if let Some((place, _)) = open {
        known.take(place);
    }
    if open.is_some() || span.end_unix_nano == 0 {
        json.member("in_progress");
        json.flag(true);
    } else {
        json.member("end_time");
        json.time(span.end_unix_nano.max(span.start_unix_nano));
    }
}

fn links(links: &[Link<'_>], json: &mut Json) {
    json.member("links");
    json.raw("[");
    for link in links {
        json.comma();
        json.raw("{");
        json.key("trace_id");
        json.trace_id(link.trace_id);
        json.key("id");
        json.id(link.span_id);
        if !link.attributes.is_empty() {
            json.key("attributes");
            json.map(&link.attributes);
        }
        json.raw("}");
    }
    json.raw("]");
}
