//! SDKs that nest their subsegments: one document an invocation, whatever the language.

use serde_json::json;

use super::played::play;
use super::stage::Function;

/// Plays an invocation that succeeds and one that fails: each is one connected trace from one document.
pub(crate) async fn assert_one_document_an_invocation(function: Function) {
    let played = play(function, &json!({}), &[]).await;
    played.assert_basket();
    played.assert_received(2);
}
