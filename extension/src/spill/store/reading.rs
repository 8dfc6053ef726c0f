//! Documents out of the files, and what became of them.

use std::ops::{ControlFlow, Range};
use std::os::unix::fs::FileExt;

use model::size::ByteCount;

use super::super::chunk::{Chunk, look_through, number};
use super::{Out, Store};
use crate::limits::SPILL_LOOK_MAX;
use crate::pipeline::document::Document;
use crate::pipeline::filing::Filed;
use crate::pipeline::spill_record::{Found, SETTLED, STATE_AT};
use crate::pipeline::spool::{BatchLimits, Order};

/// How much of the files is read.
struct Bounds {
    batch: BatchLimits,
    /// Bytes that may still be looked at, in whatever state.
    look: u64,
}

/// A batch that is being read.
struct Reading<'a> {
    bounds: &'a mut Bounds,
    bytes: ByteCount,
    out: &'a mut Vec<Out>,
    filed: &'a mut Filed,
}

impl Reading<'_> {
    fn is_full(&self) -> bool {
        let batch = &self.bounds.batch;
        self.filed.recalled.len() >= batch.documents || self.bytes >= batch.bytes
    }

    /// Takes note of what stands at a place of a file. Breaks before what has no room in the batch, and when
    /// enough was looked at.
    fn note(&mut self, chunk: &mut Chunk, found: Found<'_>, place: Range<u64>) -> ControlFlow<()> {
        if self.bounds.look == 0 {
            return ControlFlow::Break(());
        }
        let is_new = place.start >= chunk.counted_to;
        let document = match found {
            Found::Waits(stored) => {
                match Document::from_file(stored.document, stored.value, stored.arrived) {
                    Some(document) => Some(document),
                    None => self.count_damage(is_new),
                }
            }
            Found::Damaged => self.count_damage(is_new),
            Found::Settled | Found::DamagedOn => None,
        };
        if let Some(document) = document {
            let bytes = self.bytes.plus(ByteCount::of(document.bytes.len()));
            let has_some = !self.filed.recalled.is_empty();
            if has_some && (self.is_full() || bytes > self.bounds.batch.bytes) {
                return ControlFlow::Break(());
            }
            if is_new {
                self.filed.recovered += 1;
                chunk.documents += 1;
            }
            self.bytes = bytes;
            chunk.out += 1;
            self.out.push(Out {
                chunk: chunk.number,
                at: place.start,
                is_lost: false,
            });
            self.filed.recalled.push(document);
        } else if chunk.out == 0 {
            chunk.settled_to = place.end;
        }
        self.bounds.look = self.bounds.look.saturating_sub(place.end - place.start);
        chunk.looked_to = place.end;
        chunk.counted_to = chunk.counted_to.max(place.end);
        ControlFlow::Continue(())
    }

    /// What was counted before is told of when its file has been gone through.
    fn count_damage(&mut self, is_new: bool) -> Option<Document> {
        if is_new {
            self.filed.recovered += 1;
            self.filed.damaged += 1;
        }
        None
    }
}

impl Store {
    /// Reads the next documents to be sent, from as many files as it takes to fill a call.
    pub(super) fn recall(&mut self, limits: BatchLimits, order: Order, filed: &mut Filed) {
        // The last ones were settled, or the engine would not ask.
        self.settle(&vec![true; self.out.len()], filed);
        let mut numbers: Vec<(std::cmp::Reverse<_>, u64)> = self
            .chunks
            .iter()
            .map(|chunk| {
                let value = (order == Order::Valuable).then_some(chunk.value);
                (std::cmp::Reverse(value), chunk.number)
            })
            .collect();
        numbers.sort();
        let mut bounds = Bounds {
            batch: limits,
            look: SPILL_LOOK_MAX,
        };
        for (_, number) in numbers {
            self.recall_from(number, &mut bounds, filed);
            let bytes = filed.recalled.iter().map(|document| document.bytes.len()).sum();
            let is_full = filed.recalled.len() >= limits.documents || ByteCount::of(bytes) >= limits.bytes;
            if is_full || bounds.look == 0 {
                break;
            }
        }
    }

    fn recall_from(&mut self, number: u64, bounds: &mut Bounds, filed: &mut Filed) {
        let Some(place) = self.chunks.iter().position(|chunk| chunk.number == number) else {
            return;
        };
        let Some((chunk, folder)) = self.chunks.get_mut(place).zip(self.folder.as_ref()) else {
            return;
        };
        let bytes = filed.recalled.iter().map(|document| document.bytes.len()).sum();
        let mut reading = Reading {
            bounds,
            bytes: ByteCount::of(bytes),
            out: &mut self.out,
            filed,
        };
        chunk.looked_to = chunk.settled_to;
        let mut is_through = true;
        let looked = folder.open_file(&chunk.name()).and_then(|(file, _)| {
            look_through(&file, (chunk.settled_to, chunk.end), |found, place| {
                let flow = reading.note(chunk, found, place);
                is_through = flow.is_continue();
                flow
            })
        });
        if looked.is_ok() && !is_through {
            return;
        }
        // Gone through, or shorter than it was, or not to be read at all: nothing more is in it.
        chunk.looked_to = chunk.end;
        if chunk.out == 0 {
            chunk.settled_to = chunk.end;
        }
    }

    /// Marks what is settled, so that no later process sends it again.
    pub(super) fn settle(&mut self, keep: &[bool], filed: &mut Filed) {
        let out = std::mem::take(&mut self.out);
        let (lost, out): (Vec<_>, Vec<_>) = out.iter().zip(keep).partition(|(out, _)| out.is_lost);
        filed.damaged += number(lost.iter().filter(|(_, keep)| **keep).count());
        for chunk in &mut self.chunks {
            let own = out.iter().filter(|(out, _)| out.chunk == chunk.number);
            let (kept, settled): (Vec<_>, Vec<_>) = own.partition(|(_, keep)| **keep);
            if kept.is_empty() && settled.is_empty() {
                continue;
            }
            chunk.out = 0;
            chunk.documents = chunk.documents.saturating_sub(number(settled.len()));
            chunk.settled_to = kept.first().map_or(chunk.looked_to, |(out, _)| out.at);
            // A file in which nothing waits any more is removed in a moment.
            if !chunk.is_done()
                && let Some(Ok((file, _))) =
                    self.folder.as_ref().map(|folder| folder.open_file(&chunk.name()))
            {
                for (out, _) in settled {
                    // Should it fail, a crash may send the document again: X-Ray takes it for the same.
                    let _ = file.write_all_at(&[SETTLED], out.at + STATE_AT);
                }
            }
        }
    }
}
