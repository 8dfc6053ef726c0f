//! How the exec wrapper finds out whether the proxy of its own sandbox answers.
//!
//! A port that is taken by somebody else may answer anything; a proxy says whose Runtime API it leads to.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What the wrapper asks.
pub const QUESTION: &[u8] =
    b"GET /fluoroscope/proxy HTTP/1.1\r\nHost: fluoroscope\r\nConnection: close\r\n\r\n";
/// Longest answer that is read.
const ANSWER_MAX_BYTES: u64 = 1024;

/// What the proxy answers.
pub(crate) fn answer(runtime_api: &str) -> String {
    let length = runtime_api.len();
    format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{runtime_api}")
}

/// Whether the proxy of this Runtime API answers there, within the time.
///
/// # Errors
/// Nobody answers; [`io::ErrorKind::ConnectionRefused`] may pass when the extension has only just begun.
pub fn ask(address: SocketAddr, runtime_api: &str, time: Duration) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, time)?;
    stream.set_read_timeout(Some(time))?;
    stream.set_write_timeout(Some(time))?;
    stream.write_all(QUESTION)?;
    let mut text = String::new();
    stream.take(ANSWER_MAX_BYTES).read_to_string(&mut text)?;
    Ok(text == answer(runtime_api))
}
