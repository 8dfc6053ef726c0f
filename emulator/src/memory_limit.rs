//! A control group with the function's memory: what its processes take together is bounded, as on Lambda.
//!
//! Invariants
//! - A process is in the group from its first instruction: it is started by a shell that enters and then becomes it.
//! - The group goes when this does, with every process that is still in it; so do groups of programs that were killed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Enters the group that `$0` names and becomes the program that follows.
const ENTER: &str = r#"echo $$ > "$0/cgroup.procs" && exec "$@""#;
const SHELL: &str = "/bin/sh";
const PREFIX: &str = "fluoroscope-sandbox-";
/// How long a group may take to lose its last process.
const EMPTY_BOUND: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Names of a version's files.
#[derive(Debug)]
struct Version {
    mount: &'static str,
    limit: &'static str,
    /// Bounds what may be swapped out; not every system has it.
    swap: &'static str,
    /// Version 1 bounds memory and swap together.
    swap_is_a_sum: bool,
    /// Where `oom_kill` is counted.
    kills: &'static str,
}

const VERSIONS: [Version; 2] = [
    Version {
        mount: "/sys/fs/cgroup/memory",
        limit: "memory.limit_in_bytes",
        swap: "memory.memsw.limit_in_bytes",
        swap_is_a_sum: true,
        kills: "memory.oom_control",
    },
    Version {
        mount: "/sys/fs/cgroup",
        limit: "memory.max",
        swap: "memory.swap.max",
        swap_is_a_sum: false,
        kills: "memory.events",
    },
];

/// Why memory cannot be limited here.
#[derive(Debug, thiserror::Error)]
#[error("could not limit memory with a control group ({step}): it takes root and the memory controller")]
pub struct MemoryLimitError {
    step: String,
    source: io::Error,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct MemoryLimit {
    folder: PathBuf,
    version: &'static Version,
}

impl MemoryLimit {
    /// A new group of this size.
    pub(crate) fn make(megabytes: u32) -> Result<Self, MemoryLimitError> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let [v1, v2] = &VERSIONS;
        let version = if Path::new(v1.mount).join(v1.limit).exists() {
            v1
        } else {
            v2
        };
        sweep(Path::new(version.mount));
        let folder = Path::new(version.mount).join(format!("{PREFIX}{}-{count}", std::process::id()));
        let failed = |path: &Path| {
            let step = path.display().to_string();
            |source| MemoryLimitError { step, source }
        };
        std::fs::create_dir(&folder).map_err(failed(&folder))?;
        let group = Self { folder, version };
        let bytes = u64::from(megabytes) * 1024 * 1024;
        let limit = group.folder.join(version.limit);
        let set = std::fs::write(&limit, bytes.to_string()).and_then(|()| std::fs::read_to_string(&limit));
        let read_back = set.map_err(failed(&limit))?;
        if read_back.trim().parse() != Ok(bytes) {
            let found = io::Error::other(format!("asked for {bytes}, found {}", read_back.trim()));
            return Err(failed(&limit)(found));
        }
        let swap = if version.swap_is_a_sum { bytes } else { 0 };
        // Where there is none, nothing can be swapped out.
        let _ = std::fs::write(group.folder.join(version.swap), swap.to_string());
        Ok(group)
    }

    /// The program and the words that come before a command which is to run in the group.
    pub(crate) fn entrance(&self) -> (&'static str, [&std::ffi::OsStr; 3]) {
        (SHELL, ["-c".as_ref(), ENTER.as_ref(), self.folder.as_os_str()])
    }

    /// How often the kernel has killed in the group for want of memory.
    pub(crate) fn kills(&self) -> u64 {
        let text = std::fs::read_to_string(self.folder.join(self.version.kills)).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        line.and_then(|count| count.trim().parse().ok())
            .unwrap_or_default()
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        let deadline = Instant::now() + EMPTY_BOUND;
        while std::fs::remove_dir(&self.folder).is_err() && Instant::now() < deadline {
            let left = std::fs::read_to_string(self.folder.join("cgroup.procs")).unwrap_or_default();
            for pid in left.lines().filter_map(|line| line.parse().ok()) {
                // It may have ended meanwhile.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            thread::sleep(LOOK_AGAIN);
        }
    }
}

/// Removes groups whose makers were killed.
fn sweep(mount: &Path) {
    for entry in std::fs::read_dir(mount).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let maker = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.split_once('-'));
        if maker.is_some_and(|(pid, _)| !Path::new("/proc").join(pid).exists()) {
            // A process of it that still runs keeps it.
            let _ = std::fs::remove_dir(entry.path());
        }
    }
}
