//! X-Ray slow, down, throttling or choosy: the function never waits for long, and every document is accounted for.

use std::time::Duration;

use backend::faults::Fault;
use emulator::What;
use serde_json::json;
use tests::lab::{BOUND, Lab, emitted};
use tests::script::Script;

fn script() -> Script {
    Script::new().subsegment("00000000000000a1", "call")
}

#[tokio::test]
async fn an_outage_delays_documents_and_loses_none() {
    for fault in [Fault::status(503), Fault::status(429), Fault::status(500)] {
        let lab = Lab::start().await;
        lab.xray.faults().add(fault.times(2));
        for _ in 0..4 {
            lab.succeed(&script()).await;
        }
        let finished = lab.finish().await;
        assert_eq!(finished.tree.all("AWS::Lambda::Function").len(), 4);
        finished.assert_all_sent();
    }
}

#[tokio::test]
async fn a_slow_destination_costs_an_invocation_at_most_the_flush_limit() {
    let lab = Lab::start().await;
    lab.xray.faults().add(Fault::delay(BOUND).times(u32::MAX));
    lab.succeed(&script()).await;
    lab.idle().await;
    let journal = lab.environment.journal();
    let done = journal
        .iter()
        .find(|entry| emitted(entry, "platform.runtimeDone"))
        .expect("the invocation ended");
    let next = journal
        .iter()
        .find(|entry| entry.at > done.at && matches!(entry.what, What::ExtensionNext { .. }));
    let waited = next.expect("next was asked for").at - done.at;
    // 1 s, and what a busy machine adds.
    assert!(waited < Duration::from_millis(2500), "{waited:?}");
    lab.xray.faults().clear();
    lab.succeed(&script()).await;
    let finished = lab.finish().await;
    assert_eq!(
        finished.count("/shed/total") + finished.count("/rejected/total"),
        0,
        "{}",
        finished.tally
    );
}

#[tokio::test]
async fn unprocessed_documents_are_settled_one_by_one() {
    let lab = Lab::start().await;
    lab.xray.faults().add(
        Fault::unprocessed("InvalidName")
            .containing("no good")
            .times(u32::MAX),
    );
    lab.xray
        .faults()
        .add(Fault::unprocessed("InternalFailure").containing("later").times(1));
    let script = Script::new()
        .document(json!({ "id": "00000000000000a1", "name": "no good" }))
        .document(json!({ "id": "00000000000000a2", "name": "later" }))
        .document(json!({ "id": "00000000000000a3", "name": "fine" }));
    lab.succeed(&script).await;
    let finished = lab.finish().await;
    assert_eq!(
        finished.count("/rejected/xray InvalidName"),
        1,
        "{}",
        finished.tally
    );
    assert_eq!(
        (finished.count("/rejected/total"), finished.count("/held")),
        (1, 0),
        "{}",
        finished.tally
    );
    assert!(finished.tree.has("later") && finished.tree.has("fine") && !finished.tree.has("no good"));
    assert_eq!(finished.messages(), ["a destination rejected a document"]);
}

#[tokio::test]
async fn a_destination_that_nobody_serves_holds_documents_and_says_so_once() {
    let lab = Lab::with(|config| {
        config
            .variables
            .insert("AWS_ENDPOINT_URL_XRAY".into(), "http://127.0.0.1:9".into());
    })
    .await;
    for _ in 0..3 {
        lab.succeed(&script()).await;
    }
    let finished = lab.finish().await;
    assert_eq!(finished.count("/held"), finished.count("/received/total"));
    assert_eq!(finished.lines.len(), 1, "{:?}", finished.lines);
    assert!(
        finished.messages()[0].contains("127.0.0.1:9"),
        "{:?}",
        finished.messages()
    );
}

#[tokio::test]
async fn warm_invocations_share_one_connection_and_no_document_is_sent_twice() {
    let lab = Lab::start().await;
    for _ in 0..5 {
        lab.succeed(&script()).await;
    }
    let repeated = lab.xray.store().counts().repeated;
    lab.finish().await.assert_all_sent();
    assert_eq!(repeated, 0);
}

#[tokio::test]
async fn a_burst_at_full_speed_arrives_whole_in_full_calls() {
    /// What one invocation of a chatty function sends.
    const BURST: usize = 5_000;
    let lab = Lab::with(|config| config.timeout = Duration::from_secs(30)).await;
    lab.succeed(&Script::new().burst(BURST)).await;
    let xray = lab.xray.store().clone();
    // On a busy machine a call may take so long that nobody waits for the next: later invocations deliver the rest.
    let whole = async {
        while xray.counts().accepted < BURST as u64 {
            lab.succeed(&Script::new().work_ms(50)).await;
        }
    };
    tokio::time::timeout(BOUND, whole)
        .await
        .expect("the burst arrives");
    let finished = lab.finish().await;
    assert_eq!(
        finished.count("/received/udp"),
        BURST as u64,
        "{}",
        finished.tally
    );
    assert_eq!(finished.tree.all("burst").len(), BURST, "{}", finished.tally);
    assert_eq!(
        finished.count("/shed/total") + finished.count("/rejected/total"),
        0,
        "{}",
        finished.tally
    );
    assert_eq!(xray.counts().largest_call_documents, 50);
}

#[tokio::test]
async fn what_does_not_fit_the_budget_is_shed_oldest_first_and_counted() {
    let lab = Lab::with(|config| {
        // The smallest spool there is: 128 KiB, and no files.
        for (name, value) in [
            ("FLUOROSCOPE_MEMORY_BUDGET", "1"),
            ("FLUOROSCOPE_SPILL_LIMIT", "0"),
        ] {
            config.variables.insert(name.into(), value.into());
        }
    })
    .await;
    lab.xray.faults().add(Fault::status(503).times(u32::MAX));
    lab.succeed(
        &Script::new()
            .burst(500)
            .subsegment("00000000000000a1", "the last call"),
    )
    .await;
    lab.idle().await;
    lab.xray.faults().clear();
    let finished = lab.finish().await;
    assert!(finished.count("/shed/total") > 300, "{}", finished.tally);
    assert_eq!(finished.count("/received/udp"), 501, "{}", finished.tally);
    assert!(finished.tree.has("the last call") && finished.tree.has("AWS::Lambda::Function"));
}
