//! How many documents the next call has, after calls that were refused whole.
//!
//! X-Ray names the documents it does not take. A call that is refused as such names nothing: it is halved until the
//! document it is refused for stands alone. Where call after call is refused that is no document's fault, and the
//! function does not pay for one call each.
//!
//! Pure.

use model::limits::DOCUMENTS_PER_CALL_MAX;

use crate::limits::REFUSALS_IN_A_ROW_MAX;

/// The size of calls.
#[derive(Debug)]
pub struct CallSize {
    documents: usize,
    /// Refused calls since the last one that was answered.
    refusals: u32,
}

impl Default for CallSize {
    fn default() -> Self {
        Self {
            documents: DOCUMENTS_PER_CALL_MAX,
            refusals: 0,
        }
    }
}

impl CallSize {
    /// Documents that the next call has at most.
    pub fn documents(&self) -> usize {
        self.documents
    }

    /// A call was answered document by document.
    pub fn answered(&mut self) {
        self.refusals = 0;
        self.grow(self.documents);
    }

    /// A call with so many documents was refused whole. True if they are given up.
    pub fn refused(&mut self, documents: usize) -> bool {
        self.refusals = self.refusals.saturating_add(1);
        if self.refusals > REFUSALS_IN_A_ROW_MAX {
            self.grow(documents);
            return true;
        }
        self.documents = (documents / 2).max(1);
        documents <= 1
    }

    fn grow(&mut self, documents: usize) {
        self.documents = documents.saturating_mul(2).clamp(1, DOCUMENTS_PER_CALL_MAX);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    /// Calls until nothing is left, documents taken, and those given up though nothing is wrong with them.
    fn deliver(are_wrong: &[bool]) -> (usize, usize, usize) {
        let mut size = CallSize::default();
        let mut queue: VecDeque<bool> = are_wrong.iter().copied().collect();
        let (mut calls, mut taken, mut innocent) = (0, 0, 0);
        while !queue.is_empty() {
            calls += 1;
            let documents = size.documents().min(queue.len());
            let call: Vec<bool> = queue.iter().take(documents).copied().collect();
            if !call.contains(&true) {
                size.answered();
                taken += documents;
                queue.drain(..documents);
            } else if size.refused(documents) {
                innocent += call.iter().filter(|is_wrong| !**is_wrong).count();
                queue.drain(..documents);
            }
        }
        (calls, taken, innocent)
    }

    #[test]
    fn one_wrong_document_among_fifty_is_found_wherever_it_stands() {
        for place in 0..DOCUMENTS_PER_CALL_MAX {
            let mut documents = [false; DOCUMENTS_PER_CALL_MAX];
            documents[place] = true;
            let (calls, taken, innocent) = deliver(&documents);
            assert_eq!((taken, innocent), (DOCUMENTS_PER_CALL_MAX - 1, 0), "{place}");
            assert!(calls <= 22, "{calls} calls for {place}");
        }
    }

    #[test]
    fn fifty_wrong_documents_cost_few_calls() {
        let (calls, ..) = deliver(&[true; DOCUMENTS_PER_CALL_MAX]);
        assert!(calls <= 17, "{calls}");
        let (calls, ..) = deliver(&[true; 1000]);
        assert!(calls <= 40, "{calls}");
    }

    #[test]
    fn only_refusals_beyond_the_limit_give_up_more_than_one_document() {
        let mut size = CallSize::default();
        for _ in 0..REFUSALS_IN_A_ROW_MAX {
            assert!(!size.refused(2));
        }
        assert!(size.refused(2));
        size.answered();
        assert!(!size.refused(2));
    }

    proptest! {
        #[test]
        fn every_document_is_settled_in_a_bounded_number_of_calls(
            are_wrong in proptest::collection::vec(prop_oneof![9 => Just(false), 1 => Just(true)], 0..200),
        ) {
            let wrong = are_wrong.iter().filter(|is_wrong| **is_wrong).count();
            let (calls, taken, innocent) = deliver(&are_wrong);
            prop_assert_eq!(taken + innocent + wrong, are_wrong.len());
            prop_assert!(calls <= 20 + 20 * wrong, "{} calls for {} wrong ones", calls, wrong);
        }
    }
}
