//! A destination some way off: takes whatever is posted, answers after a while, and remembers when what came.
//!
//! It answers what both X-Ray and an OTLP backend may answer, so that extensions of either kind can be measured
//! against the same one.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use model::ids::TraceId;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::Outcome;

/// Longest body that is taken; more than any extension sends in one call.
const BODY_MAX: usize = 16 * 1024 * 1024;

/// Begins a field that every segment document has once, inside the text of a call.
const FIELD: &[u8] = br#"\"trace_id\""#;

#[derive(Default)]
struct Seen {
    /// Calls that are still to be answered 503.
    refusals: usize,
    /// Documents in what was taken.
    documents: usize,
    /// What was taken, and when it had come.
    taken: Vec<(Instant, Vec<u8>)>,
}

#[derive(Clone)]
struct Shared {
    away: Duration,
    seen: Arc<Mutex<Seen>>,
}

/// The destination. Stops when dropped.
pub(crate) struct Sink {
    url: String,
    shared: Shared,
    serving: JoinHandle<()>,
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Sink {
    /// Serves, every answer this long after its call.
    pub(crate) async fn start(away: Duration) -> Outcome<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Shared {
            away,
            seen: Arc::default(),
        };
        let router = Router::new().fallback(answer).with_state(shared.clone());
        let serving = tokio::spawn(async move {
            // Serving ends with the runtime.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { url, shared, serving })
    }

    /// Its base address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The next calls are refused with 503.
    pub(crate) fn refuse(&self, calls: usize) {
        self.shared.seen().refusals = calls;
    }

    /// Documents that came, counted by the field that every document has once.
    pub(crate) fn documents(&self) -> usize {
        self.shared.seen().documents
    }

    /// When the first call that names this trace had come; none if there was none.
    pub(crate) fn first_of(&self, trace: TraceId) -> Option<Instant> {
        let text = trace.to_string();
        let hex = trace.to_w3c();
        let bytes: Vec<u8> = (0..hex.len())
            .step_by(2)
            .filter_map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok())
            .collect();
        let names = |body: &[u8]| contains(body, text.as_bytes()) || contains(body, &bytes);
        let seen = self.shared.seen();
        let first = seen.taken.iter().find(|(_, body)| names(body));
        first.map(|(at, _)| *at)
    }
}

impl Shared {
    /// A lock, and no queue: two short looks that never wait for each other's work.
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is taken.
    fn take(&self, body: Vec<u8>) -> bool {
        let mut seen = self.seen();
        let is_refused = seen.refusals > 0;
        seen.refusals = seen.refusals.saturating_sub(1);
        if !is_refused {
            seen.documents += body
                .windows(FIELD.len())
                .filter(|window| *window == FIELD)
                .count();
            seen.taken.push((Instant::now(), body));
        }
        !is_refused
    }
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response {
    let is_xray = request.uri().path() == "/TraceSegments";
    let Ok(body) = to_bytes(request.into_body(), BODY_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let is_taken = shared.take(body.into());
    so_far_away(shared.away).await;
    match (is_taken, is_xray) {
        (false, _) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        (true, true) => r#"{"UnprocessedTraceSegments":[]}"#.into_response(),
        // An empty message of protobuf: everything was taken.
        (true, false) => [(CONTENT_TYPE, "application/x-protobuf")].into_response(),
    }
}

/// Exactly so long: a timer's grain of a millisecond would be a tenth of the way.
async fn so_far_away(away: Duration) {
    const GRAIN: Duration = Duration::from_millis(2);
    let until = Instant::now() + away;
    tokio::time::sleep(away.saturating_sub(GRAIN)).await;
    while Instant::now() < until {
        tokio::task::yield_now().await;
    }
}

fn contains(body: &[u8], wanted: &[u8]) -> bool {
    body.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refused_call_is_not_taken_and_a_taken_one_is_found_by_its_trace() {
        let sink = Sink::start(Duration::ZERO).await.unwrap();
        sink.refuse(1);
        let trace: TraceId = "1-6553f100-0123456789abcdef01234567".parse().unwrap();
        let url = format!("{}/TraceSegments", sink.url());
        let post = || {
            let url = url.clone();
            tokio::task::spawn_blocking(move || ureq::post(url).send(format!("[{trace}]")).is_ok())
        };
        assert!(!post().await.unwrap());
        assert_eq!(sink.first_of(trace), None);
        assert!(post().await.unwrap());
        assert!(sink.first_of(trace).is_some());
    }
}
