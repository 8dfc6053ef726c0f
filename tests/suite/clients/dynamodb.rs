//! A DynamoDB that has one answer to everything.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What it answers.
#[derive(Clone, Copy)]
pub(super) enum Answer {
    /// One table, to ListTables.
    Tables,
    /// HTTP 400 with a modelled exception.
    Refusal,
}

/// A running server; dropping it ends it.
pub(super) struct Dynamodb {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Dynamodb {
    /// Listens on a free port.
    pub(super) async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that goes away in the middle is its own affair.
                let _ = serve(stream, answer).await;
            }
        });
        Self { address, task }
    }

    /// For the SDK's endpoint setting.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Dynamodb {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, answer: Answer) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 2 {
        let header = line.to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or_default();
        }
        line.clear();
    }
    stream.read_exact(&mut vec![0; length]).await?;
    let (status, body) = match answer {
        Answer::Tables => ("200 OK", r#"{"TableNames":["orders"]}"#),
        Answer::Refusal => (
            "400 Bad Request",
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"no such table"}"#,
        ),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/x-amz-json-1.0\r\nx-amzn-RequestId: ORDERS1\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await
}
