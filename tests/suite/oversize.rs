//! Documents that no datagram carries, and documents that come twice.

use model::limits::SEGMENT_DOCUMENT_MAX_BYTES;
use serde_json::{Value, json};
use tests::lab::Lab;
use tests::script::Script;

use super::clients::python::runtime_client;

fn subsegment(id: u64, name: &str, more: Value) -> Value {
    let mut document = json!({ "id": format!("{id:016x}"), "name": name, "start_time": 1_779_358_529.1,
        "end_time": 1_779_358_529.2 });
    if let (Some(document), Value::Object(more)) = (document.as_object_mut(), more) {
        document.extend(more);
    }
    document
}

#[tokio::test]
async fn a_large_document_of_a_real_sdk_put_by_boto3_arrives_whole() {
    let lab = Lab::with(|config| runtime_client("large.handler").play(config)).await;
    let invoked = lab.invoke(&Script::new()).await;
    assert_eq!(invoked.text(), "[]", "everything taken\n{}", lab.log());
    let finished = lab.finish().await;
    assert_eq!(finished.count("/received/tcp"), 1, "{}", finished.tally);
    assert_eq!(finished.count("/split"), 1, "{}", finished.tally);
    let parts = finished.count("/received/part");
    assert!((14..20).contains(&parts), "{}", finished.tally);
    finished.assert_all_sent();
    let outer = finished.tree.named("outer");
    assert_eq!(outer["annotations"]["order"], 7);
    assert_eq!(
        outer["metadata"]["fluoroscope"]["cut"]["subsegments_moved"],
        parts
    );
    let paths = finished.tree.paths();
    for number in 0..20 {
        let path = format!("AWS::Lambda > AWS::Lambda::Function > outer > inner {number}");
        assert!(paths.contains(&path), "{path} in {paths:?}");
        let inner = finished.tree.named(&format!("inner {number}"));
        assert_eq!(
            inner["metadata"]["shop"]["rows"].as_str().map(str::len),
            Some(10_000)
        );
    }
}

#[tokio::test]
async fn what_does_not_fit_is_cut_off_and_the_rest_arrives() {
    let rows = "r".repeat(2 * SEGMENT_DOCUMENT_MAX_BYTES);
    let large = subsegment(
        0xa1,
        "query",
        json!({ "namespace": "remote", "in_progress": false, "sql": { "sanitized_query": "SELECT 1" },
            "metadata": { "shop": { "rows": rows, "count": 3 } },
            "subsegments": [subsegment(0xa2, "connect", json!({}))] }),
    );
    let lab = Lab::start().await;
    lab.succeed(&Script::new().post(&[large])).await;
    let finished = lab.finish().await;
    finished.assert_all_sent();
    let query = finished.tree.named("query");
    assert_eq!(query["metadata"]["shop"], json!({ "count": 3 }));
    assert_eq!(query["sql"]["sanitized_query"], "SELECT 1");
    assert_eq!(
        query["metadata"]["fluoroscope"]["cut"]["bytes"]["metadata.shop.rows"],
        finished.count("/trimmed_bytes/metadata"),
    );
    assert!(finished.tree.has("connect"));
}

#[tokio::test]
async fn documents_put_over_tcp_are_judged_one_by_one() {
    let documents = [
        subsegment(0xa1, "good", json!({})),
        subsegment(0xa2, "", json!({})),
        subsegment(0xa3, "too large", json!({ "x": "x".repeat(900_000) })),
    ];
    let lab = Lab::start().await;
    let answer = lab.succeed(&Script::new().post(&documents)).await;
    let answer: Value = serde_json::from_str(&answer.text()).expect("the answer is JSON");
    let unprocessed = &answer["UnprocessedTraceSegments"];
    assert_eq!(unprocessed.as_array().map(Vec::len), Some(1), "{answer}");
    assert_eq!(unprocessed[0]["ErrorCode"], "InvalidName");
    assert_eq!(unprocessed[0]["Id"], "00000000000000a2");
    let finished = lab.finish().await;
    assert_eq!(finished.count("/received/tcp"), 3, "{}", finished.tally);
    assert_eq!(finished.count("/rejected/bad_name"), 1, "{}", finished.tally);
    assert!(finished.tree.has("good") && finished.tree.has("too large"));
}

#[tokio::test]
async fn a_taken_tcp_port_costs_one_line_and_no_datagram() {
    let mut taken = None;
    let lab = Lab::with(|config| {
        let address = &config.variables["FLUOROSCOPE_UDP_ADDRESS"];
        taken = std::net::TcpListener::bind(address).ok();
    })
    .await;
    assert!(taken.is_some(), "the test could not take the port");
    lab.succeed(&Script::new().subsegment("00000000000000a1", "call"))
        .await;
    let finished = lab.finish().await;
    assert!(finished.tree.has("call"));
    let messages = finished.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(
        messages[0].starts_with("cannot receive segments over TCP"),
        "{messages:?}"
    );
}

#[tokio::test]
async fn an_exact_repeat_is_delivered_once() {
    let document = r#"{"name":"call","type":"subsegment","trace_id":"$ROOT","parent_id":"$PARENT","id":"00000000000000a1","start_time":1,"end_time":2}"#;
    let open = document.replace(r#""end_time":2"#, r#""in_progress":true"#);
    let framed = |document: &str| format!("{{\"format\":\"json\",\"version\":1}}\n{document}");
    let script = Script::new()
        .datagram(&framed(&open))
        .datagram(&framed(document))
        .datagram(&framed(document))
        .datagram(&framed(&open));
    let lab = Lab::start().await;
    lab.succeed(&script).await;
    let finished = lab.finish().await;
    assert_eq!(finished.count("/received/udp"), 4, "{}", finished.tally);
    assert_eq!(finished.count("/repeated"), 2, "{}", finished.tally);
    assert_eq!(finished.tree.named("call")["end_time"], 2);
}
