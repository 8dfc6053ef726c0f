//! TLS as the outbounds use it, against a server with a certificate made for the occasion.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{HandshakeKind, ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::outbound::dialect::{Dialect, Peer};
use crate::outbound::error::{SendError, one_line};
use crate::pipeline::outcome::{FailureKind, Unreached};

/// A server that answers every request on its connection, and tells how each handshake went.
struct TlsServer {
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    handshakes: Receiver<Option<HandshakeKind>>,
}

impl TlsServer {
    fn start(connections: usize) -> Self {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = certified.cert.der().clone();
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![certificate.clone()], key)
                .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let config = Arc::new(config);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, handshakes) = sync_channel(connections);
        thread::spawn(move || {
            for stream in listener.incoming().take(connections) {
                tell.send(serve(stream.unwrap(), Arc::clone(&config))).unwrap();
            }
        });
        Self {
            address,
            certificate,
            handshakes,
        }
    }

    fn url(&self) -> Url {
        Url::parse(&format!("https://localhost:{}/", self.address.port())).unwrap()
    }
}

/// One connection; how its handshake went, or `None` if it did not.
fn serve(stream: TcpStream, config: Arc<ServerConfig>) -> Option<HandshakeKind> {
    let connection = ServerConnection::new(config).unwrap();
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
    }
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    stream.get_mut().write_all(answer).unwrap();
    assert_eq!(
        stream.get_ref().conn.alpn_protocol(),
        Some(b"http/1.1".as_slice())
    );
    stream.get_ref().conn.handshake_kind()
}

fn trusting(server: &TlsServer) -> Connection {
    let mut roots = RootCertStore::empty();
    roots.add(server.certificate.clone()).unwrap();
    let mut connection = Connection::to(&server.url());
    connection.trust(roots);
    connection
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_refused_in_one_clear_line() {
    let server = TlsServer::start(1);
    let client = Connection::to(&server.url()).client().unwrap();
    let error = client.post(server.url()).send().await.unwrap_err();
    let error = SendError::transport(
        Peer {
            dialect: Dialect::Xray,
            address: "https://localhost".to_owned(),
        },
        error,
    );
    assert_eq!(error.kind(), FailureKind::Unreachable(Unreached::Untrusted));
    let line = one_line(&error);
    assert!(
        line.starts_with("could not trust the certificate of X-Ray at https://localhost: "),
        "{line}"
    );
    assert!(
        line.ends_with("invalid peer certificate: UnknownIssuer"),
        "{line}"
    );
    assert_eq!(server.handshakes.recv().unwrap(), None);
}

#[tokio::test]
async fn the_tls_session_outlives_the_connection_and_the_client() {
    let server = TlsServer::start(3);
    let mut connection = trusting(&server);
    let mut kinds = Vec::new();
    for _ in 0..3 {
        let answer = connection
            .client()
            .unwrap()
            .post(server.url())
            .send()
            .await
            .unwrap();
        assert_eq!(read_bounded(answer, 10).await.unwrap().bytes, b"{}");
        connection.drop_idle();
        kinds.push(server.handshakes.recv().unwrap().unwrap());
    }
    assert_eq!(
        kinds,
        [
            HandshakeKind::Full,
            HandshakeKind::Resumed,
            HandshakeKind::Resumed
        ]
    );
    assert_eq!(connection.dialled(), 3);
}

#[test]
fn a_restore_leaves_neither_the_connection_nor_its_tls_sessions() {
    let mut connection = Connection::to(&Url::parse("http://127.0.0.1:1/").unwrap());
    connection.client().unwrap();
    assert!(connection.tls.is_some() && connection.may_be_open());
    connection.forget();
    assert!(connection.tls.is_none() && !connection.may_be_open());
}

#[test]
fn roots_are_loaded_for_https_alone() {
    assert!(roots(false).is_empty());
    assert!(roots(true).len() > 50);
    let mut plain = Connection::to(&Url::parse("http://127.0.0.1:1/").unwrap());
    assert!(plain.tls.is_none());
    plain.client().unwrap();
    assert!(plain.tls.is_some());
}

#[test]
fn only_addresses_of_this_machine_are_kept_from_the_proxy() {
    for (url, uses_proxy) in [
        ("http://127.0.0.1:1/", false),
        ("http://127.9.9.9/", false),
        ("http://[::1]:1/", false),
        ("http://localhost:1/", false),
        ("http://xray.localhost/", false),
        ("https://xray.eu-west-1.amazonaws.com/", true),
        ("http://192.0.2.1/", true),
        ("http://localhost.example.com/", true),
    ] {
        assert_eq!(
            Connection::to(&Url::parse(url).unwrap()).uses_proxy,
            uses_proxy,
            "{url}"
        );
    }
}

#[test]
fn errors_of_the_set_up_name_what_was_set_up() {
    let error = BuildError::from(rustls::Error::General("no".to_owned()));
    assert_eq!(error.to_string(), "could not set up TLS");
    assert!(error.source().is_some());
}
