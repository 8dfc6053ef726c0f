//! Debian's packages, taken from the archive and unpacked below target/tools: the system itself stays as it is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::stamp::clear;
use crate::failure::Outcome;
use crate::files::{self, READABLE};
use crate::layer::Arch;
use crate::process;

/// Packages that every system has, and that must be its own.
const OF_THE_SYSTEM: [&str; 3] = ["libc6", "libgcc-s1", "gcc-12-base"];

/// Whether there is an archive to take packages from: Debian's, or that of a system made from it.
pub(crate) fn is_here() -> bool {
    ["apt-get", "dpkg-deb"]
        .iter()
        .all(|program| process::require(program, "--version", "").is_ok())
}

/// Whether this is Debian itself, and which: such as `bookworm`.
pub(crate) fn release() -> Option<String> {
    let text = fs::read_to_string("/etc/os-release").ok()?;
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    };
    (is_here() && field("ID")? == "debian").then(|| field("VERSION_CODENAME").unwrap_or_default().to_owned())
}

/// A private view of the archive: lists and files of its own.
pub(crate) struct Archive {
    folder: PathBuf,
}

impl Archive {
    /// Reads the archive's lists for some architectures, or says why there is none.
    ///
    /// Not every archive has every architecture: Ubuntu's keeps arm64 elsewhere.
    pub(crate) fn open(folder: &Path, arches: &[Arch]) -> Outcome<Self> {
        process::require(
            "apt-get",
            "--version",
            "use Debian, or see README.md for the way with rustup",
        )?;
        process::require(
            "dpkg-deb",
            "--version",
            "use Debian, or see README.md for the way with rustup",
        )?;
        clear(folder)?;
        let archive = Self {
            folder: folder.to_owned(),
        };
        for place in ["state/lists/partial", "cache/archives/partial", "files"] {
            clear(&folder.join(place))?;
        }
        let arches: String = arches
            .iter()
            .map(|arch| format!("\"{}\"; ", arch.debian()))
            .collect();
        let settings = format!(
            "Dir::State \"{0}/state\";\nDir::State::status \"{0}/status\";\nDir::Cache \"{0}/cache\";\n\
             APT::Architectures {{{arches}}};\nAPT::Sandbox::User \"\";\nAcquire::Languages \"none\";\n",
            folder.display()
        );
        for (name, text) in [("settings", settings.as_str()), ("status", "")] {
            files::write(&folder.join(name), text, READABLE)?;
        }
        process::run_quietly(archive.program("apt-get").args(["--quiet", "update"]))?;
        Ok(archive)
    }

    /// The version that would be taken, if the archive has the package.
    pub(crate) fn version(&self, package: &str) -> Option<String> {
        let mut show = self.program("apt-cache");
        let shown = process::answer(show.args(["show", "--no-all-versions", package])).ok()?;
        let line = shown.lines().find_map(|line| line.strip_prefix("Version: "));
        line.map(str::to_owned)
    }

    /// The package and all that it depends on, but for what every system has.
    pub(crate) fn with_dependencies(&self, package: &str) -> Outcome<BTreeSet<String>> {
        let mut depends = self.program("apt-cache");
        depends.args([
            "depends",
            "--recurse",
            "--no-recommends",
            "--no-suggests",
            "--no-conflicts",
            "--no-breaks",
            "--no-replaces",
            "--no-enhances",
        ]);
        let listed = process::answer(depends.arg(package))?;
        let names = listed.lines().filter(|line| !line.starts_with([' ', '<', '|']));
        let wanted = |name: &&str| !OF_THE_SYSTEM.contains(&name.split(':').next().unwrap_or_default());
        Ok(names.filter(wanted).map(str::to_owned).collect())
    }

    /// Downloads the packages and unpacks them below `root`; nothing is left of the lists then.
    pub(crate) fn unpack<'a>(self, packages: impl IntoIterator<Item = &'a str>, root: &Path) -> Outcome {
        let packed = self.folder.join("files");
        let mut download = self.program("apt-get");
        download
            .current_dir(&packed)
            .args(["--quiet", "download"])
            .args(packages);
        process::run_quietly(&mut download)?;
        for file in files::list(&packed)? {
            let mut unpack = process::program("dpkg-deb");
            process::answer(unpack.arg("--extract").arg(file).arg(root))?;
        }
        files::remove(&self.folder)
    }

    fn program(&self, name: &str) -> Command {
        let mut command = process::program(name);
        command.env("APT_CONFIG", self.folder.join("settings"));
        command
    }
}
