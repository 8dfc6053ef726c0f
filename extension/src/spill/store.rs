//! Performs the engine's work on the files: a log in pieces, for each value a row of files.
//!
//! Invariants
//! - Nothing is opened or made before it is needed, and nothing stays when nothing waits.
//! - A document that is settled is marked so at once: a crash does not send it again.
//! - No piece of work reads or writes without bound, and no file of ours takes the folder beyond the limit.
//! - Whatever the files hold or refuse, every document that was counted is told of.

mod reading;
mod writing;

#[cfg(test)]
mod tests;

use std::error::Error;
use std::path::{Path, PathBuf};

use model::size::ByteCount;

use super::chunk::{Chunk, number};
use super::folder::{self, Folder};
use crate::limits::{SPILL_CHUNK_MAX, SPILL_CHUNK_MIN};
use crate::logging::{Level, Line};
use crate::pipeline::document::Value;
use crate::pipeline::filing::{Filed, Filing};

/// A document that was read and is not settled: its file and its place there.
#[derive(Debug)]
struct Out {
    chunk: u64,
    at: u64,
    /// The file has been lost since: what is given back cannot be read again.
    is_lost: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    /// Folders that lanes of an earlier process have left and that no lane of this one has.
    abandoned: Vec<PathBuf>,
    limit: u64,
    chunk_bytes: u64,
    folder: Option<Folder>,
    /// In the order in which they were begun.
    chunks: Vec<Chunk>,
    next_number: u64,
    /// In the order in which they were handed out.
    out: Vec<Out>,
    /// Nothing is written until somebody asks to look again.
    is_off: bool,
    /// Why was said, and nothing was written since.
    is_told: bool,
}

impl Store {
    /// A store that has touched nothing. A limit of zero keeps it that way.
    pub fn new(temporary: &Path, limit: ByteCount) -> Self {
        let limit = limit.get();
        Self {
            path: folder::path_below(temporary, None),
            abandoned: Vec::new(),
            limit,
            chunk_bytes: (limit / 8).clamp(SPILL_CHUNK_MIN, SPILL_CHUNK_MAX),
            folder: None,
            chunks: Vec::new(),
            next_number: 1,
            out: Vec::new(),
            is_off: limit == 0,
            is_told: false,
        }
    }

    /// The same for another lane than the first.
    pub fn of_lane(temporary: &Path, limit: ByteCount, lane: &str) -> Self {
        Self {
            path: folder::path_below(temporary, Some(lane)),
            ..Self::new(temporary, limit)
        }
    }

    /// Takes over what a lane of this name has left, if nothing of its own is there.
    #[must_use]
    pub fn heir_of(mut self, temporary: &Path, lane: &str) -> Self {
        self.abandoned.push(folder::path_below(temporary, Some(lane)));
        self
    }

    /// One that takes nothing and finds nothing.
    pub fn none() -> Self {
        Self::new(Path::new("/tmp"), ByteCount::ZERO)
    }

    /// Does a piece of work.
    pub fn perform(&mut self, filing: Filing) -> Filed {
        let mut filed = Filed::default();
        match filing {
            Filing::Notice => self.notice(&mut filed),
            Filing::Write(documents) => self.write(documents, &mut filed),
            Filing::Recall(limits, order) => {
                filed.is_recall = true;
                self.recall(limits, order, &mut filed);
            }
            Filing::Settle(keep) => self.settle(&keep, &mut filed),
        }
        self.sweep(&mut filed);
        filed.has_more = !self.chunks.is_empty();
        filed.can_write = !self.is_off;
        filed
    }

    /// Looks for what an earlier process left: one look at a name, if there is nothing. What kept us from writing
    /// may be over.
    fn notice(&mut self, filed: &mut Filed) {
        self.is_off = self.limit == 0;
        if self.is_off || self.folder.is_some() {
            return;
        }
        for folder in &self.abandoned {
            // What is there already stays: the name is taken then.
            let _ = std::fs::rename(folder, &self.path);
        }
        match Folder::open(&self.path) {
            Ok(Some(folder)) => self.take_over(folder),
            Ok(None) => {}
            Err(error) => self.turn_off(filed, &error),
        }
    }

    /// The files of an earlier process are read like our own, and written to for their states alone.
    fn take_over(&mut self, folder: Folder) {
        for name in folder.names() {
            let Some(chunk) = Chunk::found(&name) else {
                continue;
            };
            if self.chunks.iter().any(|known| known.number == chunk.number) {
                // Planted: we number each file once.
                continue;
            }
            // Taken, whatever it is.
            self.next_number = self.next_number.max(chunk.number.saturating_add(1));
            if let Ok((_, length)) = folder.open_file(&name) {
                self.chunks.push(chunk.of_length(length));
            }
        }
        self.chunks.sort_by_key(|chunk| chunk.number);
        self.folder = Some(folder);
    }

    /// Writes nothing until somebody asks to look again, and says why once. What is in the files is still read.
    fn turn_off(&mut self, filed: &mut Filed, cause: &dyn Error) {
        self.is_off = true;
        if std::mem::replace(&mut self.is_told, true) {
            return;
        }
        let mut causes = cause.to_string();
        if let Some(source) = cause.source() {
            causes = format!("{causes}: {source}");
        }
        let line = Line::new(
            Level::Warn,
            "documents that memory has no room for cannot be kept in a file and will be shed; give the function a \
             TMPDIR of its own with free space, or set FLUOROSCOPE_SPILL_LIMIT to what it has (0 keeps this quiet)",
        );
        filed.problem = Some(
            line.with("path", self.path.display().to_string())
                .with("cause", causes),
        );
    }

    /// Lets files go in which nothing waits any more, and the folder with the last of them.
    fn sweep(&mut self, filed: &mut Filed) {
        while let Some(place) = self.chunks.iter().position(Chunk::is_done) {
            self.lose(place, filed);
        }
        if self.chunks.is_empty()
            && let Some(folder) = self.folder.take()
        {
            folder.close();
        }
    }

    /// Removes a file. What was counted and is not settled cannot be read any more; what is on its way may still
    /// be delivered.
    fn lose(&mut self, place: usize, filed: &mut Filed) {
        let chunk = self.chunks.remove(place);
        filed.damaged += chunk.documents.saturating_sub(number(chunk.out));
        for out in self.out.iter_mut().filter(|out| out.chunk == chunk.number) {
            out.is_lost = true;
        }
        if let Some(folder) = &self.folder {
            folder.remove(&chunk.name());
        }
    }

    /// The least valuable file up to this value, the oldest of them, from which nothing is on its way.
    fn least(&self, at_most: Value) -> Option<usize> {
        let candidates = self.chunks.iter().enumerate();
        candidates
            .filter(|(_, chunk)| chunk.out == 0 && chunk.value <= at_most)
            .min_by_key(|(_, chunk)| (chunk.value, chunk.number))
            .map(|(place, _)| place)
    }

    fn bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.end).sum()
    }

    /// Documents in the files that were counted and are not settled.
    #[cfg(test)]
    pub(crate) fn documents(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.documents).sum()
    }
}
