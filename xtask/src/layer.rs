//! `cargo xtask layer`: the layer's zip for each architecture, with its checksum and bill of materials.
//!
//! Invariants
//! - The same sources, lock file and compilers give the same bytes, whatever folders they and cargo's packages lie in.
//! - Nothing lies in `extensions/` but the extension: Lambda starts every file there.

mod arch;
mod compile;
mod licences;
mod pack;
mod packages;
mod sbom;
mod sysroot;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use ring::digest::{SHA256, digest};

pub(crate) use arch::Arch;
pub(crate) use compile::{Place, Program, compile};
use pack::Entry;

use crate::failure::{Failure, Outcome};
use crate::files::{self, EXECUTABLE, READABLE};
use crate::project;
use crate::tools::{qemu, rust_target};

const EXAMPLES: &str = "\
Examples:
  cargo xtask layer                       writes target/layer/fluoroscope-<arch>.zip for this machine's architecture
  cargo xtask layer --arch all            the same for x86_64 and arm64
  cargo xtask layer --arch all --again    builds twice, the second time elsewhere, and compares the zips byte by byte
  cargo xtask layer --into FOLDER         lays the same tree out in a folder, as `sam build` wants it

Another architecture takes Rust's standard library for it: `rustup target add aarch64-unknown-linux-gnu`. Without rustup, and on
Debian, its compiler is taken for that instead, below target/tools.";

/// Builds the extension and packs it as a layer.
///
/// The program runs on Amazon Linux 2 and 2023. Beside the zip lie its checksum (.zip.sha256), and what it is made of, as
/// CycloneDX (.cdx.json).
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// For which architecture; this machine's, unless told.
    #[arg(long, value_name = "ARCH")]
    arch: Option<Wanted>,
    /// Lay the layer's tree out here instead of packing it.
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
    /// Build once more from a copy in another folder, and fail unless the zip is the same.
    #[arg(long, conflicts_with = "into")]
    again: bool,
}

/// One architecture, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Wanted {
    #[value(name = "x86_64")]
    X86_64,
    #[value(name = "arm64", alias = "aarch64")]
    Arm64,
    All,
}

/// The extension's program.
const EXTENSION_PROGRAM: Program = Program {
    package: "extension",
    name: "fluoroscope-extension",
};
/// Where Lambda looks for extensions, below /opt.
const EXTENSION: &str = "extensions/fluoroscope";
/// The exec wrapper, below /opt and in the folder `layer`.
const WRAPPER: &str = "fluoroscope";
/// The licences of what is in the extension, below /opt.
const LICENCES: &str = "fluoroscope-licenses.txt";
/// What the zip and the binary in it may measure, in bytes.
const ZIP_PROMISE: usize = 1_600_000;
const BINARY_PROMISE: usize = 3_200_000;

/// Builds and packs, and prints the sizes next to the promise.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let arches = match arguments.arch {
        None => vec![Arch::of_host()],
        Some(Wanted::X86_64) => vec![Arch::X86_64],
        Some(Wanted::Arm64) => vec![Arch::Arm64],
        Some(Wanted::All) => Arch::EACH.to_vec(),
    };
    if let Some(folder) = &arguments.into {
        let [arch] = arches.as_slice() else {
            return Err(Failure::new("one folder takes one architecture")
                .mend("say which: --arch x86_64 or --arch arm64"));
        };
        return entries(*arch, &Place::of_project())?
            .iter()
            .try_for_each(|entry| lay_out(folder, entry));
    }
    let mut is_within = true;
    for arch in arches {
        let written = write(arch)?;
        is_within &= written.is_within;
        if arguments.again {
            compare(arch, &written.zip)?;
        }
    }
    match is_within {
        true => Ok(()),
        false => Err(Failure::new("the layer is larger than promised (above)")),
    }
}

/// Builds and packs what tests unpack.
pub(crate) fn for_tests() -> Outcome {
    write(Arch::of_host()).map(drop)
}

/// Why the other architecture's layer cannot be built and run here, if it cannot.
pub(crate) fn foreign_obstacle() -> Option<String> {
    rust_target::obstacle(Arch::foreign()).or_else(qemu::obstacle)
}

/// Builds and packs the other architecture's layer, and installs what runs it.
pub(crate) fn foreign_for_tests() -> Outcome {
    if foreign_obstacle().is_some() {
        return Ok(());
    }
    qemu::install()?;
    write(Arch::foreign()).map(drop)
}

/// What the benchmark measures.
pub(crate) struct Released {
    pub(crate) program: PathBuf,
    pub(crate) zip: PathBuf,
}

/// Builds and packs this machine's layer; where its program and its zip are.
pub(crate) fn for_bench() -> Outcome<Released> {
    let arch = Arch::of_host();
    write(arch)?;
    Ok(Released {
        program: compile(arch, &Place::of_project(), EXTENSION_PROGRAM)?,
        zip: folder().join(name(arch)),
    })
}

/// Where zips are written.
fn folder() -> PathBuf {
    project::target().join("layer")
}

fn name(arch: Arch) -> String {
    format!("fluoroscope-{}.zip", arch.name())
}

/// A zip that was written, and whether it keeps its promises.
struct Written {
    zip: Vec<u8>,
    is_within: bool,
}

fn write(arch: Arch) -> Outcome<Written> {
    let entries = entries(arch, &Place::of_project())?;
    let zip = pack::pack(&entries)?;
    let folder = folder();
    let name = name(arch);
    let sum = hex(digest(&SHA256, &zip).as_ref());
    let packages = packages_of(arch)?;
    let bill = sbom::bill(&packages, &compile::compiler(arch)?, (&name, &sum));
    let bill = format!("{bill:#}\n");
    let files = [
        (name.clone(), zip.as_slice()),
        (format!("{name}.sha256"), format!("{sum}  {name}\n").as_bytes()),
        (format!("fluoroscope-{}.cdx.json", arch.name()), bill.as_bytes()),
    ]
    .map(|(name, content)| files::write(&folder.join(name), content, READABLE));
    files.into_iter().collect::<Outcome>()?;
    println!("wrote {} ({sum})", folder.join(&name).display());
    let binary = entries.iter().find(|entry| entry.place == EXTENSION);
    let binary_bytes = binary.map_or(0, |entry| entry.content.len());
    let is_small = print_size("zip", zip.len(), ZIP_PROMISE);
    let is_binary_small = print_size("binary", binary_bytes, BINARY_PROMISE);
    Ok(Written {
        zip,
        is_within: is_small && is_binary_small,
    })
}

/// Builds from a copy of the sources, with an empty target folder, and compares.
fn compare(arch: Arch, first: &[u8]) -> Outcome {
    let place = Place::elsewhere()?;
    let second = pack::pack(&entries(arch, &place)?)?;
    // What differs is kept, to be looked at.
    if first != second {
        return Err(Failure::new(format!(
            "built again elsewhere, the zip for {} differs: {} bytes, {} before",
            arch.name(),
            second.len(),
            first.len()
        ))
        .mend(format!("compare the programs: {}", place.target.display())));
    }
    println!("built again elsewhere: the same {} bytes", second.len());
    place.remove()
}

/// All that is in the program but Rust's standard library.
fn packages_of(arch: Arch) -> Outcome<Vec<packages::Package>> {
    let mut packages = packages::of_extension(arch)?;
    packages.extend(sysroot::parts()?);
    Ok(packages)
}

/// The files of the layer.
fn entries(arch: Arch, place: &Place) -> Outcome<Vec<Entry>> {
    let licences = licences::text(&packages_of(arch)?)?;
    Ok(vec![
        Entry {
            place: EXTENSION,
            mode: EXECUTABLE,
            content: files::read(&compile(arch, place, EXTENSION_PROGRAM)?)?,
        },
        Entry {
            place: WRAPPER,
            mode: EXECUTABLE,
            content: files::read(&place.sources.join("layer").join(WRAPPER))?,
        },
        Entry {
            place: LICENCES,
            mode: READABLE,
            content: licences.into_bytes(),
        },
    ])
}

/// Writes an entry below a folder.
fn lay_out(folder: &Path, entry: &Entry) -> Outcome {
    let to = folder.join(entry.place);
    files::write(&to, &entry.content, entry.mode)?;
    println!("wrote {}", to.display());
    Ok(())
}

/// Says whether the promise is kept.
fn print_size(what: &str, bytes: usize, promise: usize) -> bool {
    let is_kept = bytes <= promise;
    let verdict = if is_kept { "within" } else { "OVER" };
    println!("{what:<7} {bytes:>9} bytes, {verdict} the promise of {promise}");
    is_kept
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
