//! The environment's own temporary folder: `TMPDIR` of its processes, kept over resets as Lambda keeps /tmp.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A folder that goes when this does.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// A new folder below the system's, for nobody else's eyes.
    pub(crate) fn create() -> io::Result<Self> {
        let name = format!("fluoroscope-sandbox-{}", uuid::Uuid::new_v4().simple());
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What a process that is just being killed still writes may stay behind; the system cleans it up.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
