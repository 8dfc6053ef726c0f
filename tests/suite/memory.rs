//! The memory budget of the process, by what the system says of it. Pages of files are counted apart in a debug build
//! (see `tests::memory`); `FLUOROSCOPE_RELEASED_EXTENSION` names a release build to play with instead.

use std::time::Duration;

use backend::faults::Fault;
use emulator::{Freeze, What};
use serde_json::json;
use tests::lab::{BOUND, Lab};
use tests::memory::Watch;
use tests::script::Script;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const MIB: u64 = 1024 * 1024;
const KIB: usize = 1024;
/// Nobody serves it.
const DOWN: &str = "http://127.0.0.1:9";

fn script() -> Script {
    Script::new()
        .subsegment("00000000000000a1", "price")
        .subsegment("00000000000000a2", "charge")
        .subsegment("00000000000000a3", "notify")
}

/// What README promises.
fn budget(memory_mb: u32) -> u64 {
    (u64::from(memory_mb) * MIB * 3 / 100).max(16 * MIB)
}

#[tokio::test]
async fn a_flood_that_cannot_be_sent_stays_within_the_budget_of_any_function() {
    for memory_mb in [128, 256, 1_024, 10_240] {
        let lab = Lab::with(|config| {
            config.memory_mb = memory_mb;
            config.timeout = Duration::from_secs(60);
            config
                .variables
                .insert("AWS_ENDPOINT_URL_XRAY".into(), DOWN.into());
        })
        .await;
        lab.succeed(&script()).await;
        let watch = Watch::start(&lab);
        lab.succeed(&Script::new().burst(10_000).burst_of(200, 60 * KIB))
            .await;
        lab.idle().await;
        let peak = watch.peak();
        assert!(peak <= budget(memory_mb), "{memory_mb} MB: {peak} bytes");
        drop(watch);
        let finished = lab.finish().await;
        finished.assert_heard_of(3 + 10_000 + 200);
        let (received, spilled) = (finished.count("/received/udp"), finished.count("/held_in_file"));
        assert!(received > 9_000, "{}", finished.tally);
        // They are 26 MB, which fits in the largest of the budgets alone.
        assert_eq!(spilled == 0, memory_mb > 1_024, "{}", finished.tally);
        let told = finished.tally["memory"]["peak_resident"].as_u64();
        assert!(
            told.is_some_and(|peak| peak <= budget(memory_mb)),
            "{}",
            finished.tally
        );
    }
}

/// Where the extension takes deliveries of the Telemetry API.
fn listener(lab: &Lab) -> String {
    let journal = lab.environment.journal();
    let uri = journal.iter().rev().find_map(|entry| match &entry.what {
        What::Subscribed { uri, .. } => Some(uri.clone()),
        _ => None,
    });
    let uri = uri.expect("the extension has subscribed");
    let port = uri.rsplit(':').next().expect("a URI has a port");
    format!("127.0.0.1:{}", port.trim_end_matches('/'))
}

/// Posts a delivery on a connection of its own, all of it or only its beginning.
async fn post(to: &str, body: &str, sent: usize) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(to).await.ok()?;
    let head = format!(
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&body.as_bytes()[..sent]).await.ok()?;
    Some(stream)
}

/// A delivery of about a mebibyte made of these elements.
fn delivery(element: impl Fn(usize) -> serde_json::Value) -> String {
    let mut elements = Vec::new();
    let mut bytes = 0;
    while bytes < KIB * KIB - 2 * KIB {
        let element = element(elements.len()).to_string();
        bytes += element.len() + 1;
        elements.push(element);
    }
    format!("[{}]", elements.join(","))
}

#[tokio::test]
async fn a_flood_of_telemetry_stays_within_the_budget_and_costs_no_trace() {
    const DELIVERIES: usize = 48;
    const AT_ONCE: usize = 12;
    let lab = Lab::with(|config| {
        config.memory_mb = 128;
        config.freeze = Freeze::Off;
    })
    .await;
    lab.succeed(&script()).await;
    lab.idle().await;
    let (watch, to) = (Watch::start(&lab), listener(&lab));
    let time = "2026-05-21T10:15:29Z";
    let kinds = [
        delivery(
            |_| json!({ "time": time, "type": "platform.unheardOf", "record": { "text": "x".repeat(900) } }),
        ),
        delivery(
            |number| json!({ "time": time, "type": "platform.start", "record": { "requestId": (number % 500).to_string() } }),
        ),
        delivery(|_| json!({ "time": time, "type": "function", "record": "x".repeat(KIB) })),
    ];
    // Some begin and never end.
    let mut stalled = Vec::new();
    for _ in 0..2 {
        stalled.extend(post(&to, &kinds[0], KIB * KIB / 2).await);
    }
    for round in 0..DELIVERIES / AT_ONCE {
        let body = &kinds[round % kinds.len()];
        let mut streams = Vec::new();
        for _ in 0..AT_ONCE {
            // Its socket takes in what fits; the rest of it waits until the extension reads on.
            let (to, body) = (to.clone(), body.clone());
            streams.push(tokio::spawn(async move {
                let mut stream = post(&to, &body, body.len()).await?;
                let mut answer = [0; 15];
                stream.read_exact(&mut answer).await.ok()?;
                Some(answer)
            }));
        }
        for stream in streams {
            let answer = tokio::time::timeout(BOUND, stream).await;
            assert_eq!(answer.unwrap().unwrap().as_ref(), Some(b"HTTP/1.1 200 OK"));
        }
    }
    let peak = watch.peak();
    assert!(peak <= budget(128), "{peak}");
    lab.succeed(&script()).await;
    drop((watch, stalled));
    let finished = lab.finish().await;
    assert!(finished.count("/telemetry_rejected/unknown platform.unheardOf") > 5_000);
    assert_eq!(finished.tree.all("charge").len(), 2, "{}", finished.tally);
}

#[tokio::test]
async fn a_destination_slower_than_anybody_waits_costs_no_memory_and_no_time_over_a_thousand_invocations() {
    const INVOCATIONS: usize = 1_000;
    /// Longer than one call is waited for.
    const ANSWERS_AFTER: Duration = Duration::from_millis(400);
    /// The first waits for it in vain. A busy machine may look like a freeze, after which it is tried again.
    const HELD: u64 = 10;
    let lab = Lab::with(|config| {
        fast(config);
        // Each would wait, if it had hope.
        config.variables.insert("FLUOROSCOPE_FLUSH".into(), "end".into());
    })
    .await;
    lab.xray.faults().add(Fault::delay(ANSWERS_AFTER).times(u32::MAX));
    lab.succeed(&script()).await;
    let watch = Watch::start(&lab);
    let mut late = 0;
    for number in 1..INVOCATIONS {
        // The one before it was not over if this one has to wait.
        late += u64::from(lab.succeed(&script()).await.duration >= ANSWERS_AFTER / 2);
        assert!(late <= HELD, "{late} of {number} had to wait");
    }
    let peak = watch.peak();
    assert!(peak <= budget(128), "{peak} bytes");
    let taken = lab.xray.store().received_documents();
    drop(watch);
    lab.xray.faults().clear();
    let finished = lab.finish().await;
    let of = |pointer| finished.count(pointer);
    // It takes them while handlers run, though nobody waits for it.
    assert!(taken > 0, "{}", finished.tally);
    finished.assert_heard_of(3 * INVOCATIONS as u64);
    assert_eq!(
        (of("/shed/total"), of("/rejected/total"), of("/repeated")),
        (0, 0, 0),
        "{}",
        finished.tally
    );
    assert_eq!(
        of("/received/total"),
        of("/sent") + of("/held"),
        "{}",
        finished.tally
    );
    assert!(of("/flush/count") <= HELD, "{}", finished.tally);
}

/// `cargo xtask fuzz leak` plays as many as asked for.
#[tokio::test]
async fn thousands_of_invocations_leave_no_memory_behind() {
    let invocations = option_env("FLUOROSCOPE_LEAK_INVOCATIONS").unwrap_or(2_000);
    let lab = Lab::with(fast).await;
    grows_by_nothing(&lab, invocations).await;
    lab.finish().await.assert_all_sent();
}

fn option_env(name: &str) -> Option<usize> {
    std::env::var(name).ok()?.parse().ok()
}

/// Telemetry comes at once and nothing is frozen: an invocation takes milliseconds.
fn fast(config: &mut emulator::Config) {
    config.memory_mb = 128;
    config.freeze = Freeze::Off;
    config.faults.buffered_for = Some(Duration::from_millis(1));
}

/// For who asks for more invocations than the tests play.
fn report(watch: &Watch, invocations: usize) {
    let now = watch.now();
    let resident = (now.anonymous + now.files) >> 10;
    println!(
        "after {invocations} invocations: {resident} KiB resident, {} of them anonymous",
        now.anonymous >> 10
    );
}

/// Memory after `invocations` is what it was after the first tenth of them.
async fn grows_by_nothing(lab: &Lab, invocations: usize) {
    /// What the allocator may keep, and what the system's count may be off by.
    const SLACK: u64 = 256 * KIB as u64;
    for _ in 0..invocations / 10 {
        lab.succeed(&script()).await;
    }
    let watch = Watch::start(lab);
    let before = watch.now().anonymous;
    report(&watch, invocations / 10);
    for done in invocations / 10 + 1..=invocations {
        lab.succeed(&script()).await;
        if done == invocations / 2 || done == invocations {
            report(&watch, done);
        }
    }
    let after = watch.now().anonymous;
    assert!(after <= before + SLACK, "{before} bytes grew to {after}");
    assert!(watch.peak() <= budget(128), "{}", watch.peak());
}
