//! Somebody gets at the spill files: damage, and what was destroyed by it.

use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use extension::pipeline::spill_record::{self, Found};

use super::trouble::Damage;

/// Where the extension keeps them, below its temporary folder.
const FOLDER: &str = ".fluoroscope-spill";
/// Where the link leads that is put in the folder's place.
const ELSEWHERE: &str = "elsewhere";
/// Bytes that are overwritten at once: they may lie across a border of two documents.
const NOISE: usize = 400;

/// What stands in files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Records {
    /// Documents that wait.
    pub waiting: u64,
    /// Documents that were settled.
    pub settled: u64,
}

impl Records {
    /// Of a sandbox's files.
    pub fn of(scratch: &Path) -> Self {
        let read = files(scratch)
            .into_iter()
            .filter_map(|file| std::fs::read(file).ok());
        read.fold(Self::default(), |records, bytes| records.and(&bytes))
    }

    fn and(mut self, bytes: &[u8]) -> Self {
        let mut rest = bytes;
        while let Some((found, length)) = spill_record::read(rest, true) {
            match found {
                Found::Waits(_) => self.waiting += 1,
                Found::Settled => self.settled += 1,
                Found::Damaged | Found::DamagedOn => {}
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        self
    }

    fn total(self) -> u64 {
        self.waiting + self.settled
    }
}

/// Does the damage; says how many records it destroyed. Where there are no files there is nothing to damage.
pub fn damage(scratch: &Path, damage: Damage) -> u64 {
    let before = Records::of(scratch);
    // What cannot be done is not done: the count behind it says what was.
    let _ = perform(scratch, damage);
    before.total().saturating_sub(Records::of(scratch).total())
}

/// What lies where a link leads that nobody should follow.
pub fn strayed(scratch: &Path) -> usize {
    std::fs::read_dir(scratch.join(ELSEWHERE)).map_or(0, Iterator::count)
}

/// The files, the largest first. A link is no folder.
fn files(scratch: &Path) -> Vec<PathBuf> {
    let folder = scratch.join(FOLDER);
    let is_folder = folder.symlink_metadata().is_ok_and(|found| found.is_dir());
    let entries = is_folder.then(|| std::fs::read_dir(folder).ok()).flatten();
    let mut files: Vec<PathBuf> = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    let length = |file: &PathBuf| file.metadata().map_or(0, |file| file.len());
    files.sort_by_key(|file| (std::cmp::Reverse(length(file)), file.clone()));
    files
}

fn perform(scratch: &Path, damage: Damage) -> io::Result<()> {
    let folder = scratch.join(FOLDER);
    let files = files(scratch);
    let Some(largest) = files.first() else {
        return match damage {
            Damage::Link => link(scratch, &folder),
            _ => sweep(&folder),
        };
    };
    match damage {
        Damage::Flip { place } => change(largest, place, |bytes| bytes[0] ^= 0x10),
        Damage::Noise { place } => change(largest, place, |bytes| {
            let end = bytes.len().min(NOISE);
            bytes[..end].fill(0xF5);
        }),
        Damage::Cut { place } => {
            let file = std::fs::OpenOptions::new().write(true).open(largest)?;
            let length = file.metadata()?.len().max(1);
            file.set_len(place % length)
        }
        Damage::Gone { place } => {
            let count = u64::try_from(files.len()).unwrap_or(u64::MAX);
            let place = usize::try_from(place % count).unwrap_or_default();
            std::fs::remove_file(&files[place])
        }
        Damage::Swept => sweep(&folder),
        Damage::Link => sweep(&folder).and_then(|()| link(scratch, &folder)),
    }
}

/// Changes what stands from a place on, and no length.
fn change(file: &Path, place: u64, change: impl Fn(&mut [u8])) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    let mut bytes = std::fs::read(file)?;
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let Some(from) = place
        .checked_rem(length)
        .and_then(|from| usize::try_from(from).ok())
    else {
        return Ok(());
    };
    change(&mut bytes[from..]);
    let file = std::fs::OpenOptions::new().write(true).open(file)?;
    file.write_all_at(&bytes, 0)
}

fn sweep(folder: &Path) -> io::Result<()> {
    match folder.symlink_metadata() {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(folder),
        Ok(_) => std::fs::remove_file(folder),
        Err(_) => Ok(()),
    }
}

fn link(scratch: &Path, folder: &Path) -> io::Result<()> {
    let elsewhere = scratch.join(ELSEWHERE);
    std::fs::create_dir_all(&elsewhere)?;
    symlink(elsewhere, folder)
}
