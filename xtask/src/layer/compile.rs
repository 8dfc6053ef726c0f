//! A program for one architecture: portable, and the same bytes wherever it is built.

use std::path::{Path, PathBuf};

use super::arch::Arch;
use super::sysroot::Sysroot;
use crate::failure::Outcome;
use crate::tools::rust_target;
use crate::tools::stamp::clear;
use crate::{files, process, project};

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
    /// Cargo's own folder, with the sources of packages.
    cargo_home: PathBuf,
}

impl Place {
    /// The checkout that this command belongs to.
    pub(crate) fn of_project() -> Self {
        let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
        Self {
            sources: project::root().to_owned(),
            target: project::target(),
            cargo_home: home.unwrap_or_default(),
        }
    }

    /// A copy of the checkout in a folder of another name, with nothing built in it, and cargo's folder by another name.
    pub(super) fn elsewhere() -> Outcome<Self> {
        let folder = project::target().join("layer-again");
        clear(&folder)?;
        let sources = folder.join("a-copy");
        for file in project::files()? {
            files::copy(&project::root().join(&file), &sources.join(&file))?;
        }
        let cargo_home = folder.join("another-home");
        files::link(&Self::of_project().cargo_home, &cargo_home)?;
        Ok(Self {
            target: sources.join("target"),
            sources,
            cargo_home,
        })
    }

    /// Removes a copy and what was built in it.
    pub(super) fn remove(&self) -> Outcome {
        files::remove(&self.sources)
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
    fetch
        .current_dir(&place.sources)
        .env("CARGO_HOME", &place.cargo_home);
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
    let underlined = target.replace('-', "_");
    // A machine's own flags would change the program from machine to machine.
    std::env::vars_os()
        .filter(|(name, _)| changes_programs(&name.to_string_lossy()))
        .for_each(|(name, _)| {
            build.env_remove(name);
        });
    build
        .env("CARGO_HOME", &place.cargo_home)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(arch, &sysroot, place)?)
        .env(format!("CC_{underlined}"), sysroot.compiler())
        .env(format!("AR_{underlined}"), sysroot.archiver());
    process::run(&mut build)?;
    Ok(place.target.join(target).join("release").join(program.name))
}

/// Whether a variable has a say in what compilers make.
fn changes_programs(name: &str) -> bool {
    const WHOLE: [&str; 3] = ["RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", "CARGO_BUILD_TARGET"];
    const BEGINNINGS: [&str; 3] = [
        "CARGO_PROFILE_RELEASE_",
        "CARGO_TARGET_X86_64_",
        "CARGO_TARGET_AARCH64_",
    ];
    WHOLE.contains(&name)
        || name.contains("CFLAGS")
        || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
}

/// Flags for our packages and for all others, as cargo takes them with blanks: no path of this machine gets into the program.
///
/// The linker is among them, and no variable of its own, since build scripts would be linked by that as well where the target is the
/// machine's own.
fn flags(arch: Arch, sysroot: &Sysroot, place: &Place) -> Outcome<String> {
    let mut flags = vec![
        format!("-Clinker={}", sysroot.linker().display()),
        "-Clinker-flavor=ld.lld".to_owned(),
        format!("-Ctarget-cpu={}", arch.processor()),
        // What unwinding needs to know of a function takes fewer bytes than without.
        "-Cforce-frame-pointers=yes".to_owned(),
    ];
    let mut remap =
        |from: &Path, to: &str| flags.push(format!("--remap-path-prefix={}={to}", from.display()));
    remap(&place.sources, "/fluoroscope");
    // Where cargo keeps the sources of packages: a folder for each registry.
    for registry in files::list(&place.cargo_home.join("registry/src"))? {
        remap(&registry, "/crates");
    }
    Ok(flags.join("\u{1f}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_change_programs_are_known() {
        for name in [
            "RUSTFLAGS",
            "CFLAGS",
            "TARGET_CFLAGS",
            "CFLAGS_aarch64_unknown_linux_gnu",
            "CARGO_PROFILE_RELEASE_LTO",
        ] {
            assert!(changes_programs(name), "{name}");
        }
        for name in ["PATH", "CARGO_HOME", "RUSTUP_TOOLCHAIN", "CARGO_TARGET_DIR"] {
            assert!(!changes_programs(name), "{name}");
        }
    }
}
