//! Outbounds by their place: each has a lane of its own through spool, files and tally, so that none waits for
//! another.
//!
//! Pure.

use std::iter;

use crate::limits::LANES_MAX;

/// One outbound's place among those that were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lane(u8);

impl Lane {
    /// Of the outbound that was named first. There always is one.
    pub const FIRST: Self = Self(0);

    /// Every lane there can be, in order.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..).take(LANES_MAX).map(Self)
    }

    const fn bit(self) -> u8 {
        1 << self.0
    }
}

/// Some of the outbounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lanes(u8);

impl Lanes {
    /// No outbound.
    pub const NONE: Self = Self(0);
    /// The first alone.
    pub const FIRST: Self = Self::only(Lane::FIRST);

    /// One alone.
    pub const fn only(lane: Lane) -> Self {
        Self(lane.bit())
    }

    /// Those, and one more.
    #[must_use]
    pub const fn with(self, lane: Lane) -> Self {
        Self(self.0 | lane.bit())
    }

    /// Those but one.
    #[must_use]
    pub const fn without(self, lane: Lane) -> Self {
        Self(self.0 & !lane.bit())
    }

    /// Those and these.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Those but these.
    #[must_use]
    pub const fn but(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether this one is among them.
    pub const fn has(self, lane: Lane) -> bool {
        self.0 & lane.bit() != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them, in order.
    pub fn each(self) -> impl Iterator<Item = Lane> {
        Lane::all().filter(move |lane| self.has(*lane))
    }

    pub(super) const fn bits(self) -> u8 {
        self.0
    }

    pub(super) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

impl FromIterator<Lane> for Lanes {
    fn from_iter<T: IntoIterator<Item = Lane>>(lanes: T) -> Self {
        lanes.into_iter().fold(Self::NONE, Self::with)
    }
}

/// One of something for each outbound, at least one and at most [`LANES_MAX`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PerLane<T> {
    first: T,
    others: Vec<T>,
}

impl<T> PerLane<T> {
    /// For the first outbound alone.
    pub const fn one(first: T) -> Self {
        Self {
            first,
            others: Vec::new(),
        }
    }

    /// For the first outbound, and for so many of these as there is room for.
    pub fn of_all(first: T, others: impl IntoIterator<Item = T>) -> Self {
        let others = others.into_iter().take(LANES_MAX - 1);
        Self {
            first,
            others: others.collect(),
        }
    }

    /// The same lanes with something else in each.
    pub fn map<U>(&self, mut make: impl FnMut(&T) -> U) -> PerLane<U> {
        PerLane {
            first: make(&self.first),
            others: self.others.iter().map(make).collect(),
        }
    }

    /// The same, each made of what was there.
    pub fn into_map<U>(self, mut make: impl FnMut(T) -> U) -> PerLane<U> {
        PerLane {
            first: make(self.first),
            others: self.others.into_iter().map(make).collect(),
        }
    }

    /// The one of this lane. A lane that is not there is nobody's: the first stands in.
    pub fn of(&self, lane: Lane) -> &T {
        match usize::from(lane.0).checked_sub(1) {
            None => &self.first,
            Some(place) => self.others.get(place).unwrap_or(&self.first),
        }
    }

    /// See [`Self::of`].
    pub fn of_mut(&mut self, lane: Lane) -> &mut T {
        match usize::from(lane.0).checked_sub(1) {
            None => &mut self.first,
            Some(place) => self.others.get_mut(place).unwrap_or(&mut self.first),
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        u64::try_from(self.others.len()).map_or(1, |others| others + 1)
    }

    /// Whether there is more than one.
    pub fn are_several(&self) -> bool {
        !self.others.is_empty()
    }

    /// The lanes there are.
    pub fn lanes(&self) -> Lanes {
        self.each().map(|(lane, _)| lane).collect()
    }

    /// Each with its lane, in order.
    pub fn each(&self) -> impl Iterator<Item = (Lane, &T)> {
        Lane::all().zip(iter::once(&self.first).chain(&self.others))
    }

    /// See [`Self::each`].
    pub fn each_mut(&mut self) -> impl Iterator<Item = (Lane, &mut T)> {
        Lane::all().zip(iter::once(&mut self.first).chain(&mut self.others))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_lanes_as_fit_and_each_has_its_own() {
        let all = PerLane::of_all('a', "bcdefg".chars());
        let names: String = all.each().map(|(lane, _)| *all.of(lane)).collect();
        assert_eq!(names, "abcd");
        assert_eq!(all.lanes().each().count(), LANES_MAX);
        assert!(all.are_several() && !PerLane::one('a').are_several());
    }

    #[test]
    fn a_set_of_lanes_knows_its_members() {
        let lanes: Vec<Lane> = Lane::all().collect();
        let some: Lanes = [lanes[0], lanes[2]].into_iter().collect();
        assert_eq!(some.each().collect::<Vec<_>>(), [lanes[0], lanes[2]]);
        assert!(some.has(lanes[2]) && !some.has(lanes[1]));
        assert_eq!(some.without(lanes[2]), Lanes::FIRST);
        assert_eq!(some.without(lanes[2]).and(Lanes::only(lanes[2])), some);
        assert!(Lanes::FIRST.without(Lane::FIRST).is_empty());
    }
}
