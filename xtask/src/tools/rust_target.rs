//! A Rust compiler with the standard library of an architecture: the one in use, or Debian's.
//!
//! Nothing is asked of rustup here: a build that changes somebody's tool chain is a surprise.

use std::fs;
use std::path::{Path, PathBuf};

use super::debian::{self, Archive};
use super::stamp::{Stamp, clear};
use crate::failure::{Failure, Outcome};
use crate::layer::Arch;
use crate::{files, process, project};

/// Debian's Rust, kept current for its browsers.
const COMPILER: &str = "rustc-web";
const LIBRARY: &str = "libstd-rust-web-dev";

/// The compiler to use instead of the one on the search path; none, if that one has what it takes.
pub(crate) fn find(arch: Arch) -> Outcome<Option<PathBuf>> {
    if has_standard_library(arch)? {
        return Ok(None);
    }
    let folder = project::tools().join(format!("rust-{}", arch.name()));
    let program = folder.join("rustc");
    let stamp = Stamp::of(&folder, "rustc", &[])?
        .and(&folder.to_string_lossy())
        .and(env!("CARGO_PKG_RUST_VERSION"));
    if !stamp.is_current() {
        println!(
            "Rust's standard library for {0} is not installed (rustup target add {0}): taking Debian's compiler, 160 MB below target/tools",
            arch.target()
        );
        clear(&folder)?;
        install(arch, &folder).map_err(|failure| missing(arch, &failure))?;
        stamp.write()?;
    }
    Ok(Some(program))
}

/// Why programs for `arch` cannot be built here, if they cannot.
pub(crate) fn obstacle(arch: Arch) -> Option<String> {
    if has_standard_library(arch).is_ok_and(|has| has) || debian::release().is_some() {
        return None;
    }
    let target = arch.target();
    Some(format!(
        "Rust's standard library for it is not installed, and this is no Debian: rustup target add {target}"
    ))
}

/// Whether the compiler on the search path can compile for `arch`.
fn has_standard_library(arch: Arch) -> Outcome<bool> {
    let mut ask = process::program("rustc");
    let folder = process::answer(ask.args(["--print", "target-libdir", "--target", &arch.target()]))?;
    let has_core = |entry: std::io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
    };
    Ok(fs::read_dir(folder).is_ok_and(|mut listed| listed.any(has_core)))
}

fn missing(arch: Arch, failure: &Failure) -> Failure {
    Failure::new(format!(
        "Rust's standard library for {} is not installed, and Debian's cannot be had: {failure}",
        arch.target()
    ))
    .mend(format!("rustup target add {}", arch.target()))
}

fn install(arch: Arch, folder: &Path) -> Outcome {
    let host = Arch::of_host().debian();
    let archive = Archive::open(&folder.join("archive"), &Arch::EACH)?;
    let [compiler, host_library, library] = [
        format!("{COMPILER}:{host}"),
        format!("{LIBRARY}:{host}"),
        format!("{LIBRARY}:{}", arch.debian()),
    ];
    let versions = [&compiler, &host_library, &library].map(|package| archive.version(package));
    match &versions {
        [Some(one), Some(two), Some(three)] if one == two && two == three => {}
        _ => {
            return Err(Failure::new(format!(
                "the archive has no {COMPILER} and {LIBRARY} of one version for both architectures ({versions:?})"
            )));
        }
    }
    // The compiler itself lies in the library that the host's development package depends on.
    let mut packages = archive.with_dependencies(&host_library)?;
    packages.extend([compiler, library]);
    archive.unpack(packages.iter().map(String::as_str), folder)?;
    let libraries = format!("usr/lib/{}-linux-gnu", Arch::of_host().machine());
    let [libraries, compiler] =
        [libraries.as_str(), "usr/bin/rustc"].map(|place| files::quoted(&folder.join(place)));
    let program = folder.join("rustc");
    files::write_script(
        &program,
        &format!("LD_LIBRARY_PATH={libraries} exec {compiler} \"$@\"\n"),
    )?;
    let version = process::answer(process::program(&program.to_string_lossy()).arg("--version"))?;
    println!("{version}");
    Ok(())
}
