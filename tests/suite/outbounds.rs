//! Several outbounds at once: each has its own pace, and what one does not take costs the others nothing.

use std::path::Path;
use std::time::Duration;

use backend::faults::Fault;
use emulator::{Config, Reason, Source, What};
use serde_json::{Value, json};
use tests::daemon::Daemon;
use tests::lab::{BOUND, Finished, Lab, emitted};
use tests::memory::extension;
use tests::script::Script;
use tests::tree::Tree;

/// Documents of about a kilobyte: many times what the smallest spool, 128 KiB, has room for.
const BURST: usize = 600;
const AT_ONCE: usize = 50;
/// Between the end of an invocation and the arrival of its documents at a destination that is well: a busy machine's.
const SOON: Duration = Duration::from_secs(2);

pub(crate) fn call(number: usize) -> Script {
    Script::new().subsegment(&format!("{number:016x}"), "call")
}

pub(crate) fn set(config: &mut Config, name: &str, value: &str) {
    config.variables.insert(name.into(), value.into());
}

/// Documents go to these, and the daemon is this one.
fn to(config: &mut Config, outbounds: &str, daemon: &Daemon) {
    set(config, "FLUOROSCOPE_OUTBOUND", outbounds);
    set(config, "FLUOROSCOPE_DAEMON_ADDRESS", &daemon.address());
}

/// Documents that the extension wrote into its log.
fn written(lab: &Lab) -> Vec<Value> {
    let lines = lab.lines().into_iter();
    let documents = lines.filter(|line| line["fluoroscope"] == "document");
    documents.map(|line| line["document"].clone()).collect()
}

/// How long invocations waited for our next after their runtime was done, one after another.
fn waits(lab: &Lab) -> Vec<Duration> {
    let journal = lab.environment.journal();
    let done = journal
        .iter()
        .filter(|entry| emitted(entry, "platform.runtimeDone"));
    done.filter_map(|done| {
        let is_next = |what: &What| matches!(what, What::ExtensionNext { .. });
        let next = journal
            .iter()
            .find(|entry| entry.at > done.at && is_next(&entry.what));
        next.map(|next| next.at - done.at)
    })
    .collect()
}

/// What is the matter with the endpoint.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    Down,
    Throttled,
    Silent,
    Refusing,
}

async fn troubled(trouble: Trouble, daemon: &Daemon) -> Lab {
    let lab = Lab::with(|config| {
        to(config, "xray,daemon", daemon);
        set(config, "FLUOROSCOPE_FLUSH", "end");
        if matches!(trouble, Trouble::Refusing) {
            set(config, "AWS_ENDPOINT_URL_XRAY", "http://127.0.0.1:9");
        }
    })
    .await;
    let fault = match trouble {
        Trouble::Down | Trouble::Refusing => Fault::status(503),
        Trouble::Throttled => Fault::status(429),
        Trouble::Silent => Fault::delay(BOUND),
    };
    lab.xray.faults().add(fault.times(u32::MAX));
    lab
}

#[tokio::test]
async fn whatever_one_destination_does_the_other_gets_everything_when_it_would_alone() {
    for trouble in [
        Trouble::Down,
        Trouble::Throttled,
        Trouble::Silent,
        Trouble::Refusing,
    ] {
        let daemon = Daemon::start().await;
        let lab = troubled(trouble, &daemon).await;
        for number in 1..=5 {
            lab.succeed(&call(number)).await;
            lab.idle().await;
            let soon = tokio::time::timeout(SOON, daemon.documents(number)).await;
            assert!(soon.is_ok(), "{trouble:?} {number}\n{}", lab.log());
        }
        // The silent one is waited for once, 300 ms, and the others never; the rest is a busy machine's.
        let waited: Duration = waits(&lab).into_iter().sum();
        assert!(waited < Duration::from_secs(3), "{trouble:?}: {waited:?}");
        let finished = lab.finish().await;
        assert_eq!(finished.count("/outbounds/daemon/sent"), 5, "{}", finished.tally);
        assert_eq!(finished.count("/outbounds/daemon/received/total"), 5);
        let xray = |pointer: &str| finished.count(&format!("/outbounds/xray/{pointer}"));
        assert_eq!(
            xray("held") + xray("sent"),
            xray("received/total"),
            "{}",
            finished.tally
        );
    }
}

#[tokio::test]
async fn the_log_has_each_document_on_a_line_of_its_own_with_the_platforms_segments() {
    let lab = Lab::with(|config| set(config, "FLUOROSCOPE_OUTBOUND", "stdout")).await;
    let document = json!({ "id": "00000000000000a1", "name": "in two lines" });
    lab.succeed(&Script::new().document(document)).await;
    lab.idle().await;
    let tree = Tree::of(&written(&lab));
    assert!(tree.has("AWS::Lambda") && tree.has("in two lines"), "{tree}");
    let logs = lab.environment.logs();
    let own = logs
        .iter()
        .filter(|line| matches!(line.source, Source::Extension(_)));
    assert!(
        own.clone()
            .all(|line| serde_json::from_str::<Value>(&line.text).is_ok())
    );
    assert!(own.map(|line| line.text.len()).max() < Some(256 * 1024));
    let xray = lab.xray.store().clone();
    let finished = lab.finish().await;
    finished.assert_all_sent();
    assert_eq!(xray.received_documents(), 0);
}

#[tokio::test]
async fn each_destination_gets_the_platforms_segments_once_from_lambda_or_from_us() {
    let daemon = Daemon::start().await;
    let lab = Lab::with(|config| to(config, "xray,daemon,stdout", &daemon)).await;
    lab.succeed(&call(1)).await;
    lab.idle().await;
    let written = Tree::of(&written(&lab));
    let finished = lab.finish().await;
    for tree in [&written, &finished.tree] {
        assert_eq!(tree.all("AWS::Lambda::Function").len(), 1, "{tree}");
        assert_eq!(tree.all("AWS::Lambda").len(), 1, "{tree}");
        let under = "AWS::Lambda > AWS::Lambda::Function > call";
        assert!(tree.paths().iter().any(|path| path.ends_with(under)), "{tree}");
    }
    // Actively traced: Lambda makes them, and its daemon is where they go.
    assert_eq!(daemon.names(), ["call"]);
}

#[tokio::test]
async fn a_flood_with_one_destination_dead_costs_the_living_one_nothing_and_memory_no_more() {
    let daemon = Daemon::start().await;
    let lab = Lab::with(|config| {
        to(config, "xray,daemon", &daemon);
        config.timeout = Duration::from_secs(20);
        // The smallest spool there is: 128 KiB, and no files.
        set(config, "FLUOROSCOPE_MEMORY_BUDGET", "1");
        set(config, "FLUOROSCOPE_SPILL_LIMIT", "0");
    })
    .await;
    lab.xray.faults().add(Fault::status(503).times(u32::MAX));
    for _ in 0..BURST / AT_ONCE {
        lab.succeed(&Script::new().burst(AT_ONCE)).await;
        lab.idle().await;
    }
    let peak = peak_resident_kib(&lab);
    assert!(peak < 24 * 1024, "{peak} KiB");
    let finished = lab.finish().await;
    assert_eq!(
        finished.count("/received/udp"),
        BURST as u64,
        "{}",
        finished.tally
    );
    let daemons = |pointer: &str| finished.count(&format!("/outbounds/daemon/{pointer}"));
    assert_eq!(
        (daemons("sent"), daemons("shed/total")),
        (BURST as u64, 0),
        "{}",
        finished.tally
    );
    assert!(
        finished.count("/outbounds/xray/shed/budget") > 300,
        "{}",
        finished.tally
    );
}

/// The most that the extension had resident.
fn peak_resident_kib(lab: &Lab) -> u64 {
    let status = Path::new("/proc").join(extension(lab).to_string()).join("status");
    let status = std::fs::read_to_string(status).expect("it runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.split_whitespace().next());
    peak.and_then(|kib| kib.parse().ok()).expect("Linux says so")
}

#[tokio::test]
async fn what_one_destination_could_not_take_waits_in_its_own_files_for_the_next_processes() {
    for (outbounds, folder) in [
        ("xray,daemon", ".fluoroscope-spill"),
        ("daemon,xray", ".fluoroscope-spill-xray"),
    ] {
        let daemon = Daemon::start().await;
        let lab = Lab::with(|config| {
            to(config, outbounds, &daemon);
            config.timeout = Duration::from_secs(2);
        })
        .await;
        lab.xray.faults().add(Fault::status(503).times(u32::MAX));
        lab.invoke(&Script::new().burst(AT_ONCE).work_ms(60_000)).await;
        lab.wait_for("the reset", |entries| {
            let is_reset = |entry: &emulator::Entry| matches!(entry.what, What::Reset { .. });
            entries.iter().any(is_reset).then_some(())
        })
        .await;
        let folder = lab.environment.scratch().join(folder);
        assert!(folder.is_dir(), "{}", lab.log());
        lab.xray.faults().clear();
        lab.succeed(&call(1)).await;
        lab.idle().await;
        let xray = lab.xray.store().clone();
        let finished = lab.finish().await;
        assert_recovered(&finished);
        assert_eq!(finished.tree.all("burst").len(), AT_ONCE, "{outbounds}");
        assert_eq!(
            daemon.names().iter().filter(|name| *name == "burst").count(),
            AT_ONCE
        );
        assert_eq!(xray.counts().repeated, 0);
        assert!(!folder.exists());
    }
}

/// The next process has delivered what the first one left for X-Ray, and nothing was left for the daemon.
#[track_caller]
fn assert_recovered(finished: &Finished) {
    let earlier = &finished.earlier_tallies[0]["outbounds"];
    let left = earlier["xray"]["held_in_file"].as_u64();
    assert!(left > Some(0), "{earlier}");
    assert_eq!(earlier["daemon"]["held"], 0, "{earlier}");
    let recovered = finished.count("/outbounds/xray/received/recovered");
    assert_eq!(Some(recovered), left, "{}", finished.tally);
    for name in ["xray", "daemon"] {
        let of = |pointer: &str| finished.count(&format!("/outbounds/{name}/{pointer}"));
        assert_eq!(of("sent"), of("received/total"), "{}", finished.tally);
    }
}

#[tokio::test]
async fn shutdown_delivers_to_every_destination_what_it_still_owes() {
    let daemon = Daemon::start().await;
    let lab = Lab::with(|config| {
        to(config, "daemon,xray", &daemon);
        set(config, "FLUOROSCOPE_FLUSH", "periodic:10m");
    })
    .await;
    for number in 1..=3 {
        lab.succeed(&call(number)).await;
    }
    let finished = lab.finish_with(Reason::Spindown).await;
    daemon.documents(3).await;
    assert_eq!(finished.tree.all("call").len(), 3);
    for name in ["xray", "daemon"] {
        let of = |pointer: &str| finished.count(&format!("/outbounds/{name}/{pointer}"));
        assert_eq!(
            (of("held"), of("sent")),
            (0, of("received/total")),
            "{}",
            finished.tally
        );
    }
}

#[tokio::test]
async fn nothing_is_relayed_to_ourselves() {
    let lab = Lab::with(|config| {
        let own = config.variables["FLUOROSCOPE_UDP_ADDRESS"].clone();
        set(config, "FLUOROSCOPE_OUTBOUND", "daemon,xray,nowhere");
        set(config, "FLUOROSCOPE_DAEMON_ADDRESS", &own);
    })
    .await;
    lab.succeed(&call(1)).await;
    let finished = lab.finish().await;
    finished.assert_all_sent();
    assert!(finished.tree.has("call"));
    let messages = finished.messages();
    let told = |what: &str| messages.iter().any(|message| message.contains(what));
    assert!(
        told("our own address") && told("\"nowhere\" is left out"),
        "{messages:?}"
    );
}
