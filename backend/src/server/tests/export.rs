//! OTLP over HTTP, as exporters send it, and among the documents of PutTraceSegments.

use std::io::Write;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use model::otlp::answer::Answer as Exported;
use model::otlp::datagram;
use model::otlp::span::{Attribute, Kind, Span};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

mod trees;
use crate::samples::{bytes, lambda, request, request_of, span};

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json");

/// What an exporter hears.
struct Heard {
    status: u16,
    content_type: String,
    allow: Option<String>,
    body: Vec<u8>,
}

impl Heard {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Code and message of the `google.rpc.Status` that a refusal is.
    #[track_caller]
    fn refusal(&self) -> (u64, String) {
        if self.content_type == JSON.1 {
            let status: Value = serde_json::from_slice(&self.body).unwrap();
            let message = status["message"].as_str().unwrap().to_owned();
            return (status["code"].as_u64().unwrap(), message);
        }
        assert_eq!((self.content_type.as_str(), self.body[0]), (PROTOBUF.1, 8));
        let message = self.body.windows(2).position(|two| two[0] == 18).unwrap();
        // Behind the field's key its length, in one byte or two.
        let start = message + if self.body[message + 1] < 128 { 2 } else { 3 };
        let message = String::from_utf8(self.body[start..].to_vec()).unwrap();
        (u64::from(self.body[1]), message)
    }
}

async fn ask(backend: &Running, line: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Heard {
    let (method, path) = line.split_once(' ').unwrap();
    let url = format!("{}{path}", backend.url());
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body).unwrap();
    tokio::task::spawn_blocking(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .proxy(None)
            .build()
            .into();
        let mut response = agent.run(request).unwrap();
        let header = |name| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        Heard {
            status: response.status().as_u16(),
            content_type: header("content-type").unwrap(),
            allow: header("allow"),
            body: response.body_mut().read_to_vec().unwrap(),
        }
    })
    .await
    .unwrap()
}

async fn export(backend: &Running, headers: &[(&str, &str)], body: Vec<u8>) -> Heard {
    ask(backend, "POST /v1/traces", headers, body).await
}

/// Limits under which the samples' spans are not too old.
fn ageless() -> Limits {
    Limits {
        span_age_max: Duration::MAX,
        ..Limits::default()
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(body).unwrap();
    packed.finish().unwrap()
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(body).unwrap();
    packed.finish().unwrap()
}

/// The one trace, each entry by its name and its subsegments' names.
fn shape(backend: &Running) -> Vec<String> {
    fn line(document: &Value) -> String {
        let nested = document["subsegments"].as_array().into_iter().flatten();
        let nested: Vec<String> = nested.map(line).collect();
        let name = document["origin"].as_str().or(document["name"].as_str()).unwrap();
        if nested.is_empty() {
            return name.to_owned();
        }
        format!("{name}({})", nested.join(" "))
    }
    let traces = backend.store().traces();
    assert_eq!(traces.len(), 1);
    traces[0].segments.iter().map(|one| line(&one.document)).collect()
}

/// The handler of a function under `parent`, and a piece of its work.
fn handled(parent: u8) -> Vec<Span<'static>> {
    let mut handler = span(4, "handler", Some(parent));
    handler.kind = Kind::Server;
    vec![span(5, "price", Some(4)), handler]
}

#[tokio::test]
async fn spans_are_taken_in_every_form_and_answered_in_it() {
    let body = request(&lambda(), &[span(1, "orders", None), span(2, "price", Some(1))]);
    let json = br#"{"resourceSpans":[{"resource":{"attributes":[
        {"key":"service.name","value":{"stringValue":"orders"}},{"key":"cloud.platform","value":{"stringValue":"aws_lambda"}},
        {"key":"faas.name","value":{"stringValue":"orders"}}]},"scopeSpans":[{"spans":[
        {"traceId":"67881233abcdef012345678812345678","spanId":"0000000000000001","name":"orders","kind":2,
         "startTimeUnixNano":"1736970803120000000","endTimeUnixNano":"1736970803160000000"},
        {"traceId":"67881233abcdef012345678812345678","spanId":"0000000000000002","parentSpanId":"0000000000000001","name":"price",
         "kind":"SPAN_KIND_INTERNAL","startTimeUnixNano":1736970803120000000,"endTimeUnixNano":1736970803160000000}]}]}]}"#;
    let with = |encoding| vec![PROTOBUF, ("content-encoding", encoding)];
    let mut documents = Vec::new();
    for (headers, body, answer) in [
        (vec![PROTOBUF], body.clone(), ""),
        (vec![("Content-Type", "application/protobuf")], body.clone(), ""),
        (with("identity"), body.clone(), ""),
        (with("gzip"), gzip(&body), ""),
        (with("deflate"), zlib(&body), ""),
        (vec![JSON], json.to_vec(), "{}"),
        (
            vec![
                ("content-type", "Application/JSON; charset=utf-8"),
                ("content-encoding", "GZIP"),
            ],
            gzip(json),
            "{}",
        ),
    ] {
        let backend = running(ageless()).await;
        let heard = export(&backend, &headers, body).await;
        assert_eq!(
            (heard.status, heard.text().as_str()),
            (200, answer),
            "{headers:?}"
        );
        let kind = if answer.is_empty() { PROTOBUF.1 } else { JSON.1 };
        assert_eq!(heard.content_type, kind);
        assert_eq!(shape(&backend), ["AWS::Lambda::Function(price)"], "{headers:?}");
        documents.push(backend.store().traces());
        let counts = backend.store().counts();
        assert_eq!(
            (
                counts.calls,
                counts.exports,
                counts.documents,
                counts.spans,
                counts.accepted
            ),
            (1, 1, 2, 2, 2)
        );
    }
    assert!(documents.windows(2).all(|two| two[0] == two[1]));
}

#[tokio::test]
async fn what_is_not_taken_of_a_request_is_counted_with_the_reasons() {
    let backend = running(ageless()).await;
    let mut idless = span(1, "no id", None);
    idless.span_id = model::ids::SegmentId::from_bytes([0; 8]);
    let spans = [
        bytes(&idless),
        bytes(&span(1, "orders", None)),
        bytes(&idless),
        b"\x08".to_vec(),
    ];
    let message = "InvalidId (2): Invalid span. ErrorCode: InvalidId, Cause: missing or invalid span_id; OTLPFormatError (1): \
                   Invalid span. ErrorCode: OTLPFormatError, Cause: not a protobuf span, or one cut short";
    let heard = export(&backend, &[PROTOBUF], request_of(&[], spans)).await;
    let answer = Exported::from_protobuf(&heard.body).unwrap();
    assert_eq!(
        (heard.status, answer.rejected, &*answer.message),
        (200, 3, message)
    );
    let counts = backend.store().counts();
    assert_eq!((counts.documents, counts.spans, counts.accepted), (4, 4, 1));
    assert_eq!(counts.refused.values().sum::<u64>(), 3);

    let json = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"no ids"}]}]}]}"#;
    let heard = export(&backend, &[JSON], json.to_vec()).await;
    let answer: Value = serde_json::from_slice(&heard.body).unwrap();
    assert_eq!(
        (heard.status, &answer["partialSuccess"]["rejectedSpans"]),
        (200, &json!("1"))
    );
}

#[tokio::test]
async fn a_request_that_is_refused_hears_why_in_its_own_form() {
    let backend = running(ageless()).await;
    let good = request(&[], &[span(1, "orders", None)]);
    let cut = good.split_last().unwrap().1.to_vec();
    let packed = |encoding| vec![PROTOBUF, ("content-encoding", encoding)];
    let text = format!("\"{}\"", "x".repeat(100_000));
    for (headers, body, status, code, word) in [
        (vec![PROTOBUF], b"{}".to_vec(), 400, 3, "protobuf"),
        (vec![PROTOBUF], cut.clone(), 400, 3, "cut short"),
        (packed("gzip"), good.clone(), 400, 3, "content encoding"),
        (packed("gzip"), gzip(&good)[..20].to_vec(), 400, 3, "cut short"),
        (packed("deflate"), gzip(&good), 400, 3, "content encoding"),
        (packed("br"), good.clone(), 415, 12, "neither gzip, deflate"),
        (vec![JSON], good.clone(), 400, 3, "JSON"),
        (vec![JSON], b"[]".to_vec(), 400, 3, "an object"),
        (vec![JSON], text.into_bytes(), 400, 3, "an object"),
        (
            vec![("content-type", "text/plain")],
            good.clone(),
            415,
            12,
            JSON.1,
        ),
        (vec![], good.clone(), 415, 12, PROTOBUF.1),
        // It is still writing when it could be told.
        (vec![], vec![0; 20 << 20], 415, 12, PROTOBUF.1),
    ] {
        let heard = export(&backend, &headers, body).await;
        let in_protobuf = headers.contains(&PROTOBUF);
        assert_eq!(heard.content_type, if in_protobuf { PROTOBUF.1 } else { JSON.1 });
        let (found, message) = heard.refusal();
        assert_eq!((heard.status, found), (status, code), "{headers:?} {message}");
        let length = message.chars().count();
        let is_told = message.contains(word) || length == crate::limits::REASON_MAX_CHARS;
        assert!(
            is_told && length <= crate::limits::REASON_MAX_CHARS,
            "{headers:?} {message}"
        );
    }
    assert_eq!(backend.store().counts(), crate::store::Counts::default());
}

#[tokio::test]
async fn other_methods_and_signals_hear_what_is_taken() {
    let backend = running(Limits::default()).await;
    for (line, status, code, word) in [
        ("GET /v1/traces", 405, 12, "POST alone, not GET"),
        ("POST /v1/metrics", 404, 5, "OTEL_METRICS_EXPORTER=none"),
        ("POST /v1/logs", 404, 5, "OTEL_LOGS_EXPORTER=none"),
    ] {
        let heard = ask(&backend, line, &[PROTOBUF], Vec::new()).await;
        let (found, message) = heard.refusal();
        assert_eq!((heard.status, found), (status, code), "{message}");
        assert!(message.contains(word), "{message}");
        assert_eq!(heard.allow.as_deref(), (status == 405).then_some("POST"));
    }
    assert_eq!(export(&backend, &[PROTOBUF], Vec::new()).await.status, 200);
    let slash = ask(&backend, "POST /v1/traces/", &[JSON], b"{}".to_vec()).await;
    assert_eq!((slash.status, slash.text().as_str()), (200, "{}"));
}

#[tokio::test]
async fn a_body_is_taken_up_to_its_limit_packed_and_unpacked_and_hears_why_not_beyond() {
    // Packed it is well below the limit that holds for both.
    let body = request(
        &[Attribute::new("pad", "x".repeat(1000))],
        &[span(1, "orders", None)],
    );
    let backend = running(Limits {
        export_max_bytes: body.len(),
        ..ageless()
    })
    .await;
    let longer = [&body[..], &[0x12, 0]].concat();
    let gzipped = [PROTOBUF, ("content-encoding", "gzip")];
    assert_eq!(export(&backend, &[PROTOBUF], body.clone()).await.status, 200);
    assert_eq!(export(&backend, &gzipped, gzip(&body)).await.status, 200);
    let bomb = gzip(&vec![0; 20 << 20]);
    let far_over = vec![0; 20 << 20];
    for (headers, body) in [
        (&[PROTOBUF][..], longer.clone()),
        (&gzipped, gzip(&longer)),
        (&gzipped, bomb),
        (&[PROTOBUF], far_over),
    ] {
        let heard = export(&backend, headers, body).await;
        let (code, message) = heard.refusal();
        assert_eq!((heard.status, code), (413, 8), "{message}");
        assert!(message.contains("export fewer spans at once"), "{message}");
    }
}

#[tokio::test]
async fn a_sender_of_far_too_much_is_heard_out_up_to_a_limit() {
    let backend = running(Limits {
        export_max_bytes: 1000,
        drained_max_bytes: 2000,
        ..Limits::default()
    })
    .await;
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: x\r\n{}: {}\r\n",
        JSON.0, JSON.1
    );
    for (promised, sent) in [(3000, 3000), (1_000_000, 3001)] {
        let mut connection = tokio::net::TcpStream::connect(backend.address()).await.unwrap();
        let request = format!("{head}content-length: {promised}\r\n\r\n{}", "x".repeat(sent - 1));
        connection.write_all(request.as_bytes()).await.unwrap();
        // It is still listening: the byte that ends the body, or the one too many, is not there yet.
        let early = tokio::time::timeout(Duration::from_millis(50), connection.read_u8()).await;
        assert!(early.is_err(), "{promised}: {early:?}");
        connection.write_all(b"x").await.unwrap();
        let mut line = [0; 12];
        let answered = tokio::time::timeout(Duration::from_secs(5), connection.read_exact(&mut line));
        answered.await.unwrap().unwrap();
        assert_eq!(&line, b"HTTP/1.1 413", "{promised}");
    }
}

#[tokio::test]
async fn the_endpoints_other_limits_are_shown() {
    let backend = running(Limits {
        export_spans_max: 2,
        ..Limits::default()
    })
    .await;
    let now = crate::server::wall_clock();
    let nanos = |time: model::time::Timestamp| u64::try_from(time.as_micros()).unwrap() * 1000;
    let of_now = |number| {
        let mut span = span(number, "orders", None);
        span.start_unix_nano = nanos(now);
        span.end_unix_nano = nanos(now);
        span
    };
    let three: Vec<Span<'_>> = (1..=3).map(of_now).collect();
    let mut apart = of_now(2);
    apart.start_unix_nano = nanos(now.before(Duration::from_secs(25 * 3600)));
    let large = Attribute::new("pad", "x".repeat(16 << 10));
    for (body, word) in [
        (request(&[], &three), "3 spans; at most 2"),
        (
            request(&[large], &three[..1]),
            "at most 16384 are taken: leave attributes out",
        ),
        (request(&[], &[of_now(1), apart]), "25 hours apart; at most 24"),
    ] {
        let heard = export(&backend, &[PROTOBUF], body).await;
        let (code, message) = heard.refusal();
        assert_eq!((heard.status, code), (400, 3), "{message}");
        assert!(message.contains(word), "{message}");
    }
    let heard = export(
        &backend,
        &[PROTOBUF],
        request(&[], &[of_now(1), span(2, "old", None)]),
    )
    .await;
    let answer = Exported::from_protobuf(&heard.body).unwrap();
    assert_eq!((heard.status, answer.rejected), (200, 1));
    assert!(
        answer.message.contains("nanoseconds since 1970"),
        "{}",
        answer.message
    );
    assert_eq!(shape(&backend), ["orders"]);
}

#[tokio::test]
async fn faults_that_were_asked_for_are_met_by_spans_too() {
    let backend = running(ageless()).await;
    let body = || request(&[], &[span(1, "orders", None), span(2, "price", Some(1))]);
    for (status, code) in [(429, 8), (503, 14), (500, 13), (403, 7)] {
        backend.faults().add(Fault::status(status).containing("price"));
        let heard = export(&backend, &[PROTOBUF], body()).await;
        assert_eq!((heard.status, heard.refusal().0), (status, code));
    }
    assert_eq!(backend.store().received_documents(), 0);

    backend
        .faults()
        .add(Fault::unprocessed("InternalFailure").containing("price"));
    let heard = export(&backend, &[PROTOBUF], body()).await;
    let answer = Exported::from_protobuf(&heard.body).unwrap();
    assert_eq!(
        (answer.rejected, &*answer.message),
        (1, "InternalFailure (1): as asked for")
    );
    assert_eq!(shape(&backend), ["orders"]);

    let wait = Duration::from_millis(50);
    backend.faults().add(Fault::delay(wait));
    let sent = Instant::now();
    assert_eq!(export(&backend, &[PROTOBUF], body()).await.status, 200);
    assert!(sent.elapsed() >= wait);
    assert_eq!(shape(&backend), ["orders(price)"]);
}

#[tokio::test]
async fn spans_among_documents_are_stored_and_bad_ones_come_back() {
    let backend = running(Limits::default()).await;
    let sampled = datagram::write(&request(&lambda(), &handled(3)));
    let unsampled = datagram::write(&request(&[], &[span(9, "unsampled", None)])).replacen("T1S", "T1U", 1);
    let elements = [
        sampled,
        unsampled,
        "T1S?".to_owned(),
        segment("0000000000000003").to_string(),
    ];
    let answer = call(
        &backend,
        "/TraceSegments",
        json!({ "TraceSegmentDocuments": elements }),
    )
    .await;
    let refused = json!([{ "Id": null, "ErrorCode": "OTLPFormatError",
        "Message": "Invalid span. ErrorCode: OTLPFormatError, Cause: not base64" }]);
    assert_eq!(answer["UnprocessedTraceSegments"], refused);
    assert_eq!(shape(&backend), ["checkout(handler(price))"]);
    let counts = backend.store().counts();
    assert_eq!((counts.exports, counts.spans, counts.unsampled_spans), (0, 2, 1));
    assert_eq!((counts.documents, counts.accepted), (4, 3));
}

/// One backend for every case of the property.
static SERVED: LazyLock<(tokio::runtime::Runtime, Running)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let backend = runtime.block_on(running(ageless()));
    (runtime, backend)
});

proptest! {
    #[test]
    fn whatever_body_comes_the_answer_is_in_the_protocols_terms(
        damaged in any::<prop::sample::Index>(), byte in any::<u8>(), noise in proptest::collection::vec(any::<u8>(), 0..60),
        kind in 0usize..5, is_noise in any::<bool>(),
    ) {
        let good = request(&lambda(), &handled(3));
        let json = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"00","spanId":3,"attributes":[{}]}]}]}]}"#;
        let (headers, mut body) = match kind {
            0 => (vec![PROTOBUF], good),
            1 => (vec![PROTOBUF, ("content-encoding", "gzip")], gzip(&good)),
            2 => (vec![JSON], json.to_vec()),
            3 => (vec![JSON, ("content-encoding", "deflate")], zlib(json)),
            _ => (vec![], good),
        };
        let at = damaged.index(body.len());
        body[at] = byte;
        if is_noise {
            body = noise;
        }
        let (runtime, backend) = &*SERVED;
        let heard = runtime.block_on(export(backend, &headers, body));
        match heard.status {
            200 if heard.content_type == JSON.1 => prop_assert!(Exported::from_json(&heard.body).is_some()),
            200 => prop_assert!(Exported::from_protobuf(&heard.body).is_ok()),
            status => {
                prop_assert!((400..500).contains(&status), "{status}");
                prop_assert!(!heard.refusal().1.is_empty());
            }
        }
    }
}
