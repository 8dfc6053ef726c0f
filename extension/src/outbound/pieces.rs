//! A batch in a destination's own words: pieces, and whose they are.
//!
//! A document becomes a piece, or several, or none. A destination judges pieces, the engine documents: what is said of a
//! piece is said of the document that it is of.
//!
//! Invariants
//! - Every document of a batch has a piece, or is named as one that has none.
//! - A document is taken if all its pieces are, is tried again if one of them may be taken later, and else refused.
//!
//! Pure.

use std::ops::{ControlFlow, Range};

use model::size::ByteCount;

use crate::pipeline::outcome::{Answered, Failure, Outcome, Unprocessed};

/// What a document that cannot be said in a destination's words is refused for.
pub const UNTOLD: &str = "untranslatable";

/// A part of a call.
pub trait Piece {
    /// Bytes that it adds to a call behind another piece, if there is one.
    fn weight(&self, before: Option<&Self>) -> usize;
}

/// The most that a destination takes in one call.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    /// Pieces.
    pub pieces: usize,
    /// Their weight.
    pub bytes: ByteCount,
}

/// See the module.
#[derive(Debug)]
pub struct Pieces<T> {
    pieces: Vec<T>,
    /// The place in the batch of the document that each piece is of.
    owners: Vec<usize>,
    /// Documents that cannot be said.
    pub untold: Vec<Unprocessed>,
}

impl<T> Default for Pieces<T> {
    fn default() -> Self {
        Self {
            pieces: Vec::new(),
            owners: Vec::new(),
            untold: Vec::new(),
        }
    }
}

impl<T: Piece> Pieces<T> {
    /// One more, of the document in this place.
    pub fn push(&mut self, owner: usize, piece: T) {
        self.pieces.push(piece);
        self.owners.push(owner);
    }

    /// The document in this place cannot be said.
    pub fn refuse(&mut self, owner: usize, code: &str, message: String) {
        self.untold.push(Unprocessed {
            document: Some(owner),
            code: code.to_owned(),
            message,
            retriable: false,
        });
    }

    /// The pieces.
    pub fn all(&self) -> &[T] {
        &self.pieces
    }

    /// The pieces, in calls as large as they are taken.
    pub fn calls(&self, most: Most) -> impl Iterator<Item = (&[T], Range<usize>)> {
        let mut from = 0;
        std::iter::from_fn(move || {
            let rest = self.pieces.get(from..).filter(|rest| !rest.is_empty())?;
            let mut bytes = ByteCount::ZERO;
            let mut before = None;
            let fitting = rest.iter().take(most.pieces).take_while(|piece| {
                bytes = bytes.plus(ByteCount::of(piece.weight(before)));
                before = Some(*piece);
                bytes <= most.bytes
            });
            // One that is larger than a call may be leaves alone.
            let range = from..from + fitting.count().max(1);
            from = range.end;
            Some((self.pieces.get(range.clone())?, range))
        })
    }

    /// The document that the piece in this place is of.
    pub fn owner(&self, place: usize) -> Option<usize> {
        self.owners.get(place).copied()
    }

    /// The documents of pieces that were not sent, which may be taken later.
    fn left(&self, from: usize) -> impl Iterator<Item = Unprocessed> {
        let owners = self.owners.get(from..).unwrap_or_default();
        owners.iter().map(|owner| Unprocessed {
            document: Some(*owner),
            code: String::new(),
            message: String::new(),
            retriable: true,
        })
    }
}

/// What becomes of a batch, call by call.
#[derive(Debug)]
pub struct Verdict {
    documents: usize,
    unprocessed: Vec<Unprocessed>,
    remark: Option<String>,
}

impl Verdict {
    /// Of a batch of so many documents, before the first call.
    pub fn of<T>(pieces: &mut Pieces<T>, documents: usize) -> Self {
        Self {
            documents,
            unprocessed: std::mem::take(&mut pieces.untold),
            remark: None,
        }
    }

    /// Notes what became of a call. Breaks off behind a failure: what no call was tried for is given back, and a failure
    /// of the first call is one of the batch.
    pub fn note<T: Piece>(
        &mut self,
        pieces: &Pieces<T>,
        call: &Range<usize>,
        outcome: Outcome,
    ) -> ControlFlow<Option<Failure>> {
        match outcome {
            Outcome::Answered(answered) => {
                let owner = |place: usize| pieces.owner(call.start + place);
                let items = answered.unprocessed.into_iter().map(|item| Unprocessed {
                    document: item.document.and_then(owner),
                    ..item
                });
                self.unprocessed.extend(items);
                self.remark = self.remark.take().or(answered.remark);
                ControlFlow::Continue(())
            }
            Outcome::Failed(failure) if call.start == 0 && self.unprocessed.is_empty() => {
                ControlFlow::Break(Some(failure))
            }
            Outcome::Failed(_) => {
                self.unprocessed.extend(pieces.left(call.start));
                ControlFlow::Break(None)
            }
        }
    }

    /// Something is to be said that costs no document.
    pub fn remark(&mut self, remark: Option<String>) {
        self.remark = self.remark.take().or(remark);
    }

    /// The outcome of the batch.
    pub fn outcome(self, end: ControlFlow<Option<Failure>>) -> Outcome {
        if let ControlFlow::Break(Some(failure)) = end {
            return Outcome::Failed(failure);
        }
        Outcome::Answered(Answered {
            documents: self.documents,
            unprocessed: once_each(self.unprocessed, self.documents),
            remark: self.remark,
        })
    }
}

/// No document is named twice: the word that it may be taken later stands above the others.
pub fn once_each(mut items: Vec<Unprocessed>, documents: usize) -> Vec<Unprocessed> {
    items.sort_by_key(|item| (item.document.is_none(), item.document, !item.retriable));
    items.dedup_by(|later, first| first.document.is_some() && later.document == first.document);
    items.truncate(documents);
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::outcome::FailureKind;

    impl Piece for usize {
        fn weight(&self, _: Option<&Self>) -> usize {
            *self
        }
    }

    fn said(document: Option<usize>, code: &str, retriable: bool) -> Unprocessed {
        Unprocessed {
            document,
            code: code.to_owned(),
            message: String::new(),
            retriable,
        }
    }

    /// Five pieces of three documents.
    fn pieces() -> Pieces<usize> {
        let mut pieces = Pieces::default();
        for owner in [0, 0, 1, 2, 2] {
            pieces.push(owner, 10);
        }
        pieces
    }

    fn failed() -> Outcome {
        Outcome::Failed(Failure {
            kind: FailureKind::Silent,
            message: String::new(),
        })
    }

    #[test]
    fn calls_are_as_large_as_they_may_be_and_one_piece_at_the_least() {
        for (most_pieces, bytes, expected) in [
            (2, 100, vec![0..2, 2..4, 4..5]),
            (9, 20, vec![0..2, 2..4, 4..5]),
            (9, 29, vec![0..2, 2..4, 4..5]),
            (9, 30, vec![0..3, 3..5]),
            (9, 9, vec![0..1, 1..2, 2..3, 3..4, 4..5]),
        ] {
            let most = Most {
                pieces: most_pieces,
                bytes: ByteCount::bytes(bytes),
            };
            let pieces = pieces();
            let calls: Vec<_> = pieces.calls(most).map(|(_, range)| range).collect();
            assert_eq!(calls, expected, "{most:?}");
        }
    }

    #[test]
    fn what_is_said_of_a_piece_is_said_of_its_document() {
        let mut pieces = pieces();
        let mut verdict = Verdict::of(&mut pieces, 3);
        let items = vec![
            said(Some(0), "InvalidName", false),
            said(Some(2), "ThrottledException", true),
            said(None, "unknown", false),
        ];
        let answered = Answered {
            documents: 4,
            unprocessed: items,
            remark: None,
        };
        let end = verdict.note(&pieces, &(1..5), Outcome::Answered(answered));
        let Outcome::Answered(answered) = verdict.outcome(end) else {
            panic!("it was answered");
        };
        let places: Vec<_> = answered.unprocessed.iter().map(|item| item.document).collect();
        assert_eq!(places, [Some(0), Some(2), None]);
    }

    #[test]
    fn a_failure_gives_back_what_was_not_sent_and_the_first_calls_is_the_batchs() {
        let mut pieces = pieces();
        let mut verdict = Verdict::of(&mut pieces, 3);
        let end = verdict.note(&pieces, &(0..3), failed());
        assert!(matches!(verdict.outcome(end), Outcome::Failed(_)));

        let mut verdict = Verdict::of(&mut pieces, 3);
        let end = verdict.note(&pieces, &(3..5), failed());
        let Outcome::Answered(answered) = verdict.outcome(end) else {
            panic!("some of it was answered");
        };
        assert_eq!(answered.unprocessed, [said(Some(2), "", true)]);
    }

    #[test]
    fn a_document_is_named_once_and_tried_again_if_one_of_its_pieces_may_be() {
        let items = vec![
            said(None, "unknown", false),
            said(Some(1), "InvalidName", false),
            said(Some(1), "ThrottledException", true),
            said(Some(0), "InvalidName", false),
            said(None, "unknown", false),
        ];
        let once: Vec<_> = once_each(items.clone(), 9)
            .into_iter()
            .map(|item| (item.document, item.retriable))
            .collect();
        assert_eq!(
            once,
            [(Some(0), false), (Some(1), true), (None, false), (None, false)]
        );
        assert_eq!(once_each(items, 3).len(), 3);
    }
}
