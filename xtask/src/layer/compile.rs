//! A program for one architecture: portable, and the same bytes wherever it is built.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::arch::Arch;
use super::sysroot::Sysroot;
use crate::failure::{Failure, Outcome};
use crate::tools::rust_target;
use crate::tools::stamp::clear;
use crate::{process, project};

/// A program of the workspace's.
#[derive(Clone, Copy)]
pub(crate) struct Program {
    /// The package that it is in.
    pub(crate) package: &'static str,
    /// Its own name.
    pub(crate) name: &'static str,
}

/// Where sources lie and where what is built goes.
pub(crate) struct Place {
    pub(super) sources: PathBuf,
    pub(super) target: PathBuf,
}

impl Place {
    /// The checkout that this command belongs to.
    pub(crate) fn of_project() -> Self {
        Self {
            sources: project::root().to_owned(),
            target: project::target(),
        }
    }

    /// A copy of the checkout in a folder of another name, with nothing built in it.
    pub(super) fn elsewhere() -> Outcome<Self> {
        let folder = project::target().join("layer-again");
        clear(&folder)?;
        let sources = folder.join("a-copy");
        for file in project::files()? {
            let to = sources.join(&file);
            let parent = to.parent().unwrap_or(&sources);
            std::fs::create_dir_all(parent)
                .and_then(|()| std::fs::copy(project::root().join(&file), &to))
                .map_err(|error| Failure::new(format!("could not copy {}: {error}", file.display())))?;
        }
        Ok(Self {
            target: sources.join("target"),
            sources,
        })
    }

    /// Removes a copy and what was built in it.
    pub(super) fn remove(&self) -> Outcome {
        std::fs::remove_dir_all(&self.sources)
            .map_err(|error| Failure::new(format!("could not remove {}: {error}", self.sources.display())))
    }
}

/// The version of the compiler that is used for an architecture.
pub(super) fn compiler(arch: Arch) -> Outcome<String> {
    let rust = rust_target::find(arch)?.unwrap_or_else(|| "rustc".into());
    let said = process::answer(process::program(&rust.to_string_lossy()).arg("--version"))?;
    Ok(said.split(' ').nth(1).unwrap_or_default().to_owned())
}

/// Builds it; returns where it is.
pub(crate) fn compile(arch: Arch, place: &Place, program: Program) -> Outcome<PathBuf> {
    let rust = rust_target::find(arch)?;
    let sysroot = Sysroot::of(arch)?;
    let target = arch.target();
    let mut fetch = process::cargo();
    fetch.current_dir(&place.sources);
    process::run_quietly(fetch.args(["fetch", "--locked", "--target", &target]))?;

    let mut build = process::cargo();
    build
        .current_dir(&place.sources)
        .args([
            "build",
            "--release",
            "--locked",
            "-p",
            program.package,
            "--target",
            &target,
            "--target-dir",
        ])
        .arg(&place.target);
    if let Some(compiler) = rust {
        build.env("RUSTC", compiler);
    }
    let variable = |name: &str| name.replace('-', "_");
    let upper = variable(&target).to_uppercase();
    build
        .env(
            format!("CARGO_TARGET_{upper}_RUSTFLAGS"),
            flags(arch, &sysroot, &place.sources)?,
        )
        .env(format!("CC_{}", variable(&target)), sysroot.compiler())
        .env(format!("AR_{}", variable(&target)), sysroot.archiver());
    // A checkout's own flags would change the program from machine to machine.
    [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_RUSTFLAGS",
        "CFLAGS",
    ]
    .iter()
    .for_each(|name| forget(&mut build, name));
    process::run(&mut build)?;
    Ok(place.target.join(target).join("release").join(program.name))
}

fn forget(command: &mut Command, name: &str) {
    command.env_remove(name);
}

/// Flags for our packages and for all others: no path of this machine gets into the program.
///
/// The linker is among them, and no variable of its own, since build scripts would be linked by that as well where the target is the
/// machine's own.
fn flags(arch: Arch, sysroot: &Sysroot, sources: &Path) -> Outcome<String> {
    let mut flags = vec![
        format!("-Clinker={}", sysroot.linker().display()),
        "-Clinker-flavor=ld.lld".to_owned(),
        format!("-Ctarget-cpu={}", arch.processor()),
    ];
    let mut remap =
        |from: &Path, to: &str| flags.push(format!("--remap-path-prefix={}={to}", from.display()));
    remap(sources, "/fluoroscope");
    for registry in registries()? {
        remap(&registry, "/crates");
    }
    if let Some(spaced) = flags.iter().find(|flag| flag.contains(' ')) {
        return Err(
            Failure::new(format!("cargo cannot pass on a flag with a space: {spaced}"))
                .mend("use a checkout and a CARGO_HOME without spaces in their paths"),
        );
    }
    Ok(flags.join(" "))
}

/// Where cargo keeps the sources of packages: a folder for each registry.
fn registries() -> Outcome<Vec<PathBuf>> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let home = home.ok_or_else(|| Failure::new("no CARGO_HOME and no home folder"))?;
    let sources = home.join("registry/src");
    let listed = std::fs::read_dir(&sources)
        .map_err(|error| Failure::new(format!("could not list {}: {error}", sources.display())))?;
    let mut folders: Vec<PathBuf> = listed.filter_map(Result::ok).map(|entry| entry.path()).collect();
    folders.sort();
    Ok(folders)
}
