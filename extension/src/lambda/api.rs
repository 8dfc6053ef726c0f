//! The client of Lambda's APIs: HTTP/1.1 to the one address there is, over one connection at a time that is kept.
//!
//! A call that fails takes its connection with it; whether it is made again is the caller's to say.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use http::uri::InvalidUri;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use lambda_extension::Error;
use tokio::net::TcpStream;

const HTTP_PORT: u16 = 80;
/// By which Lambda knows an extension.
pub const IDENTIFIER: &str = "Lambda-Extension-Identifier";

/// Where Lambda's APIs are.
#[derive(Debug, Clone)]
pub struct Address {
    host: String,
    port: u16,
    /// In front of every path.
    base: String,
}

impl Address {
    /// Reads `AWS_LAMBDA_RUNTIME_API`: `host:port`, or a URL.
    ///
    /// # Errors
    /// It is neither.
    pub fn read(text: &str) -> Result<Self, InvalidUri> {
        let uri: Uri = text.parse()?;
        Ok(Self {
            host: uri.host().unwrap_or_default().to_owned(),
            port: uri.port_u16().unwrap_or(HTTP_PORT),
            base: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

/// What is asked for.
#[derive(Debug)]
pub struct Call<'a> {
    /// How.
    pub method: Method,
    /// Begins with a slash.
    pub path: &'a str,
    /// Who asks: a header and its value.
    pub who: (&'static str, &'a str),
    /// JSON; none for a GET.
    pub body: Option<String>,
    /// Longest answer that is read.
    pub answer_max_bytes: usize,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    /// Whether it was taken.
    pub status: StatusCode,
    /// All of them.
    pub headers: HeaderMap,
    /// None if it broke off, or is longer than is read.
    pub body: Option<Bytes>,
}

/// See the module.
#[derive(Debug)]
pub struct Api {
    address: Address,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Api {
    /// Costs nothing until the first call.
    pub fn at(address: Address) -> Self {
        Self {
            address,
            connection: None,
        }
    }

    /// Calls, and waits for the answer however long that takes.
    ///
    /// # Errors
    /// No connection, or none for long enough.
    pub async fn call(&mut self, call: Call<'_>) -> Result<Answer, Error> {
        let most = call.answer_max_bytes;
        let request = self.request(call)?;
        let mut connection = self.connected().await?;
        let answer = connection.send_request(request).await?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, most).collect().await;
        // One whose answer was not read to its end is closed by hyper, and replaced when it is asked for.
        self.connection = Some(connection);
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body.ok().map(http_body_util::Collected::to_bytes),
        })
    }

    fn request(&self, call: Call<'_>) -> Result<Request<Full<Bytes>>, Error> {
        let Address { host, port, base } = &self.address;
        let (name, value) = call.who;
        let has_body = call.body.is_some();
        let mut request = Request::builder()
            .method(call.method)
            .uri(format!("{base}{}", call.path))
            .header(HOST, format!("{host}:{port}"))
            .header(name, value)
            .body(Full::from(call.body.unwrap_or_default()))?;
        if has_body {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(CONTENT_TYPE, json);
        }
        Ok(request)
    }

    async fn connected(&mut self) -> Result<SendRequest<Full<Bytes>>, Error> {
        if let Some(mut connection) = self.connection.take()
            && connection.ready().await.is_ok()
        {
            return Ok(connection);
        }
        let Address { host, port, .. } = &self.address;
        // As URLs have it, an address of version 6 stands in brackets.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, *port)).await?;
        stream.set_nodelay(true)?;
        let (connection, work) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // How it ends is told to whoever is calling.
            let _ = work.await;
        });
        Ok(connection)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers so many calls, one connection for each list, and what it was asked.
    pub(in super::super) struct Server {
        listener: TcpListener,
    }

    impl Server {
        pub(in super::super) async fn open() -> (Self, Api) {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
            let address = listener.local_addr().expect("it is bound").to_string();
            let api = Api::at(Address::read(&address).expect("it is an address"));
            (Self { listener }, api)
        }

        /// Answers these calls over one connection, and closes it. What was asked.
        pub(in super::super) async fn answer(
            &self,
            answers: impl IntoIterator<Item = String>,
        ) -> Vec<String> {
            let (mut stream, _) = self.listener.accept().await.expect("it comes");
            let mut asked = Vec::new();
            for answer in answers {
                let mut text = String::new();
                let mut part = [0; 1024];
                while !is_whole(&text) {
                    let read = stream.read(&mut part).await.expect("it is readable");
                    assert!(read > 0, "it ended in {text:?}");
                    text.push_str(&String::from_utf8_lossy(&part[..read]));
                }
                asked.push(text);
                stream.write_all(answer.as_bytes()).await.expect("it is taken");
            }
            asked
        }
    }

    fn is_whole(request: &str) -> bool {
        let Some((head, body)) = request.split_once("\r\n\r\n") else {
            return false;
        };
        let length = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        body.len() >= length.unwrap_or(0)
    }

    pub(in super::super) fn answer(head: &str, body: &str) -> String {
        format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    fn call(path: &str) -> Call<'_> {
        Call {
            method: Method::GET,
            path,
            who: (IDENTIFIER, "e-1"),
            body: None,
            answer_max_bytes: 10,
        }
    }

    #[test]
    fn addresses_are_hosts_with_ports_or_urls_with_a_path() {
        let read = |text: &str| {
            Address::read(text)
                .map(|address| (address.host, address.port, address.base))
                .ok()
        };
        let of = |host: &str, port, base: &str| Some((host.to_owned(), port, base.to_owned()));
        assert_eq!(read("127.0.0.1:9001"), of("127.0.0.1", 9001, ""));
        assert_eq!(read("http://localhost:9001/.rt/"), of("localhost", 9001, "/.rt"));
        assert_eq!(read("http://localhost"), of("localhost", 80, ""));
        assert_eq!(read("127.0.0.1:9001/.rt"), None);
    }

    #[tokio::test]
    async fn one_connection_serves_call_after_call() {
        let (server, mut api) = Server::open().await;
        let answers = [answer("200 OK", "one"), answer("404 No", "two")];
        let calling = async {
            let one = api.call(call("/a")).await.expect("it is answered");
            let two = api.call(call("/b")).await.expect("it is answered");
            [one, two].map(|answer| (answer.status.as_u16(), answer.body.unwrap_or_default()))
        };
        let (answered, asked) = tokio::join!(calling, server.answer(answers));
        assert_eq!(answered, [(200, "one".into()), (404, "two".into())]);
        assert!(asked[0].starts_with("GET /a HTTP/1.1\r\n"), "{asked:?}");
        assert!(
            asked[0]
                .to_lowercase()
                .contains("\r\nlambda-extension-identifier: e-1\r\n"),
            "{asked:?}"
        );
        assert!(asked[1].starts_with("GET /b HTTP/1.1\r\n"), "{asked:?}");
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_is_replaced() {
        let (server, mut api) = Server::open().await;
        let answers = [answer("200 OK\r\nconnection: close", "one")];
        let one = async { api.call(call("/a")).await.map(|answer| answer.body) };
        let (one, _) = tokio::join!(one, server.answer(answers));
        assert_eq!(one.expect("it is answered"), Some("one".into()));
        let two = async { api.call(call("/b")).await.map(|answer| answer.body) };
        let (two, _) = tokio::join!(two, server.answer([answer("200 OK", "two")]));
        assert_eq!(two.expect("it is answered"), Some("two".into()));
    }

    #[tokio::test]
    async fn an_answer_longer_than_is_read_has_no_body_and_the_next_call_has_its_own_connection() {
        let (server, mut api) = Server::open().await;
        let (one, _) = tokio::join!(
            api.call(call("/a")),
            server.answer([answer("200 OK", "0123456789a")])
        );
        assert_eq!(one.expect("it is answered").body, None);
        let (two, _) = tokio::join!(
            api.call(call("/b")),
            server.answer([answer("200 OK", "0123456789")])
        );
        assert_eq!(two.expect("it is answered").body, Some("0123456789".into()));
    }

    #[tokio::test]
    async fn a_call_that_nobody_answers_fails() {
        let (server, mut api) = Server::open().await;
        let (failed, _) = tokio::join!(api.call(call("/a")), server.answer([String::new()]));
        assert!(failed.is_err());
        drop(server);
        assert!(api.call(call("/a")).await.is_err());
    }
}
