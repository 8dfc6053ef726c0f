//! What lies in a layer's zip.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

/// Entries that are looked at; a layer of ours has a handful.
const ENTRIES_MAX: usize = 10_000;
/// Bytes of a program that say what machine it is for.
const HEAD_BYTES: usize = 20;

/// A layer's zip.
#[derive(Debug, Clone, Default)]
pub(super) struct LayerZip {
    /// The file.
    pub(super) path: String,
    /// Programs that Lambda would start.
    pub(super) extensions: Vec<Program>,
    /// The exec wrapper.
    pub(super) wrapper: Option<Program>,
}

/// A file in a layer.
#[derive(Debug, Clone)]
pub(super) struct Program {
    /// Its place in the zip.
    pub(super) name: String,
    /// Whether its mode lets Lambda start it.
    pub(super) is_executable: bool,
    /// The architecture of a Linux program; none for anything else.
    pub(super) architecture: Option<&'static str>,
}

/// Reads a layer's zip.
pub(super) fn read(path: &Path) -> Result<LayerZip, ZipError> {
    let mut archive = ZipArchive::new(File::open(path)?)?;
    let mut zip = LayerZip {
        path: path.display().to_string(),
        ..LayerZip::default()
    };
    for index in 0..archive.len().min(ENTRIES_MAX) {
        let mut entry = archive.by_index(index)?;
        let name = entry.name()?.into_owned();
        let is_extension = name
            .strip_prefix("extensions/")
            .is_some_and(|name| !name.is_empty() && !name.contains('/'));
        if entry.is_dir() || !(is_extension || name == "fluoroscope") {
            continue;
        }
        let mut head = [0; HEAD_BYTES];
        let filled = fill(&mut entry, &mut head)?;
        let program = Program {
            is_executable: entry.unix_mode().is_some_and(|mode| mode & 0o111 != 0),
            architecture: filled.then(|| machine_of(&head)).flatten(),
            name,
        };
        match is_extension {
            true => zip.extensions.push(program),
            false => zip.wrapper = Some(program),
        }
    }
    Ok(zip)
}

/// Whether there were bytes enough.
fn fill(from: &mut impl Read, head: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(head) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// The architecture in an ELF header, in Lambda's words.
fn machine_of(head: &[u8; HEAD_BYTES]) -> Option<&'static str> {
    match head {
        [0x7f, b'E', b'L', b'F', .., 0x3e, 0] => Some("x86_64"),
        [0x7f, b'E', b'L', b'F', .., 0xb7, 0] => Some("arm64"),
        _ => None,
    }
}
