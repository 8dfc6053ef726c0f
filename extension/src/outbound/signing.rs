//! Signs calls to X-Ray: AWS's signature version 4, in headers.
//!
//! Every call is a `POST` without a query, so the canonical request has one form. aws-sigv4, which
//! knows all forms, is the oracle of the tests (docs/decisions/0006-own-signature.md).
//!
//! Pure: the time comes from outside. Header values that grant access are marked sensitive, so nothing
//! that prints a request prints them.

use std::sync::Arc;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};
use model::time::Timestamp;
use reqwest::Url;
use ring::{digest, hmac};

use super::credentials::Keys;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "xray";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// A call before it is signed.
#[derive(Debug, Clone, Copy)]
pub struct Post<'a> {
    /// The whole address.
    pub url: &'a Url,
    /// The content, whose hash is signed.
    pub body: &'a [u8],
    /// In which format that is.
    pub content_type: &'static str,
}

/// Signs for one region, and keeps the key that is derived anew each day.
#[derive(Debug)]
pub struct Signer {
    region: String,
    derived: Option<Derived>,
}

#[derive(Debug)]
struct Derived {
    keys: Arc<Keys>,
    day: String,
    key: hmac::Key,
}

/// The credentials hold characters that headers cannot.
#[derive(Debug, thiserror::Error)]
#[error("could not sign the request: check the credentials in the environment for stray characters")]
pub struct SignError(#[from] InvalidHeaderValue);

impl Signer {
    /// A signer for X-Ray in a region.
    pub fn new(region: impl Into<String>) -> Self {
        Self {
            region: region.into(),
            derived: None,
        }
    }

    /// Forgets the derived key.
    pub fn forget(&mut self) {
        self.derived = None;
    }

    /// The headers to send with `post`: its content type and the signature's.
    ///
    /// # Errors
    /// If the credentials hold characters that headers cannot.
    pub fn sign(&mut self, post: Post<'_>, keys: &Arc<Keys>, now: Timestamp) -> Result<HeaderMap, SignError> {
        let time = basic_time(now);
        let day = time.get(..8).unwrap_or_default();
        let mut headers = HeaderMap::with_capacity(4);
        let mut signed = "content-type;host;x-amz-date".to_owned();
        let mut request = String::with_capacity(512);
        request.push_str("POST\n");
        push_path(&mut request, post.url.path());
        push_all(&mut request, ["\n\ncontent-type:", post.content_type, "\nhost:"]);
        push_host(&mut request, post.url);
        push_all(&mut request, ["\nx-amz-date:", &time, "\n"]);
        if let Some(token) = keys.session_token.as_ref().map(|token| token.reveal()) {
            push_all(&mut request, ["x-amz-security-token:", token, "\n"]);
            signed.push_str(";x-amz-security-token");
            headers.insert(TOKEN, sensitive(token)?);
        }
        push_all(&mut request, ["\n", &signed, "\n"]);
        push_hex(&mut request, sha256(post.body).as_ref());

        let scope = ["/", day, "/", &self.region, "/", SERVICE, "/aws4_request"];
        let mut text = String::with_capacity(256);
        push_all(&mut text, [ALGORITHM, "\n", &time, "\n", day]);
        push_all(&mut text, scope.into_iter().skip(2));
        text.push('\n');
        push_hex(&mut text, sha256(request.as_bytes()).as_ref());
        let mut authorization = String::with_capacity(256);
        push_all(
            &mut authorization,
            [ALGORITHM, " Credential=", &keys.access_key_id],
        );
        push_all(&mut authorization, scope);
        push_all(&mut authorization, [", SignedHeaders=", &signed, ", Signature="]);
        let signature = hmac::sign(self.key(keys, day), text.as_bytes());
        push_hex(&mut authorization, signature.as_ref());

        headers.insert(AUTHORIZATION, sensitive(&authorization)?);
        headers.insert(DATE, HeaderValue::from_str(&time)?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(post.content_type));
        Ok(headers)
    }

    /// The key of a day, derived when keys or day are other ones than last time.
    fn key(&mut self, keys: &Arc<Keys>, day: &str) -> &hmac::Key {
        let derived = self
            .derived
            .take_if(|derived| derived.day == day && Arc::ptr_eq(&derived.keys, keys));
        let derived = derived.unwrap_or_else(|| {
            let secret = format!("AWS4{}", keys.secret_access_key.reveal());
            let steps = [day, &self.region, SERVICE, "aws4_request"];
            let first = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            let key = steps.into_iter().fold(first, |key, step| {
                hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, step.as_bytes()).as_ref())
            });
            Derived {
                keys: Arc::clone(keys),
                day: day.to_owned(),
                key,
            }
        });
        &self.derived.insert(derived).key
    }
}

fn sensitive(text: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(text)?;
    value.set_sensitive(true);
    Ok(value)
}

fn sha256(bytes: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, bytes)
}

fn push_all<'a>(text: &mut String, parts: impl IntoIterator<Item = &'a str>) {
    text.extend(parts);
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        push_digits(text, *byte, *b"0123456789abcdef");
    }
}

fn push_digits(text: &mut String, byte: u8, digits: [u8; 16]) {
    for nibble in [byte >> 4, byte & 0x0f] {
        let digit = digits.get(usize::from(nibble)).copied();
        text.push(char::from(digit.unwrap_or_default()));
    }
}

/// Empty segments are left out, and what is escaped in the address is escaped again.
fn push_path(text: &mut String, path: &str) {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty()).peekable();
    let is_folder = path.ends_with('/') || segments.peek().is_none();
    for segment in segments {
        text.push('/');
        for byte in segment.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                text.push(char::from(byte));
            } else {
                text.push('%');
                push_digits(text, byte, *b"0123456789ABCDEF");
            }
        }
    }
    if is_folder {
        text.push('/');
    }
}

/// The host as the HTTP client writes it: with the port, unless it is the scheme's own.
fn push_host(text: &mut String, url: &Url) {
    text.push_str(url.host_str().unwrap_or_default());
    if let Some(port) = url.port() {
        push_all(text, [":", &port.to_string()]);
    }
}

/// `20260521T100000Z`.
fn basic_time(time: Timestamp) -> String {
    let mut text = time.to_iso8601();
    text.truncate("2026-05-21T10:00:00".len());
    text.retain(|letter| !matches!(letter, '-' | ':'));
    text.push('Z');
    text
}

#[cfg(test)]
mod tests;
