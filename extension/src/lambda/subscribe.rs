//! Subscribes to the platform's records, the newest schema first.

use std::time::Duration;

use http::Method;
use lambda_extension::Error;
use serde_json::json;

use super::api::{Api, Call, IDENTIFIER};

/// Schemas we read, newest first. Managed instances know only the newest; older sandboxes refuse it.
const SCHEMAS: [&str; 3] = ["2025-01-29", "2022-12-13", "2022-07-01"];
/// Fewest items Lambda buffers.
const MAX_ITEMS: u32 = 1000;
/// Fewest bytes Lambda buffers; its buffers count against the function's memory.
const MAX_BYTES: u32 = 262_144;
/// Shortest time Lambda buffers, in milliseconds: the end of an invocation is known that much later.
const TIMEOUT_MS: u32 = 25;

/// Longest answer that is read, which is only to be done with it: real ones are `"OK"` or a refusal.
const ANSWER_MAX_BYTES: usize = 1024;

/// Why no records will come.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// The environment has no Telemetry API, and says so.
    #[error("the environment has no Telemetry API (status {status})")]
    Unsupported {
        /// 202 or 404.
        status: u16,
    },
    /// Refused with every schema.
    #[error("the Telemetry API refused the subscription with status {status}")]
    Refused {
        /// Of the last answer.
        status: u16,
    },
    /// No answer in time.
    #[error("the Telemetry API did not answer the subscription within {waited:?}")]
    Silent {
        /// How long it was waited for.
        waited: Duration,
    },
    /// No connection.
    #[error("the Telemetry API could not be reached")]
    Unreachable(#[source] Error),
}

/// Subscribes our listener's port to `platform` records.
///
/// # Errors
/// None is fatal: timing then comes from INVOKE and next alone.
pub async fn subscribe(api: &mut Api, extension_id: &str, port: u16) -> Result<(), SubscribeError> {
    let mut last = SubscribeError::Refused { status: 0 };
    for schema in SCHEMAS {
        let answer = api.call(call(extension_id, port, schema)).await;
        let status = answer.map_err(SubscribeError::Unreachable)?.status.as_u16();
        last = match status {
            200 => return Ok(()),
            202 | 404 => return Err(SubscribeError::Unsupported { status }),
            // A schema it does not know, or a refusal that no schema changes: both cost one more try.
            _ => SubscribeError::Refused { status },
        };
        if !matches!(status, 400..=499) {
            break;
        }
    }
    Err(last)
}

fn call<'a>(extension_id: &'a str, port: u16, schema: &str) -> Call<'a> {
    let body = json!({
        "schemaVersion": schema,
        "types": ["platform"],
        "buffering": { "maxItems": MAX_ITEMS, "maxBytes": MAX_BYTES, "timeoutMs": TIMEOUT_MS },
        "destination": { "protocol": "HTTP", "URI": format!("http://sandbox.localdomain:{port}/") },
    });
    Call {
        method: Method::PUT,
        path: "/2022-07-01/telemetry",
        who: (IDENTIFIER, extension_id),
        body: Some(body.to_string()),
        answer_max_bytes: ANSWER_MAX_BYTES,
    }
}
