//! SHUTDOWN: every reason, within the time it gives.

use std::time::Duration;

use backend::faults::Fault;
use emulator::{Faults, Reason};
use serde_json::json;
use tests::destination::{Act, Destination, Door};
use tests::lab::Lab;
use tests::script::{Flood, Script};

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

/// Invocations with a faulty document, each before one that fills the spool with so many ordinary ones.
const INVOCATIONS: u64 = 3;
const DOCUMENTS: u64 = 700;

/// The id of an invocation's faulty document.
fn failing(number: u64) -> String {
    format!("{:016x}", 0xfa01 + number)
}

/// More ordinary documents than the spool has room for.
fn filling(number: u64) -> Script {
    Script::new().flood(Flood {
        first_id: 0x10_0000 * (number + 1),
        documents: DOCUMENTS,
        sockets: 2,
        filler_bytes: 1024,
    })
}

/// The destination is down until SHUTDOWN, and then too slow for all that is held.
async fn ends_with_a_full_spool(reason: Reason, spill_limit: &str) {
    let destination = Destination::start().await;
    destination.door(Door::Closed).await;
    let lab = Lab::with(|config| {
        config.timeout = Duration::from_secs(20);
        for (name, value) in [
            ("AWS_ENDPOINT_URL_XRAY", destination.url()),
            ("FLUOROSCOPE_MEMORY_BUDGET", "9MiB".to_owned()),
            ("FLUOROSCOPE_SPILL_LIMIT", spill_limit.to_owned()),
        ] {
            config.variables.insert(name.into(), value);
        }
    })
    .await;
    for number in 0..INVOCATIONS {
        let faulty = json!({ "id": failing(number), "name": "failing", "fault": true });
        for script in [Script::new().document(faulty), filling(number)] {
            lab.succeed(&script).await;
            lab.idle().await;
        }
    }
    destination.otherwise(Act::TakeLate(Duration::from_millis(400)));
    destination.door(Door::Open).await;
    let finished = lab.finish_with(reason).await;
    let received = destination.received();
    received.assert_no_needless_repeat();
    let taken = received.taken();
    for number in 0..INVOCATIONS {
        let id = failing(number);
        assert!(taken.contains_key(&*id), "{id} of {reason:?}: {}", finished.tally);
    }
    let documents = received.documents();
    for origin in ["AWS::Lambda", "AWS::Lambda::Function"] {
        let platform = documents.iter().filter(|document| document["origin"] == origin);
        assert_eq!(
            platform.count() as u64,
            2 * INVOCATIONS,
            "{origin} of {reason:?}: {}",
            finished.tally
        );
    }
    let of = |pointer| finished.count(pointer);
    let arrived = taken.len() as u64;
    // There was not time for all. Of the last call the answer may have come too late.
    assert!(of("/held") + of("/shed/total") > 0, "{}", finished.tally);
    assert!(
        (of("/sent")..=of("/sent") + 50).contains(&arrived),
        "{arrived}: {}",
        finished.tally
    );
    assert!(
        of("/received/total") > INVOCATIONS * DOCUMENTS,
        "{}",
        finished.tally
    );
    assert_eq!(of("/rejected/total") + of("/repeated"), 0, "{}", finished.tally);
}

#[tokio::test]
async fn with_a_full_spool_and_too_little_time_what_matters_most_arrives_whatever_the_reason() {
    tokio::join!(
        ends_with_a_full_spool(Reason::Spindown, "0"),
        ends_with_a_full_spool(Reason::Timeout, "0"),
        ends_with_a_full_spool(Reason::Failure, "0"),
    );
}

#[tokio::test]
async fn with_a_full_spool_and_files_behind_it_what_matters_most_arrives_whatever_the_reason() {
    tokio::join!(
        ends_with_a_full_spool(Reason::Spindown, "32MiB"),
        ends_with_a_full_spool(Reason::Timeout, "32MiB"),
        ends_with_a_full_spool(Reason::Failure, "32MiB"),
    );
}
