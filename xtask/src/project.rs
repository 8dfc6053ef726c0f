//! Where the project's things lie.

use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome};
use crate::process;

/// The project's root folder.
pub(crate) fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

/// Cargo's target folder, wherever it was configured to be.
pub(crate) fn target() -> PathBuf {
    let built_into = std::env::current_exe().ok();
    built_into
        .as_deref()
        .and_then(|exe| exe.ancestors().nth(2))
        .map_or_else(|| root().join("target"), Path::to_owned)
}

/// Everything the developer commands install.
pub(crate) fn tools() -> PathBuf {
    target().join("tools")
}

/// The folder with recorded exchanges and expected results that several projects share, if it is here.
pub(crate) fn shared_fixtures() -> Option<PathBuf> {
    let folder = root().parent()?.join("shared/fixtures");
    folder.is_dir().then_some(folder)
}

/// Every file that is, or is about to be, under version control; relative to the root.
pub(crate) fn files() -> Outcome<Vec<PathBuf>> {
    let mut list = process::program("git");
    list.args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    let mut files: Vec<PathBuf> = process::answer(&mut list)?
        .lines()
        .map(PathBuf::from)
        .filter(|path| root().join(path).is_file())
        .collect();
    files.sort();
    Ok(files)
}

/// The text of a file, given relative to the root.
pub(crate) fn read(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(root().join(path))
        .map_err(|error| Failure::new(format!("could not read {}: {error}", path.display())))
}
