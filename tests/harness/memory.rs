//! What the system says of the extension's memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use emulator::What;

use crate::lab::{Lab, released_extension};

/// Most pages of files of a release build; the benchmark measures that one. A debug build has three times as many:
/// there these are counted in their place.
const FILES_OF_A_RELEASE: u64 = 5 * 1024 * 1024;
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Memory of a process in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Pages that no file stands behind.
    pub anonymous: u64,
    /// Pages of files.
    pub files: u64,
    /// The most that was ever resident.
    pub peak: u64,
}

impl Memory {
    /// What the system says now; none once the process is gone.
    pub fn of(pid: u32) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let bytes = |name: &str| -> Option<u64> {
            let value = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(value.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
        };
        Some(Self {
            anonymous: bytes("RssAnon:")?,
            files: bytes("RssFile:")?,
            peak: bytes("VmHWM:")?,
        })
    }
}

/// Looks at a process's memory again and again until it is asked.
pub struct Watch {
    pid: u32,
    anonymous: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Watches the extension that runs now.
    ///
    /// # Panics
    /// None does.
    pub fn start(lab: &Lab) -> Self {
        let pid = extension(lab);
        let anonymous = Arc::new(AtomicU64::new(0));
        let is_over = Arc::new(AtomicBool::new(false));
        let (most, stop) = (Arc::clone(&anonymous), Arc::clone(&is_over));
        let look = move || {
            while !stop.load(Ordering::Relaxed)
                && let Some(memory) = Memory::of(pid)
            {
                most.fetch_max(memory.anonymous, Ordering::Relaxed);
                std::thread::sleep(LOOK_AGAIN);
            }
        };
        Self {
            pid,
            anonymous,
            is_over,
            thread: Some(std::thread::spawn(look)),
        }
    }

    /// What the extension has now.
    ///
    /// # Panics
    /// It has ended.
    pub fn now(&self) -> Memory {
        Memory::of(self.pid).expect("the extension runs")
    }

    /// The most that the extension ever had resident, with the code of a release build.
    pub fn peak(&self) -> u64 {
        let now = self.now();
        if !cfg!(debug_assertions) || released_extension().is_some() {
            return now.peak;
        }
        let sampled = self.anonymous.load(Ordering::Relaxed);
        // Pages of files only become more, so at its peak it had at least so many others.
        sampled.max(now.peak.saturating_sub(now.files)) + now.files.min(FILES_OF_A_RELEASE)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It does not panic.
            let _ = thread.join();
        }
    }
}

/// The process of the extension that runs now.
///
/// # Panics
/// None does.
pub fn extension(lab: &Lab) -> u32 {
    let journal = lab.environment.journal();
    let started = journal.iter().rev().find_map(|entry| match &entry.what {
        What::ProcessStarted { name, pid } if &**name != "runtime" => Some(*pid),
        _ => None,
    });
    started.expect("the extension was started")
}
