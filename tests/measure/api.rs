//! A minimal Extensions and Telemetry API, with threads that wait: what it adds to a figure is one wake-up.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;

/// Connections served at once; an extension opens three at most, and the runtime two.
const CONNECTIONS: usize = 6;
/// Calls not yet looked at; beyond it the caller waits.
const CALLS: usize = 64;
/// Longest wait for a call.
const CALL_BOUND: Duration = Duration::from_secs(10);

const REGISTERED: &str = r#"{"functionName":"orders","functionVersion":"$LATEST","handler":"app.handler"}"#;
const IDENTIFIER: &str = "5b6c1f0e-2f7d-4a7c-9d8e-3c1b2a090807";

/// A call of an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// POST /register, answered.
    Register,
    /// PUT /telemetry, answered 200.
    Subscribe,
    /// GET /event/next, never answered.
    Next,
    /// GET of the runtime's next invocation, answered at once.
    Invocation,
    /// POST of the runtime's response, answered 202.
    Response,
    /// Anything else, answered 404.
    Other,
}

/// The API.
pub(crate) struct Api {
    address: SocketAddr,
    calls: Receiver<(Instant, Call)>,
}

impl Api {
    /// Serves until the program ends.
    pub(crate) fn start() -> Outcome<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let (sender, calls) = sync_channel(CALLS);
        for _ in 0..CONNECTIONS {
            let (listener, sender) = (listener.try_clone()?, sender.clone());
            thread::spawn(move || {
                while let Ok((connection, _)) = listener.accept() {
                    // A connection that breaks is one whose process was ended.
                    let _ = serve(connection, &sender);
                }
            });
        }
        Ok(Self { address, calls })
    }

    /// `AWS_LAMBDA_RUNTIME_API`.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// When this call arrived.
    pub(crate) fn wait_for(&self, wanted: Call) -> Outcome<Instant> {
        loop {
            let (at, call) = self
                .calls
                .recv_timeout(CALL_BOUND)
                .map_err(|_| format!("no {wanted:?} within {CALL_BOUND:?}"))?;
            if call == wanted {
                return Ok(at);
            }
        }
    }

    /// Forgets calls of a process that was ended.
    pub(crate) fn forget(&self) {
        while self.calls.try_recv().is_ok() {}
    }
}

fn serve(connection: TcpStream, calls: &SyncSender<(Instant, Call)>) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut connection = BufReader::new(connection);
    let mut line = String::new();
    while read_line(&mut connection, &mut line)? {
        let at = Instant::now();
        let call = call(&line);
        let mut length = 0;
        while read_line(&mut connection, &mut line)? && line != "\r\n" {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        io::copy(&mut connection.by_ref().take(length), &mut io::sink())?;
        if calls.send((at, call)).is_err() {
            return Ok(());
        }
        let (status, body) = match call {
            Call::Register => ("200 OK", REGISTERED),
            Call::Subscribe => ("200 OK", "\"OK\""),
            Call::Next => continue,
            Call::Invocation => ("200 OK", "{}"),
            Call::Response => ("202 Accepted", ""),
            Call::Other => ("404 Not Found", "{}"),
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\nlambda-extension-identifier: {IDENTIFIER}\r\nlambda-runtime-aws-request-id: r-1\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.get_mut().write_all(answer.as_bytes())?;
    }
    Ok(())
}

/// False at the end of the connection.
fn read_line(connection: &mut BufReader<TcpStream>, line: &mut String) -> io::Result<bool> {
    line.clear();
    Ok(connection.read_line(line)? > 0)
}

fn call(request_line: &str) -> Call {
    let mut words = request_line.split_whitespace();
    match (words.next(), words.next()) {
        (Some("POST"), Some("/2020-01-01/extension/register")) => Call::Register,
        (Some("GET"), Some("/2020-01-01/extension/event/next")) => Call::Next,
        (Some("PUT"), Some("/2022-07-01/telemetry")) => Call::Subscribe,
        (Some("GET"), Some("/2018-06-01/runtime/invocation/next")) => Call::Invocation,
        (Some("POST"), Some("/2018-06-01/runtime/invocation/r-1/response")) => Call::Response,
        _ => Call::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_apart_by_method_and_path() {
        let calls = [
            "POST /2020-01-01/extension/register HTTP/1.1\r\n",
            "PUT /2022-07-01/telemetry HTTP/1.1\r\n",
            "GET /2020-01-01/extension/event/next HTTP/1.1\r\n",
            "GET / HTTP/1.1\r\n",
        ];
        let expected = [Call::Register, Call::Subscribe, Call::Next, Call::Other];
        assert_eq!(calls.map(call), expected);
    }
}
