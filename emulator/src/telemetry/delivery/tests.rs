//! Deliveries to a listener that is slow, refuses, or takes TCP.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::faults::Faults;
use crate::journal::{Entry, Journal};
use crate::telemetry::Subscription;

const BOUND: Duration = Duration::from_secs(20);

fn hub() -> (Arc<Hub>, Arc<Journal>) {
    let journal = Arc::new(Journal::new());
    (
        Arc::new(Hub::new(Faults::default(), Arc::clone(&journal))),
        journal,
    )
}

fn subscription(destination: &str) -> Subscription {
    let body = format!(
        r#"{{"schemaVersion":"2025-01-29","types":["function"],"buffering":{{"timeoutMs":25}},"destination":{destination}}}"#
    );
    Subscription::parse(body.as_bytes()).unwrap()
}

fn record(text: &str) -> Record {
    Record::new(now(), "function", json!(text))
}

async fn seen<T>(journal: &Journal, look: impl Fn(&[Entry]) -> Option<T>) -> T {
    let mut version = journal.watch();
    tokio::time::timeout(BOUND, async {
        loop {
            version.borrow_and_update();
            if let Some(found) = journal.look(&look) {
                return found;
            }
            version.changed().await.unwrap();
        }
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_subscriber_that_does_not_answer_loses_records_and_is_told_how_many() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (hub, journal) = hub();
    let destination = format!(r#"{{"protocol":"HTTP","URI":"http://sandbox.localdomain:{port}"}}"#);
    hub.subscribe("slow".into(), subscription(&destination));
    hub.emit(&record("first"));
    // The first delivery is under way and stays unanswered while the records pile up.
    let (mut connection, _) = listener.accept().await.unwrap();
    let large = "x".repeat(100_000);
    for _ in 0..20 {
        hub.emit(&record(&large));
    }
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    connection.write_all(answer).await.unwrap();
    let dropped = seen(&journal, |entries| {
        entries.iter().find_map(|entry| match &entry.what {
            What::RecordsDropped { records, .. } => Some(*records),
            _ => None,
        })
    })
    .await;
    assert_eq!(dropped, 10, "ten of 100 KB fit into four times 256 KiB");
    seen(&journal, |entries| {
        let is_told = |entry: &Entry| {
            matches!(&entry.what, What::Emitted { kind: "platform.logsDropped", record }
                if record.contains(r#""droppedRecords":10"#))
        };
        entries.iter().any(is_told).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_subscriber_that_does_not_listen_yet_gets_its_records_once_it_does() {
    let reserved = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let (hub, journal) = hub();
    let destination = format!(
        r#"{{"protocol":"HTTP","URI":"http://sandbox.localdomain:{}"}}"#,
        address.port()
    );
    hub.subscribe("late".into(), subscription(&destination));
    hub.emit(&record("kept"));
    seen(&journal, |entries| {
        entries
            .iter()
            .any(|entry| matches!(entry.what, What::DeliveryFailed { .. }))
            .then_some(())
    })
    .await;
    let listener = TcpListener::bind(address).await.unwrap();
    let (mut connection, _) = tokio::time::timeout(BOUND, listener.accept())
        .await
        .unwrap()
        .unwrap();
    let mut bytes = vec![0; 4096];
    let count = tokio::time::timeout(BOUND, connection.read(&mut bytes))
        .await
        .unwrap()
        .unwrap();
    let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
    assert!(text.starts_with("POST / HTTP/1.1\r\n"), "{text}");
}

#[tokio::test]
async fn tcp_gets_lines() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (hub, _journal) = hub();
    hub.subscribe(
        "tcp".into(),
        subscription(&format!(r#"{{"protocol":"TCP","port":{port}}}"#)),
    );
    hub.emit(&record("one"));
    hub.emit(&record("two"));
    let (mut connection, _) = tokio::time::timeout(BOUND, listener.accept())
        .await
        .unwrap()
        .unwrap();
    let mut text = String::new();
    tokio::time::timeout(BOUND, connection.read_to_string(&mut text))
        .await
        .unwrap()
        .unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let records: Vec<&str> = lines
        .iter()
        .map(|line| line["record"].as_str().unwrap())
        .collect();
    assert_eq!(records, ["one", "two"]);
}

#[tokio::test]
async fn a_record_that_did_not_go_out_before_a_freeze_goes_out_after_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (hub, _journal) = hub();
    hub.pause.pause();
    hub.subscribe(
        "frozen".into(),
        subscription(&format!(r#"{{"protocol":"TCP","port":{port}}}"#)),
    );
    hub.emit(&record("one"));
    // Four times the subscriber's timeoutMs.
    let early = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
    assert!(early.is_err(), "delivered while frozen");
    hub.pause.resume();
    tokio::time::timeout(BOUND, listener.accept())
        .await
        .unwrap()
        .unwrap();
}
