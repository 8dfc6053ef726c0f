//! The control group this process lives in, where the sandbox shows one (Lambda's may not): what it may still take.

use std::fs::File;
use std::path::{Path, PathBuf};

use model::size::ByteCount;

use super::reader::beginning;

/// Where control groups of version 1 and 2 are mounted as a rule.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"];
/// Version 1 says a number near the largest there is where no limit is set.
const UNLIMITED: u64 = 1 << 60;
/// Longest `memory.stat`.
const STAT_BYTES: usize = 4096;
const NUMBER_BYTES: usize = 32;
/// With this part of its limit in use, pages of files in it, which are given back when needed, are looked at.
const LOOK_CLOSER: u64 = 2;

/// See the module.
#[derive(Debug)]
pub(super) struct Group {
    limit: u64,
    usage: File,
    stat: File,
}

impl Group {
    /// The own group, if it has a limit.
    pub(super) fn own() -> Option<Self> {
        let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
        let [v1, v2] = MOUNTS;
        folders(&own, Path::new(v1), Path::new(v2))
            .iter()
            .find_map(|folder| Self::open(folder))
    }

    fn open(folder: &Path) -> Option<Self> {
        let read = |name| std::fs::read_to_string(folder.join(name)).ok();
        let limit = read("memory.max").or_else(|| read("memory.limit_in_bytes"))?;
        let limit = limit
            .trim()
            .parse()
            .ok()
            .filter(|limit: &u64| *limit < UNLIMITED)?;
        let open = |name| File::open(folder.join(name)).ok();
        Some(Self {
            limit,
            usage: open("memory.current").or_else(|| open("memory.usage_in_bytes"))?,
            stat: open("memory.stat")?,
        })
    }

    /// What it may still take, and its limit.
    pub(super) fn headroom(&self) -> Option<(ByteCount, ByteCount)> {
        let mut buffer = [0; NUMBER_BYTES];
        let usage: u64 = beginning(&self.usage, &mut buffer)?.trim().parse().ok()?;
        let mut available = self.limit.saturating_sub(usage);
        if available < self.limit / LOOK_CLOSER {
            let mut buffer = [0; STAT_BYTES];
            let stat = beginning(&self.stat, &mut buffer).unwrap_or_default();
            available = available.saturating_add(file_pages(stat)).min(self.limit);
        }
        Some((ByteCount::bytes(available), ByteCount::bytes(self.limit)))
    }
}

/// Where the group's files may lie. Inside a namespace of its own the group is the mount itself.
fn folders(own: &str, v1: &Path, v2: &Path) -> Vec<PathBuf> {
    let below = |mount: &Path, path: &str| mount.join(path.trim_start_matches('/'));
    let lines = own
        .lines()
        .filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let mut folders: Vec<PathBuf> = lines
        .filter_map(|(controllers, path)| match controllers {
            "" => Some(below(v2, path)),
            named if named.split(',').any(|name| name == "memory") => Some(below(v1, path)),
            _ => None,
        })
        .collect();
    folders.extend([v1.to_owned(), v2.to_owned()]);
    folders
}

/// Pages of files that are given back when memory is needed. Version 1 counts those of groups below apart.
fn file_pages(stat: &str) -> u64 {
    let of = |wanted: &str| {
        let line = |line: &str| {
            let (name, number) = line.split_once(' ')?;
            (name == wanted).then(|| number.trim().parse().ok())?
        };
        stat.lines().find_map(line).unwrap_or(0u64)
    };
    let either = |name: &str, total: &str| of(total).max(of(name));
    either("inactive_file", "total_inactive_file").saturating_add(either("active_file", "total_active_file"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_own_group_is_found_in_both_versions_and_in_a_namespace() {
        let folders = |own| folders(own, Path::new("/1"), Path::new("/2"));
        let mounts = [PathBuf::from("/1"), "/2".into()];
        let with = |first: &str| [vec![first.into()], mounts.to_vec()].concat();
        assert_eq!(folders("9:cpu:/x\n4:memory:/a/b\n"), with("/1/a/b"));
        assert_eq!(folders("0::/a:b\n"), with("/2/a:b"));
        assert_eq!(folders("junk"), mounts);
    }

    #[test]
    fn pages_of_files_count_as_available() {
        let v1 = "cache 9\nactive_file 1\ninactive_file 2\ntotal_inactive_file 20\ntotal_active_file 10\n";
        assert_eq!(file_pages(v1), 30);
        assert_eq!(file_pages("inactive_file 5\nactive_file 7\n"), 12);
        assert_eq!(file_pages("active_file x\nactive_file"), 0);
    }

    #[test]
    fn a_group_is_read_from_its_files() {
        let folder = std::env::temp_dir().join(format!("fluoroscope-group-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        write("memory.max", "max\n");
        write("memory.current", "40\n");
        write("memory.stat", "inactive_file 25\n");
        assert!(Group::open(&folder).is_none());
        write("memory.max", "100\n");
        let group = Group::open(&folder).unwrap();
        assert_eq!(group.headroom().unwrap().0.get(), 60);
        write("memory.current", "90\n");
        assert_eq!(group.headroom().unwrap().0.get(), 35);
        std::fs::remove_dir_all(folder).unwrap();
    }

    proptest! {
        #[test]
        fn no_text_makes_the_readers_panic(text in ".*") {
            let _ = (file_pages(&text), folders(&text, Path::new("/"), Path::new("/")));
        }
    }
}
