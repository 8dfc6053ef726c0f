//! SDKs that nest their subsegments: one document an invocation, whatever the language.

use serde_json::json;
use tests::lab::Lab;

use super::orders::{COLD, WARM, assert_charge_failed, assert_paths, assert_taken};
use super::stage::{Function, end, fail, succeed};

/// Plays an invocation that succeeds and one that fails: each is one connected trace from one document.
pub(crate) async fn assert_one_document_an_invocation(function: Function) {
    let lab = Lab::with(|config| function.play(config)).await;
    let cold = succeed(&lab, &json!({})).await;
    let warm = fail(&lab, &json!({ "raise": true })).await;
    let ended = end(lab).await;

    let tree = ended.trace(cold);
    assert_paths(&tree, COLD, &["take order", "take order > price"]);
    assert_taken(&tree);
    assert_eq!(
        tree.named("take order")["metadata"]["shop"]["basket"]["items"],
        json!(["tea", "cup"])
    );

    let tree = ended.trace(warm);
    assert_paths(
        &tree,
        WARM,
        &["take order", "take order > price", "take order > charge"],
    );
    assert_charge_failed(&tree);
    assert_eq!(
        ended.finished.tally["received"]["udp"], 2,
        "one document an invocation"
    );
    assert_eq!(ended.finished.tally["held"], 0);
}
