//! The listener for deliveries of the Telemetry API.
//!
//! Any path, always 200: a refused delivery is sent again for ever. It has to listen on every interface of
//! the sandbox, so bodies are bounded and nothing they say can do more than add counted records.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::{Request, Response};
use model::wire::telemetry::{self, Delivery, Rejects};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use super::http::{self, NoBody};
use crate::limits::{TELEMETRY_BODIES, TELEMETRY_BODY_MAX, TELEMETRY_BODY_SMALL};

/// A bound listener.
pub struct TelemetryListener {
    listener: TcpListener,
}

impl TelemetryListener {
    /// Binds a port the system chooses.
    ///
    /// # Errors
    /// No port is to be had.
    pub async fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))).await?;
        Ok(Self { listener })
    }

    /// The port.
    ///
    /// # Errors
    /// The system does not say.
    pub fn port(&self) -> io::Result<u16> {
        Ok(self.listener.local_addr()?.port())
    }

    /// Serves until nobody takes deliveries any more.
    pub async fn serve(self, deliveries: mpsc::Sender<Delivery>) {
        http::serve(self.listener, http::Desk::Telemetry(Desk::new(deliveries))).await;
    }
}

/// Takes deliveries in.
#[derive(Clone)]
pub(super) struct Desk {
    deliveries: mpsc::Sender<Delivery>,
    /// Each large body that is read has a permit.
    bodies: Arc<Semaphore>,
    /// Each delivery that is decoded and not yet queued has a permit.
    decoded: Arc<Semaphore>,
}

impl Desk {
    pub(super) fn new(deliveries: mpsc::Sender<Delivery>) -> Self {
        Self {
            deliveries,
            bodies: Arc::new(Semaphore::new(TELEMETRY_BODIES)),
            decoded: Arc::new(Semaphore::new(TELEMETRY_BODIES)),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.deliveries.is_closed()
    }

    /// None if the body did not come whole: not answered, it is sent again.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Option<Response<Full<Bytes>>> {
        let is_small = request
            .body()
            .size_hint()
            .upper()
            .is_some_and(|size| size <= TELEMETRY_BODY_SMALL);
        // Neither semaphore is ever closed.
        let _body = match is_small {
            true => None,
            false => self.bodies.acquire().await.ok(),
        };
        let body = http::body(request, TELEMETRY_BODY_MAX).await;
        let _decoded = self.decoded.acquire().await;
        let delivery = match body {
            Ok(body) => telemetry::decode(&body),
            Err(NoBody::TooLarge) => Delivery {
                records: Vec::new(),
                rejects: Rejects {
                    damaged: 1,
                    ..Rejects::default()
                },
            },
            Err(NoBody::Broken) => return None,
        };
        // Nobody left to take it: the process is ending.
        let _ = self.deliveries.send(delivery).await;
        Some(Response::new(Full::default()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::http::tests::ask;
    use super::*;

    /// Posts a body on a connection of its own; the status line and the delivery it led to.
    async fn post(path: &str, body: &[u8]) -> (String, Delivery) {
        let listener = TelemetryListener::bind().await.unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, listener.port().unwrap()));
        let (sender, mut deliveries) = mpsc::channel(1);
        let server = tokio::spawn(listener.serve(sender));
        let answer = ask(address, "POST", path, body).await;
        server.abort();
        let status = answer.lines().next().unwrap_or_default().to_owned();
        (status, deliveries.recv().await.unwrap())
    }

    #[tokio::test]
    async fn any_path_and_any_body_is_answered_200() {
        let record = br#"[{"time":"2026-05-21T10:15:29Z","type":"platform.new","record":{}}]"#;
        for (path, body, records, damaged) in [
            ("/", record.as_slice(), 1, 0),
            ("/telemetry/x?y", b"[]", 0, 0),
            ("/a", b"\xff{", 0, 1),
        ] {
            let (status, delivery) = post(path, body).await;
            assert_eq!(status, "HTTP/1.1 200 OK");
            assert_eq!(
                (delivery.records.len(), delivery.rejects.damaged),
                (records, damaged)
            );
        }
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_bound() {
        let mut body = vec![b' '; TELEMETRY_BODY_MAX];
        body[..2].copy_from_slice(b"[]");
        assert_eq!(post("/", &body).await.1.rejects.damaged, 0);
        body.push(b' ');
        assert_eq!(post("/", &body).await.1.rejects.damaged, 1);
    }
}
