//! Remembers what an installation was made from, so that an unchanged one costs nothing.
//!
//! The stamp is written last: an installation that was interrupted has none and is made again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::failure::Outcome;
use crate::files::{self, READABLE};
use crate::project;

/// An installation and the text it follows from.
pub(crate) struct Stamp {
    file: PathBuf,
    proof: PathBuf,
    inputs: String,
    /// Held while this lives: two commands at once do not install into the same folder.
    _lock: File,
}

impl Stamp {
    /// The stamp of `folder`, whose content follows from the given project files, and whose use is `proof` in it.
    pub(crate) fn of(folder: &Path, proof: &str, files: &[&str]) -> Outcome<Self> {
        let mut inputs = String::new();
        for file in files {
            inputs.push('\n');
            inputs.push_str(&project::read(Path::new(file))?);
        }
        let lock = lock(&folder.with_extension("lock"))?;
        Ok(Self {
            _lock: lock,
            file: folder.join(".made-from"),
            proof: folder.join(proof),
            inputs,
        })
    }

    /// Adds something that is no file, such as a version.
    pub(crate) fn and(mut self, word: &str) -> Self {
        self.inputs.push('\n');
        self.inputs.push_str(word);
        self
    }

    /// Whether the installation is there and made from the same inputs.
    pub(crate) fn is_current(&self) -> bool {
        self.proof.exists() && fs::read_to_string(&self.file).is_ok_and(|made_from| made_from == self.inputs)
    }

    /// Says that the installation is complete.
    pub(crate) fn write(&self) -> Outcome {
        files::write(&self.file, &self.inputs, READABLE)
    }
}

fn lock(path: &Path) -> Outcome<File> {
    let failed = |error| files::failed("lock", path, &error);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let file = File::create(path).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}

/// An empty folder at `path`, whatever was there before.
pub(crate) fn clear(path: &Path) -> Outcome {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(files::failed("clear", path, &error));
        }
        _ => {}
    }
    fs::create_dir_all(path).map_err(|error| files::failed("make", path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_is_current_only_while_it_is_there_and_its_inputs_are_the_same() {
        let folder = std::env::temp_dir().join(format!("xtask-stamp-{}", std::process::id()));
        clear(&folder).unwrap();
        let stamp = |word| Stamp::of(&folder, "tool", &[]).unwrap().and(word);
        fs::write(folder.join("tool"), "").unwrap();
        assert!(
            !stamp("one").is_current(),
            "it was interrupted before its stamp was written"
        );
        stamp("one").write().unwrap();
        assert!(stamp("one").is_current());
        assert!(!stamp("two").is_current());
        fs::remove_file(folder.join("tool")).unwrap();
        assert!(!stamp("one").is_current());
        fs::remove_dir_all(&folder).unwrap();
        fs::remove_file(folder.with_extension("lock")).unwrap();
    }
}
