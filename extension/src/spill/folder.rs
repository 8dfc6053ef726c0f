//! The folder of the spill files, opened so that nobody can lead us elsewhere.
//!
//! The function's own code can write below the same temporary folder. So no link is followed, only regular files
//! and folders of our own user with one name are opened, everything is found relative to the folder's
//! descriptor, and a lock keeps a second extension out.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::limits::{SPILL_FILES, SPILL_RESERVE_MAX, SPILL_RESERVE_SHARE};

const NAME: &str = ".fluoroscope-spill";
const PRIVATE_FOLDER: Mode = Mode::RWXU;
const PRIVATE_FILE: Mode = Mode::RUSR.union(Mode::WUSR);

/// Why there is no folder to work in.
#[derive(Debug, thiserror::Error)]
pub(super) enum FolderError {
    #[error("it cannot be opened")]
    Unavailable(#[from] Errno),
    #[error("it belongs to somebody else")]
    NotOurs,
    #[error("another extension uses it")]
    InUse,
    #[error("the function may need the little that is free there")]
    Scarce,
    #[error("a file in it has the last number there is")]
    Exhausted,
}

/// The folder, ours alone until it is closed.
#[derive(Debug)]
pub(super) struct Folder {
    descriptor: OwnedFd,
    path: PathBuf,
}

/// The folder's path below a temporary folder: of the first lane, or of the one of this name.
pub(super) fn path_below(temporary: &Path, lane: Option<&str>) -> PathBuf {
    match lane {
        Some(lane) => temporary.join(format!("{NAME}-{lane}")),
        None => temporary.join(NAME),
    }
}

impl Folder {
    /// Opens the folder that an earlier process left. None if there is none.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, FolderError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let descriptor = match rustix::fs::openat(CWD, path, flags, Mode::empty()) {
            Ok(descriptor) => descriptor,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let stat = rustix::fs::fstat(&descriptor)?;
        if !is_ours(&stat) {
            return Err(FolderError::NotOurs);
        }
        match rustix::fs::flock(&descriptor, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(FolderError::InUse),
            Err(error) => return Err(error.into()),
        }
        rustix::fs::fchmod(&descriptor, PRIVATE_FOLDER)?;
        Ok(Some(Self {
            descriptor,
            path: path.to_owned(),
        }))
    }

    /// Opens the folder, made if need be.
    pub(super) fn create(path: &Path) -> Result<Self, FolderError> {
        match rustix::fs::mkdir(path, PRIVATE_FOLDER) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        Self::open(path)?.ok_or(FolderError::Unavailable(Errno::NOENT))
    }

    /// Whether so many more bytes leave the function what it may need of the file system.
    pub(super) fn spare(&self, bytes: u64) -> Result<(), FolderError> {
        let of = rustix::fs::fstatvfs(&self.descriptor)?;
        let blocks = |count: u64| count.saturating_mul(of.f_frsize);
        let reserve = (blocks(of.f_blocks) / SPILL_RESERVE_SHARE).min(SPILL_RESERVE_MAX.get());
        if blocks(of.f_bavail) < reserve.saturating_add(bytes) {
            return Err(FolderError::Scarce);
        }
        Ok(())
    }

    /// Names of files in it, at most [`SPILL_FILES`].
    pub(super) fn names(&self) -> Vec<String> {
        let Ok(entries) = Dir::read_from(&self.descriptor) else {
            return Vec::new();
        };
        let names = entries.filter_map(|entry| Some(entry.ok()?.file_name().to_str().ok()?.to_owned()));
        names.take(SPILL_FILES).collect()
    }

    /// Makes a file that was not there.
    pub(super) fn create_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let descriptor = rustix::fs::openat(&self.descriptor, name, flags, PRIVATE_FILE)?;
        Ok(File::from(descriptor))
    }

    /// Opens a file for reading and writing, and says how long it is.
    pub(super) fn open_file(&self, name: &str) -> io::Result<(File, u64)> {
        // Without NONBLOCK a pipe of that name would hold us.
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let descriptor = rustix::fs::openat(&self.descriptor, name, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&descriptor)?;
        let is_plain = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_nlink == 1;
        if !is_plain || !is_ours(&stat) {
            return Err(io::Error::other("it is no file of ours"));
        }
        let length = u64::try_from(stat.st_size).unwrap_or(0);
        Ok((File::from(descriptor), length))
    }

    /// Takes a file's name away. What cannot be taken away stays for somebody else.
    pub(super) fn remove(&self, name: &str) {
        let _ = rustix::fs::unlinkat(&self.descriptor, name, AtFlags::empty());
    }

    /// Lets the folder go, and takes it away if it is empty.
    pub(super) fn close(self) {
        // Before the lock goes with the descriptor, so that nobody works in a folder without a name.
        let _ = rustix::fs::rmdir(&self.path);
    }
}

fn is_ours(stat: &Stat) -> bool {
    stat.st_uid == rustix::process::geteuid().as_raw()
}
