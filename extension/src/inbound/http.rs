//! The HTTP server under all listeners: bounded connections, heads and bodies.
//!
//! No timer ends a quiet connection: after a freeze every timer is over, and one that closed Lambda's connection
//! as it sends the end of an invocation would hold that invocation. A quiet connection is closed when its
//! place is needed; one within a request has its place until [`HTTP_BODY_WAIT`] is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::{documents, otlp, telemetry};
use crate::limits::{
    HTTP_ACCEPT_PAUSE, HTTP_BODY_WAIT, HTTP_CONNECTIONS, HTTP_DISCARD_MAX, HTTP_HEAD_MAX_BYTES,
};

/// What becomes of a request. One type for all listeners, so that the server is in the binary once.
#[derive(Clone)]
pub(super) enum Desk {
    /// Deliveries of the Telemetry API.
    Telemetry(telemetry::Desk),
    /// Documents for X-Ray.
    Documents(documents::Desk),
    /// Spans of OpenTelemetry's protocol.
    Spans(otlp::Desk),
}

impl Desk {
    fn is_closed(&self) -> bool {
        match self {
            Self::Telemetry(desk) => desk.is_closed(),
            Self::Documents(desk) => desk.is_closed(),
            Self::Spans(desk) => desk.is_closed(),
        }
    }

    /// None closes the connection.
    async fn answer(&self, request: Request<Incoming>) -> Option<Response<Full<Bytes>>> {
        match self {
            Self::Telemetry(desk) => desk.answer(request).await,
            Self::Documents(desk) => Some(desk.answer(request).await),
            Self::Spans(desk) => Some(desk.answer(request).await),
        }
    }
}

/// A connection and how many requests it is within: none or one.
struct Place {
    task: AbortHandle,
    requests: Arc<AtomicUsize>,
}

/// Serves until nobody takes anything any more.
pub(super) async fn serve(listener: TcpListener, desk: Desk) {
    let mut places: Vec<Place> = Vec::new();
    while !desk.is_closed() {
        // A failed accept (out of descriptors) passes.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(HTTP_ACCEPT_PAUSE).await;
            continue;
        };
        while !has_room(&mut places) {
            tokio::time::sleep(HTTP_ACCEPT_PAUSE).await;
        }
        let requests = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(serve_connection(stream, desk.clone(), Arc::clone(&requests)));
        places.push(Place {
            task: task.abort_handle(),
            requests,
        });
    }
}

/// Whether there is a place for one more, if need be that of the oldest connection without a request.
fn has_room(places: &mut Vec<Place>) -> bool {
    places.retain(|place| !place.task.is_finished());
    if places.len() < HTTP_CONNECTIONS {
        return true;
    }
    let quiet = places
        .iter()
        .position(|place| place.requests.load(Ordering::Relaxed) == 0);
    quiet.map(|place| places.remove(place).task.abort()).is_some()
}

async fn serve_connection(stream: TcpStream, desk: Desk, requests: Arc<AtomicUsize>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (desk, requests) = (desk.clone(), Arc::clone(&requests));
        async move {
            requests.fetch_add(1, Ordering::Relaxed);
            let answer = desk.answer(request).await;
            requests.fetch_sub(1, Ordering::Relaxed);
            answer.ok_or(Unanswered)
        }
    });
    // A broken connection costs the request it carried, which its sender knows.
    let _ = http1::Builder::new()
        .max_buf_size(HTTP_HEAD_MAX_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// A request that is better sent again.
#[derive(Debug, thiserror::Error)]
#[error("the request did not come whole")]
struct Unanswered;

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoBody {
    /// It is larger than the limit.
    TooLarge,
    /// It ended early, or did not end in time.
    Broken,
}

/// Reads a body. What is beyond the limit is read and thrown away, so that the sender hears why.
pub(super) async fn body(request: Request<Incoming>, limit: usize) -> Result<Vec<u8>, NoBody> {
    let mut incoming = request.into_body();
    let reading = async {
        let mut bytes = Vec::new();
        let mut length: usize = 0;
        while let Some(frame) = incoming.frame().await {
            let Ok(data) = frame.map_err(|_| NoBody::Broken)?.into_data() else {
                continue;
            };
            length = length.saturating_add(data.len());
            if length <= limit {
                bytes.extend_from_slice(&data);
            } else if length > HTTP_DISCARD_MAX {
                break;
            } else {
                bytes = Vec::new();
            }
        }
        if length > limit {
            return Err(NoBody::TooLarge);
        }
        Ok(bytes)
    };
    tokio::time::timeout(HTTP_BODY_WAIT, reading)
        .await
        .unwrap_or(Err(NoBody::Broken))
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::mpsc;

    use super::*;

    /// A request on a connection of its own; the answer with its head.
    pub(in crate::inbound) async fn ask(to: SocketAddr, method: &str, path: &str, body: &[u8]) -> String {
        let answer = ask_with(to, &format!("{method} {path} HTTP/1.1"), body).await;
        String::from_utf8(answer).unwrap()
    }

    /// The same with headers of one's own behind the request line, and an answer that need not be text.
    pub(in crate::inbound) async fn ask_with(to: SocketAddr, head: &str, body: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(to).await.unwrap();
        let head = format!(
            "{head}\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answer
    }

    async fn telemetry() -> (SocketAddr, mpsc::Receiver<model::wire::telemetry::Delivery>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, deliveries) = mpsc::channel(64);
        tokio::spawn(serve(listener, Desk::Telemetry(telemetry::Desk::new(sender))));
        (address, deliveries)
    }

    #[tokio::test]
    async fn a_quiet_connection_gives_its_place_to_a_new_one() {
        let (address, mut deliveries) = telemetry().await;
        let mut quiet = Vec::new();
        for _ in 0..HTTP_CONNECTIONS {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // Half a head: it will never become a request.
            stream.write_all(b"POST / HTTP/1.1\r\nhost:").await.unwrap();
            quiet.push(stream);
        }
        assert!(ask(address, "POST", "/", b"[]").await.starts_with("HTTP/1.1 200"));
        assert!(deliveries.recv().await.is_some());
        let mut rest = Vec::new();
        assert_eq!(
            quiet[0].read_to_end(&mut rest).await.unwrap_or(0),
            0,
            "the oldest went"
        );
    }

    #[tokio::test]
    async fn a_connection_is_kept_for_many_requests() {
        let (address, mut deliveries) = telemetry().await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        for _ in 0..3 {
            let request = b"POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n[]";
            stream.write_all(request).await.unwrap();
            assert!(deliveries.recv().await.is_some());
            let mut answer = [0; 15];
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"HTTP/1.1 200 OK");
            while stream.try_read(&mut [0; 512]).is_ok() {}
        }
    }

    #[tokio::test]
    async fn a_head_without_end_is_refused() {
        let (address, _deliveries) = telemetry().await;
        let endless = "x".repeat(2 * HTTP_HEAD_MAX_BYTES);
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("GET / HTTP/1.1\r\nhost: x\r\nendless: {endless}");
        // It may be closed before all of it is written.
        let _ = stream.write_all(head.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 200"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_gives_its_place_back() {
        let (address, mut deliveries) = telemetry().await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n[")
            .await
            .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"", "Lambda sends a delivery again that was not answered");
        assert!(deliveries.try_recv().is_err());
    }
}
