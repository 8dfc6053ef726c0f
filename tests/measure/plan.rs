//! What to measure, and how often.

use std::path::{Path, PathBuf};

use crate::Outcome;

/// Shown with an argument that cannot be read.
pub(crate) const USAGE: &str = "usage: measure --extension PATH [--zip PATH] [--peer PATH] [--before PATH] [--daemon PATH] [--quick] [--strict] [--only FIGURES] [--write DOCUMENT]";

/// Runs behind each median.
const RUNS: usize = 30;
const RUNS_QUICK: usize = 10;

/// What to measure, and how often.
pub(crate) struct Plan {
    /// The extension, as released.
    pub(crate) extension: PathBuf,
    /// The layer's zip with it, as released.
    pub(crate) zip: Option<PathBuf>,
    /// Somebody else's extension, measured beside it: opentelemetry-lambda-extension.
    pub(crate) peer: Option<PathBuf>,
    /// An earlier build of the extension, in the peer's place where both builds can do the same.
    pub(crate) before: Option<PathBuf>,
    /// AWS's X-Ray daemon, measured beside it.
    pub(crate) daemon: Option<PathBuf>,
    /// The document whose table is replaced.
    pub(crate) document: Option<PathBuf>,
    /// Whether a missed target is a failure.
    pub(crate) is_strict: bool,
    /// The one group of figures that is wanted.
    pub(crate) only: Option<String>,
    /// Runs behind each median.
    pub(crate) runs: usize,
}

impl Plan {
    /// Reads the command line.
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Outcome<Self> {
        let (mut extension, mut document, mut only) = (None, None, None);
        let (mut is_quick, mut is_strict) = (false, false);
        let (mut peer, mut before, mut daemon, mut zip) = (None, None, None, None);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => is_quick = true,
                "--strict" => is_strict = true,
                "--extension" => extension = arguments.next().map(PathBuf::from),
                "--zip" => zip = arguments.next().map(PathBuf::from),
                "--peer" => peer = arguments.next().map(PathBuf::from),
                "--before" => before = arguments.next().map(PathBuf::from),
                "--daemon" => daemon = arguments.next().map(PathBuf::from),
                "--only" => only = arguments.next(),
                "--write" => document = arguments.next().map(PathBuf::from),
                other => return Err(format!("cannot read {other:?}").into()),
            }
        }
        let extension = extension.ok_or("--extension is missing")?;
        Ok(Self {
            extension: std::path::absolute(extension)?,
            zip,
            peer: peer.map(std::path::absolute).transpose()?,
            before: before.map(std::path::absolute).transpose()?,
            daemon: daemon.map(std::path::absolute).transpose()?,
            document,
            is_strict,
            only,
            runs: if is_quick { RUNS_QUICK } else { RUNS },
        })
    }

    /// What starts in turn with the extension, and is as large or small as it is.
    pub(crate) fn rival(&self) -> Option<&Path> {
        self.before.as_deref().or(self.peer.as_deref())
    }

    /// The floor, built beside this program.
    pub(crate) fn floor(&self) -> Outcome<PathBuf> {
        beside("floor")
    }

    /// The function that does what its event says, built beside this program.
    pub(crate) fn function(&self) -> Outcome<PathBuf> {
        beside("scripted-function")
    }
}

fn beside(name: &str) -> Outcome<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.parent().unwrap_or(Path::new(".")).join(name);
    if path.exists() {
        Ok(path)
    } else {
        Err(format!("{name} is not built: run `cargo xtask bench`").into())
    }
}
