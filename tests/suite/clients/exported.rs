//! Spans that OpenTelemetry's SDK sends to the backend itself, as anybody may on a laptop.

use serde_json::json;
use tests::tree::Tree;

use super::program::{ANY_KEYS, python};
use super::stage::xray;

#[tokio::test]
async fn spans_of_opentelemetrys_sdk_make_one_tree_however_they_are_sent() {
    let xray = xray().await;
    let told = python("export_spans.py", &[], &xray.url(), ANY_KEYS).await;
    let well =
        json!({ "NoCompression": "SUCCESS", "Deflate": "SUCCESS", "Gzip": "SUCCESS", "documents": [] });
    assert_eq!(told, well);
    let counts = xray.store().counts();
    assert_eq!((counts.calls, counts.exports, counts.spans), (4, 3, 12));
    let traces = xray.store().traces();
    assert_eq!(traces.len(), 4);
    for trace in &traces {
        let tree = Tree::of(trace.segments.iter().map(|segment| &segment.document));
        assert_eq!(tree.paths(), ["orders", "orders > cards", "orders > price"]);
        let (orders, cards) = (tree.named("orders"), tree.named("cards"));
        assert_eq!(
            (&orders["fault"], &orders["http"]["response"]["status"]),
            (&json!(true), &json!(502))
        );
        assert_eq!(
            (&cards["fault"], &cards["namespace"]),
            (&json!(true), &json!("remote"))
        );
        let exception = &cards["cause"]["exceptions"][0];
        assert_eq!(
            (&exception["type"], &exception["message"]),
            (&json!("ValueError"), &json!("card refused"))
        );
        assert!(
            exception["stack"][2]["path"]
                .as_str()
                .is_some_and(|path| path.ends_with("export_spans.py")),
            "{exception}"
        );
    }
}
