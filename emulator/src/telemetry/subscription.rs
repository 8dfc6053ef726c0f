//! What an extension asks for when it subscribes, checked as Lambda checks it.
//!
//! Pure.

use std::time::Duration;

use serde::Deserialize;

use crate::event::Refusal;

const MAX_ITEMS: std::ops::RangeInclusive<usize> = 1_000..=10_000;
const MAX_ITEMS_DEFAULT: usize = 10_000;
const MAX_BYTES: std::ops::RangeInclusive<usize> = 262_144..=1_048_576;
const MAX_BYTES_DEFAULT: usize = 262_144;
const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 25..=30_000;
const TIMEOUT_MS_DEFAULT: u64 = 1_000;
const SCHEMA_VERSIONS: [&str; 3] = ["2022-07-01", "2022-12-13", "2025-01-29"];
const STREAMS: [&str; 3] = ["platform", "function", "extension"];
const HOSTS: [&str; 4] = ["sandbox.localdomain", "sandbox", "127.0.0.1", "localhost"];

/// A subscription that can be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) schema_version: String,
    pub(crate) streams: Vec<String>,
    pub(crate) buffering: Buffering,
    pub(crate) destination: Destination,
}

/// When a batch is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Buffering {
    pub(crate) max_items: usize,
    pub(crate) max_bytes: usize,
    pub(crate) timeout: Duration,
}

/// Where batches go; the host is always this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    Http { port: u16, path: String },
    Tcp { port: u16 },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    schema_version: Option<String>,
    types: Vec<String>,
    buffering: Option<BufferingBody>,
    destination: DestinationBody,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BufferingBody {
    max_items: Option<usize>,
    max_bytes: Option<usize>,
    timeout_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct DestinationBody {
    protocol: String,
    #[serde(rename = "URI", alias = "uri")]
    uri: Option<String>,
    port: Option<u16>,
}

impl Subscription {
    /// Reads and checks a request body.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let invalid = |message: String| Refusal::invalid("ValidationError", message);
        let body: Body = serde_json::from_slice(body).map_err(|error| invalid(error.to_string()))?;
        let schema_version = body.schema_version.unwrap_or_else(|| "2022-07-01".to_owned());
        if !SCHEMA_VERSIONS.contains(&schema_version.as_str()) {
            return Err(invalid(format!(
                "schemaVersion: unknown version {schema_version:?}"
            )));
        }
        if body.types.is_empty() {
            return Err(invalid("types: at least one is needed".to_owned()));
        }
        if let Some(unknown) = body
            .types
            .iter()
            .find(|stream| !STREAMS.contains(&stream.as_str()))
        {
            return Err(invalid(format!("types: unknown type {unknown:?}")));
        }
        let buffering = Buffering::parse(body.buffering.unwrap_or_default()).map_err(invalid)?;
        let destination = Destination::parse(&body.destination).map_err(invalid)?;
        Ok(Self {
            schema_version,
            streams: body.types,
            buffering,
            destination,
        })
    }
}

impl Buffering {
    fn parse(body: BufferingBody) -> Result<Self, String> {
        let max_items = body.max_items.unwrap_or(MAX_ITEMS_DEFAULT);
        let max_bytes = body.max_bytes.unwrap_or(MAX_BYTES_DEFAULT);
        let timeout_ms = body.timeout_ms.unwrap_or(TIMEOUT_MS_DEFAULT);
        if !MAX_ITEMS.contains(&max_items) {
            return Err(format!(
                "buffering.maxItems: {max_items} is not within {MAX_ITEMS:?}"
            ));
        }
        if !MAX_BYTES.contains(&max_bytes) {
            return Err(format!(
                "buffering.maxBytes: {max_bytes} is not within {MAX_BYTES:?}"
            ));
        }
        if !TIMEOUT_MS.contains(&timeout_ms) {
            return Err(format!(
                "buffering.timeoutMs: {timeout_ms} is not within {TIMEOUT_MS:?}"
            ));
        }
        Ok(Self {
            max_items,
            max_bytes,
            timeout: Duration::from_millis(timeout_ms),
        })
    }
}

impl Destination {
    fn parse(body: &DestinationBody) -> Result<Self, String> {
        match body.protocol.as_str() {
            "HTTP" => {
                let uri = body.uri.as_deref().ok_or("destination.URI: missing")?;
                Self::http(uri).ok_or_else(|| {
                    format!("destination.URI: {uri:?} is not http://sandbox.localdomain:<port>/<path>")
                })
            }
            "TCP" => {
                let port = body.port.ok_or("destination.port: missing")?;
                Ok(Self::Tcp { port })
            }
            other => Err(format!("destination.protocol: {other:?} is neither HTTP nor TCP")),
        }
    }

    fn http(uri: &str) -> Option<Self> {
        let rest = uri.strip_prefix("http://")?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = authority.split_once(':').unwrap_or((authority, "80"));
        let port = port.parse().ok()?;
        let sendable = path.bytes().all(|byte| byte.is_ascii_graphic());
        (HOSTS.contains(&host) && sendable).then(|| Self::Http {
            port,
            path: format!("/{path}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(schema: &str, types: &str, buffering: &str, destination: &str) -> String {
        format!(
            r#"{{"schemaVersion":"{schema}","types":{types},"buffering":{buffering},"destination":{destination}}}"#
        )
    }

    const HTTP: &str = r#"{"protocol":"HTTP","URI":"http://sandbox.localdomain:4243/telemetry"}"#;

    #[test]
    fn a_full_subscription_is_read() {
        let buffering = r#"{"maxItems":1000,"maxBytes":262144,"timeoutMs":25}"#;
        let text = body("2025-01-29", r#"["platform"]"#, buffering, HTTP);
        let subscription = Subscription::parse(text.as_bytes()).unwrap();
        assert_eq!(subscription.buffering.timeout, Duration::from_millis(25));
        assert_eq!(
            subscription.destination,
            Destination::Http {
                port: 4243,
                path: "/telemetry".to_owned()
            }
        );
    }

    #[test]
    fn defaults_are_lambdas() {
        let text = format!(r#"{{"types":["platform","function"],"destination":{HTTP}}}"#);
        let buffering = Subscription::parse(text.as_bytes()).unwrap().buffering;
        assert_eq!((buffering.max_items, buffering.max_bytes), (10_000, 262_144));
        assert_eq!(buffering.timeout, Duration::from_secs(1));
    }

    #[track_caller]
    fn refused(text: &str, part: &str) {
        let refusal = Subscription::parse(text.as_bytes()).unwrap_err();
        assert_eq!((refusal.status, refusal.error_type), (400, "ValidationError"));
        assert!(refusal.message.contains(part), "{}", refusal.message);
    }

    #[test]
    fn values_outside_their_limits_are_refused_by_name() {
        let platform = r#"["platform"]"#;
        refused("{", "EOF");
        refused(&body("2024-01-01", platform, "{}", HTTP), "schemaVersion");
        refused(&body("2022-07-01", "[]", "{}", HTTP), "types");
        refused(&body("2022-07-01", r#"["metrics"]"#, "{}", HTTP), "types");
        for (field, low, high) in [
            ("maxItems", 999, 10_001),
            ("maxBytes", 262_143, 1_048_577),
            ("timeoutMs", 24, 30_001),
        ] {
            refused(
                &body("2022-07-01", platform, &format!(r#"{{"{field}":{low}}}"#), HTTP),
                field,
            );
            refused(
                &body("2022-07-01", platform, &format!(r#"{{"{field}":{high}}}"#), HTTP),
                field,
            );
        }
        for destination in [
            r#"{"protocol":"HTTP"}"#,
            r#"{"protocol":"HTTP","URI":"https://sandbox.localdomain:1"}"#,
            r#"{"protocol":"HTTP","URI":"http://example.com:1"}"#,
            r#"{"protocol":"TCP"}"#,
            r#"{"protocol":"http","URI":"http://sandbox:1"}"#,
        ] {
            refused(&body("2022-07-01", platform, "{}", destination), "destination");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Subscription::parse(&bytes);
        }

        #[test]
        fn an_arbitrary_destination_never_panics(uri in ".{0,60}") {
            let _ = Destination::http(&format!("http://{uri}"));
        }
    }
}
