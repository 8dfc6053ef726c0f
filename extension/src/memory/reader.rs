//! Reads this process's memory and the sandbox's headroom from /proc.
//!
//! Files stay open and are read in place without an allocation: about 1 µs for the process, 7 µs for the
//! sandbox. What cannot be read is left out.

use std::fs::File;
use std::os::unix::fs::FileExt;

use model::size::ByteCount;

use super::group::Group;
use crate::pipeline::memory::{Process, Reading};

/// The beginning of /proc/meminfo: what is looked for stands in its first three lines.
const BEGINNING: usize = 128;
const KIB: u64 = 1024;
/// Most pages of files of a release build. A debug build has three times as many, which would leave documents no
/// room: there no more than these are counted.
const FILES_OF_A_RELEASE: ByteCount = ByteCount::mib(5);

/// See the module.
#[derive(Debug)]
pub struct MemoryReader {
    process: Option<File>,
    sandbox: Option<File>,
    group: Option<Group>,
    page_bytes: u64,
}

impl MemoryReader {
    /// Opens what there is.
    pub fn open() -> Self {
        Self {
            process: File::open("/proc/self/statm").ok(),
            sandbox: File::open("/proc/meminfo").ok(),
            group: Group::own(),
            page_bytes: u64::try_from(rustix::param::page_size()).unwrap_or(4 * KIB),
        }
    }

    /// Reads this process's memory alone. `queued` bytes of it are datagrams that nobody has looked at yet.
    pub fn process(&self, queued: usize) -> Reading {
        let process = self.process.as_ref().and_then(|file| {
            let mut buffer = [0; BEGINNING];
            let (resident, shared) = pages(beginning(file, &mut buffer)?)?;
            let bytes = |pages: u64| ByteCount::bytes(pages.saturating_mul(self.page_bytes));
            let anonymous = bytes(resident.saturating_sub(shared));
            let mut files = bytes(shared);
            if cfg!(debug_assertions) {
                files = files.min(FILES_OF_A_RELEASE);
            }
            Some(Process {
                resident: anonymous.plus(files),
                anonymous,
                queued: ByteCount::of(queued),
            })
        });
        Reading {
            process,
            ..Reading::default()
        }
    }

    /// Reads this process's memory and the sandbox's.
    pub fn everything(&self, queued: usize) -> Reading {
        let machine = self.sandbox.as_ref().and_then(|file| {
            let mut buffer = [0; BEGINNING];
            headroom(beginning(file, &mut buffer)?)
        });
        let group = self.group.as_ref().and_then(Group::headroom);
        // Whichever ends first ends the function.
        let (available, limit) = match (machine, group) {
            (Some(machine), Some(group)) => (Some(machine.0.min(group.0)), Some(machine.1.min(group.1))),
            (either, other) => either.or(other).unzip(),
        };
        Reading {
            available,
            limit,
            ..self.process(queued)
        }
    }
}

/// The beginning of a file.
pub(super) fn beginning<'a>(file: &File, buffer: &'a mut [u8]) -> Option<&'a str> {
    let length = file.read_at(buffer, 0).ok()?;
    let text = buffer.get(..length)?;
    std::str::from_utf8(text).ok()
}

/// Resident and shared pages of /proc/self/statm: its second and third number.
fn pages(statm: &str) -> Option<(u64, u64)> {
    let mut numbers = statm
        .split_ascii_whitespace()
        .skip(1)
        .map_while(|word| word.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

/// What /proc/meminfo says is available, and what there is in all.
fn headroom(meminfo: &str) -> Option<(ByteCount, ByteCount)> {
    let of = |name: &str| {
        let value = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: u64 = value.split_ascii_whitespace().next()?.parse().ok()?;
        Some(ByteCount::bytes(kibibytes.saturating_mul(KIB)))
    };
    Some((of("MemAvailable:")?, of("MemTotal:")?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn memory_that_is_touched_shows_in_the_next_reading() {
        /// More than the allocator ever keeps in its heap: it is new to the process each time.
        const TOUCHED: usize = 48 * 1024 * 1024;
        /// Other tests of this program take and give back memory meanwhile, hardly in each of so many short moments.
        const MOMENTS: usize = 50;
        let reader = MemoryReader::open();
        let grown = || {
            let before = reader.everything(7);
            let touched = vec![1u8; TOUCHED];
            let after = reader.process(0);
            let (before_process, after) = (before.process.unwrap(), after.process.unwrap());
            assert_eq!(before_process.queued.get(), 7);
            assert!(after.anonymous < after.resident);
            assert!(before.available.unwrap() <= before.limit.unwrap());
            let grown = after
                .anonymous
                .get()
                .saturating_sub(before_process.anonymous.get());
            drop(touched);
            grown >> 20
        };
        let grown: Vec<u64> = (0..MOMENTS)
            .map(|_| grown())
            .take_while(|grown| !(46..=50).contains(grown))
            .collect();
        assert!(grown.len() < MOMENTS, "{grown:?} MiB each time");
    }

    #[test]
    fn the_lines_of_the_system_are_read() {
        assert_eq!(pages("70 1093 985 1 0 120 0\n"), Some((1093, 985)));
        let meminfo = "MemTotal:       24684092 kB\nMemFree:        1 kB\nMemAvailable:   24141264 kB\nBuf";
        let (available, total) = headroom(meminfo).unwrap();
        assert_eq!(
            (available.get(), total.get()),
            (24_141_264 << 10, 24_684_092 << 10)
        );
    }

    proptest! {
        #[test]
        fn no_text_is_read_as_memory_by_a_panic(text in ".*", number in any::<u64>()) {
            let _ = pages(&text);
            let _ = headroom(&text);
            let _ = headroom(&format!("MemTotal: {number} kB\nMemAvailable: {number}"));
        }
    }
}
