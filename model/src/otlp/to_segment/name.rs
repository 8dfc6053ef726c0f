//! Name and namespace of a document: which service it tells of, not which of its methods.

use std::borrow::Cow;

use super::super::span::Kind;
use super::known::{Known, calls_out};
use super::shape::{Aspect, is_local_root};
use crate::limits::NAME_MAX_CHARS;

/// What a name says, and whether it is that of an AWS service.
pub(super) struct Named<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) namespace: Option<&'static str>,
}

/// Finds both.
pub(super) fn named<'a>(known: &Known<'a>) -> Named<'a> {
    let first = own(known).or_else(|| {
        known
            .first_text(&["peer.service", "service.peer.name"])
            .map(Cow::Borrowed)
    });
    let aws_service = known.text("aws.service").filter(|_| first.is_none());
    let name = first
        .or_else(|| aws_service.map(Cow::Borrowed))
        .or_else(|| database(known))
        .or_else(|| service(known))
        .or_else(|| host(known))
        .unwrap_or(Cow::Borrowed(&known.span.name));
    let is_aws = known.is_aws_call || aws_service.is_some();
    Named {
        name: clean(name),
        namespace: namespace(known, is_aws),
    }
}

/// What a subsegment calls; X-Ray knows no namespace of segments.
fn namespace(known: &Known<'_>, is_aws: bool) -> Option<&'static str> {
    let kind = known.span.kind;
    let is_call = match known.aspect {
        Aspect::Segment | Aspect::Service | Aspect::Handler => return None,
        Aspect::Call => true,
        Aspect::Subsegment => calls_out(kind) && known.text("aws.remote.service").is_some(),
    };
    match is_aws {
        true => Some("aws"),
        false => (is_call || kind == Kind::Client).then_some("remote"),
    }
}

/// What AWS's distributions name the service, or the one called.
fn own<'a>(known: &Known<'a>) -> Option<Cow<'a, str>> {
    let is_service = match known.span.kind {
        Kind::Server => known.aspect != Aspect::Handler,
        Kind::Internal => is_local_root(known.span),
        _ => known.aspect == Aspect::Service,
    };
    if is_service {
        return known.text("aws.local.service").map(Cow::Borrowed);
    }
    let remote = known
        .text("aws.remote.service")
        .filter(|_| calls_out(known.span.kind))?;
    let bare = ["AWS.SDK.", "AWS::"]
        .iter()
        .find_map(|prefix| remote.strip_prefix(prefix));
    Some(Cow::Borrowed(
        bare.filter(|_| known.is_aws_call).unwrap_or(remote),
    ))
}

/// A database's name and where it is.
fn database<'a>(known: &Known<'a>) -> Option<Cow<'a, str>> {
    let host = |text: &'a str| host_of(text.strip_prefix("jdbc:").unwrap_or(text));
    let (name, host) = match known.text("db.name") {
        Some(name) => (name, known.text("db.connection_string").and_then(host)),
        None => (known.text("db.namespace")?, known.text("server.address")),
    };
    Some(match host {
        Some(host) => Cow::Owned(format!("{name}@{host}")),
        None => Cow::Borrowed(name),
    })
}

/// Of a segment that answers, the service; of a handler, whose function bears that name, the span's own.
fn service<'a>(known: &Known<'a>) -> Option<Cow<'a, str>> {
    let is_service = known.span.kind == Kind::Server && known.aspect == Aspect::Segment;
    match known.aspect {
        Aspect::Handler => Some(Cow::Borrowed(&known.span.name)),
        _ => known
            .of_resource("service.name")
            .filter(|_| is_service)
            .map(Cow::Borrowed),
    }
}

fn host<'a>(known: &Known<'a>) -> Option<Cow<'a, str>> {
    let named = known.first_text(&["rpc.service", "http.host", "net.peer.name"]);
    // Instrumentations of before tell the URL alone, and name the span by its method: X-Ray's SDKs name calls by the host.
    let url = || {
        let method = known.first_text(&["http.request.method", "http.method"]);
        let url = known.first_text(&["url.full", "http.url"]);
        url.filter(|_| method == Some(&*known.span.name))
            .and_then(host_of)
    };
    let called = || {
        let host = known.text("server.address").or_else(url);
        host.filter(|_| calls_out(known.span.kind))
    };
    named.or_else(called).map(Cow::Borrowed)
}

/// The host of a URL, without user and port.
pub(super) fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("//")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let host = match place.strip_prefix('[').and_then(|place| place.split_once(']')) {
        Some((host, _)) => host,
        None => place.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

/// A name without the characters that X-Ray refuses, and not longer than it takes.
fn clean(name: Cow<'_, str>) -> Cow<'_, str> {
    let fits = name.chars().nth(NAME_MAX_CHARS).is_none();
    let name = match fits && name.chars().all(is_taken) {
        true => name,
        false => Cow::Owned(
            name.chars()
                .filter(|letter| is_taken(*letter))
                .take(NAME_MAX_CHARS)
                .collect(),
        ),
    };
    if name.is_empty() {
        Cow::Borrowed("span")
    } else {
        name
    }
}

fn is_taken(letter: char) -> bool {
    letter.is_alphanumeric()
        || matches!(
            letter,
            ' ' | '_' | '.' | ':' | '/' | '%' | '&' | '#' | '=' | '+' | '-' | '@'
        )
}
