//! Memory that is really limited: runtime and extension in a control group of the function's size. Needs root.

use std::path::{Path, PathBuf};
use std::time::Duration;

use emulator::{Config, KilledAs};
use tests::lab::{Finished, Lab};
use tests::memory::extension;
use tests::script::Script;

const MIB: u64 = 1024 * 1024;
const SIZE: u64 = 128 * MIB;
const DOWN: &str = "http://127.0.0.1:9";

fn limited(config: &mut Config) {
    config.memory_mb = 128;
    config.enforce_memory = true;
    config.killed_as = KilledAs::Detect;
    config.timeout = Duration::from_secs(60);
}

fn script() -> Script {
    Script::new().subsegment("00000000000000a1", "call")
}

/// What runtime and extension take together, by the count of their group.
fn used(lab: &Lab) -> u64 {
    let own = std::fs::read_to_string(format!("/proc/{}/cgroup", extension(lab))).unwrap();
    let at = own
        .find("fluoroscope-sandbox-")
        .unwrap_or_else(|| panic!("{own}"));
    let name = own[at..].lines().next().unwrap();
    let folders = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"].map(|mount| Path::new(mount).join(name));
    let folder: &PathBuf = folders.iter().find(|folder| folder.exists()).unwrap();
    let files = ["memory.usage_in_bytes", "memory.current"];
    let text = files
        .iter()
        .find_map(|file| std::fs::read_to_string(folder.join(file)).ok());
    text.unwrap().trim().parse().unwrap()
}

/// What memory had no room for went to the files: nothing was given up, but for what a debug build is too slow to
/// look at.
#[track_caller]
fn assert_files_had_room(finished: &Finished) {
    let shed = finished.count("/shed/total") - finished.count("/shed/overrun");
    assert_eq!(shed, 0, "{}", finished.tally);
}

#[tokio::test]
async fn a_function_that_fills_its_memory_to_95_percent_keeps_running_and_keeps_its_trace() {
    let lab = Lab::with(limited).await;
    lab.succeed(&script()).await;
    lab.idle().await;
    let fill = (SIZE * 95 / 100).saturating_sub(used(&lab));
    lab.succeed(&Script::new().fill(fill).subsegment("00000000000000a2", "full"))
        .await;
    lab.idle().await;
    assert!(used(&lab) > SIZE * 94 / 100, "{}", used(&lab));
    for _ in 0..20 {
        lab.succeed(&script()).await;
    }
    // And while it is full it may chatter: all of this would be more than is left.
    lab.succeed(&Script::new().burst(5_000)).await;
    let finished = lab.finish().await;
    assert_eq!(finished.tree.all("AWS::Lambda::Function").len(), 23);
    assert!(finished.tree.has("full"), "{}", finished.tally);
    assert!(finished.count("/received/udp") > 2_500, "{}", finished.tally);
    finished.assert_heard_of(22 + 5_000);
    assert_files_had_room(&finished);
    let lines = finished.lines.iter();
    let mut levels: Vec<_> = lines
        .filter_map(|line| line["level_of_memory"].as_str())
        .collect();
    levels.retain(|level| *level == "critical");
    assert_eq!(levels.len(), 1, "told once: {:?}", finished.lines);
}

#[tokio::test]
async fn a_flood_that_cannot_be_sent_fits_beside_a_function_that_leaves_its_budget_free() {
    let lab = Lab::with(|config| {
        limited(config);
        config
            .variables
            .insert("AWS_ENDPOINT_URL_XRAY".into(), DOWN.into());
    })
    .await;
    lab.succeed(&script()).await;
    lab.idle().await;
    let fill = SIZE.saturating_sub(used(&lab) + 16 * MIB);
    lab.succeed(&Script::new().fill(fill)).await;
    lab.succeed(&Script::new().burst(10_000).burst_of(200, 60 * 1024))
        .await;
    let finished = lab.finish().await;
    finished.assert_heard_of(1 + 10_000 + 200);
    // A debug build is too slow for all of it.
    assert!(finished.count("/received/udp") > 5_000, "{}", finished.tally);
    assert!(finished.count("/held_in_file") > 2_500, "{}", finished.tally);
    assert_files_had_room(&finished);
    assert_eq!(finished.earlier_tallies.len(), 0, "nothing was killed");
}

#[tokio::test]
async fn a_function_that_runs_out_of_memory_is_told_as_such_and_its_trace_is_kept() {
    let lab = Lab::with(limited).await;
    lab.succeed(&script()).await;
    let invoked = lab
        .invoke(
            &Script::new()
                .subsegment("00000000000000a3", "before")
                .fill(2 * SIZE),
        )
        .await;
    assert!(
        invoked.text().contains("Runtime.OutOfMemory"),
        "{}",
        invoked.text()
    );
    lab.succeed(&script()).await;
    let finished = lab.finish().await;
    assert!(finished.tree.has("before"), "{}", finished.tally);
    let functions = finished.tree.all("AWS::Lambda::Function");
    let faults: Vec<_> = functions
        .iter()
        .filter(|segment| segment["fault"] == true)
        .collect();
    assert_eq!((functions.len(), faults.len()), (3, 1), "{:?}", faults);
    assert!(faults[0]["cause"].to_string().contains("memory"), "{}", faults[0]);
}
