//! What a program for Lambda is linked against: the C library of Amazon Linux 2, as stubs that Zig makes, and LLVM's linker.
//!
//! Zig's own C compiler would link as well, but passes on neither of the two options that take 4 % off the zip
//! (docs/decisions/0014-portable-programs.md). So it is asked once how it links a program of one line, and what it made for that is kept.

use std::path::{Path, PathBuf};

use super::arch::Arch;
use super::packages::{Origin, Package};
use crate::failure::{Failure, Outcome};
use crate::files::{self, READABLE, quoted};
use crate::tools::stamp::{Stamp, clear};
use crate::tools::zig;
use crate::{process, project};

/// The C library of Amazon Linux 2, the oldest system with runtimes that Lambda still runs.
const GLIBC: &str = "2.26";
/// Raised when what this file writes changes.
const REVISION: &str = "2";
/// Libraries that a Rust program names, all of them parts of the C library.
const LIBRARIES: [&str; 6] = ["c", "m", "pthread", "dl", "rt", "util"];
/// What every program has besides: its start, and what compilers call without being asked.
const PARTS: [&str; 3] = ["crt1.o", "libc_nonshared.a", "libcompiler_rt.a"];
/// Functions with the same code are kept once; like functions lie side by side, where deflate finds them.
const LINKER_OPTIONS: &str = "--icf=all --bp-compression-sort=both --build-id=none -O2";

/// The programs and folders to link with.
pub(super) struct Sysroot {
    folder: PathBuf,
}

impl Sysroot {
    /// Makes it unless it is current.
    pub(super) fn of(arch: Arch) -> Outcome<Self> {
        let zig = zig::install()?;
        let folder = project::tools().join(format!("sysroot-{}", arch.name()));
        let stamp = Stamp::of(&folder, "linker", &["layer/requirements.txt"])?
            .and(GLIBC)
            .and(REVISION)
            .and(&folder.to_string_lossy());
        if !stamp.is_current() {
            clear(&folder)?;
            let made = Self::ask(&zig, arch, &folder)?;
            collect(&made, &folder)?;
            write_programs(&zig, arch, &folder)?;
            stamp.write()?;
        }
        Ok(Self { folder })
    }

    /// The linker, to be called as rustc calls `ld.lld`.
    pub(super) fn linker(&self) -> PathBuf {
        self.folder.join("linker")
    }

    /// The C compiler.
    pub(super) fn compiler(&self) -> PathBuf {
        self.folder.join("compiler")
    }

    /// What packs objects into archives.
    pub(super) fn archiver(&self) -> PathBuf {
        self.folder.join("archiver")
    }

    /// Links a program of one line, and returns the words of the linker's command line.
    fn ask(zig: &Path, arch: Arch, folder: &Path) -> Outcome<Vec<String>> {
        let source = folder.join("one-line.c");
        files::write(&source, "int main(void) { return 0; }\n", READABLE)?;
        let mut link = process::program(&zig.to_string_lossy());
        link.args([
            "build-exe",
            "-lc",
            "-lunwind",
            "-OReleaseSmall",
            "--verbose-link",
            "-target",
        ])
        .arg(triple(arch))
        .arg("--cache-dir")
        .arg(folder.join("cache"))
        .arg("--global-cache-dir")
        .arg(folder.join("cache"))
        .arg(format!("-femit-bin={}", folder.join("one-line").display()))
        .arg(&source);
        let line = process::announce(&link);
        let failed = |why: &str| Failure::new(format!("`{line}`: {why}"));
        let output = link.output().map_err(|error| failed(&error.to_string()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Err(failed(said.trim()));
        }
        // Libraries are linked before the program is.
        let last = said.lines().rfind(|line| line.starts_with("ld.lld "));
        let words = last.ok_or_else(|| failed("no linker was called"))?;
        Ok(words.split(' ').map(str::to_owned).collect())
    }
}

/// What the linker adds to any program, with its licences, which lie in Zig's wheel.
pub(super) fn parts() -> Outcome<Vec<Package>> {
    let zig = zig::install()?;
    let wheel = zig.parent().unwrap_or(&zig).to_owned();
    let version = process::answer(process::program(&zig.to_string_lossy()).arg("version"))?;
    let part = |name: &str, version: &str, license: &str, folder: &str| Package {
        name: name.to_owned(),
        version: version.to_owned(),
        license: license.to_owned(),
        folder: wheel.join(folder),
        origin: Origin::Linker,
        depends_on: Vec::new(),
    };
    Ok(vec![
        part("zig-compiler-rt", &version, "MIT", ""),
        part(
            "llvm-libunwind",
            &format!("of-zig-{version}"),
            "Apache-2.0 WITH LLVM-exception",
            "lib/libunwind",
        ),
        part("glibc-start-files", GLIBC, "LGPL-2.1-or-later", "lib/libc/glibc"),
    ])
}

fn triple(arch: Arch) -> String {
    format!("{}-linux-gnu.{GLIBC}", arch.machine())
}

/// Copies what the linker was given to where our linker looks.
fn collect(words: &[String], folder: &Path) -> Outcome {
    let named = |name: &str| {
        let is_it = |word: &&String| Path::new(word).file_name().is_some_and(|last| last == name);
        let found = words.iter().find(is_it).map(|word| project::root().join(word));
        found.ok_or_else(|| {
            Failure::new(format!(
                "Zig links without {name}: is layer/requirements.txt newer than this command?"
            ))
        })
    };
    let copy = |from: &Path, to: &str| files::copy(from, &folder.join(to));
    for part in PARTS {
        copy(&named(part)?, part)?;
    }
    // Rust's standard library asks for GCC's unwinder; LLVM's has the same functions and needs no file on Lambda.
    copy(&named("libunwind.a")?, "libgcc_s.a")?;
    for library in LIBRARIES {
        let prefix = format!("lib{library}.so.");
        let is_it = |word: &&String| {
            Path::new(word)
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
        };
        let found = words.iter().find(is_it);
        let found = found.ok_or_else(|| Failure::new(format!("Zig links without {prefix}")))?;
        copy(&project::root().join(found), &format!("lib{library}.so"))?;
    }
    Ok(())
}

/// Writes the three programs: each a line before Zig's own.
fn write_programs(zig: &Path, arch: Arch, folder: &Path) -> Outcome {
    let (zig, place) = (quoted(zig), quoted(folder));
    let parts = PARTS.map(|part| quoted(&folder.join(part))).join(" ");
    let programs = [
        (
            "linker",
            // rustc begins with `-flavor gnu`, which only LLVM's bare linker knows.
            format!(
                "[ \"$1\" = -flavor ] && shift 2\nexec {zig} ld.lld {LINKER_OPTIONS} --dynamic-linker {} -L {place} \"$@\" {parts}\n",
                arch.loader()
            ),
        ),
        (
            "compiler",
            // Build scripts name Rust's target, which Zig does not know, and ask for debug information: that never reaches the
            // program, but it names folders of this machine, and the order in which the linker lays out data follows its bytes.
            format!(
                "for word; do shift; case $word in --target=*) ;; *) set -- \"$@\" \"$word\" ;; esac; done\nexec {zig} cc -target {} \"$@\" -g0\n",
                triple(arch)
            ),
        ),
        ("archiver", format!("exec {zig} ar \"$@\"\n")),
    ];
    for (name, text) in programs {
        files::write_script(&folder.join(name), &text)?;
    }
    Ok(())
}
