//! The same starts under the CPU share of a small function, by a control group of version 1.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::plan::Plan;
use crate::priority;
use crate::start::{self, Compared, Of};
use crate::table::{Row, Table};

const CONTROLLER: &str = "/sys/fs/cgroup/cpu";
/// 7.2 %: Lambda gives a whole CPU at 1,769 MB, and 128 MB is that share of it.
const QUOTA_MICROS: &str = "7200";
const PERIOD_MICROS: &str = "100000";
/// Within its quota the group comes before other programs.
const MOST_SHARES: &str = "262144";
/// How long a group may take to lose its last process.
const EMPTY_BOUND: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// A control group, removed when dropped.
struct Group(PathBuf);

impl Group {
    fn make(number: usize) -> io::Result<Self> {
        let own = std::fs::read_to_string("/proc/self/cgroup")?;
        let own = own.lines().find_map(|line| {
            line.split_once(":cpu:/")
                .or_else(|| line.split_once(":cpu,cpuacct:/"))
        });
        let parent = own.map(|(_, path)| Path::new(CONTROLLER).join(path));
        let parent = parent.ok_or(io::ErrorKind::NotFound)?;
        let group = Self(parent.join(format!("fluoroscope-measure-{}-{number}", std::process::id())));
        std::fs::create_dir(&group.0)?;
        std::fs::write(group.0.join("cpu.cfs_period_us"), PERIOD_MICROS)?;
        std::fs::write(group.0.join("cpu.cfs_quota_us"), QUOTA_MICROS)?;
        std::fs::write(group.0.join("cpu.shares"), MOST_SHARES)?;
        Ok(group)
    }

    /// Starts a program from a thread inside the group: it is under the share from its first instruction.
    fn spawn(&self, command: &mut Command) -> Outcome<(Instant, Child)> {
        let tasks = self.0.join("tasks");
        let inside = move || {
            let thread = std::fs::read_link("/proc/thread-self")?;
            let id = thread.file_name().unwrap_or_default().to_string_lossy();
            std::fs::write(tasks, id.as_bytes())?;
            start::spawn(command)
        };
        thread::scope(|scope| scope.spawn(inside).join()).map_err(|_| "the spawning thread panicked")?
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let deadline = Instant::now() + EMPTY_BOUND;
        while std::fs::remove_dir(&self.0).is_err() && Instant::now() < deadline {
            thread::sleep(LOOK_AGAIN);
        }
    }
}

/// Exec to registered and to the first next under the share.
pub(crate) fn measure(plan: &Plan, table: &mut Table) -> Outcome {
    if let Err(error) = Group::make(0) {
        table.leave_out(format!(
            "the figures under a CPU share of 7.2 % were left out: they need root and the cpu controller of cgroup v1 ({error})"
        ));
        return Ok(());
    }
    let is_raised = priority::lower();
    // A new group has its whole quota: no run pays for the one before.
    let seen = start::interleave(plan, |number, command| {
        let group = Group::make(number + 1)?;
        let (began, child) = group.spawn(command)?;
        Ok((began, child, group))
    });
    if is_raised {
        priority::raise();
    }
    rows(&seen?, table);
    Ok(())
}

fn rows(seen: &Compared, table: &mut Table) {
    let rows: [(_, Of, _, _); 3] = [
        (
            "exec → registered, 7.2 % of a CPU",
            |starts| &starts.registered_ms,
            "ms",
            Some(5.0),
        ),
        (
            "exec → first next, 7.2 % of a CPU",
            |starts| &starts.next_ms,
            "ms",
            None,
        ),
        (
            "– pages touched before it",
            |starts| &starts.faults,
            "pages",
            None,
        ),
    ];
    for (figure, of, unit, target) in rows {
        let (extension, floor) = (of(&seen.extension), of(&seen.floor));
        let decimals = if unit == "ms" { 2 } else { 0 };
        let peer = seen.peer.as_ref().map(|peer| of(peer).spread(decimals, unit));
        table.push(Row {
            figure: figure.to_owned(),
            extension: extension.spread(decimals, unit),
            floor: floor.spread(decimals, unit),
            ratio: Some(extension.median() / floor.median()),
            peer: peer.unwrap_or_default(),
            target: target
                .map(|target| format!("≤ {target} {unit}"))
                .unwrap_or_default(),
            is_met: target.map(|target| extension.median() <= target),
        });
    }
}
