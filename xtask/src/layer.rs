//! `cargo xtask layer`: the layer's zip for the machine it is built on.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::failure::{Failure, Outcome};
use crate::{process, project};

const EXAMPLES: &str = "\
Examples:
  cargo xtask layer                       writes target/layer/fluoroscope-<arch>.zip
  cargo xtask layer --into FOLDER         lays the same tree out in a folder, as `sam build` wants it";

/// Builds the extension and packs it as a layer for this machine's architecture.
///
/// The binary needs the C library it was linked against (glibc 2.34 and later: Amazon Linux 2023).
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Lay the layer's tree out here instead of packing it.
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
}

/// Where Lambda looks for extensions, below /opt.
const EXTENSION: &str = "extensions/fluoroscope";
/// The exec wrapper, below /opt and in the folder `layer`.
const WRAPPER: &str = "fluoroscope";
const EXECUTABLE: u32 = 0o755;
/// What the zip and the binary in it may measure, in bytes.
const ZIP_PROMISE: u64 = 1_600_000;
const BINARY_PROMISE: u64 = 3_200_000;
/// Beyond 9 the search is zopfli's, for this many rounds more: some seconds, and 4 % less to load.
const BEST_COMPRESSION: i64 = 24;

/// A file of the layer: where it lies below /opt, and what is in it. All of them can be executed.
type Entry = (&'static str, Vec<u8>);

/// Builds and packs, and prints the sizes next to the promise.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    process::run(process::cargo().args(["build", "--release", "-p", "extension"]))?;
    let read = |path: PathBuf| fs::read(&path).map_err(|error| failed(&path, &error));
    let binary = read(project::target().join("release/fluoroscope-extension"))?;
    let binary_bytes = binary.len();
    let wrapper = read(project::root().join("layer").join(WRAPPER))?;
    let entries = [(EXTENSION, binary), (WRAPPER, wrapper)];
    if let Some(folder) = &arguments.into {
        return entries.iter().try_for_each(|entry| lay_out(folder, entry));
    }
    let folder = project::target().join("layer");
    fs::create_dir_all(&folder).map_err(|error| failed(&folder, &error))?;
    let path = folder.join(format!("fluoroscope-{}.zip", std::env::consts::ARCH));
    pack(&path, &entries)?;
    let packed = fs::metadata(&path).map_err(|error| failed(&path, &error))?.len();
    println!("wrote {}", path.display());
    let is_small = print_size("zip", packed, ZIP_PROMISE);
    let is_binary_small = print_size(
        "binary",
        binary_bytes.try_into().unwrap_or(u64::MAX),
        BINARY_PROMISE,
    );
    if is_small && is_binary_small {
        Ok(())
    } else {
        Err(Failure::new("the layer is larger than promised (above)"))
    }
}

/// Writes an entry below a folder.
fn lay_out(folder: &Path, (place, content): &Entry) -> Outcome {
    let to = folder.join(place);
    let parent = to.parent().unwrap_or(folder);
    fs::create_dir_all(parent).map_err(|error| failed(parent, &error))?;
    fs::write(&to, content).map_err(|error| failed(&to, &error))?;
    fs::set_permissions(&to, Permissions::from_mode(EXECUTABLE)).map_err(|error| failed(&to, &error))?;
    println!("wrote {}", to.display());
    Ok(())
}

/// Entries with a fixed time: the same content gives the same bytes.
fn pack(path: &Path, entries: &[Entry]) -> Outcome {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(BEST_COMPRESSION))
        .last_modified_time(DateTime::default())
        .unix_permissions(EXECUTABLE);
    let file = File::create(path).map_err(|error| failed(path, &error))?;
    let mut zip = ZipWriter::new(file);
    for (place, content) in entries {
        zip.start_file(*place, options)
            .map_err(|error| failed(path, &error))?;
        zip.write_all(content).map_err(|error| failed(path, &error))?;
    }
    zip.finish().map_err(|error| failed(path, &error))?;
    Ok(())
}

/// Says whether the promise is kept.
fn print_size(what: &str, bytes: u64, promise: u64) -> bool {
    let is_kept = bytes <= promise;
    let verdict = if is_kept { "within" } else { "OVER" };
    println!("{what:<7} {bytes:>9} bytes, {verdict} the promise of {promise}");
    is_kept
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}
