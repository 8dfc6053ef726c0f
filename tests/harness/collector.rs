//! A destination of OpenTelemetry's protocol, as far as one sees it from outside: what it is sent it reads with
//! OpenTelemetry's own crate.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value;
pub use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::lab::BOUND;

/// The destination; it ends with the test's runtime.
pub struct Collector {
    address: SocketAddr,
    shared: Arc<Shared>,
    received: watch::Receiver<Arc<Vec<Taken>>>,
}

/// A span that was taken.
#[derive(Debug, Clone)]
pub struct Taken {
    /// `service.name` of its resource.
    pub service: String,
    /// The span.
    pub span: Span,
}

/// What requests get.
#[derive(Debug, Clone, Copy)]
pub enum Mood {
    /// Everything is taken.
    Well,
    /// Nothing is; this status.
    Refusing(u16),
    /// Everything is taken, and the answer comes so much later.
    Slow(Duration),
}

struct Shared {
    mood: Mutex<(Mood, u64)>,
    headers: Mutex<Vec<HeaderMap>>,
    sender: watch::Sender<Arc<Vec<Taken>>>,
}

impl Collector {
    /// One that takes everything.
    ///
    /// # Panics
    /// If a request is not what the protocol says.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let (sender, received) = watch::channel(Arc::default());
        let shared = Arc::new(Shared {
            mood: Mutex::new((Mood::Well, 0)),
            headers: Mutex::default(),
            sender,
        });
        let router = Router::new()
            .route("/v1/traces", post(take))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            address,
            shared,
            received,
        }
    }

    /// What to give to the extension as its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What so many requests get from now on; then all is well again.
    pub fn mood(&self, mood: Mood, requests: u64) {
        *self.shared.mood.lock().unwrap_or_else(PoisonError::into_inner) = (mood, requests);
    }

    /// The headers of each request so far.
    pub fn headers(&self) -> Vec<HeaderMap> {
        let headers = self.shared.headers.lock();
        headers.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every span so far.
    pub fn received(&self) -> Arc<Vec<Taken>> {
        Arc::clone(&self.received.borrow())
    }

    /// Names of the spans so far, each with how often it came; the platform's have their origin.
    pub fn names(&self) -> BTreeMap<String, usize> {
        let mut names = BTreeMap::new();
        for taken in self.received().iter() {
            *names.entry(taken.name()).or_default() += 1;
        }
        names
    }

    /// Waits until this many spans of this name are there.
    ///
    /// # Panics
    /// If they are not within [`BOUND`].
    pub async fn spans(&self, name: &str, count: usize) {
        let mut received = self.received.clone();
        let of_name = |received: &Arc<Vec<Taken>>| {
            let found = received.iter().filter(|taken| taken.name() == name);
            found.count() >= count
        };
        let is_there = tokio::time::timeout(BOUND, received.wait_for(of_name))
            .await
            .is_ok();
        assert!(is_there, "not {count} of {name}: {:?}", self.names());
    }

    /// Spans whose parent is neither here nor this one.
    pub fn orphans(&self, outside: &[u8]) -> Vec<Taken> {
        let received = self.received();
        let ids: BTreeSet<&[u8]> = received
            .iter()
            .map(|taken| taken.span.span_id.as_slice())
            .collect();
        let has_parent = |taken: &&Taken| {
            let parent = taken.span.parent_span_id.as_slice();
            parent.is_empty() || parent == outside || ids.contains(parent)
        };
        received
            .iter()
            .filter(|taken| !has_parent(taken))
            .cloned()
            .collect()
    }
}

impl Taken {
    /// The origin of one of the platform's, else its name.
    pub fn name(&self) -> String {
        self.attribute("aws.xray.origin")
            .unwrap_or_else(|| self.span.name.clone())
    }

    /// An attribute that is text.
    pub fn attribute(&self, key: &str) -> Option<String> {
        text(&self.span.attributes, key)
    }
}

fn text(attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        any_value::Value::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

async fn take(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mood = {
        let mut mood = shared.mood.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, left) = *mood;
        mood.1 = left.saturating_sub(1);
        if left == 0 { Mood::Well } else { now }
    };
    let of_headers = shared.headers.lock();
    of_headers.unwrap_or_else(PoisonError::into_inner).push(headers);
    if let Mood::Refusing(status) = mood {
        return StatusCode::from_u16(status).expect("tests name statuses");
    }
    let request = ExportTraceServiceRequest::decode(body).expect("a request is the protocol's");
    let mut taken = Vec::new();
    for group in request.resource_spans {
        let resource = group.resource.unwrap_or_default();
        let service = text(&resource.attributes, "service.name").unwrap_or_default();
        let spans = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
        taken.extend(spans.map(|span| Taken {
            service: service.clone(),
            span,
        }));
    }
    shared
        .sender
        .send_modify(|received| Arc::make_mut(received).extend(taken));
    if let Mood::Slow(pause) = mood {
        tokio::time::sleep(pause).await;
    }
    StatusCode::OK
}
