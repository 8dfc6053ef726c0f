//! Requests as SDKs send them, and as nobody should.

use std::io::Write;
use std::net::Ipv4Addr;

use flate2::Compression;
use flate2::write::GzEncoder;
use model::ids::{SegmentId, TraceId};
use model::otlp::encode;
use model::otlp::request::{Group, Writer};
use model::otlp::span::Span;

use super::super::http::tests::ask_with;
use super::*;

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

async fn listen() -> (SocketAddr, mpsc::Receiver<Posted>) {
    let listener = SpanListener::bind((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let address = listener.listener.local_addr().unwrap();
    let (sender, posted) = mpsc::channel(8);
    tokio::spawn(listener.serve(sender));
    (address, posted)
}

/// A request of spans with these ids, each with a name so long.
fn request(ids: &[u8], name_bytes: usize) -> Vec<u8> {
    let name = "n".repeat(name_bytes);
    let mut request = Writer::default();
    request.begin(&Group::default());
    for id in ids {
        let mut span = Span::new(TraceId::from_bytes([7; 16]), SegmentId::from_bytes([*id; 8]));
        span.name = name.as_str().into();
        let mut bytes = Vec::new();
        encode::span(&span, &mut bytes);
        request.span(&bytes);
    }
    request.finish()
}

fn packed(body: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(body).unwrap();
    out.finish().unwrap()
}

/// Status and body of the answer to `POST /v1/traces` with these headers.
async fn post(to: SocketAddr, headers: &[(&str, &str)], body: &[u8]) -> (u16, Vec<u8>) {
    send(to, "POST /v1/traces", headers, body).await
}

async fn send(to: SocketAddr, line: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, Vec<u8>) {
    let mut head = format!("{line} HTTP/1.1");
    for (name, value) in headers {
        head.push_str(&format!("\r\n{name}: {value}"));
    }
    let answer = ask_with(to, &head, body).await;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    (head[9..12].parse().unwrap(), answer[end + 4..].to_vec())
}

async fn spans(posted: &mut mpsc::Receiver<Posted>) -> Export {
    match posted.recv().await {
        Some(Posted::Spans(export)) => export,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn spans_are_taken_in_every_form_that_sdks_have() {
    let (address, mut posted) = listen().await;
    let body = request(&[1, 2], 4);
    let json = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[
        {"traceId":"07070707070707070707070707070707","spanId":"0101010101010101","name":"nnnn"},
        {"traceId":"07070707070707070707070707070707","spanId":"0202020202020202","name":"nnnn"}]}]}]}"#;
    for (headers, body, answer) in [
        (vec![("content-type", PROTOBUF)], body.clone(), &b""[..]),
        (vec![("Content-Type", "application/protobuf")], body.clone(), b""),
        (
            vec![("content-type", PROTOBUF), ("content-encoding", "gzip")],
            packed(&body),
            b"",
        ),
        (
            vec![("content-type", PROTOBUF), ("content-encoding", "identity")],
            body.clone(),
            b"",
        ),
        (
            vec![("content-type", "Application/JSON; charset=utf-8")],
            json.to_vec(),
            b"{}",
        ),
        (
            vec![("content-type", JSON), ("content-encoding", "GZIP")],
            packed(json),
            b"{}",
        ),
    ] {
        assert_eq!(
            post(address, &headers, &body).await,
            (200, answer.to_vec()),
            "{headers:?}"
        );
        let export = spans(&mut posted).await;
        let ids: Vec<_> = export.spans.iter().map(|span| span.head.id.to_bytes()).collect();
        assert_eq!(ids, [[1; 8], [2; 8]], "{headers:?}");
    }
}

#[tokio::test]
async fn what_is_not_taken_of_a_request_is_told_as_the_protocol_says() {
    let (address, mut posted) = listen().await;
    let (status, answer) = post(address, &[("content-type", PROTOBUF)], &request(&[1, 0, 2, 0], 4)).await;
    let told = Answer::from_protobuf(&answer).unwrap();
    assert_eq!((status, told.rejected), (200, 2));
    assert_eq!(told.message, "missing or invalid span_id");
    let export = spans(&mut posted).await;
    assert_eq!((export.spans.len(), export.refused.len()), (2, 2));
}

#[tokio::test]
async fn bad_requests_hear_why_in_their_own_form_and_are_counted() {
    let (address, mut posted) = listen().await;
    let good = request(&[1], 4);
    let cut = &good[..good.len() - 1];
    let protobuf = ("content-type", PROTOBUF);
    let gzip = ("content-encoding", "gzip");
    for (headers, body, status, word) in [
        (vec![protobuf], b"{}".to_vec(), 400, "protobuf"),
        (vec![protobuf], cut.to_vec(), 400, "cut short"),
        (vec![protobuf, gzip], good.clone(), 400, "gzip"),
        (
            vec![protobuf, gzip],
            packed(&good)[..20].to_vec(),
            400,
            "cut short",
        ),
        (
            vec![protobuf, ("content-encoding", "br")],
            good.clone(),
            415,
            "gzip",
        ),
        (vec![("content-type", JSON)], good.clone(), 400, "JSON"),
        (vec![("content-type", JSON)], b"[]".to_vec(), 400, "JSON"),
        (vec![("content-type", "text/plain")], good.clone(), 415, JSON),
        (vec![], good.clone(), 415, PROTOBUF),
    ] {
        let (found, answer) = post(address, &headers, &body).await;
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert_eq!(found, status, "{headers:?} {text}");
        assert!(text.contains(word), "{headers:?} {text}");
        let is_json = text.starts_with('{');
        assert_eq!(is_json, !headers.contains(&protobuf), "{headers:?} {text}");
        assert!(
            matches!(posted.recv().await, Some(Posted::Damaged(_))),
            "{headers:?}"
        );
    }
}

#[tokio::test]
async fn a_body_is_taken_up_to_its_bound_packed_and_unpacked() {
    let (address, mut posted) = listen().await;
    // Spans of a size that is taken, as many as fill the bound, and the rest in an unknown field.
    let mut body = request(&[1; 24], 170_000);
    let rest = OTLP_BODY_MAX - body.len();
    body.extend([0x7a, 0x80, 0x80, 0x80, 0]);
    let filler = rest - 5;
    let length = u32::try_from(filler).unwrap();
    for (place, shift) in [(4, 0), (3, 7), (2, 14), (1, 21)] {
        let bits = u8::try_from((length >> shift) & 0x7f).unwrap();
        let at = body.len() - place;
        body[at] = if place == 1 { bits } else { bits | 0x80 };
    }
    body.resize(OTLP_BODY_MAX, b'x');
    let protobuf = ("content-type", PROTOBUF);
    let gzip = ("content-encoding", "gzip");
    assert_eq!(post(address, &[protobuf], &body).await.0, 200);
    assert_eq!(spans(&mut posted).await.spans.len(), 24);
    assert_eq!(post(address, &[protobuf, gzip], &packed(&body)).await.0, 200);
    assert_eq!(spans(&mut posted).await.spans.len(), 24);
    body.push(0);
    assert_eq!(post(address, &[protobuf], &body).await.0, 413);
    assert!(matches!(posted.recv().await, Some(Posted::Damaged(_))));
    let bomb = packed(&vec![0; 2 * OTLP_BODY_MAX]);
    assert!(bomb.len() < OTLP_BODY_MAX, "{}", bomb.len());
    let (status, answer) = post(address, &[protobuf, gzip], &bomb).await;
    assert_eq!(status, 413, "{}", String::from_utf8_lossy(&answer));
    assert!(matches!(posted.recv().await, Some(Posted::Damaged(_))));
}

#[tokio::test]
async fn metrics_and_logs_are_answered_and_counted() {
    let (address, mut posted) = listen().await;
    for (path, kind) in [("/v1/metrics", Foreign::Metrics), ("/v1/logs", Foreign::Logs)] {
        for (encoding, answer) in [(PROTOBUF, &b""[..]), (JSON, b"{}")] {
            let headers = [("content-type", encoding)];
            let line = format!("POST {path}");
            assert_eq!(
                send(address, &line, &headers, b"anything").await,
                (200, answer.to_vec())
            );
            assert!(matches!(posted.recv().await, Some(Posted::Foreign(found)) if found == kind));
        }
    }
}

#[tokio::test]
async fn other_requests_hear_what_is_taken() {
    let (address, mut posted) = listen().await;
    for (line, status, word) in [
        ("GET /v1/traces", 405, "POST"),
        ("POST /", 404, "POST /v1/traces"),
        ("POST /v1/traces/", 404, "POST /v1/traces"),
    ] {
        let (found, answer) = send(address, line, &[("content-type", JSON)], b"").await;
        let text = String::from_utf8(answer).unwrap();
        assert_eq!(found, status, "{line}");
        assert!(text.contains(word), "{line} {text}");
    }
    assert!(posted.try_recv().is_err());
}
