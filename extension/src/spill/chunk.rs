//! One file of the tier: documents of one value, in the order in which they were written.
//!
//! Little is kept in memory for it, whatever it holds: counts and places.

use std::fs::File;
use std::io;
use std::ops::{ControlFlow, Range};
use std::os::unix::fs::FileExt;

use crate::limits::{SPILL_CHUNK_MAX, SPILL_IO_MAX};
use crate::pipeline::document::Value;
use crate::pipeline::spill_record::{self, Found};

/// What is known of a file.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Its place in the order in which files were begun.
    pub(super) number: u64,
    pub(super) value: Value,
    /// Whether an earlier process wrote it: nothing is appended to it.
    pub(super) is_found: bool,
    /// Bytes of records.
    pub(super) end: u64,
    /// Nothing before this place waits.
    pub(super) settled_to: u64,
    /// Everything before this place was counted.
    pub(super) counted_to: u64,
    /// How far the last recall looked.
    pub(super) looked_to: u64,
    /// Documents that were counted and are not settled.
    pub(super) documents: u64,
    /// Documents on their way.
    pub(super) out: usize,
}

impl Chunk {
    /// A file that is about to be written.
    pub(super) fn new(number: u64, value: Value) -> Self {
        Self {
            number,
            value,
            is_found: false,
            end: 0,
            settled_to: 0,
            counted_to: 0,
            looked_to: 0,
            documents: 0,
            out: 0,
        }
    }

    /// A file that was there, by its name, if it is one that we give.
    pub(super) fn found(name: &str) -> Option<Self> {
        let (value, number) = name.split_once('-')?;
        let value = Value::ALL.into_iter().find(|one| one.name() == value)?;
        let chunk = Self {
            is_found: true,
            ..Self::new(u64::from_str_radix(number, 16).ok()?, value)
        };
        (chunk.number < u64::MAX && chunk.name() == name).then_some(chunk)
    }

    /// What lies beyond the longest file we write is not looked at.
    pub(super) fn of_length(self, length: u64) -> Self {
        Self {
            end: length.min(SPILL_CHUNK_MAX),
            ..self
        }
    }

    pub(super) fn name(&self) -> String {
        format!("{}-{:016x}", self.value.name(), self.number)
    }

    /// Whether nothing in it waits any more.
    pub(super) fn is_done(&self) -> bool {
        self.out == 0 && self.settled_to >= self.end
    }
}

/// Goes through what stands in a file from a place on, until `look` has seen enough. `look` is told where each
/// thing begins and ends.
pub(super) fn look_through(
    file: &File,
    (from, end): (u64, u64),
    mut look: impl FnMut(Found<'_>, Range<u64>) -> ControlFlow<()>,
) -> io::Result<()> {
    let mut window = vec![0; SPILL_IO_MAX];
    let mut at = from;
    while at < end {
        let wanted = usize::try_from(end - at).unwrap_or(usize::MAX).min(window.len());
        let wanted = window.get_mut(..wanted).unwrap_or_default();
        let length = fill(file, wanted, at)?;
        let is_end = length < wanted.len() || at + number(length) >= end;
        let mut rest = window.get(..length).unwrap_or_default();
        let before = at;
        while let Some((found, length)) = spill_record::read(rest, is_end) {
            let next = at + number(length);
            if look(found, at..next).is_break() {
                return Ok(());
            }
            rest = rest.get(length..).unwrap_or_default();
            at = next;
        }
        if is_end || at == before {
            // A shorter file than it was, if anything is missing.
            break;
        }
    }
    Ok(())
}

/// Reads as much as there is.
fn fill(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + number(filled)) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

pub(super) fn number(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
