//! Two orders, played on a language's function: one is taken, one fails at the charge.

use serde_json::{Value, json};
use tests::lab::Lab;
use tests::tree::Tree;

use super::orders::{COLD, WARM, assert_charge_failed, assert_paths, assert_taken};
use super::stage::{Ended, Function, end, fail, succeed};

/// What they left.
pub(crate) struct Played {
    /// The trace of the first.
    pub(crate) taken: Tree,
    /// That of the second.
    pub(crate) failed: Tree,
    ended: Ended,
}

/// Plays both. The first one has this event, for which the function makes these calls under `take order`. Each of
/// the two is one connected trace with everything in it that any SDK leaves.
pub(crate) async fn play(function: Function, event: &Value, calls: &[&str]) -> Played {
    let lab = Lab::with(|config| function.play(config)).await;
    let taken = succeed(&lab, event).await;
    let failed = fail(&lab, &json!({ "raise": true })).await;
    let ended = end(lab).await;

    let taken = ended.trace(taken);
    let order = ["take order", "take order > price"];
    assert_paths(&taken, COLD, &[&order, calls].concat());
    assert_taken(&taken);

    let failed = ended.trace(failed);
    assert_paths(&failed, WARM, &[&order[..], &["take order > charge"]].concat());
    assert_charge_failed(&failed);
    assert_eq!(ended.finished.tally["held"], 0);
    Played { taken, failed, ended }
}

impl Played {
    /// The order's metadata is what was bought.
    #[track_caller]
    pub(crate) fn assert_basket(&self) {
        let order = self.taken.named("take order");
        assert_eq!(
            order["metadata"]["shop"]["basket"]["items"],
            json!(["tea", "cup"])
        );
    }

    /// The SDK has sent so many documents for both.
    #[track_caller]
    pub(crate) fn assert_received(&self, documents: u64) {
        let tally = &self.ended.finished.tally;
        assert_eq!(tally["received"]["udp"], documents, "{tally}");
    }
}
