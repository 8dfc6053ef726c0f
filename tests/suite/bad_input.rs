//! Every bad input gets its reason and loses nothing else.

use model::ids::{SegmentId, TraceId};
use model::otlp::request::{Group, Writer};
use model::otlp::span::Span;
use model::otlp::{datagram, encode};
use serde_json::json;
use tests::lab::Lab;
use tests::script::Script;

const FRAME: &str = "{\"format\":\"json\",\"version\":1}\n";

fn framed(body: &str) -> String {
    format!("{FRAME}{body}")
}

/// A datagram's body with one span.
fn span(id: [u8; 8]) -> String {
    let span = Span::new(TraceId::from_bytes([7; 16]), SegmentId::from_bytes(id));
    let mut bytes = Vec::new();
    encode::span(&span, &mut bytes);
    let mut request = Writer::default();
    request.begin(&Group::around([&[], &[]], [&[], &[]]));
    request.span(&bytes);
    datagram::write(&request.finish())
}

// A document over 64 KB is larger than any datagram, so it cannot come this way: the engine's own tests judge one.
#[tokio::test]
async fn each_bad_input_is_counted_by_reason_and_its_neighbours_arrive() {
    let ids = r#""trace_id":"$ROOT","id":"00000000000000b1""#;
    let bad = [
        ("no_header", "no newline anywhere".to_owned()),
        (
            "bad_header",
            format!("{{\"format\":\"xml\",\"version\":1}}\n{{\"name\":\"x\",{ids}}}"),
        ),
        ("no_body", FRAME.to_owned()),
        ("not_json", framed("{\"name\":\"x\"")),
        ("not_object", framed("42")),
        ("empty_array", framed("[]")),
        (
            "bad_trace_id",
            framed(r#"{"name":"x","trace_id":"1-2-3","id":"00000000000000b1"}"#),
        ),
        ("bad_id", framed(r#"{"name":"x","trace_id":"$ROOT","id":"xyz"}"#)),
        (
            "bad_parent_id",
            framed(&format!(r#"{{"name":"x","parent_id":"xyz",{ids}}}"#)),
        ),
        ("bad_name", framed(&format!(r#"{{"name":"",{ids}}}"#))),
        ("otlp_damaged", framed("T1S of something else")),
        ("span_bad_span_id", framed(&span([0; 8]))),
    ];
    let mut script = Script::new().subsegment("00000000000000a1", "before");
    for (_, datagram) in &bad {
        script = script.datagram(datagram);
    }
    let script = script.datagram(&framed("M1AAAA"));
    let not_utf8 = [FRAME.as_bytes(), b"{\"name\":\"\xff\"}"].concat();
    let script = script
        .datagram(&framed("T1UAAAA"))
        .bytes(&not_utf8)
        .bytes(b"")
        .subsegment("00000000000000a2", "after");
    let lab = Lab::start().await;
    lab.succeed(&script).await;
    let finished = lab.finish().await;
    for (reason, _) in &bad {
        let times = if *reason == "otlp_damaged" { 2 } else { 1 }; // sampled and unsampled
        assert_eq!(
            finished.count(&format!("/rejected/{reason}")),
            times,
            "{reason}: {}",
            finished.tally
        );
    }
    assert_eq!(finished.count("/rejected/not_utf8"), 1, "{}", finished.tally);
    assert_eq!(finished.count("/passed_over/metrics"), 1, "{}", finished.tally);
    assert_eq!(
        finished.count("/rejected/total"),
        bad.len() as u64 + 2,
        "{}",
        finished.tally
    );
    assert!(finished.tree.has("before") && finished.tree.has("after"));
    assert_eq!(
        finished.messages().len(),
        bad.len() + 1,
        "one line a reason: {:?}",
        finished.messages()
    );
}

#[tokio::test]
async fn two_sdks_that_send_at_once_from_four_sockets_are_told_apart() {
    const EACH: u64 = 250;
    const SOCKETS: u64 = 4;
    /// As many empty ones come between them, which are no documents.
    const SENT: u64 = 2 * SOCKETS * EACH;
    let lab = Lab::start().await;
    lab.succeed(&Script::new().crowd(EACH)).await;
    lab.succeed(&Script::new().crowd(EACH)).await;
    let finished = lab.finish().await;
    let (received, dropped) = (
        finished.count("/received/udp"),
        finished.count("/udp_dropped_by_system"),
    );
    // What the system drops may have been a document or an empty one.
    assert!(
        received <= SENT && (SENT..=2 * SENT).contains(&(received + dropped)),
        "{}",
        finished.tally
    );
    finished.assert_all_sent();
    let arrived = (1..=SOCKETS).map(|number| finished.tree.all(&format!("crowd {number}")).len() as u64);
    let arrived: Vec<u64> = arrived.collect();
    assert_eq!(
        arrived.iter().sum::<u64>(),
        received,
        "{arrived:?}: {}",
        finished.tally
    );
    assert!(arrived.iter().all(|each| *each <= 2 * EACH), "{arrived:?}");
}

#[tokio::test]
async fn the_same_bad_input_is_logged_once_and_counted_each_time() {
    let mut script = Script::new();
    for _ in 0..20 {
        script = script.datagram(&framed("not json"));
    }
    let lab = Lab::start().await;
    lab.succeed(&script).await;
    let finished = lab.finish().await;
    assert_eq!(finished.count("/rejected/not_json"), 20);
    assert_eq!(finished.messages(), ["a document was rejected"]);
}

#[tokio::test]
async fn an_array_of_subsegments_is_taken_element_by_element() {
    let one = |id: &str| {
        json!({ "name": format!("call {id}"), "type": "subsegment", "trace_id": "$ROOT", "parent_id": "$PARENT",
            "id": id, "start_time": 1_779_358_529.1, "end_time": 1_779_358_529.2 })
    };
    let body = json!([one("00000000000000a1"), 42, one("00000000000000a2")]).to_string();
    let lab = Lab::start().await;
    lab.succeed(&Script::new().datagram(&framed(&body))).await;
    let finished = lab.finish().await;
    assert_eq!(
        (
            finished.count("/received/udp"),
            finished.count("/rejected/not_object")
        ),
        (3, 1),
        "{}",
        finished.tally
    );
    assert!(finished.tree.has("call 00000000000000a1") && finished.tree.has("call 00000000000000a2"));
}

#[tokio::test]
async fn fields_nobody_knows_survive_byte_by_byte() {
    let document = r#"{"future":{"x":[1,2.50,"é"]},"name":"odd","type":"subsegment","trace_id":"$ROOT","parent_id":"$PARENT","id":"00000000000000a1","start_time":1.779358529E9,"end_time":1779358529.20}"#;
    let lab = Lab::start().await;
    lab.succeed(&Script::new().datagram(&framed(document))).await;
    let finished = lab.finish().await;
    assert_eq!(
        finished.tree.named("odd")["future"],
        json!({ "x": [1, 2.5, "é"] })
    );
    finished.assert_all_sent();
}
