//! The listener for deliveries of the Telemetry API.
//!
//! Any path, always 200: a refused delivery is sent again for ever. It has to listen on every interface of
//! the sandbox, so bodies are bounded and nothing they say can do more than add counted records.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use model::wire::telemetry::{self, Delivery, Rejects};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};

use crate::limits::{TELEMETRY_ACCEPT_PAUSE, TELEMETRY_BODY_MAX, TELEMETRY_CONNECTIONS};

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
        let connections = Arc::new(Semaphore::new(TELEMETRY_CONNECTIONS));
        while !deliveries.is_closed() {
            let Ok(place) = Arc::clone(&connections).acquire_owned().await else {
                return;
            };
            // A failed accept (out of descriptors) passes.
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(TELEMETRY_ACCEPT_PAUSE).await;
                continue;
            };
            let deliveries = deliveries.clone();
            tokio::spawn(async move {
                serve_connection(stream, deliveries).await;
                drop(place);
            });
        }
    }
}

async fn serve_connection(stream: TcpStream, deliveries: mpsc::Sender<Delivery>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let deliveries = deliveries.clone();
        async move {
            let delivery = read(request).await;
            // Nobody left to take it: the process is ending.
            let _ = deliveries.send(delivery).await;
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    // A broken connection costs the delivery it carried, which Lambda sends again.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn read(request: Request<Incoming>) -> Delivery {
    match Limited::new(request.into_body(), TELEMETRY_BODY_MAX)
        .collect()
        .await
    {
        Ok(body) => telemetry::decode(&body.to_bytes()),
        Err(_) => Delivery {
            records: Vec::new(),
            rejects: Rejects {
                damaged: 1,
                ..Rejects::default()
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Posts a body on a connection of its own; the status line and the delivery it led to.
    async fn post(path: &str, body: &[u8]) -> (String, Delivery) {
        let listener = TelemetryListener::bind().await.unwrap();
        let port = listener.port().unwrap();
        let (sender, mut deliveries) = mpsc::channel(1);
        let server = tokio::spawn(listener.serve(sender));
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // A body over the bound may be left unread: the answer stands all the same.
        let _ = stream.write_all(body).await;
        let delivery = deliveries.recv().await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        server.abort();
        (
            String::from_utf8_lossy(&answer)
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
            delivery,
        )
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
