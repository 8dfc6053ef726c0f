//! Reads answers: what X-Ray did not take, and what a refusal means, X-Ray's or that of a destination of OpenTelemetry's
//! protocol.
//!
//! Pure: bytes in, values out. Texts are bounded.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use http::header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use model::otlp::answer::status_from_protobuf;
use model::time::Timestamp;
use model::wire::xray_api::{PutTraceSegmentsAnswer, UnprocessedTraceSegment};

use super::codes::{is_retriable, is_throttling};
use super::connection::Content;
use super::dialect::Dialect;
use super::limits::CODE_MAX_CHARS;
use super::quote::quote;
use crate::limits::RETRY_AFTER_MAX;
use crate::pipeline::outcome::FailureKind;

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The content, bounded.
    pub content: Content,
}

impl Answer {
    /// Whether the call was carried out.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// In which format the content is, in lower case and without parameters.
    pub fn content_type(&self) -> String {
        let value = self
            .headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let format = value.and_then(|value| value.split(';').next());
        format.unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The documents that X-Ray did not take. Empty content counts as none, as for AWS SDKs.
    ///
    /// # Errors
    /// If the content is not X-Ray's.
    pub fn unprocessed(&self) -> Result<Vec<UnprocessedTraceSegment>, &'static str> {
        if self.content.is_cut {
            return Err("answer too long");
        }
        let bytes = self.content.bytes.trim_ascii();
        if bytes.is_empty() {
            return Ok(Vec::new());
        }
        let answer: PutTraceSegmentsAnswer =
            serde_json::from_slice(bytes).map_err(|_| "answer is not what X-Ray answers")?;
        Ok(answer.unprocessed_trace_segments)
    }
}

/// What a status other than success says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Who says it.
    pub dialect: Dialect,
    /// The status.
    pub status: u16,
    /// AWS's error code; empty if there is none.
    pub code: String,
    /// The destination's own words, bounded.
    pub message: String,
    /// How long we were asked to stay away.
    pub retry_after: Option<Duration>,
    /// How far the other side's clock is ahead of ours; negative if it is behind.
    pub ahead_s: Option<i64>,
    /// The other side's time.
    pub server: Option<Timestamp>,
}

impl Refusal {
    /// Reads an answer that came at `now`.
    pub fn read(answer: &Answer, now: Timestamp, dialect: Dialect) -> Self {
        let text = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
        let content = Explanation::of(answer, dialect);
        let header_code = text("x-amzn-errortype").and_then(|code| code.split(':').next());
        let body_code = content.member(&["__type", "code", "Code"]);
        let code = header_code.or(body_code).unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or(code).trim();
        let message = content.member(&["message", "Message"]).unwrap_or_default();
        let server = text(DATE.as_str())
            .and_then(http_date)
            .or_else(|| time_in_words(message));
        Self {
            dialect,
            status: answer.status,
            code: code
                .chars()
                .filter(|letter| !letter.is_control())
                .take(CODE_MAX_CHARS)
                .collect(),
            message: quote(message),
            retry_after: text(RETRY_AFTER.as_str()).and_then(|text| pause(text, server.unwrap_or(now))),
            ahead_s: server.map(|server| (server.as_micros() - now.as_micros()) / 1_000_000),
            server,
        }
    }

    /// What code decides on, for a call with so many documents.
    pub fn kind(&self, documents: usize) -> FailureKind {
        let code = || self.code.clone();
        match self.meaning() {
            Meaning::Throttled => FailureKind::Throttled {
                retry_after: self.retry_after,
            },
            Meaning::Unavailable => FailureKind::Unavailable {
                status: self.status,
                retry_after: self.retry_after,
            },
            Meaning::ClockSkew => FailureKind::ClockSkew { server: self.server },
            Meaning::Expired => FailureKind::Expired { code: code() },
            Meaning::Denied | Meaning::Unsigned => FailureKind::Forbidden { code: code() },
            Meaning::TooLarge => FailureKind::TooLarge { documents },
            Meaning::Refused | Meaning::Final => FailureKind::Refused {
                status: self.status,
                code: code(),
                documents,
            },
            Meaning::Misdirected => FailureKind::Misdirected { status: self.status },
        }
    }

    /// Whether other credentials may be accepted.
    pub fn is_expired(&self) -> bool {
        self.meaning() == Meaning::Expired
    }

    /// Whether the documents of the call must not be sent again, whole or in parts.
    pub fn is_final(&self) -> bool {
        self.meaning() == Meaning::Final
    }

    /// The other side's time, if the signature was not accepted because ours is another.
    pub fn other_time(&self) -> Option<Timestamp> {
        self.server.filter(|_| self.meaning() == Meaning::ClockSkew)
    }

    /// What the operator can do, if that is known.
    pub fn mend(&self, permission: &str) -> String {
        match self.meaning() {
            Meaning::Denied => self.dialect.if_denied(permission, !self.code.is_empty()),
            Meaning::Unsigned => {
                "the signature was not accepted, check the credentials in the environment".to_owned()
            }
            Meaning::Expired => "the credentials have expired or AWS does not know them".to_owned(),
            Meaning::ClockSkew => match self.ahead_s {
                Some(ahead_s) => format!("the clock there is {ahead_s} s ahead of the one here"),
                None => "the clock there and the one here differ".to_owned(),
            },
            Meaning::Misdirected => self.dialect.if_misdirected().to_owned(),
            Meaning::Throttled
            | Meaning::Unavailable
            | Meaning::TooLarge
            | Meaning::Refused
            | Meaning::Final => String::new(),
        }
    }

    fn meaning(&self) -> Meaning {
        let code = self.code.trim_end_matches("Exception");
        if self.status == 429 || is_throttling(&self.code) {
            return Meaning::Throttled;
        }
        match code {
            "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => return Meaning::ClockSkew,
            "InvalidSignature" | "SignatureDoesNotMatch" if self.tells_of_time() => {
                return Meaning::ClockSkew;
            }
            "ExpiredToken"
            | "TokenRefreshRequired"
            | "UnrecognizedClient"
            | "InvalidClientTokenId"
            | "InvalidToken" => return Meaning::Expired,
            "AccessDenied" | "UnauthorizedOperation" | "NotAuthorized" => return Meaning::Denied,
            "InvalidSignature"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "MissingAuthenticationToken"
            | "InvalidAccessKeyId" => return Meaning::Unsigned,
            "UnknownOperation" => return Meaning::Misdirected,
            "RequestEntityTooLarge" | "RequestTooLarge" => return Meaning::TooLarge,
            _ => {}
        }
        match self.status {
            401 | 403 => Meaning::Denied,
            413 => Meaning::TooLarge,
            501 | 505 => Meaning::Misdirected,
            502..=504 => Meaning::Unavailable,
            408 | 500.. if self.dialect.is_otlp() => Meaning::Final,
            408 | 500.. => Meaning::Unavailable,
            _ if is_retriable(&self.code) => Meaning::Unavailable,
            400 | 422 => Meaning::Refused,
            _ => Meaning::Misdirected,
        }
    }

    /// AWS uses one code for wrong keys and for wrong clocks; only the text tells them apart.
    fn tells_of_time(&self) -> bool {
        self.message.contains("Signature expired") || self.message.contains("Signature not yet current")
    }
}

/// The content of a refusal: JSON as X-Ray writes it, XML as other doors of AWS do, or what destinations of
/// OpenTelemetry's protocol write, a status in protobuf or a plain text.
enum Explanation<'a> {
    Json(serde_json::Value),
    Text(&'a str),
    Words(Cow<'a, str>),
}

impl<'a> Explanation<'a> {
    fn of(answer: &'a Answer, dialect: Dialect) -> Self {
        let content = answer.content.bytes.as_slice();
        let words = match answer.content_type() {
            _ if !dialect.is_otlp() => None,
            kind if kind.ends_with("protobuf") => status_from_protobuf(content),
            kind if kind.starts_with("text/plain") => Some(String::from_utf8_lossy(content)),
            _ => None,
        };
        if let Some(words) = words {
            return Self::Words(words);
        }
        match serde_json::from_slice(content) {
            Ok(value) => Self::Json(value),
            Err(_) => Self::Text(std::str::from_utf8(content).unwrap_or_default()),
        }
    }

    /// The first of these members that is there.
    fn member(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| match self {
            Self::Json(value) => value.get(*name)?.as_str(),
            Self::Text(text) => {
                let (_, rest) = text.split_once(&format!("<{name}>"))?;
                Some(rest.split_once("</")?.0)
            }
            Self::Words(words) => (*name == "message").then_some(words.as_ref()),
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if !self.code.is_empty() {
            write!(f, " {}", self.code)?;
        }
        if !self.message.is_empty() {
            write!(f, " ({})", self.message)?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Throttled,
    Unavailable,
    ClockSkew,
    Expired,
    /// The credentials are valid but lack the permission.
    Denied,
    /// The signature is not accepted.
    Unsigned,
    TooLarge,
    Refused,
    /// The documents must not be sent again, says the protocol.
    Final,
    Misdirected,
}

/// Seconds or a date, bounded.
fn pause(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let pause = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        Err(_) => http_date(text)?.since(now),
    };
    Some(pause.min(RETRY_AFTER_MAX))
}

/// AWS's words name its time in parentheses: `… (20260521T120000Z - 5 min.)`.
fn time_in_words(message: &str) -> Option<Timestamp> {
    let (_, time) = message.rsplit_once('(')?;
    let (date, clock) = time.split_once(' ')?.0.split_once('T')?;
    let (year, day) = date.split_at_checked(4)?;
    let (month, day) = day.split_at_checked(2)?;
    let (hour, minute) = clock.split_at_checked(2)?;
    let (minute, second) = minute.split_at_checked(2)?;
    Timestamp::parse_iso8601(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}"))
}

fn http_date(text: &str) -> Option<Timestamp> {
    let since_epoch = httpdate::parse_http_date(text.trim())
        .ok()?
        .duration_since(UNIX_EPOCH)
        .ok()?;
    i64::try_from(since_epoch.as_micros())
        .ok()
        .map(Timestamp::from_micros)
}

#[cfg(test)]
mod tests;
