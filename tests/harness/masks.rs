//! Files that one program sees in the place of the system's: bound over them in a mount namespace of its own.
//!
//! Needs root and `unshare`. What is written to such a file later is seen at once: it is the same file.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use emulator::ExtensionProgram;

/// Binds each file over its place, and becomes the program that follows.
const BIND: &str =
    r#"while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit 70; shift 2; done; shift; exec "$@""#;

/// See the module.
#[derive(Debug)]
pub struct Masks {
    folder: PathBuf,
    places: Vec<String>,
}

/// A file that stands in the place of one of the system's.
#[derive(Debug)]
pub struct Mask(File);

impl Mask {
    /// Replaces its content in place, by a text of the same length as before: no reader sees a half of it.
    ///
    /// # Panics
    /// The temporary directory cannot be written.
    pub fn rewrite(&self, text: &str) {
        self.0
            .write_all_at(text.as_bytes(), 0)
            .expect("the temporary directory can be written");
    }
}

impl Masks {
    /// None yet.
    ///
    /// # Panics
    /// The temporary directory cannot be written.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fluoroscope-masks-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).expect("the temporary directory can be written");
        Self {
            folder,
            places: Vec::new(),
        }
    }

    /// Whether this machine lets us.
    pub fn are_possible() -> bool {
        static POSSIBLE: OnceLock<bool> = OnceLock::new();
        *POSSIBLE.get_or_init(|| {
            let script = "mount --bind /proc/self/status /proc/meminfo";
            let probe = Command::new("unshare")
                .args(["--mount", "--propagation", "private", "/bin/sh", "-c", script])
                .output();
            probe.is_ok_and(|output| output.status.success())
        })
    }

    /// Has a text stand in this place.
    ///
    /// # Panics
    /// The temporary directory cannot be written.
    pub fn put(&mut self, place: &str, text: &str) -> Mask {
        let path = self.path(self.places.len());
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        let mut file = file.expect("the folder is new");
        file.write_all(text.as_bytes())
            .expect("the temporary directory can be written");
        self.places.push(place.to_owned());
        Mask(file)
    }

    fn path(&self, number: usize) -> PathBuf {
        self.folder.join(number.to_string())
    }

    /// The program at this path, which sees them all.
    pub fn before(&self, program: &Path) -> ExtensionProgram {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let mut masked = ExtensionProgram::new("unshare").named(name);
        for word in ["--mount", "--propagation", "private", "/bin/sh", "-c", BIND, "sh"] {
            masked = masked.arg(word);
        }
        for (number, place) in self.places.iter().enumerate() {
            masked = masked.arg(self.path(number).to_string_lossy()).arg(place);
        }
        masked.arg("--").arg(program.to_string_lossy())
    }
}

impl Default for Masks {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Masks {
    fn drop(&mut self) {
        // The system cleans up what is left.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
