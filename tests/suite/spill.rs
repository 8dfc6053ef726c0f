//! The spool's file tier: what memory has no room for, and what one process leaves for the next.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use backend::faults::Fault;
use emulator::{Config, What};
use tests::lab::{Finished, Lab};
use tests::memory::extension;
use tests::script::Script;

/// Documents of about a kilobyte: many times what the smallest spool, 128 KiB, has room for.
const BURST: usize = 600;
/// So many come at once where none may be lost for want of time to look at them, however slow the extension is.
const AT_ONCE: usize = 50;
const FOLDER: &str = ".fluoroscope-spill";

fn call(number: u32) -> Script {
    Script::new().subsegment(&format!("{number:016x}"), "call")
}

fn little_memory(config: &mut Config) {
    config.timeout = Duration::from_secs(20);
    config
        .variables
        .insert("FLUOROSCOPE_MEMORY_BUDGET".into(), "1".into());
}

/// The burst, in as many invocations as it takes for a backlog of the least size to hold what each one sends.
async fn burst(lab: &Lab) {
    for _ in 0..BURST / AT_ONCE {
        lab.succeed(&Script::new().burst(AT_ONCE)).await;
        lab.idle().await;
    }
}

/// X-Ray is down until the lab says otherwise.
async fn down(change: impl FnOnce(&mut Config)) -> Lab {
    let lab = Lab::with(change).await;
    lab.xray.faults().add(Fault::status(503).times(u32::MAX));
    lab
}

fn folder(lab: &Lab) -> PathBuf {
    lab.environment.scratch().join(FOLDER)
}

fn files(lab: &Lab) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(lab)).into_iter().flatten();
    entries
        .map(|entry| entry.expect("it can be read").path())
        .collect()
}

/// Waits until as many processes as there are resets have ended.
async fn reset(lab: &Lab) {
    lab.wait_for("the reset", |entries| {
        let is_reset = |entry: &emulator::Entry| matches!(entry.what, What::Reset { .. });
        entries.iter().any(is_reset).then_some(())
    })
    .await;
}

/// Ids of the function's own documents at X-Ray, each once.
fn arrived(finished: &Finished) -> usize {
    finished.tree.all("burst").len()
}

#[tokio::test]
async fn what_memory_has_no_room_for_arrives_when_x_ray_is_back_and_nothing_twice() {
    let lab = down(little_memory).await;
    burst(&lab).await;
    assert!(!files(&lab).is_empty(), "{}", lab.log());
    lab.xray.faults().clear();
    lab.succeed(&call(0xa1)).await;
    let (xray, place) = (lab.xray.store().clone(), folder(&lab));
    let finished = lab.finish().await;
    finished.assert_heard_of(BURST as u64 + 1);
    finished.assert_all_sent();
    assert_eq!(arrived(&finished), BURST);
    assert_eq!(xray.counts().repeated, 0);
    assert!(!place.exists());
}

#[tokio::test]
async fn after_a_timeout_or_a_crash_the_next_processes_deliver_what_was_held() {
    for (script, reason) in [
        (Script::new().burst(BURST).work_ms(60_000), "timeout"),
        (Script::new().burst(BURST).work_ms(300).exit(), "failure"),
    ] {
        let lab = down(|config| config.timeout = Duration::from_secs(2)).await;
        lab.invoke(&script).await;
        reset(&lab).await;
        lab.xray.faults().clear();
        lab.succeed(&call(0xb1)).await;
        let xray = lab.xray.store().clone();
        let finished = lab.finish().await;
        let earlier = &finished.earlier_tallies[0];
        assert_eq!(earlier["shutdown"], reason);
        assert_eq!(earlier["held"], earlier["held_in_file"], "{earlier}");
        assert_eq!(
            finished.count("/received/recovered"),
            earlier["held"].as_u64().unwrap()
        );
        finished.assert_all_sent();
        assert_eq!(arrived(&finished), BURST);
        assert_eq!(xray.counts().repeated, 0);
    }
}

#[tokio::test]
async fn what_was_in_the_files_when_the_extension_was_killed_arrives_and_what_was_settled_does_not_again() {
    let lab = down(little_memory).await;
    burst(&lab).await;
    lab.xray.faults().clear();
    lab.xray
        .faults()
        .add(Fault::delay(Duration::from_millis(40)).times(u32::MAX));
    let slow = Script::new().work_ms(1_000);
    let is_killed = Cell::new(false);
    // The pause after so many refusals may be longer than one of them.
    let invoke = async {
        while !is_killed.get() {
            lab.invoke(&slow).await;
        }
    };
    let kill = async {
        lab.documents(200).await;
        is_killed.set(true);
        let status = Command::new("kill")
            .args(["-9", &extension(&lab).to_string()])
            .status();
        assert!(status.expect("kill is there").success());
    };
    tokio::join!(invoke, kill);
    reset(&lab).await;
    lab.xray.faults().clear();
    lab.succeed(&call(0xb1)).await;
    let xray = lab.xray.store().clone();
    let finished = lab.finish().await;
    finished.assert_all_sent();
    // What was in memory, 128 KiB at most, went with the process; one call may have been under way.
    assert!(arrived(&finished) >= BURST - 128, "{}", arrived(&finished));
    assert!(xray.counts().repeated <= 50, "{}", xray.counts().repeated);
    assert!(finished.count("/received/recovered") > 0, "{}", finished.tally);
    // Nothing is told of twice, as delivered and as lost.
    let lost = finished.count("/rejected/total") + finished.count("/shed/total");
    assert!(
        u64::try_from(arrived(&finished)).unwrap() + lost <= u64::try_from(BURST).unwrap(),
        "{}",
        finished.tally
    );
}

#[tokio::test]
async fn damage_between_two_processes_costs_the_damaged_documents() {
    for kind in ["flipped", "cut", "random"] {
        let lab = down(|config| config.timeout = Duration::from_secs(20)).await;
        lab.invoke(&Script::new().burst(100).work_ms(200).exit()).await;
        reset(&lab).await;
        let largest = files(&lab)
            .into_iter()
            .max_by_key(|file| fs::metadata(file).map_or(0, |file| file.len()));
        let file = largest.expect("something was left");
        let mut bytes = fs::read(&file).expect("it can be read");
        match kind {
            "flipped" => bytes[2_000] ^= 0x10,
            "cut" => bytes.truncate(bytes.len() - 10),
            _ => bytes[5_000..5_400].fill(0xF5),
        }
        fs::write(&file, bytes).expect("it can be written");
        lab.xray.faults().clear();
        lab.succeed(&call(0xb1)).await;
        let finished = lab.finish().await;
        let lost = finished.count("/rejected/spill_damaged");
        // Four hundred bytes of noise may lie across the border of two documents.
        let others = if kind == "random" { 98 } else { 99 };
        assert_eq!(lost, 1, "{kind}: {}", finished.tally);
        assert!(arrived(&finished) >= others, "{kind}: {}", finished.tally);
    }
}

/// Plays an overflow whose files cannot be kept, as `obstruct` sees to.
async fn obstructed(obstruct: impl FnOnce(&Path)) -> Finished {
    let lab = down(little_memory).await;
    obstruct(&folder(&lab));
    burst(&lab).await;
    lab.xray.faults().clear();
    lab.succeed(&call(0xb1)).await;
    let finished = lab.finish().await;
    let about = |message: &&&str| message.contains("FLUOROSCOPE_SPILL_LIMIT");
    assert_eq!(
        finished.messages().iter().filter(about).count(),
        1,
        "{:?}",
        finished.lines
    );
    assert!(finished.count("/shed/budget") > 300, "{}", finished.tally);
    assert_eq!(finished.count("/held"), 0, "{}", finished.tally);
    finished
}

#[tokio::test]
async fn a_link_in_the_folders_place_is_not_followed() {
    let elsewhere = std::env::temp_dir().join(format!("fluoroscope-elsewhere-{}", std::process::id()));
    fs::create_dir(&elsewhere).expect("a folder can be made");
    obstructed(|folder| symlink(&elsewhere, folder).expect("a link can be made")).await;
    assert_eq!(fs::read_dir(&elsewhere).expect("it is there").count(), 0);
    fs::remove_dir(&elsewhere).expect("nothing was put there");
}

#[tokio::test]
async fn the_limit_holds_and_what_goes_beyond_it_is_counted() {
    let lab = down(|config| {
        little_memory(config);
        config
            .variables
            .insert("FLUOROSCOPE_SPILL_LIMIT".into(), "200KiB".into());
    })
    .await;
    burst(&lab).await;
    let on_disk: u64 = files(&lab)
        .iter()
        .map(|file| fs::metadata(file).map_or(0, |file| file.len()))
        .sum();
    assert!(on_disk > 0 && on_disk <= 200 * 1024, "{on_disk}");
    lab.xray.faults().clear();
    lab.succeed(&call(0xb1)).await;
    let finished = lab.finish().await;
    let shed = finished.count("/shed/spill_limit");
    assert!(shed > 100, "{}", finished.tally);
    assert_eq!(finished.count("/shed/budget"), 0, "{}", finished.tally);
    assert_eq!(finished.count("/held"), 0);
    let functions = finished.tree.all("AWS::Lambda::Function").len();
    assert_eq!(functions, BURST / AT_ONCE + 1);
}

#[tokio::test]
async fn without_need_nothing_is_put_on_disk() {
    let lab = down(|_| ()).await;
    for number in 1..4 {
        lab.succeed(&call(number)).await;
    }
    lab.idle().await;
    assert!(!folder(&lab).exists());
    let place = folder(&lab);
    let finished = lab.finish_with(emulator::Reason::Spindown).await;
    assert!(finished.count("/held") > 0 && finished.count("/held_in_file") == 0);
    assert!(!place.exists());
}

/// These change owners and mount file systems.
mod as_root {
    use super::*;

    #[tokio::test]
    async fn a_folder_of_somebody_elses_is_not_used() {
        obstructed(|folder| {
            fs::create_dir(folder).expect("a folder can be made");
            std::os::unix::fs::chown(folder, Some(65_534), None).expect("it can be given away");
        })
        .await;
    }

    /// A small file system in the place of a folder, for as long as this lives.
    struct Mounted(PathBuf);

    impl Mounted {
        fn small(place: &Path) -> Self {
            let status = Command::new("mount")
                .args(["-t", "tmpfs", "-o", "size=128k,mode=0700", "tmpfs"])
                .arg(place)
                .status();
            assert!(status.expect("mount is there").success());
            Self(place.to_owned())
        }
    }

    impl Drop for Mounted {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg(&self.0).status();
        }
    }

    #[tokio::test]
    async fn a_part_of_the_file_system_stays_free_for_the_function() {
        let lab = down(little_memory).await;
        fs::create_dir(folder(&lab)).expect("a folder can be made");
        let mounted = Mounted::small(&folder(&lab));
        burst(&lab).await;
        let lengths = files(&lab)
            .into_iter()
            .map(|file| fs::metadata(file).map_or(0, |file| file.len()));
        let on_disk: u64 = lengths.sum();
        // An eighth of 128 KiB.
        assert!(on_disk > 0 && on_disk <= 112 * 1024, "{on_disk}");
        lab.xray.faults().clear();
        lab.succeed(&call(0xb1)).await;
        let finished = lab.finish().await;
        let about = |message: &&&str| message.contains("FLUOROSCOPE_SPILL_LIMIT");
        assert_eq!(finished.messages().iter().filter(about).count(), 1);
        assert_eq!(finished.count("/held"), 0, "{}", finished.tally);
        drop(mounted);
    }

    #[tokio::test]
    async fn a_full_disk_costs_one_line_and_what_was_written_still_arrives() {
        let mut mounted = None;
        let finished = obstructed(|folder| {
            fs::create_dir(folder).expect("a folder can be made");
            mounted = Some(Mounted::small(folder));
        })
        .await;
        assert!(finished.count("/sent") > 128, "{}", finished.tally);
    }
}
