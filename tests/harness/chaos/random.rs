//! Numbers that look random, the same for the same seed (SplitMix64).

use std::ops::RangeInclusive;

/// A stream of numbers.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another stream for each number, all of them the seed's.
    pub fn branch(seed: u64, number: u64) -> Self {
        let mut numbers = Self(seed);
        Self(numbers.number() ^ number.wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number of this range.
    pub fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = (*range.start(), *range.end());
        low + self.number() % (high - low + 1)
    }

    /// True so many times in a hundred.
    pub fn in_hundred(&mut self, times: u64) -> bool {
        self.within(0..=99) < times
    }

    /// One of these.
    pub fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        let last = u64::try_from(choices.len() - 1).expect("a slice's length is a number of 64 bits");
        let place = self.within(0..=last);
        choices[usize::try_from(place).expect("it is a place in the slice")].clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_one_others() {
        let numbers = |mut random: Random| (0..9).map(|_| random.number()).collect::<Vec<_>>();
        assert_eq!(numbers(Random::branch(1, 2)), numbers(Random::branch(1, 2)));
        assert_ne!(numbers(Random::branch(1, 2)), numbers(Random::branch(1, 3)));
        assert_ne!(numbers(Random::branch(1, 2)), numbers(Random::branch(2, 2)));
    }

    #[test]
    fn every_number_of_a_range_comes() {
        let mut random = Random::new(7);
        let seen: std::collections::BTreeSet<u64> = (0..200).map(|_| random.within(3..=6)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [3, 4, 5, 6]);
    }
}
