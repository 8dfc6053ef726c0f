//! Asks Lambda for the next event when lambda-extension's own loop has ended.
//!
//! That loop ends at the first broken connection or unreadable event, and an extension that does not ask for
//! the next event holds the function's next invocation for ever.

use std::time::Duration;

use http::{Method, Request};
use http_body_util::{BodyExt, Limited};
use lambda_runtime_api_client::PooledClient;
use lambda_runtime_api_client::body::Body;
use model::time::Timestamp;
use model::trace_header::TraceHeader;
use serde_json::Value;

use super::lifecycle::Signal;
use crate::pipeline::event::Stopping;
use crate::pipeline::invocation::Invoked;

/// Longest event that is read; real ones are below 1 KiB. A longer one is treated as unreadable.
const EVENT_MAX_BYTES: usize = 64 * 1024;
/// Pause between attempts that fail: at first, and at most. A Runtime API that is gone takes us with it.
const PAUSE_FIRST: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// What Lambda answered.
#[derive(Debug, PartialEq)]
pub enum Polled {
    /// An event we understand.
    Signal(Signal),
    /// An event we do not: whatever it is, asking again is right.
    Unreadable,
}

/// The next event. Asks until Lambda answers.
pub async fn next(client: &PooledClient, extension_id: &str) -> Polled {
    let mut pause = PAUSE_FIRST;
    loop {
        if let Some(body) = ask(client, extension_id).await {
            return read(&body);
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(PAUSE_MAX);
    }
}

async fn ask(client: &PooledClient, extension_id: &str) -> Option<Vec<u8>> {
    let request = Request::builder()
        .method(Method::GET)
        .uri("/2020-01-01/extension/event/next")
        .header("Lambda-Extension-Identifier", extension_id)
        .body(Body::empty())
        .ok()?;
    let answer = client
        .call(request)
        .await
        .ok()
        .filter(|answer| answer.status().is_success())?;
    let body = Limited::new(answer.into_body(), EVENT_MAX_BYTES).collect().await;
    // An event whose body broke off was handed out all the same.
    Some(body.map(|body| body.to_bytes().to_vec()).unwrap_or_default())
}

/// Reads an event as leniently as it can be acted on.
pub fn read(body: &[u8]) -> Polled {
    let Ok(event) = serde_json::from_slice::<Value>(body) else {
        return Polled::Unreadable;
    };
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    let deadline = Timestamp::from_millis(event.get("deadlineMs").and_then(Value::as_i64).unwrap_or(0));
    match text("eventType") {
        Some("INVOKE") => {
            let Some(request_id) = text("requestId").and_then(|id| id.parse().ok()) else {
                return Polled::Unreadable;
            };
            let tracing = event
                .get("tracing")
                .and_then(|tracing| tracing.get("value"))
                .and_then(Value::as_str);
            Polled::Signal(Signal::Invoked(Invoked {
                request_id,
                function_arn: text("invokedFunctionArn").unwrap_or_default().into(),
                deadline,
                header: TraceHeader::parse(tracing.unwrap_or_default()),
            }))
        }
        Some("SHUTDOWN") => {
            let reason = text("shutdownReason").unwrap_or_default().to_owned();
            Polled::Signal(Signal::Stopping(Stopping { reason, deadline }))
        }
        _ => Polled::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn events_are_read_with_whatever_is_missing() {
        let Polled::Signal(Signal::Invoked(invoked)) = read(
            br#"{"eventType":"INVOKE","deadlineMs":1779358532710,"requestId":"r-1","tracing":{"value":"Root=1-a;Sampled=1"}}"#,
        ) else {
            panic!("not an INVOKE")
        };
        assert_eq!(invoked.deadline.as_millis(), 1_779_358_532_710);
        assert!(invoked.header.is_sampled());
        let stopping = Stopping {
            reason: "spindown".into(),
            deadline: Timestamp::default(),
        };
        let body = br#"{"eventType":"SHUTDOWN","shutdownReason":"spindown"}"#;
        assert_eq!(read(body), Polled::Signal(Signal::Stopping(stopping)));
        for body in [
            b"".as_slice(),
            b"{}",
            b"[]",
            br#"{"eventType":"INVOKE"}"#,
            br#"{"eventType":"NEW"}"#,
        ] {
            assert_eq!(read(body), Polled::Unreadable);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&body);
        }
    }
}
