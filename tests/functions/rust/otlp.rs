//! Spans over OTLP/HTTP with JSON bodies, by the standard library alone: what the peer of `cargo xtask bench` takes.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

use model::trace_header::TraceHeader;
use serde_json::{Value, json};

/// Spans in one call, as an SDK's batch exporter sends them.
const SPANS_PER_CALL: u64 = 50;
const KILOBYTE: usize = 1024;

/// Posts this many spans to `OTEL_EXPORTER_OTLP_ENDPOINT` over one connection.
pub(crate) fn post(header: &TraceHeader, spans: u64) -> io::Result<()> {
    let endpoint = std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT").map_err(io::Error::other)?;
    let host = endpoint.trim_start_matches("http://");
    let trace = header.trace_id().map(|trace| trace.to_w3c()).unwrap_or_default();
    let parent = header.parent_id().map(|parent| parent.to_string());
    let mut connection = BufReader::new(TcpStream::connect(host)?);
    connection.get_ref().set_nodelay(true)?;
    let mut number = 0;
    while number < spans {
        let until = spans.min(number + SPANS_PER_CALL);
        let filler = if spans > SPANS_PER_CALL {
            "m".repeat(KILOBYTE)
        } else {
            String::new()
        };
        let spans: Vec<Value> = (number..until)
            .map(|number| span(&trace, parent.as_deref(), number + 1, &filler))
            .collect();
        let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans }] }] }).to_string();
        ask(&mut connection, host, &body)?;
        number = until;
    }
    Ok(())
}

fn span(trace: &str, parent: Option<&str>, number: u64, filler: &str) -> Value {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    json!({
        "traceId": trace,
        "spanId": format!("{number:016x}"),
        "parentSpanId": parent.unwrap_or_default(),
        "name": "span",
        "kind": 1,
        "startTimeUnixNano": (now - 1_000_000).to_string(),
        "endTimeUnixNano": now.to_string(),
        "attributes": [{ "key": "filler", "value": { "stringValue": filler } }],
    })
}

fn ask(connection: &mut BufReader<TcpStream>, host: &str, body: &str) -> io::Result<()> {
    let request = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.get_mut().write_all(request.as_bytes())?;
    let (mut line, mut length) = (String::new(), 0);
    connection.read_line(&mut line)?;
    if !line.contains(" 200 ") {
        return Err(io::Error::other(line));
    }
    loop {
        line.clear();
        if connection.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    io::copy(&mut connection.by_ref().take(length), &mut io::sink())?;
    Ok(())
}
