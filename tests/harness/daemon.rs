//! Lambda's own daemon, as far as one sees it from outside: a socket that takes datagrams.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use model::wire::udp_frame::{self, Body};
use serde_json::Value;
use tokio::net::UdpSocket;
use tokio::sync::watch;

use crate::lab::BOUND;

/// The daemon; it ends with the test's runtime.
pub struct Daemon {
    address: SocketAddr,
    received: watch::Receiver<Arc<Vec<Value>>>,
}

impl Daemon {
    /// One that takes everything.
    ///
    /// # Panics
    /// If a datagram is not what SDKs send.
    pub async fn start() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let socket = socket.expect("loopback has a free port");
        let address = socket.local_addr().expect("it is bound");
        let (sender, received) = watch::channel(Arc::new(Vec::new()));
        tokio::spawn(async move {
            let mut datagram = vec![0; 1 << 16];
            while let Ok(length) = socket.recv(&mut datagram).await {
                let Ok(Body::Json(body)) = udp_frame::decode(&datagram[..length]) else {
                    panic!("{:?}", String::from_utf8_lossy(&datagram[..length]));
                };
                let document: Value = serde_json::from_slice(body).expect("a document is JSON");
                sender.send_modify(|received| Arc::make_mut(received).push(document));
            }
        });
        Self { address, received }
    }

    /// Where it is.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Every document so far.
    pub fn received(&self) -> Arc<Vec<Value>> {
        Arc::clone(&self.received.borrow())
    }

    /// Names of the documents so far; the platform's have their origin.
    pub fn names(&self) -> Vec<String> {
        let names = self.received();
        let names = names.iter().map(|document| {
            let origin = document["origin"].as_str();
            origin.or(document["name"].as_str()).unwrap_or("?").to_owned()
        });
        names.collect()
    }

    /// Waits until there are so many.
    ///
    /// # Panics
    /// If there are not within [`BOUND`].
    pub async fn documents(&self, count: usize) {
        let mut received = self.received.clone();
        let enough = received.wait_for(|received| received.len() >= count);
        let is_there = tokio::time::timeout(BOUND, enough).await.is_ok();
        assert!(is_there, "{} of {count} documents came", self.received().len());
    }
}
