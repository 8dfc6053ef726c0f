//! What a subscriber gets and when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use emulator::{
    Config, Environment, Faults, Freeze, InitAt, Mishap, Reason, RecordOrder, Request, SubscriptionAnswer,
    What,
};
use serde_json::{Value, json};

use crate::support::*;

fn subscribed(faults: Faults) -> Config {
    function()
        .with_extension(extension(&["--subscribe", "25"]))
        .with_faults(faults)
}

/// Waits until a record of this type was delivered.
async fn delivered_type(environment: &Environment, kind: &str) {
    let wanted = format!("\"{kind}\"");
    see(
        environment,
        |what| matches!(what, What::Delivered { body, .. } if body.contains(&wanted)),
    )
    .await;
}

fn all(environment: &Environment) -> Vec<Value> {
    delivered(&environment.journal()).concat()
}

#[tokio::test]
async fn a_subscriber_gets_the_records_from_before_its_subscription_too() {
    let environment = start(subscribed(Faults::default()).with_freeze(Freeze::Off)).await;
    environment.invoke(Request::json("{}")).await;
    delivered_type(&environment, "platform.report").await;
    assert_eq!(
        types(&all(&environment)),
        [
            "platform.initStart",
            "platform.telemetrySubscription",
            "platform.initRuntimeDone",
            "platform.initReport",
            "platform.extension",
            "platform.start",
            "platform.runtimeDone",
            "platform.report",
        ]
    );
    let records = all(&environment);
    let done = &of_type(&records, "platform.runtimeDone")[0]["record"];
    let spans: Vec<&str> = done["spans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|span| span["name"].as_str().unwrap())
        .collect();
    assert_eq!(spans, ["responseLatency", "responseDuration", "runtimeOverhead"]);
    let report = &of_type(&records, "platform.report")[0]["record"];
    assert_eq!(report["spans"][0]["name"], "extensionOverhead");
    assert!(report["metrics"]["initDurationMs"].as_f64().unwrap() > 0.0);
    assert!(report["metrics"]["maxMemoryUsedMB"].as_u64().unwrap() > 0);
    assert_eq!(
        report["tracing"],
        of_type(&records, "platform.start")[0]["record"]["tracing"]
    );
}

#[tokio::test]
async fn the_report_of_an_invocation_reaches_the_extension_only_after_the_next_thaw() {
    let environment = start(subscribed(Faults::default())).await;
    environment.invoke(Request::json(r#"{"seconds":0.1}"#)).await;
    see(&environment, |what| *what == What::Frozen).await;
    assert!(of_type(&all(&environment), "platform.report").is_empty());
    environment.invoke(Request::json(r#"{"seconds":0.1}"#)).await;
    delivered_type(&environment, "platform.report").await;
    let entries = environment.journal();
    let thawed = entries
        .iter()
        .position(|entry| entry.what == What::Thawed)
        .unwrap();
    let reported = entries
        .iter()
        .position(
            |entry| matches!(&entry.what, What::Delivered { body, .. } if body.contains("platform.report")),
        )
        .unwrap();
    assert!(thawed < reported);
}

#[tokio::test]
async fn the_last_report_is_delivered_at_shutdown() {
    let environment =
        start(function().with_extension(extension(&["--subscribe", "25", "--await-report"]))).await;
    environment.invoke(Request::json("{}")).await;
    see(&environment, |what| *what == What::Frozen).await;
    let shutdown = environment.shutdown(Reason::Spindown).await;
    let deliveries = said_about(&shutdown.logs, "delivery");
    assert!(
        deliveries
            .iter()
            .any(|line| line["body"].as_str().unwrap().contains("platform.report"))
    );
}

#[tokio::test]
async fn a_delivery_that_is_refused_is_sent_again() {
    let config = function().with_extension(extension(&["--subscribe", "25", "--refuse", "2"]));
    let environment = start(config.with_freeze(Freeze::Off)).await;
    environment.invoke(Request::json("{}")).await;
    delivered_type(&environment, "platform.report").await;
    let entries = environment.journal();
    assert_eq!(
        count(&entries, |what| matches!(what, What::DeliveryFailed { .. })),
        2
    );
    assert_eq!(
        of_type(&delivered(&entries).concat(), "platform.initStart").len(),
        1
    );
}

#[tokio::test]
async fn subscriptions_close_with_init() {
    let environment = start(function().with_extension(extension(&["--late-subscribe"]))).await;
    environment.invoke(Request::json("{}")).await;
    let shutdown = environment.shutdown(Reason::Spindown).await;
    let answer = &said_about(&shutdown.logs, "subscribed")[0];
    assert_eq!(answer["status"], 403);
    assert!(
        answer["answer"]
            .as_str()
            .unwrap()
            .contains("Telemetry.SubscriptionClosed")
    );
}

#[tokio::test]
async fn a_subscription_is_answered_as_the_faults_say() {
    for (answer, status) in [
        (SubscriptionAnswer::Normal, 200),
        (SubscriptionAnswer::Silent, 200),
        (SubscriptionAnswer::Status(202), 202),
        (SubscriptionAnswer::Status(404), 404),
        (SubscriptionAnswer::Status(500), 500),
        (
            SubscriptionAnswer::SchemaVersions(vec!["2022-07-01".to_owned()]),
            400,
        ),
    ] {
        let faults = Faults {
            subscription: answer,
            ..Faults::default()
        };
        let environment = start(subscribed(faults)).await;
        assert_eq!(environment.invoke(Request::json("{}")).await.function_error, None);
        let noted = |what: &What| {
            matches!(what, What::Subscribed { schema_version, status: noted, .. }
            if schema_version == "2022-12-13" && *noted == status)
        };
        assert_eq!(count(&environment.journal(), noted), 1, "{status}");
        let shutdown = environment.shutdown(Reason::Spindown).await;
        let answers = said_about(&shutdown.logs, "subscribed");
        assert_eq!(answers[0]["status"], status);
        if status == 200 {
            assert_eq!(answers[0]["answer"], r#""OK""#);
        }
    }
}

#[tokio::test]
async fn faults_drop_delay_split_reverse_double_and_add_records() {
    let faults = Faults {
        dropped_records: BTreeSet::from(["platform.runtimeDone".to_owned()]),
        delayed_records: BTreeMap::from([("platform.start".to_owned(), Duration::from_millis(300))]),
        extra_records: vec![r#"{"type":"platform.strange"}"#.to_owned()],
        duplicated_records: true,
        records_per_delivery: Some(1),
        ..Faults::default()
    };
    let environment = start(subscribed(faults).with_freeze(Freeze::Off)).await;
    environment.invoke(Request::json("{}")).await;
    delivered_type(&environment, "platform.start").await;
    let deliveries = delivered(&environment.journal());
    assert!(
        deliveries.iter().all(|delivery| delivery.len() == 3),
        "{deliveries:?}"
    );
    assert!(
        deliveries
            .iter()
            .all(|delivery| delivery[0] == json!({"type": "platform.strange"}))
    );
    let records = deliveries.concat();
    assert!(of_type(&records, "platform.runtimeDone").is_empty());
    let position = |kind: &str| types(&records).iter().position(|known| *known == kind).unwrap();
    assert!(position("platform.report") < position("platform.start"));

    let faults = Faults {
        record_order: RecordOrder::Reversed,
        ..Faults::default()
    };
    let environment = start(
        subscribed(faults)
            .with_freeze(Freeze::Off)
            .with_init_at(InitAt::Start),
    )
    .await;
    delivered_type(&environment, "platform.initStart").await;
    let first = delivered(&environment.journal()).remove(0);
    assert_eq!(types(&first).last(), Some(&"platform.initStart"));
}

#[tokio::test]
async fn invoke_events_can_come_late() {
    let faults = Faults {
        invoke_event_delay: Duration::from_millis(300),
        ..Faults::default()
    };
    let environment = start(subscribed(faults)).await;
    environment.invoke(Request::json("{}")).await;
    see(&environment, |what| matches!(what, What::InvocationEnded { .. })).await;
    let entries = environment.journal();
    let find = |wanted: &dyn Fn(&What) -> bool| entries.iter().rfind(|entry| wanted(&entry.what)).unwrap().at;
    let responded = find(&|what| matches!(what, What::Responded { .. }));
    let next = find(&|what| matches!(what, What::ExtensionNext { .. }));
    assert!(next > responded);
}

#[tokio::test]
async fn single_deliveries_meet_their_mishaps_in_turn_and_then_from_the_first_again() {
    let unknown = Mishap {
        extra_records: vec![r#"{"type":"platform.unheardOf"}"#.to_owned()],
        ..Mishap::default()
    };
    let repeated = Mishap {
        is_repeated: true,
        wait: Duration::from_millis(1),
        ..Mishap::default()
    };
    let faults = Faults {
        mishaps: vec![unknown, repeated],
        ..Faults::default()
    };
    let environment = start(subscribed(faults).with_freeze(Freeze::Off)).await;
    // An invocation's records come in one delivery or in two, and the next one's in others.
    for _ in 0..6 {
        let invoked = environment.invoke(Request::json("{}")).await;
        let is_its_report = |record: &Value| {
            record["type"] == "platform.report" && record["record"]["requestId"] == *invoked.request_id
        };
        environment
            .wait_until(
                |entries| {
                    delivered(entries)
                        .concat()
                        .iter()
                        .any(is_its_report)
                        .then_some(())
                },
                BOUND,
            )
            .await
            .unwrap();
    }
    environment
        .wait_until(|entries| (delivered(entries).len() >= 6).then_some(()), BOUND)
        .await
        .unwrap();
    let deliveries = delivered(&environment.journal());
    let is_unknown = |delivery: &Vec<Value>| delivery[0]["type"] == "platform.unheardOf";
    assert!(is_unknown(&deliveries[0]) && !is_unknown(&deliveries[1]));
    assert_eq!(deliveries[1], deliveries[2], "the same delivery again");
    assert!(is_unknown(&deliveries[3]) && !is_unknown(&deliveries[4]));
    assert_eq!(deliveries[4], deliveries[5]);
}
