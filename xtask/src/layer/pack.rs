//! The zip: sorted entries, fixed times, modes, and as small as deflate can be made.

use std::io::Cursor;
use std::io::Write;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::failure::{Failure, Outcome};

/// Beyond 9 the search is zopfli's, for this many rounds more: some seconds, and 4 % less to load.
const BEST_COMPRESSION: i64 = 24;

/// zopfli makes sixteen blocks at most of what it is given at once, each with codes of its own: code, tables and texts
/// differ more often than that in a program. 1 % less to load.
const PIECE_BYTES: usize = 256 * 1024;

/// A file of the layer.
pub(super) struct Entry {
    /// Where it lies below /opt.
    pub(super) place: &'static str,
    pub(super) mode: u32,
    pub(super) content: Vec<u8>,
}

/// The bytes of the zip. The same entries give the same bytes, in whatever order they come.
pub(super) fn pack(entries: &[Entry]) -> Outcome<Vec<u8>> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by_key(|entry| entry.place);
    let failed = |error: &dyn std::fmt::Display| Failure::new(format!("could not pack the layer: {error}"));
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for entry in sorted {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(BEST_COMPRESSION))
            .with_zopfli_buffer(None)
            .last_modified_time(DateTime::default())
            .unix_permissions(entry.mode);
        zip.start_file(entry.place, options)
            .map_err(|error| failed(&error))?;
        for piece in entry.content.chunks(PIECE_BYTES) {
            zip.write_all(piece).map_err(|error| failed(&error))?;
        }
    }
    let written = zip.finish().map_err(|error| failed(&error))?;
    Ok(written.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{EXECUTABLE, READABLE};

    #[test]
    fn the_order_of_entries_does_not_matter_and_modes_do() {
        let entry = |place, mode| Entry {
            place,
            mode,
            content: b"x".to_vec(),
        };
        let one = pack(&[entry("b", READABLE), entry("a/b", EXECUTABLE)]).unwrap();
        let two = pack(&[entry("a/b", EXECUTABLE), entry("b", READABLE)]).unwrap();
        assert_eq!(one, two);
        let three = pack(&[entry("a/b", READABLE), entry("b", READABLE)]).unwrap();
        assert_ne!(one, three);
    }
}
