//! HTTP/1.1 by hand: one request after another, and answers as the script wants them.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, UNIX_EPOCH};

use model::time::Timestamp;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader,
};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// What a connection is made of: a socket, or TLS over one.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {
    /// The socket itself.
    fn socket(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Wire for TlsStream<TcpStream> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// A connection and what was read ahead of it.
pub(super) type Line<W> = BufReader<W>;

/// Request line, headers and content.
pub(super) struct Request {
    head: String,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// Reads one whole; `None` at the end of the connection.
    pub(super) async fn read(line: &mut Line<impl Wire>) -> Option<Self> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if line.read_line(&mut head).await.ok()? == 0 {
                return None;
            }
        }
        let mut request = Self {
            head,
            body: Vec::new(),
        };
        let length = request.header("content-length");
        let length = if length.is_empty() {
            0
        } else {
            length.parse().ok()?
        };
        request.body.resize(length, 0);
        line.read_exact(&mut request.body).await.ok()?;
        Some(request)
    }

    /// A header's value, empty if absent.
    pub(super) fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value.trim())
    }

    /// What it asks for.
    pub(super) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// Whether it asks for a path that ends like this.
    pub(super) fn is_for(&self, path: &str) -> bool {
        self.path().ends_with(path)
    }
}

/// Waits for the first bytes of a request and looks whether they are of PutTraceSegments, reading none.
pub(super) async fn begins_call(line: &mut Line<impl Wire>) -> Option<bool> {
    let begun = line.fill_buf().await.ok()?;
    let first = begun.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let is_call = String::from_utf8_lossy(first).contains("/TraceSegments ");
    (!begun.is_empty()).then_some(is_call)
}

/// An answer before it is put into bytes.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
    /// The destination's clock.
    pub(super) now: Timestamp,
}

impl Answer {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let since_epoch = u64::try_from(self.now.as_micros()).expect("it is later than 1970");
        let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_micros(since_epoch));
        let further: String = self
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let (status, length, body) = (self.status, self.body.len(), &self.body);
        format!("HTTP/1.1 {status} Word\r\ndate: {date}\r\n{further}content-length: {length}\r\n\r\n{body}")
            .into_bytes()
    }
}

/// What it means that the other side was gone when everything had been written: before, or after it had read it.
pub(super) const GONE_BEHIND: io::ErrorKind = io::ErrorKind::ConnectionAborted;

/// Writes everything; an error if the other side had gone by then.
pub(super) async fn write(line: &mut Line<impl Wire>, bytes: &[u8]) -> io::Result<()> {
    line.get_mut().write_all(bytes).await?;
    line.get_mut().flush().await?;
    check_presence(line).await
}

/// Waits, and fails if the other side leaves meanwhile.
pub(super) async fn pause(line: &mut Line<impl Wire>, time: Duration) -> io::Result<()> {
    tokio::select! {
        () = tokio::time::sleep(time) => Ok(()),
        read = line.fill_buf() => match read {
            Ok(bytes) if !bytes.is_empty() => Err(io::Error::other("a request before the answer to the last one")),
            Ok(_) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) => Err(error),
        },
    }
}

/// Whether the other side is still there. Loopback tells at once.
async fn check_presence(line: &mut Line<impl Wire>) -> io::Result<()> {
    poll_fn(|context| {
        Poll::Ready(match Pin::new(&mut *line).poll_fill_buf(context) {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok([])) => Err(GONE_BEHIND.into()),
            Poll::Ready(Ok(_)) => Ok(()),
            Poll::Ready(Err(error)) => Err(error),
        })
    })
    .await
}
