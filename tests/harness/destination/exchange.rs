//! One connection from its beginning to its end.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::time::Timestamp;
use rustls::HandshakeKind;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::act::Act;
use super::door::Door;
use super::http::{Answer, GONE_BEHIND, Line, Request, Wire, begins_call, pause, write};
use super::record::{Asked, Call, Document};
use super::state::{Inner, State};

/// Clocks may differ by this much, as for AWS.
const SKEW_MAX: Duration = Duration::from_secs(300);
/// Bytes of an answer that is far too long.
const HUGE: usize = 1 << 20;

/// Which connection it is, and how it is received.
pub(super) struct Meeting {
    pub(super) door: Door,
    pub(super) number: usize,
}

/// Everything that happens on a connection.
pub(super) async fn receive(stream: TcpStream, meeting: Meeting, state: Arc<State>) {
    let mut ends = state.ends();
    ends.borrow_and_update();
    tokio::select! {
        // The stream is dropped with its task: that closes it in good order.
        _ = ends.changed() => {}
        () = talk(stream, meeting, &state) => {}
    }
    state.change(|inner| inner.received.ended += 1);
}

async fn talk(mut stream: TcpStream, meeting: Meeting, state: &State) {
    match meeting.door {
        Door::Silent | Door::Full | Door::Closed => leave(&mut stream).await,
        Door::Resets => reset(&stream),
        Door::Babbles => {
            // Read first: what is left unread would turn the end into a reset.
            let mut hello = [0; 1024];
            if stream.read(&mut hello).await.is_ok() {
                let _ = stream.write_all(b"220 welcome to the wrong port\r\n").await;
            }
        }
        Door::Open => match state.tls() {
            None => serve(BufReader::new(stream), meeting.number, state).await,
            Some(config) => match TlsAcceptor::from(config).accept(stream).await {
                Ok(stream) => {
                    let kind = stream.get_ref().1.handshake_kind();
                    state.change(|inner| match kind {
                        Some(HandshakeKind::Resumed) => inner.received.handshakes.resumed += 1,
                        _ => inner.received.handshakes.full += 1,
                    });
                    serve(BufReader::new(stream), meeting.number, state).await;
                }
                Err(_) => state.change(|inner| inner.received.handshakes.failed += 1),
            },
        },
    }
}

/// Reads until the other side gives up.
async fn leave(stream: &mut (impl AsyncReadExt + Unpin)) {
    let mut bytes = [0; 4096];
    while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
}

fn reset(stream: &TcpStream) {
    // Of a connection that is over already there is nothing to reset.
    let _ = stream.set_zero_linger();
}

async fn serve(mut line: Line<impl Wire>, number: usize, state: &State) {
    while let Some(is_call) = begins_call(&mut line).await {
        let result = if is_call {
            call(&mut line, number, state).await
        } else {
            aside(&mut line, state).await
        };
        if result.is_err() {
            return;
        }
    }
}

/// PutTraceSegments. An error ends the connection.
async fn call(line: &mut Line<impl Wire>, connection: usize, state: &State) -> io::Result<()> {
    let act = state.change(Inner::next_act);
    let mut call = Call {
        connection,
        at: Instant::now(),
        signed_at: String::new(),
        key: String::new(),
        documents: Vec::new(),
        act: act.clone(),
        refused: None,
        is_acknowledged: false,
        is_answered: false,
        acknowledged_at: None,
    };
    if act == Act::ResetUnread {
        state.record(call);
        reset(line.get_ref().socket());
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    let request = Request::read(line).await.ok_or(io::ErrorKind::UnexpectedEof)?;
    call.signed_at = request.header("x-amz-date").to_owned();
    call.key = key_of(request.header("authorization")).to_owned();
    call.documents = documents(&request.body);
    let answer = state.change(|inner| judge(inner, &mut call));
    let place = state.record(call);
    let performed = perform(line, &act, &answer).await;
    match &performed {
        Ok(()) => state.acknowledged(place),
        Err(error) if error.kind() == GONE_BEHIND => state.answered(place),
        Err(_) => {}
    }
    performed?;
    if act == Act::TakeAndClose {
        line.get_mut().shutdown().await?;
        return Err(io::ErrorKind::NotConnected.into());
    }
    Ok(())
}

/// Everything else: the tally, samplers' questions, and credentials.
async fn aside(line: &mut Line<impl Wire>, state: &State) -> io::Result<()> {
    let request = Request::read(line).await.ok_or(io::ErrorKind::UnexpectedEof)?;
    let answer = state.change(|inner| {
        if let Some((status, body)) = inner.for_samplers.get(request.path()) {
            let (status, body) = (*status, body.to_string());
            inner.received.asked.push(Asked {
                path: request.path().to_owned(),
                key: key_of(request.header("authorization")).to_owned(),
                body: serde_json::from_slice(&request.body).unwrap_or_default(),
            });
            return plain(inner, status, body);
        }
        let body = if request.is_for("/credentials") {
            inner.received.credentials += 1;
            let key = if inner.keys.len() > 1 {
                inner.keys.pop_front()
            } else {
                inner.keys.front().cloned()
            };
            let expires = inner.now().after(Duration::from_secs(3600)).to_iso8601();
            json!({ "AccessKeyId": key, "SecretAccessKey": "secret", "Token": "token", "Expiration": expires })
        } else {
            inner.received.told += 1;
            json!({})
        };
        plain(inner, 200, body.to_string())
    });
    write(line, &answer.bytes()).await
}

/// Decides which documents are taken and what is said of it.
fn judge(inner: &Inner, call: &mut Call) -> Answer {
    if !call.act.takes() {
        return match &call.act {
            Act::Status {
                status,
                headers,
                body,
            } => Answer {
                headers: headers.clone(),
                ..plain(inner, *status, body.clone())
            },
            _ => plain(inner, 200, String::new()),
        };
    }
    if let Some(message) = skew(inner, &call.signed_at) {
        call.refused = Some("InvalidSignatureException");
        return refusal(inner, "InvalidSignatureException", &message);
    }
    if inner.expired_keys.contains(&call.key) {
        call.refused = Some("ExpiredTokenException");
        return refusal(
            inner,
            "ExpiredTokenException",
            "The security token included in the request is expired",
        );
    }
    let refused = match &call.act {
        Act::Unprocessed { code, containing } => Some((code, containing)),
        _ => None,
    };
    let mut items = Vec::new();
    for document in &mut call.documents {
        match refused {
            Some((code, text)) if document.text.contains(text.as_str()) => {
                items.push(json!({ "Id": document.id, "ErrorCode": code, "Message": "as the script says" }));
            }
            _ => document.is_taken = true,
        }
    }
    let mut body = json!({ "UnprocessedTraceSegments": items }).to_string();
    if call.act == Act::TakeHugely {
        body.push_str(&" ".repeat(HUGE));
    }
    plain(inner, 200, body)
}

fn plain(inner: &Inner, status: u16, body: String) -> Answer {
    Answer {
        status,
        headers: Vec::new(),
        body,
        now: inner.now(),
    }
}

fn refusal(inner: &Inner, code: &str, message: &str) -> Answer {
    let headers = vec![("x-amzn-errortype".to_owned(), format!("{code}:"))];
    Answer {
        headers,
        ..plain(inner, 403, json!({ "message": message }).to_string())
    }
}

/// AWS's words for a signature of another time.
fn skew(inner: &Inner, signed_at: &str) -> Option<String> {
    let (now, signed) = (inner.now(), compact_time(signed_at)?);
    let server = basic(now);
    if signed.after(SKEW_MAX) < now {
        let bound = basic(now.before(SKEW_MAX));
        return Some(format!(
            "Signature expired: {signed_at} is now earlier than {bound} ({server} - 5 min.)"
        ));
    }
    if now.after(SKEW_MAX) < signed {
        let bound = basic(now.after(SKEW_MAX));
        return Some(format!(
            "Signature not yet current: {signed_at} is still later than {bound} ({server} + 5 min.)"
        ));
    }
    None
}

/// `20260521T100000Z`.
fn basic(time: Timestamp) -> String {
    let iso = time.to_iso8601();
    let seconds = iso.split(['.', 'Z']).next().unwrap_or_default();
    format!("{}Z", seconds.replace(['-', ':'], ""))
}

fn compact_time(text: &str) -> Option<Timestamp> {
    let part = |range| text.get(range);
    let iso = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0..4)?,
        part(4..6)?,
        part(6..8)?,
        part(9..11)?,
        part(11..13)?,
        part(13..15)?
    );
    Timestamp::parse_iso8601(&iso)
}

fn key_of(authorization: &str) -> &str {
    let rest = authorization.split("Credential=").nth(1).unwrap_or_default();
    rest.split('/').next().unwrap_or_default()
}

fn documents(body: &[u8]) -> Vec<Document> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let texts = body["TraceSegmentDocuments"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let read = |text: Value| {
        let text = text.as_str().unwrap_or_default().to_owned();
        let document: Value = serde_json::from_str(&text).unwrap_or_default();
        Document {
            id: document["id"].as_str().unwrap_or_default().to_owned(),
            text,
            is_taken: false,
        }
    };
    texts.into_iter().map(read).collect()
}

/// Does what the script says. Success means that the other side has the whole answer.
async fn perform(line: &mut Line<impl Wire>, act: &Act, answer: &Answer) -> io::Result<()> {
    let whole = answer.bytes();
    let half = whole.get(..whole.len() - 1).unwrap_or_default();
    match act {
        Act::Take | Act::TakeAndClose | Act::Unprocessed { .. } | Act::Status { .. } => {
            write(line, &whole).await
        }
        Act::TakeHugely => {
            write(line, &whole).await?;
            // Nobody reads that much of an answer.
            Err(io::ErrorKind::NotConnected.into())
        }
        Act::TakeLate(time) => {
            pause(line, *time).await?;
            write(line, &whole).await
        }
        Act::TakeSlowly(time) => {
            for byte in half {
                pause(line, *time).await?;
                let written = write(line, &[*byte]).await;
                written.map_err(|_| io::ErrorKind::UnexpectedEof)?;
            }
            pause(line, *time).await?;
            write(line, whole.get(half.len()..).unwrap_or_default()).await
        }
        Act::TakeAndReset | Act::Reset | Act::ResetUnread => {
            reset(line.get_ref().socket());
            Err(io::ErrorKind::ConnectionReset.into())
        }
        Act::TakeAndResetHalfway => {
            write(line, half)
                .await
                .map_err(|_| io::ErrorKind::UnexpectedEof)?;
            reset(line.get_ref().socket());
            Err(io::ErrorKind::ConnectionReset.into())
        }
        Act::TakeAndCloseHalfway => {
            write(line, half)
                .await
                .map_err(|_| io::ErrorKind::UnexpectedEof)?;
            Err(io::ErrorKind::NotConnected.into())
        }
        Act::HalfClose => {
            line.get_mut().shutdown().await?;
            leave(line).await;
            Err(io::ErrorKind::NotConnected.into())
        }
        Act::TakeAndStall | Act::Stall => {
            leave(line).await;
            Err(io::ErrorKind::NotConnected.into())
        }
        Act::Garbage => {
            write(line, b"\x00\x01 not HTTP at all\r\n\r\n").await?;
            Err(io::ErrorKind::NotConnected.into())
        }
    }
}
