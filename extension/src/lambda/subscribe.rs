//! Subscribes to the platform's records, the newest schema first.

use std::time::Duration;

use http::{Method, Request};
use lambda_runtime_api_client::PooledClient;
use lambda_runtime_api_client::body::Body;
use serde_json::json;

/// Schemas we read, newest first. Managed instances know only the newest; older sandboxes refuse it.
const SCHEMAS: [&str; 3] = ["2025-01-29", "2022-12-13", "2022-07-01"];
/// Fewest items Lambda buffers.
const MAX_ITEMS: u32 = 1000;
/// Fewest bytes Lambda buffers; its buffers count against the function's memory.
const MAX_BYTES: u32 = 262_144;
/// Shortest time Lambda buffers, in milliseconds: the end of an invocation is known that much later.
const TIMEOUT_MS: u32 = 25;

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
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Subscribes our listener's port to `platform` records.
///
/// # Errors
/// None is fatal: timing then comes from INVOKE and next alone.
pub async fn subscribe(client: &PooledClient, extension_id: &str, port: u16) -> Result<(), SubscribeError> {
    let mut last = SubscribeError::Refused { status: 0 };
    for schema in SCHEMAS {
        let request = request(extension_id, port, schema)?;
        let status = client
            .call(request)
            .await
            .map_err(SubscribeError::Unreachable)?
            .status()
            .as_u16();
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

fn request(extension_id: &str, port: u16, schema: &str) -> Result<Request<Body>, SubscribeError> {
    let body = json!({
        "schemaVersion": schema,
        "types": ["platform"],
        "buffering": { "maxItems": MAX_ITEMS, "maxBytes": MAX_BYTES, "timeoutMs": TIMEOUT_MS },
        "destination": { "protocol": "HTTP", "URI": format!("http://sandbox.localdomain:{port}/") },
    });
    Request::builder()
        .method(Method::PUT)
        .uri("/2022-07-01/telemetry")
        .header("Lambda-Extension-Identifier", extension_id)
        .header("Content-Type", "application/json")
        .body(Body::from(body.to_string()))
        .map_err(|error| SubscribeError::Unreachable(error.into()))
}
