//! Relays documents to Lambda's own daemon over UDP: no permission, no TLS, no round trip, and the way out of a VPC
//! without egress.
//!
//! A datagram counts as sent when the system took it. Where nobody listens the system says so with the next one: then
//! the one before is known to be lost, and is given back with those that follow.
//!
//! Invariants
//! - Nothing is opened before the first batch.
//! - Nothing blocks: where the system takes no more, the rest of the batch is given back when the wait is over.

use std::borrow::Borrow;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use model::limits::DATAGRAM_MAX_BYTES;
use model::otlp::datagram;
use model::wire::udp_frame::HEADER;
use tokio::net::UdpSocket;

use crate::pipeline::document::{Document, Form};
use crate::pipeline::outcome::{Answered, Failure, FailureKind, Outcome, Unprocessed, Unreached};
use crate::pipeline::span;

#[derive(Debug, thiserror::Error)]
#[error(
    "could not relay documents to the X-Ray daemon at {address}: {error}; check that Lambda runs one (the function's \
     tracing mode is Active), or leave daemon out of FLUOROSCOPE_OUTBOUND"
)]
struct RelayError<'a> {
    address: SocketAddr,
    error: &'a io::Error,
}

/// See the module.
#[derive(Debug)]
pub struct DaemonSender {
    address: SocketAddr,
    socket: Option<UdpSocket>,
    datagram: Vec<u8>,
}

impl DaemonSender {
    /// Prepares to send to this address; costs nothing until the first batch.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            socket: None,
            datagram: Vec::new(),
        }
    }

    /// Hands one batch to the system, within the wait.
    pub async fn send(&mut self, documents: &[impl Borrow<Document>], wait: Duration) -> Outcome {
        let mut unprocessed = Vec::new();
        let mut sent = 0;
        let sending = self.send_all(documents, &mut sent, &mut unprocessed);
        let error = match tokio::time::timeout(wait, sending).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => Some(io::ErrorKind::TimedOut.into()),
        };
        if let Some(error) = error {
            self.socket = None;
            let failure = self.failure(&error);
            // A refusal is the answer to the datagram before.
            let taken = sent - usize::from(sent > 0 && error.kind() == io::ErrorKind::ConnectionRefused);
            if taken == 0 {
                return Outcome::Failed(failure);
            }
            unprocessed.retain(|item| item.document.is_some_and(|place| place < taken));
            unprocessed.extend((taken..documents.len()).map(|place| Unprocessed {
                document: Some(place),
                code: "NotTaken".into(),
                message: failure.message.clone(),
                retriable: true,
            }));
        }
        Outcome::Answered(Answered {
            documents: documents.len(),
            unprocessed,
            remark: None,
        })
    }

    /// Forgets the socket.
    pub fn forget(&mut self) {
        self.socket = None;
    }

    /// Counts in `sent` the documents that are done with.
    async fn send_all(
        &mut self,
        documents: &[impl Borrow<Document>],
        sent: &mut usize,
        unprocessed: &mut Vec<Unprocessed>,
    ) -> io::Result<()> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => connect(self.address)?,
        };
        let socket = self.socket.insert(socket);
        for (place, document) in documents.iter().map(Borrow::borrow).enumerate() {
            self.datagram.clear();
            self.datagram.extend_from_slice(HEADER);
            match &document.form {
                Form::Segment => self.datagram.extend_from_slice(&document.bytes),
                // As AWS's own layers have it: the daemon passes it on, and X-Ray reads it.
                Form::Span(surroundings) => {
                    let request = span::alone(&document.bytes, surroundings);
                    self.datagram
                        .extend_from_slice(datagram::write(&request).as_bytes());
                }
            }
            if self.datagram.len() > DATAGRAM_MAX_BYTES {
                unprocessed.push(Unprocessed {
                    document: Some(place),
                    code: "TooLarge".into(),
                    message: format!(
                        "no datagram carries {} bytes: at most {DATAGRAM_MAX_BYTES}",
                        self.datagram.len()
                    ),
                    retriable: false,
                });
            } else {
                socket.send(&self.datagram).await?;
            }
            *sent += 1;
        }
        // On the same machine the refusal of the last one is there already.
        match socket.take_error()? {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn failure(&self, error: &io::Error) -> Failure {
        let kind = match error.kind() {
            io::ErrorKind::ConnectionRefused => FailureKind::Unreachable(Unreached::ConnectionRefused),
            io::ErrorKind::TimedOut => FailureKind::Silent,
            _ => FailureKind::Unreachable(Unreached::Other),
        };
        let address = self.address;
        let error = RelayError { address, error };
        Failure {
            kind,
            message: error.to_string(),
        }
    }
}

fn connect(address: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = if address.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = std::net::UdpSocket::bind(any)?;
    socket.set_nonblocking(true)?;
    socket.connect(address)?;
    UdpSocket::from_std(socket)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket as Plain;

    use super::*;
    use crate::outbound::segments::tests::{span, text};
    use model::wire::udp_frame::{Body, decode};

    const WAIT: Duration = Duration::from_secs(5);

    fn receiver() -> (Plain, SocketAddr) {
        let receiver = Plain::bind("127.0.0.1:0").unwrap();
        receiver.set_read_timeout(Some(WAIT)).unwrap();
        let address = receiver.local_addr().unwrap();
        (receiver, address)
    }

    fn received(receiver: &Plain) -> String {
        let mut datagram = vec![0; DATAGRAM_MAX_BYTES];
        let length = receiver.recv(&mut datagram).unwrap();
        match decode(&datagram[..length]) {
            Ok(Body::Json(body)) => String::from_utf8(body.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn answered(outcome: Outcome) -> Answered {
        match outcome {
            Outcome::Answered(answered) => answered,
            Outcome::Failed(failure) => panic!("{failure:?}"),
        }
    }

    #[tokio::test]
    async fn each_document_is_a_datagram_as_the_sdks_send_it() {
        let (receiver, address) = receiver();
        let mut sender = DaemonSender::new(address);
        let answered = answered(sender.send(&[r#"{"a":1}"#, r#"{"b":2}"#].map(text), WAIT).await);
        assert_eq!((answered.documents, answered.unprocessed), (2, Vec::new()));
        assert_eq!(received(&receiver), r#"{"a":1}"#);
        assert_eq!(received(&receiver), r#"{"b":2}"#);
    }

    #[tokio::test]
    async fn a_span_is_sent_as_awss_layers_send_it_with_all_that_it_came_with() {
        let (receiver, address) = receiver();
        let document = span(1, |_| ());
        let sent = DaemonSender::new(address)
            .send(std::slice::from_ref(&document), WAIT)
            .await;
        assert_eq!(answered(sent).unprocessed, Vec::new());
        let mut datagram = vec![0; DATAGRAM_MAX_BYTES];
        let length = receiver.recv(&mut datagram).unwrap();
        let Ok(Body::OtlpSpans(body)) = decode(&datagram[..length]) else {
            panic!("{}", String::from_utf8_lossy(&datagram[..length]));
        };
        assert!(body.starts_with(b"T1S"));
        let parts: Vec<_> = datagram::parts(body)
            .into_iter()
            .map(|part| part.request.unwrap().to_vec())
            .collect();
        assert_eq!(parts, [document.filed().into_owned()]);
    }

    #[tokio::test]
    async fn what_no_datagram_carries_is_refused_and_the_largest_that_one_carries_is_sent() {
        let (receiver, address) = receiver();
        let most = DATAGRAM_MAX_BYTES - HEADER.len();
        let texts = ["x".repeat(most + 1), "y".repeat(most)];
        let documents: Vec<Document> = texts.iter().map(|body| text(body)).collect();
        let answered = answered(DaemonSender::new(address).send(&documents, WAIT).await);
        let refused: Vec<_> = answered
            .unprocessed
            .iter()
            .map(|item| (item.document, item.retriable))
            .collect();
        assert_eq!(refused, [(Some(0), false)]);
        assert_eq!(received(&receiver), texts[1]);
    }

    #[tokio::test]
    async fn where_nobody_listens_nothing_counts_as_sent() {
        for documents in [1, 3].map(|count| vec![text("{}"); count]) {
            let (receiver, address) = receiver();
            drop(receiver);
            let outcome = DaemonSender::new(address).send(&documents, WAIT).await;
            let Outcome::Failed(failure) = outcome else {
                panic!("{outcome:?}");
            };
            assert_eq!(
                failure.kind,
                FailureKind::Unreachable(Unreached::ConnectionRefused)
            );
            assert!(
                failure.message.contains(&address.to_string()),
                "{}",
                failure.message
            );
        }
    }

    #[tokio::test]
    async fn a_daemon_that_comes_back_gets_the_next_batch() {
        let (receiver, address) = receiver();
        drop(receiver);
        let mut sender = DaemonSender::new(address);
        assert!(matches!(
            sender.send(&[text("{}")], WAIT).await,
            Outcome::Failed(_)
        ));
        let receiver = Plain::bind(address).unwrap();
        receiver.set_read_timeout(Some(WAIT)).unwrap();
        assert_eq!(answered(sender.send(&[text("{}")], WAIT).await).taken(), 1);
        assert_eq!(received(&receiver), "{}");
    }
}
