//! Documents into the files, and files given up for them.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;

use super::super::chunk::{Chunk, look_through, number};
use super::super::folder::{Folder, FolderError};
use super::Store;
use crate::limits::{SPILL_DOCUMENT_MAX, SPILL_IO_MAX};
use crate::pipeline::document::Value;
use crate::pipeline::filing::Filed;
use crate::pipeline::spill_record::{self, Found};
use crate::pipeline::spool::Held;

/// Records of one value that are to be written in one piece.
struct Row {
    value: Value,
    /// Where in the current file they go; at 0 they begin a new one.
    base: u64,
    records: Vec<u8>,
    documents: Vec<Held>,
}

/// Why records could not be written.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("a file in it cannot be written")]
    File(#[from] io::Error),
}

impl WriteError {
    /// The folder is open, but no name leads to it any more.
    fn is_missing(&self) -> bool {
        matches!(self, Self::File(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

impl Store {
    pub(super) fn write(&mut self, mut documents: Vec<Held>, filed: &mut Filed) {
        for value in Value::ALL {
            let mut row = Row {
                value,
                base: 0,
                records: Vec::new(),
                documents: Vec::new(),
            };
            for document in documents.extract_if(.., |document| document.value == value) {
                self.append(document, &mut row, filed);
            }
            self.flush(&mut row, filed);
        }
    }

    fn append(&mut self, document: Held, row: &mut Row, filed: &mut Filed) {
        let length = spill_record::length(&document);
        if self.is_off || length > spill_record::HEAD_BYTES + SPILL_DOCUMENT_MAX {
            filed.refused.push(document);
            return;
        }
        let length = number(length);
        let with_it = number(row.records.len()) + length;
        let is_full = with_it > number(SPILL_IO_MAX)
            || row.base + with_it > self.chunk_bytes
            || self.bytes() + with_it > self.limit;
        if is_full {
            self.flush(row, filed);
        }
        if row.records.is_empty() {
            while self.bytes() + length > self.limit {
                let Some(place) = self.least(row.value) else {
                    // Everything there is worth more, or on its way.
                    filed.written += 1;
                    *filed.given_up.of_mut(row.value) += 1;
                    return;
                };
                self.give_up(place, filed);
            }
            let current = self.current(row.value).map_or(0, |chunk| chunk.end);
            row.base = if current + length > self.chunk_bytes {
                0
            } else {
                current
            };
        }
        spill_record::write(&mut row.records, &document);
        row.documents.push(document);
    }

    /// The file to which documents of this value are appended.
    fn current(&mut self, value: Value) -> Option<&mut Chunk> {
        let of_ours = |chunk: &&mut Chunk| chunk.value == value && !chunk.is_found;
        self.chunks.iter_mut().rfind(of_ours)
    }

    fn flush(&mut self, row: &mut Row, filed: &mut Filed) {
        let records = std::mem::take(&mut row.records);
        let documents = std::mem::take(&mut row.documents);
        if documents.is_empty() {
            return;
        }
        let count = number(documents.len());
        match self.write_records(row, &records, filed) {
            Ok(chunk) => {
                chunk.end += number(records.len());
                chunk.counted_to = chunk.end;
                chunk.documents += count;
                filed.written += count;
                self.is_told = false;
            }
            Err(error) => {
                filed.refused.extend(documents);
                self.turn_off(filed, &error);
            }
        }
    }

    fn write_records(
        &mut self,
        row: &Row,
        records: &[u8],
        filed: &mut Filed,
    ) -> Result<&mut Chunk, WriteError> {
        self.open_folder()?.spare(number(records.len()))?;
        let file = match self.reopen(row, filed) {
            Some(file) => file,
            None => match self.begin(row.value) {
                Err(error) if error.is_missing() && self.folder.is_some() => {
                    self.lose_folder(filed);
                    self.begin(row.value)?
                }
                begun => begun?,
            },
        };
        let chunk = self.current(row.value).ok_or(FolderError::NotOurs)?;
        if let Err(error) = file.write_all_at(records, chunk.end) {
            // Half a record would only be found damaged.
            let _ = file.set_len(chunk.end);
            return Err(error.into());
        }
        Ok(chunk)
    }

    /// The current file, unless another is to be begun. What somebody has taken away or put a link in place of
    /// is lost.
    fn reopen(&mut self, row: &Row, filed: &mut Filed) -> Option<File> {
        if row.base == 0 {
            return None;
        }
        let chunk = self.current(row.value)?;
        let (name, number) = (chunk.name(), chunk.number);
        let opened = self.folder.as_ref()?.open_file(&name);
        if opened.is_err() {
            let place = self.chunks.iter().position(|chunk| chunk.number == number)?;
            self.lose(place, filed);
        }
        Some(opened.ok()?.0)
    }

    /// Somebody cleaned the temporary folder: what was in ours is lost, and another is made.
    fn lose_folder(&mut self, filed: &mut Filed) {
        while !self.chunks.is_empty() {
            self.lose(0, filed);
        }
        self.folder = None;
    }

    /// The folder, made if need be.
    fn open_folder(&mut self) -> Result<&Folder, FolderError> {
        if self.folder.is_none() {
            self.take_over(Folder::create(&self.path)?);
        }
        self.folder.as_ref().ok_or(FolderError::NotOurs)
    }

    fn begin(&mut self, value: Value) -> Result<File, WriteError> {
        let chunk = Chunk::new(self.next_number, value);
        let after = self.next_number.checked_add(1).ok_or(FolderError::Exhausted)?;
        let file = self.open_folder()?.create_file(&chunk.name())?;
        self.next_number = after;
        self.chunks.push(chunk);
        Ok(file)
    }

    /// Removes a file for the sake of what is to be written.
    fn give_up(&mut self, place: usize, filed: &mut Filed) {
        let Some(chunk) = self.chunks.get(place) else {
            return;
        };
        let (name, value, unread) = (chunk.name(), chunk.value, (chunk.counted_to, chunk.end));
        let opened = self.folder.as_ref().map(|folder| folder.open_file(&name));
        let (mut waiting, mut damaged) = (0, 0);
        if unread.0 < unread.1
            && let Some(Ok((file, _))) = opened
        {
            // Left by an earlier process and never looked at: what is given up is counted all the same.
            let _ = look_through(&file, unread, |found, _| {
                match found {
                    Found::Waits(_) => waiting += 1,
                    Found::Damaged => damaged += 1,
                    Found::Settled | Found::DamagedOn => {}
                }
                ControlFlow::Continue(())
            });
        }
        filed.recovered += waiting + damaged;
        filed.damaged += damaged;
        if let Some(chunk) = self.chunks.get_mut(place) {
            *filed.given_up.of_mut(value) += waiting + std::mem::take(&mut chunk.documents);
        }
        self.lose(place, filed);
    }
}
