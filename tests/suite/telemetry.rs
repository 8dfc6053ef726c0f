//! Platform records that come late, not at all, twice, out of order, or in kinds nobody knows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use emulator::{Faults, RecordOrder, SubscriptionAnswer};
use tests::lab::{Finished, Lab};
use tests::script::Script;

fn script() -> Script {
    Script::new().subsegment("00000000000000a1", "call")
}

/// Two invocations under these deviations; both have to be told whole.
async fn play(faults: Faults) -> Finished {
    let lab = Lab::with(|config| config.faults = faults).await;
    lab.succeed(&script()).await;
    lab.succeed(&script()).await;
    let finished = lab.finish().await;
    let paths = finished.tree.paths();
    let count = |path: &str| paths.iter().filter(|one| *one == path).count();
    assert_eq!(count("AWS::Lambda > AWS::Lambda::Function"), 2, "{paths:?}");
    assert_eq!(
        count("AWS::Lambda > AWS::Lambda::Function > call"),
        2,
        "{paths:?}"
    );
    finished.assert_all_sent();
    finished
}

fn dropping(kind: &str) -> Faults {
    Faults {
        dropped_records: BTreeSet::from([kind.to_owned()]),
        ..Faults::default()
    }
}

#[tokio::test]
async fn a_missing_report_costs_its_own_subsegment_only() {
    let finished = play(dropping("platform.report")).await;
    assert!(!finished.tree.has("ExtensionOverhead"));
}

#[tokio::test]
async fn a_missing_start_is_made_up_for() {
    play(dropping("platform.start")).await;
}

#[tokio::test]
async fn a_late_report_does_not_reopen_its_invocation() {
    let delayed = BTreeMap::from([("platform.report".to_owned(), Duration::from_millis(300))]);
    play(Faults {
        delayed_records: delayed,
        ..Faults::default()
    })
    .await;
}

#[tokio::test]
async fn records_in_reverse_order_and_twice_change_nothing() {
    let reversed = Faults {
        record_order: RecordOrder::Reversed,
        duplicated_records: true,
        ..Faults::default()
    };
    let finished = play(reversed).await;
    assert!(finished.tree.has("Initialization"));
}

#[tokio::test]
async fn records_one_by_one_are_put_together() {
    play(Faults {
        records_per_delivery: Some(1),
        ..Faults::default()
    })
    .await;
}

#[tokio::test]
async fn unknown_and_damaged_records_cost_themselves_alone() {
    let extra = [
        r#"{"time":"2026-05-21T10:15:29.710Z","type":"platform.futureKind","record":{"a":1}}"#,
        r#"{"type":"platform.start","record":{}}"#,
        r#"{"time":"2026-05-21T10:15:29.710Z","type":"platform.start","record":{}}"#,
        "7",
    ];
    let faults = Faults {
        extra_records: extra.map(str::to_owned).to_vec(),
        ..Faults::default()
    };
    let finished = play(faults).await;
    let deliveries = finished.count("/telemetry_rejected/unknown platform.futureKind");
    assert!(deliveries > 0, "{}", finished.tally);
    for reason in ["untimed", "incomplete", "untyped"] {
        assert_eq!(
            finished.count(&format!("/telemetry_rejected/{reason}")),
            deliveries,
            "{reason}: {}",
            finished.tally
        );
    }
}

#[tokio::test]
async fn an_invoke_event_that_comes_after_the_handler_is_done_loses_nothing() {
    play(Faults {
        invoke_event_delay: Duration::from_millis(100),
        ..Faults::default()
    })
    .await;
}

/// Without records: invocations succeed, one line says why timings are rough, documents arrive all the same.
async fn without_records(answer: SubscriptionAnswer, cause: &str) {
    let lab = Lab::with(|config| {
        config.faults = Faults {
            subscription: answer.clone(),
            ..Faults::default()
        }
    })
    .await;
    lab.succeed(&script()).await;
    lab.succeed(&script()).await;
    let finished = lab.finish().await;
    assert_eq!(
        finished.messages(),
        ["no platform records; timings come from INVOKE alone"],
        "{answer:?}"
    );
    assert_eq!(finished.lines[0]["cause"], cause);
    assert!(finished.tree.has("call"));
    assert_eq!(finished.tree.all("AWS::Lambda::Function").len(), 2);
    finished.assert_all_sent();
}

#[tokio::test]
async fn an_environment_without_the_telemetry_api_is_traced_by_invoke_alone() {
    for status in [202, 404] {
        let cause = format!("the environment has no Telemetry API (status {status})");
        without_records(SubscriptionAnswer::Status(status), &cause).await;
    }
}

#[tokio::test]
async fn a_refused_subscription_is_survived() {
    for status in [403, 500] {
        let cause = format!("the Telemetry API refused the subscription with status {status}");
        without_records(SubscriptionAnswer::Status(status), &cause).await;
    }
}

#[tokio::test]
async fn a_subscription_that_delivers_nothing_is_seen_through() {
    let lab = Lab::with(|config| {
        config.faults = Faults {
            subscription: SubscriptionAnswer::Silent,
            ..Faults::default()
        }
    })
    .await;
    lab.succeed(&script()).await;
    lab.succeed(&script()).await;
    let finished = lab.finish().await;
    assert_eq!(finished.tree.all("AWS::Lambda::Function").len(), 2);
    finished.assert_all_sent();
}

#[tokio::test]
async fn older_sandboxes_are_subscribed_to_with_their_own_schema() {
    for schema in ["2022-12-13", "2022-07-01"] {
        let only = SubscriptionAnswer::SchemaVersions(vec![schema.to_owned()]);
        let lab = Lab::with(|config| {
            config.faults = Faults {
                subscription: only,
                ..Faults::default()
            }
        })
        .await;
        lab.succeed(&script()).await;
        let subscribed = lab.wait_for("a subscription", |entries| {
            entries.iter().find_map(|entry| match &entry.what {
                emulator::What::Subscribed {
                    schema_version,
                    status: 200,
                    ..
                } => Some(schema_version.clone()),
                _ => None,
            })
        });
        assert_eq!(subscribed.await, schema);
        let finished = lab.finish().await;
        assert!(finished.tree.has("Initialization"));
        finished.assert_all_sent();
    }
}

#[tokio::test]
async fn a_lost_runtime_done_holds_one_invocation_and_no_further_one() {
    let lab = Lab::with(|config| {
        config.timeout = Duration::from_secs(2);
        config.faults = dropping("platform.runtimeDone");
    })
    .await;
    for _ in 0..3 {
        lab.succeed(&script()).await;
    }
    lab.idle().await;
    let journal = lab.environment.journal();
    let timeouts = journal.iter().filter(|entry| {
        matches!(
            &entry.what,
            emulator::What::InvocationEnded {
                status: "timeout",
                ..
            }
        )
    });
    assert_eq!(timeouts.count(), 0, "{}", lab.log());
    let first = journal
        .iter()
        .find(|entry| matches!(entry.what, emulator::What::InvocationEnded { .. }))
        .expect("one ended");
    let last = journal
        .iter()
        .rfind(|entry| matches!(entry.what, emulator::What::InvocationEnded { .. }))
        .expect("one ended");
    // The first is held to its deadline less the margin; were the others too, they would take 1.9 s each.
    assert!(
        last.at - first.at < Duration::from_millis(1900),
        "{:?}",
        last.at - first.at
    );
    let finished = lab.finish().await;
    assert_eq!(finished.tree.all("AWS::Lambda::Function").len(), 3);
    finished.assert_all_sent();
}
