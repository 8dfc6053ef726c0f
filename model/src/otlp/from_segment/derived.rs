//! Attributes that semantic conventions want and that follow from what a document says in another form.
//!
//! They are for whoever reads spans; on the way back they are used up by the member that they came from, or left.

use super::super::span::{Kind, Span, Value};
use super::part::{Namespace, Nature, Part, find};
use super::{SDK_LANGUAGE, lookup};

/// W3C's flag of a trace that is recorded: X-Ray's SDKs send nothing else.
const SAMPLED: u32 = 1;
/// Whether the parent is remote is known.
const HAS_IS_REMOTE: u32 = 0x100;
/// The parent is remote.
const IS_REMOTE: u32 = 0x200;

/// A span's flags: a segment's parent is in another service, a subsegment's in the same one.
pub(super) fn flags(span: &Span<'_>, nature: &Nature<'_>) -> u32 {
    match span.parent {
        None => SAMPLED,
        Some(_) if nature.is_segment => SAMPLED | HAS_IS_REMOTE | IS_REMOTE,
        Some(_) => SAMPLED | HAS_IS_REMOTE,
    }
}

/// Adds them to a part whose members are all read.
pub(super) fn add(part: &mut Part<'_>) {
    language(part);
    if part.was_span {
        return;
    }
    let name = part.span.name.clone();
    match part.nature.namespace {
        Namespace::Aws => {
            part.put("rpc.system", "aws-api");
            part.put("rpc.service", name);
        }
        Namespace::Remote => {
            part.put("peer.service", name);
        }
        Namespace::Local => {}
    }
    url(part);
    database(part);
}

/// The language that says how stacks are written: of the SDK, else of the runtime.
fn language(part: &mut Part<'_>) {
    let named = ["telemetry.sdk.name", "process.runtime.name"];
    let known = named.iter().find_map(|key| {
        let name = find(&part.resource.attributes, key)?.as_text()?;
        lookup::language_of(name)
    });
    if let Some(language) = known {
        part.put_resource(SDK_LANGUAGE, language);
    }
    let own = find(&part.resource.attributes, SDK_LANGUAGE).cloned();
    let given = || find(part.given.resource, SDK_LANGUAGE).cloned();
    if part.language.is_none() {
        part.language = own.or_else(given).and_then(|value| match value {
            Value::Text(language) => Some(language),
            _ => None,
        });
    }
}

/// Parts of HTTP's URL: of the request that was answered all of them, of one that was made the server.
fn url(part: &mut Part<'_>) {
    let Some(url) = part.text("url.full").map(str::to_owned) else {
        return;
    };
    let url = Url::read(&url);
    server(part, &url);
    if part.span.kind == Kind::Server {
        let parts = [
            ("url.scheme", url.scheme),
            ("url.path", Some(url.path)),
            ("url.query", url.query),
        ];
        for (key, value) in parts {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                part.put(key, value.to_owned());
            }
        }
    }
}

/// The database's server and name, and what these were called before.
fn database(part: &mut Part<'_>) {
    let Some(text) = part.text("aws.xray.sql.url").map(str::to_owned) else {
        return;
    };
    let url = Url::read(text.strip_prefix("jdbc:").unwrap_or(&text));
    if url.scheme.is_none() {
        return;
    }
    server(part, &url);
    let name = url.path.trim_start_matches('/');
    if name.is_empty() {
        return;
    }
    part.put("db.namespace", name.to_owned());
    if part.given.older_names {
        part.put("db.name", name.to_owned());
        let before = text.split_once(url.path).map_or(&*text, |(before, _)| before);
        part.put("db.connection_string", before.to_owned());
    }
}

fn server(part: &mut Part<'_>, url: &Url<'_>) {
    if let Some(host) = url.host {
        part.put("server.address", host.to_owned());
    }
    if let Some(port) = url.port {
        part.put("server.port", i64::from(port));
    }
}

/// A URL taken apart, or a path alone.
#[derive(Debug, PartialEq)]
struct Url<'a> {
    scheme: Option<&'a str>,
    host: Option<&'a str>,
    port: Option<u16>,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Url<'a> {
    fn read(url: &'a str) -> Self {
        let url = url.split('#').next().unwrap_or(url);
        let (url, query) = match url.split_once('?') {
            Some((url, query)) => (url, Some(query)),
            None => (url, None),
        };
        let (scheme, rest) = match url.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, url),
        };
        let authority_ends = match scheme {
            Some(_) => rest.find('/').unwrap_or(rest.len()),
            None => 0,
        };
        let (authority, path) = rest.split_at_checked(authority_ends).unwrap_or((rest, ""));
        let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
        let (host, port) = match place.rsplit_once(':') {
            // A colon inside brackets is the address's own.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
            _ => (place, None),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Self {
            scheme,
            host: Some(host).filter(|host| !host.is_empty()),
            port,
            path,
            query,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, parts: (Option<&str>, Option<&str>, Option<u16>, &str, Option<&str>)) {
        let url = Url::read(text);
        assert_eq!(
            (url.scheme, url.host, url.port, url.path, url.query),
            parts,
            "{text}"
        );
    }

    #[test]
    fn a_url_is_taken_apart() {
        check(
            "https://shop.example/api/cart?x=1#top",
            (
                Some("https"),
                Some("shop.example"),
                None,
                "/api/cart",
                Some("x=1"),
            ),
        );
        check(
            "http://user:secret@[::1]:8080",
            (Some("http"), Some("::1"), Some(8080), "", None),
        );
        check(
            "http://[2001:db8::1]/a",
            (Some("http"), Some("2001:db8::1"), None, "/a", None),
        );
        check(
            "/cart?x=http://y",
            (None, None, None, "/cart", Some("x=http://y")),
        );
        check(
            "postgresql://db:5432/ebdb",
            (Some("postgresql"), Some("db"), Some(5432), "/ebdb", None),
        );
        check("://", (Some(""), None, None, "", None));
        check("", (None, None, None, "", None));
    }
}
