//! `cargo xtask layer`: the layer's zip for the machine it is built on.

use std::fs::{self, File};
use std::io::Write;
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
const ENTRY: &str = "extensions/fluoroscope";
const EXECUTABLE: u32 = 0o755;
/// What the zip and the binary in it may measure, in bytes.
const ZIP_PROMISE: u64 = 1_600_000;
const BINARY_PROMISE: u64 = 3_200_000;
const BEST_COMPRESSION: i64 = 9;

/// Builds and packs, and prints the sizes next to the promise.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    process::run(process::cargo().args(["build", "--release", "-p", "extension"]))?;
    let binary = project::target().join("release/fluoroscope-extension");
    if let Some(folder) = &arguments.into {
        let to = folder.join(ENTRY);
        fs::create_dir_all(folder.join("extensions")).map_err(|error| failed(folder, &error))?;
        fs::copy(&binary, &to).map_err(|error| failed(&to, &error))?;
        println!("wrote {}", to.display());
        return Ok(());
    }
    let folder = project::target().join("layer");
    fs::create_dir_all(&folder).map_err(|error| failed(&folder, &error))?;
    let path = folder.join(format!("fluoroscope-{}.zip", std::env::consts::ARCH));
    let content = fs::read(&binary).map_err(|error| failed(&binary, &error))?;
    pack(&path, &content)?;
    let packed = fs::metadata(&path).map_err(|error| failed(&path, &error))?.len();
    println!("wrote {}", path.display());
    let is_small = print_size("zip", packed, ZIP_PROMISE);
    let is_binary_small = print_size(
        "binary",
        content.len().try_into().unwrap_or(u64::MAX),
        BINARY_PROMISE,
    );
    if is_small && is_binary_small {
        Ok(())
    } else {
        Err(Failure::new("the layer is larger than promised (above)"))
    }
}

/// One entry with a fixed time: the same content gives the same bytes.
fn pack(path: &Path, content: &[u8]) -> Outcome {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(BEST_COMPRESSION))
        .last_modified_time(DateTime::default())
        .unix_permissions(EXECUTABLE);
    let file = File::create(path).map_err(|error| failed(path, &error))?;
    let mut zip = ZipWriter::new(file);
    zip.start_file(ENTRY, options)
        .map_err(|error| failed(path, &error))?;
    zip.write_all(content).map_err(|error| failed(path, &error))?;
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
