//! What `cargo xtask test` built: the zips for both architectures and what lies beside them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use zip::ZipArchive;

use crate::clients::tools::built;

/// This machine's architecture, by Lambda's name.
pub(super) const NATIVE: &str = if cfg!(target_arch = "aarch64") {
    "arm64"
} else {
    "x86_64"
};
/// The other one.
pub(super) const FOREIGN: &str = if cfg!(target_arch = "aarch64") {
    "x86_64"
} else {
    "arm64"
};

/// A file below `target/layer`.
#[track_caller]
pub(super) fn released(name: &str) -> PathBuf {
    built(&format!("layer/{name}"))
}

/// The zip for an architecture.
#[track_caller]
pub(super) fn zip(arch: &str) -> PathBuf {
    released(&format!("fluoroscope-{arch}.zip"))
}

/// A checksum as hexadecimal digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    let sum = digest(&SHA256, bytes);
    sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file in a zip.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) mode: u32,
    pub(super) is_dated: bool,
    pub(super) content: Vec<u8>,
}

/// Every file in a zip, and their names in the order in which they lie there.
pub(super) fn unpacked(path: &Path) -> (BTreeMap<String, Packed>, Vec<String>) {
    let mut archive = ZipArchive::new(File::open(path).expect("the zip is there")).expect("it is a zip");
    let mut order = Vec::new();
    let mut files = BTreeMap::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).expect("the directory names it");
        let mut content = Vec::new();
        file.read_to_end(&mut content).expect("it unpacks");
        let packed = Packed {
            mode: file.unix_mode().unwrap_or_default() & 0o7777,
            is_dated: file.last_modified().is_some_and(|time| time.year() != 1980),
            content,
        };
        let name = file.name().expect("it is text").into_owned();
        order.push(name.clone());
        files.insert(name, packed);
    }
    (files, order)
}
