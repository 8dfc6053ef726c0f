//! Zips that were made, and zips that were uploaded.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use zip::ZipArchive;

/// Mode and content of every file in a zip, by its path.
pub(super) type Entries = BTreeMap<String, (Option<u32>, Vec<u8>)>;

/// Every file of a zip.
pub(super) fn entries(path: &Path) -> Entries {
    let mut zip = archive(path);
    let mut entries = BTreeMap::new();
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).expect("there are as many as it says");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("the zip is whole");
        let mode = entry.unix_mode().map(|mode| mode & 0o777);
        if entry.is_file() {
            let name = entry.name().expect("names are text").into_owned();
            entries.insert(name, (mode, content));
        }
    }
    entries
}

/// Unpacks it as Lambda does.
pub(super) fn unpack(path: &Path, folder: &Path) {
    let unpacked = archive(path).extract(folder);
    unpacked.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn archive(path: &Path) -> ZipArchive<File> {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    ZipArchive::new(file).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
