//! Asks Lambda for the next event.
//!
//! No broken connection and no unreadable event ends the asking: an extension that does not ask for the next
//! event holds the function's next invocation for ever (`docs/decisions/0001-lambda-extension.md`).

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use lambda_extension::{InvokeEvent, NextEvent, ShutdownEvent, Tracing};
use serde_json::Value;

use super::api::{Api, Call, IDENTIFIER};

/// Longest event that is read; real ones are below 1 KiB. A longer one is treated as unreadable.
const EVENT_MAX_BYTES: usize = 64 * 1024;
/// Pause between attempts that fail: at first, and at most. A Runtime API that is gone takes us with it.
const PAUSE_FIRST: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// The next event, or none if it is one we do not understand. Asks until Lambda answers.
pub async fn next(api: &mut Api, extension_id: &str) -> Option<NextEvent> {
    let mut pause = PAUSE_FIRST;
    loop {
        if let Some(body) = ask(api, extension_id).await {
            return read(&body);
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(PAUSE_MAX);
    }
}

async fn ask(api: &mut Api, extension_id: &str) -> Option<Bytes> {
    let call = Call {
        method: Method::GET,
        path: "/2020-01-01/extension/event/next",
        who: (IDENTIFIER, extension_id),
        body: None,
        answer_max_bytes: EVENT_MAX_BYTES,
    };
    let answer = api.call(call).await.ok()?;
    // An event whose body broke off was handed out all the same.
    answer
        .status
        .is_success()
        .then(|| answer.body.unwrap_or_default())
}

/// Reads an event as leniently as it can be acted on: without what lambda-extension's own reading insists on.
pub fn read(body: &[u8]) -> Option<NextEvent> {
    let event: Value = serde_json::from_slice(body).ok()?;
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    let deadline_ms = event.get("deadlineMs").and_then(Value::as_u64).unwrap_or(0);
    match text("eventType")? {
        "INVOKE" => Some(NextEvent::Invoke(InvokeEvent {
            deadline_ms,
            request_id: text("requestId")?.to_owned(),
            invoked_function_arn: text("invokedFunctionArn").unwrap_or_default().to_owned(),
            tracing: tracing(event.get("tracing")),
        })),
        "SHUTDOWN" => Some(NextEvent::Shutdown(ShutdownEvent {
            shutdown_reason: text("shutdownReason").unwrap_or_default().to_owned(),
            deadline_ms,
        })),
        _ => None,
    }
}

fn tracing(tracing: Option<&Value>) -> Tracing {
    let text = |name: &str| tracing?.get(name)?.as_str();
    Tracing {
        r#type: text("type").unwrap_or_default().to_owned(),
        value: text("value").unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn events_are_read_with_whatever_is_missing() {
        let invoked = br#"{"eventType":"INVOKE","deadlineMs":1779358532710,"requestId":"r-1","tracing":{"value":"Root=1-a;Sampled=1"}}"#;
        let Some(NextEvent::Invoke(invoked)) = read(invoked) else {
            panic!("not an INVOKE")
        };
        assert_eq!(invoked.deadline_ms, 1_779_358_532_710);
        assert_eq!(invoked.request_id, "r-1");
        assert_eq!(invoked.tracing.value, "Root=1-a;Sampled=1");
        let Some(NextEvent::Shutdown(stopping)) =
            read(br#"{"eventType":"SHUTDOWN","shutdownReason":"spindown"}"#)
        else {
            panic!("not a SHUTDOWN")
        };
        assert_eq!(
            (stopping.shutdown_reason.as_str(), stopping.deadline_ms),
            ("spindown", 0)
        );
        for body in [
            b"".as_slice(),
            b"{}",
            b"[]",
            br#"{"eventType":"INVOKE"}"#,
            br#"{"eventType":"NEW"}"#,
        ] {
            assert!(read(body).is_none());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&body);
        }
    }
}
