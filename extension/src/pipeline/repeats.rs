//! Remembers documents that came lately, so that one that comes again byte by byte is not sent again.
//!
//! SDKs send anew after a thaw what they believe unsent. Equal bytes are equal trace, id and state, so a hash of
//! the bytes is enough: the completed form of an open document has other bytes and is no repeat. Two
//! generations of hashes: when the younger is full the older is forgotten.
//!
//! It is not cleared when a snapshot is restored: what an SDK then sends again is as much a repeat as before.
//!
//! Invariants
//! - The last [`REPEATS_GENERATION`] documents are remembered, and never more than twice as many.
//! - No memory is taken before the first document.

use std::collections::HashSet;
use std::hash::BuildHasher;

use crate::limits::REPEATS_GENERATION;

/// See the module.
#[derive(Debug, Default)]
pub struct Repeats {
    /// Seeded anew in each process.
    hasher: foldhash::quality::RandomState,
    young: Hashes,
    old: Hashes,
}

type Hashes = HashSet<u64, foldhash::fast::RandomState>;

impl Repeats {
    /// Whether these bytes came before. They are remembered either way.
    pub fn is_repeat(&mut self, document: &[u8]) -> bool {
        let hash = self.hasher.hash_one(document);
        if self.young.contains(&hash) {
            return true;
        }
        let is_repeat = self.old.contains(&hash);
        if self.young.len() >= REPEATS_GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash);
        is_repeat
    }

    /// Documents remembered.
    pub fn len(&self) -> usize {
        self.young.union(&self.old).count()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.young.is_empty() && self.old.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_same_bytes_are_a_repeat() {
        let mut repeats = Repeats::default();
        for (document, is_repeat) in [
            (r#"{"id":"1","in_progress":true}"#, false),
            (r#"{"id":"1","in_progress":true}"#, true),
            (r#"{"id":"1","end_time":2}"#, false),
            (r#"{"id":"1","end_time":2.0}"#, false),
            (r#"{"id":"1","end_time":2}"#, true),
            (r#"{"id":"1","in_progress":true}"#, true),
            ("", false),
        ] {
            assert_eq!(repeats.is_repeat(document.as_bytes()), is_repeat, "{document}");
        }
    }

    #[test]
    fn a_generation_is_remembered_and_at_most_two() {
        let mut repeats = Repeats::default();
        assert!(repeats.is_empty() && repeats.young.capacity() == 0);
        let document = |number: usize| number.to_le_bytes();
        for number in 0..3 * REPEATS_GENERATION {
            assert!(!repeats.is_repeat(&document(number)));
            assert!(repeats.len() <= 2 * REPEATS_GENERATION);
        }
        assert!(repeats.is_repeat(&document(2 * REPEATS_GENERATION)));
        assert!(!repeats.is_repeat(&document(0)), "forgotten long ago");
    }

    proptest! {
        #[test]
        fn nothing_new_is_a_repeat_and_nothing_recent_is_missed(numbers in proptest::collection::vec(0u16..2_000, 0..3_000)) {
            let mut repeats = Repeats::default();
            for (place, number) in numbers.iter().enumerate() {
                let before = &numbers[..place];
                let is_repeat = repeats.is_repeat(&number.to_le_bytes());
                let recent = &before[place.saturating_sub(REPEATS_GENERATION)..];
                prop_assert!(!recent.contains(number) || is_repeat);
                prop_assert!(!is_repeat || before.contains(number));
            }
        }
    }
}
