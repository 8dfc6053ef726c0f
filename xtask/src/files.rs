//! Files and folders, with failures that say what was tried on which.

use std::fmt::Display;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome};

/// Who may do what with a file that is only read.
pub(crate) const READABLE: u32 = 0o644;
/// And with a program.
pub(crate) const EXECUTABLE: u32 = 0o755;

/// What `tried` on a file or folder came to.
pub(crate) fn failed(tried: &str, path: &Path, error: &dyn Display) -> Failure {
    Failure::new(format!("could not {tried} {}: {error}", path.display()))
}

/// All that is in a file.
pub(crate) fn read(path: &Path) -> Outcome<Vec<u8>> {
    fs::read(path).map_err(|error| failed("read", path, &error))
}

/// What is in a folder, in the order of the names.
pub(crate) fn list(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let listed = fs::read_dir(folder).map_err(|error| failed("list", folder, &error))?;
    let mut paths: Vec<PathBuf> = listed.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

/// Writes a file with this mode, and the folders above it.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>, mode: u32) -> Outcome {
    make_above(path)?;
    fs::write(path, content)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(mode)))
        .map_err(|error| failed("write", path, &error))
}

/// Writes a program for the shell.
pub(crate) fn write_script(path: &Path, lines: &str) -> Outcome {
    write(path, format!("#!/bin/sh\n{lines}"), EXECUTABLE)
}

/// Copies a file, mode and all, and makes the folders above the copy.
pub(crate) fn copy(from: &Path, to: &Path) -> Outcome {
    make_above(to)?;
    fs::copy(from, to)
        .map(drop)
        .map_err(|error| failed(&format!("copy {} to", from.display()), to, &error))
}

/// Makes a link to `place`.
pub(crate) fn link(place: &Path, link: &Path) -> Outcome {
    std::os::unix::fs::symlink(place, link).map_err(|error| failed("link", link, &error))
}

/// Removes a folder and all that is in it.
pub(crate) fn remove(folder: &Path) -> Outcome {
    fs::remove_dir_all(folder).map_err(|error| failed("remove", folder, &error))
}

/// A path as one word of a shell's.
pub(crate) fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', "'\\''"))
}

fn make_above(path: &Path) -> Outcome {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(|error| failed("make", folder, &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process;

    #[test]
    fn a_script_runs_wherever_it_lies_and_a_failure_says_on_which_file() {
        let folder = std::env::temp_dir().join(format!("xtask-files-{}-o'clock", std::process::id()));
        let (script, word) = (folder.join("deep/er/script"), folder.join("$HOME it is"));
        write_script(&script, &format!("echo {}\n", quoted(&word))).unwrap();
        let said = process::answer(&mut process::program(&script.to_string_lossy())).unwrap();
        assert_eq!(said, word.to_string_lossy());
        assert_eq!(list(&folder).unwrap(), [folder.join("deep")]);
        remove(&folder).unwrap();
        let failure = read(&script).unwrap_err().to_string();
        assert!(
            failure.starts_with(&format!("could not read {}: ", script.display())),
            "{failure}"
        );
    }
}
