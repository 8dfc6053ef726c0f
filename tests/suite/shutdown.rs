//! SHUTDOWN: every reason, within the time it gives.

use std::time::Duration;

use backend::faults::Fault;
use emulator::{Faults, Reason};
use tests::lab::Lab;
use tests::script::Script;

#[tokio::test]
async fn every_reason_ends_with_a_balanced_tally() {
    for (reason, text) in [
        (Reason::Spindown, None),
        (Reason::Timeout, None),
        (Reason::Failure, None),
        (Reason::Spindown, Some("SPINDOWN")),
        (Reason::Spindown, Some("SandboxTerminated")),
    ] {
        let lab = Lab::with(|config| {
            config.faults = Faults {
                shutdown_reason: text.map(str::to_owned),
                ..Faults::default()
            };
        })
        .await;
        lab.succeed(&Script::new().subsegment("00000000000000a1", "call"))
            .await;
        let finished = lab.finish_with(reason).await;
        if let Some(text) = text {
            assert_eq!(finished.tally["shutdown"], text);
        }
        finished.assert_all_sent();
    }
}

#[tokio::test]
async fn what_is_not_delivered_in_time_is_told_as_held() {
    let budget = Duration::from_millis(700);
    let lab = Lab::with(|config| {
        config.faults = Faults {
            shutdown_budget: Some(budget),
            ..Faults::default()
        }
    })
    .await;
    lab.xray.faults().add(Fault::status(503).times(u32::MAX));
    lab.succeed(&Script::new().subsegment("00000000000000a1", "call"))
        .await;
    let finished = lab.finish().await; // by itself, inside the budget
    assert_eq!(
        (finished.count("/sent"), finished.count("/held")),
        (0, finished.count("/received/total"))
    );
    assert!(finished.count("/held") >= 3, "{}", finished.tally);
}

#[tokio::test]
async fn a_sandbox_that_never_ran_anything_ends_quietly() {
    let lab = Lab::with(|config| config.init_at = emulator::InitAt::Start).await;
    lab.wait_for("the first next", |entries| {
        entries
            .iter()
            .any(|entry| matches!(entry.what, emulator::What::ExtensionNext { .. }))
            .then_some(())
    })
    .await;
    let finished = lab.finish().await;
    assert_eq!((finished.count("/received/total"), finished.told), (0, 0));
    assert_eq!(finished.messages(), [""; 0]);
}
