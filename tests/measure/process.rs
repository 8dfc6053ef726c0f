//! What the system says of a process.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::Outcome;

/// How long a process may take to come to rest.
const REST_BOUND: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_micros(200);
/// Memory that has not changed for this long is what stays.
const UNCHANGED: Duration = Duration::from_millis(50);

/// Resident memory in kB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Memory {
    /// All resident pages.
    pub(crate) resident_kb: f64,
    /// Those that no file stands behind.
    pub(crate) anonymous_kb: f64,
    /// The most that was ever resident.
    pub(crate) peak_kb: f64,
}

impl Memory {
    /// Memory of a process as soon as it waits for something.
    pub(crate) fn at_rest(pid: u32) -> Outcome<Self> {
        let deadline = Instant::now() + REST_BOUND;
        loop {
            let status = status(pid)?;
            let state = field(&status, "State:");
            if state.is_some_and(|state| state.starts_with('S')) {
                return Self::read(&status)
                    .ok_or_else(|| format!("no memory figures of process {pid}").into());
            }
            if Instant::now() > deadline {
                return Err(format!("process {pid} does not come to rest: {state:?}").into());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Memory of a process once it has not changed for a while: what it gives back after its work is given back.
    pub(crate) fn settled(pid: u32) -> Outcome<Self> {
        let deadline = Instant::now() + REST_BOUND;
        let (mut last, mut since) = (Self::at_rest(pid)?, Instant::now());
        while since.elapsed() < UNCHANGED && Instant::now() < deadline {
            std::thread::sleep(LOOK_AGAIN);
            let now = Self::at_rest(pid)?;
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
        Ok(last)
    }

    fn read(status: &str) -> Option<Self> {
        let kilobytes = |name| field(status, name)?.split_whitespace().next()?.parse().ok();
        Some(Self {
            resident_kb: kilobytes("VmRSS:")?,
            anonymous_kb: kilobytes("RssAnon:")?,
            peak_kb: kilobytes("VmHWM:")?,
        })
    }
}

/// Pages a process touched for the first time without waiting for a disk.
pub(crate) fn minor_faults(pid: u32) -> Outcome<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in brackets, may hold anything; the tenth field counts.
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest);
    let faults = after_name.and_then(|rest| rest.split_whitespace().nth(7));
    Ok(faults.ok_or("no count of page faults")?.parse()?)
}

fn status(pid: u32) -> Outcome<String> {
    Ok(std::fs::read_to_string(format!("/proc/{pid}/status"))?)
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let value = status.lines().find_map(|line| line.strip_prefix(name));
    value.map(str::trim)
}

/// CPU time of every thread of a process so far, in milliseconds. A thread that ends meanwhile is left out.
pub(crate) fn cpu_ms(pid: u32) -> Outcome<f64> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"))?.flatten();
    let nanos: Vec<f64> = threads
        .filter_map(|thread| on_cpu_nanos(&thread.path()))
        .collect();
    if nanos.is_empty() {
        return Err(format!("the system does not say how long process {pid} ran (schedstat)").into());
    }
    Ok(nanos.iter().sum::<f64>() / 1e6)
}

fn on_cpu_nanos(thread: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(thread.join("schedstat")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_a_status_file() {
        let status = "Name:\tx\nVmHWM:\t    2000 kB\nVmRSS:\t    1880 kB\nRssAnon:\t      96 kB\n";
        let expected = Memory {
            resident_kb: 1880.0,
            anonymous_kb: 96.0,
            peak_kb: 2000.0,
        };
        assert_eq!(Memory::read(status), Some(expected));
        assert_eq!(Memory::read("Name:\tx\n"), None);
    }

    #[test]
    fn work_costs_cpu_time() {
        let own = std::process::id();
        let before = cpu_ms(own).unwrap();
        let deadline = Instant::now() + REST_BOUND;
        while cpu_ms(own).unwrap() <= before {
            assert!(Instant::now() < deadline);
        }
    }

    #[test]
    fn a_process_that_is_no_more_costs_an_error_not_a_zero() {
        assert!(cpu_ms(u32::MAX).is_err());
    }
}
