//! An HTTP server that plays a script, for the tests of the outbounds.
//!
//! Each request takes the next act of the script, whichever connection it comes on; when the script is
//! over, requests get the last word: an empty X-Ray answer.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of one request.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// An answer; the connection stays.
    Answer {
        status: u16,
        headers: String,
        body: String,
    },
    /// An empty X-Ray answer, then the connection is closed in good order.
    AnswerAndClose,
    /// The request is read whole, then the connection is reset.
    Reset,
    /// The request is read, and that is all.
    Stall,
    /// Headers and half an answer, then nothing more.
    StallHalfway,
    /// Headers and half an answer, then the connection is closed.
    CloseHalfway,
    /// Success without an end.
    Flood,
}

/// One request as it came.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Number of the connection it came on, from 0.
    pub(super) connection: usize,
    /// Request line and headers.
    pub(super) head: String,
    /// The content, as text.
    pub(super) body: String,
    /// The content.
    pub(super) bytes: Vec<u8>,
}

impl Seen {
    /// A header's value, empty if absent.
    pub(super) fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .next()
            .unwrap_or("")
    }
}

/// The server; it ends with the test's runtime.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) address: SocketAddr,
    play: Arc<Mutex<Play>>,
}

#[derive(Debug, Default)]
struct Play {
    script: VecDeque<Act>,
    seen: Vec<Seen>,
}

pub(super) fn answer(status: u16, body: &str) -> Act {
    Act::Answer {
        status,
        headers: String::new(),
        body: body.to_owned(),
    }
}

pub(super) fn answer_with(status: u16, headers: &str, body: &str) -> Act {
    Act::Answer {
        status,
        headers: format!("{headers}\r\n"),
        body: body.to_owned(),
    }
}

pub(super) fn all_taken() -> Act {
    answer(200, r#"{"UnprocessedTraceSegments":[]}"#)
}

impl Stage {
    pub(super) async fn open(script: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = script.into_iter().collect();
        let play = Arc::new(Mutex::new(Play {
            script,
            seen: Vec::new(),
        }));
        let shared = Arc::clone(&play);
        tokio::spawn(async move {
            for connection in 0.. {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                tokio::spawn(serve(stream, connection, Arc::clone(&shared)));
            }
        });
        Self { address, play }
    }

    /// The requests so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        lock(&self.play).seen.clone()
    }

    /// Which connections the requests came on.
    pub(super) fn connections(&self) -> Vec<usize> {
        lock(&self.play).seen.iter().map(|seen| seen.connection).collect()
    }
}

fn lock(play: &Mutex<Play>) -> MutexGuard<'_, Play> {
    play.lock().unwrap()
}

async fn serve(stream: TcpStream, connection: usize, play: Arc<Mutex<Play>>) {
    let mut stream = BufReader::new(stream);
    while let Some((head, bytes)) = read_request(&mut stream).await {
        let act = {
            let mut play = lock(&play);
            play.seen.push(Seen {
                connection,
                head,
                body: String::from_utf8_lossy(&bytes).into_owned(),
                bytes,
            });
            play.script.pop_front().unwrap_or_else(all_taken)
        };
        let (text, goes_on) = match act {
            Act::Answer {
                status,
                headers,
                body,
            } => (message(status, &headers, &body), true),
            Act::AnswerAndClose => (message(200, "", "{}"), false),
            Act::Reset => {
                stream.get_ref().set_zero_linger().unwrap();
                return;
            }
            Act::Stall => {
                std::future::pending::<()>().await;
                return;
            }
            Act::StallHalfway => {
                stream.get_mut().write_all(half().as_bytes()).await.unwrap();
                std::future::pending::<()>().await;
                return;
            }
            Act::CloseHalfway => (half(), false),
            Act::Flood => {
                let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                let chunk = format!("4000\r\n{}\r\n", " ".repeat(0x4000));
                let mut result = stream.get_mut().write_all(head.as_bytes()).await;
                while result.is_ok() {
                    result = stream.get_mut().write_all(chunk.as_bytes()).await;
                }
                return;
            }
        };
        if stream.get_mut().write_all(text.as_bytes()).await.is_err() || !goes_on {
            return;
        }
    }
}

fn message(status: u16, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} x\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn half() -> String {
    "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"Unprocessed".to_owned()
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_ascii_lowercase();
    let length = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, body))
}
