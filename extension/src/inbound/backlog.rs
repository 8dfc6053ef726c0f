//! Datagrams between the socket and the engine, within a byte budget: receive first, think later.
//!
//! Invariant: every datagram pushed is taken out once or counted as overrun once.

use std::collections::VecDeque;

use crate::limits::{BACKLOG_MIN_BYTES, DATAGRAM_BYTES_PER_LOOK, DATAGRAMS_PER_LOOK};

/// See the module.
#[derive(Debug, Default)]
pub struct Backlog {
    datagrams: VecDeque<Box<[u8]>>,
    bytes: usize,
    room: usize,
    overrun: u64,
}

impl Backlog {
    /// Gives it this many bytes, and never less than [`BACKLOG_MIN_BYTES`].
    pub fn set_room(&mut self, bytes: usize) {
        self.room = bytes;
    }

    /// Takes a datagram in, first giving up the oldest ones it needs room from.
    pub fn push(&mut self, datagram: Box<[u8]>) {
        self.bytes += datagram.len();
        self.datagrams.push_back(datagram);
        while self.bytes > self.room.max(BACKLOG_MIN_BYTES) {
            let Some(oldest) = self.datagrams.pop_front() else {
                break;
            };
            self.bytes -= oldest.len();
            self.overrun += 1;
        }
    }

    /// Gives back the room that a burst made it take.
    pub fn shrink(&mut self) {
        self.datagrams.shrink_to_fit();
    }

    /// Places in the queue, taken or not.
    #[cfg(test)]
    pub(crate) fn places(&self) -> usize {
        self.datagrams.capacity()
    }

    /// Whether nothing lies here, neither a datagram nor a count of lost ones.
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty() && self.overrun == 0
    }

    /// Datagrams that lie here.
    pub fn len(&self) -> usize {
        self.datagrams.len()
    }

    /// Bytes that lie here.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether some were given up since the last time somebody asked.
    pub fn has_overrun(&self) -> bool {
        self.overrun > 0
    }

    /// Takes the oldest datagrams out, at most so many.
    pub fn take(&mut self, at_most: usize) -> Vec<Box<[u8]>> {
        let taken: Vec<_> = self
            .datagrams
            .drain(..at_most.min(self.datagrams.len()))
            .collect();
        self.bytes -= taken.iter().map(|datagram| datagram.len()).sum::<usize>();
        taken
    }

    /// Takes as many of the oldest out as are looked at together.
    pub fn next_look(&mut self) -> Vec<Box<[u8]>> {
        self.take(self.in_a_look())
    }

    /// Whether the next look leaves nothing here.
    pub fn fits_a_look(&self) -> bool {
        self.in_a_look() == self.datagrams.len() && !self.has_overrun()
    }

    fn in_a_look(&self) -> usize {
        let mut bytes = 0;
        let lengths = self.datagrams.iter().map(|datagram| datagram.len());
        let has_room = |length: &usize| {
            let is_in = bytes < DATAGRAM_BYTES_PER_LOOK;
            bytes += *length;
            is_in
        };
        lengths.take(DATAGRAMS_PER_LOOK).take_while(has_room).count()
    }

    /// How many were given up since the last time somebody asked.
    pub fn take_overrun(&mut self) -> u64 {
        std::mem::take(&mut self.overrun)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_oldest_goes_when_room_runs_out() {
        let mut backlog = Backlog::default();
        backlog.push(vec![1; BACKLOG_MIN_BYTES].into());
        assert_eq!(backlog.take_overrun(), 0);
        backlog.push(vec![2; 1].into());
        assert_eq!(backlog.take_overrun(), 1);
        assert_eq!(backlog.take(9), [vec![2].into_boxed_slice()]);
        assert!(backlog.is_empty());
    }

    #[test]
    fn it_has_the_room_it_is_given() {
        let mut backlog = Backlog::default();
        backlog.set_room(2 * BACKLOG_MIN_BYTES);
        backlog.push(vec![1; BACKLOG_MIN_BYTES].into());
        backlog.push(vec![2; BACKLOG_MIN_BYTES].into());
        assert_eq!((backlog.len(), backlog.take_overrun()), (2, 0));
        backlog.push(vec![3; 1].into());
        assert_eq!((backlog.len(), backlog.take_overrun()), (2, 1));
    }

    #[test]
    fn the_room_that_a_burst_took_is_given_back() {
        let mut backlog = Backlog::default();
        backlog.set_room(usize::MAX);
        (0..1000).for_each(|_| backlog.push(vec![1].into()));
        backlog.take(999);
        assert!(backlog.places() >= 1000);
        backlog.shrink();
        assert_eq!((backlog.places(), backlog.len()), (1, 1));
    }

    #[test]
    fn a_look_ends_at_its_number_of_datagrams_and_at_its_bytes() {
        let mut backlog = Backlog::default();
        backlog.set_room(usize::MAX);
        let half = DATAGRAM_BYTES_PER_LOOK / 2;
        for (lengths, taken) in [
            (vec![1; DATAGRAMS_PER_LOOK], DATAGRAMS_PER_LOOK),
            (vec![1; DATAGRAMS_PER_LOOK + 1], DATAGRAMS_PER_LOOK),
            (vec![half, half, 1], 2),
            (vec![half, half - 1, 1], 3),
            (vec![half, half - 1, half, 1], 3), // one more at the most
            (vec![], 0),
        ] {
            let all = lengths.len();
            lengths
                .into_iter()
                .for_each(|length| backlog.push(vec![0; length].into()));
            assert_eq!(backlog.fits_a_look(), taken == all);
            assert_eq!(backlog.next_look().len(), taken);
            backlog.take(usize::MAX);
        }
    }

    proptest! {
        #[test]
        fn every_datagram_comes_out_or_is_counted(steps in proptest::collection::vec((1usize..60_000, 0usize..4), 1..300)) {
            let mut backlog = Backlog::default();
            let mut out = 0;
            for (length, taken) in &steps {
                backlog.push(vec![0; *length].into());
                out += backlog.take(*taken).len();
            }
            out += backlog.take(usize::MAX).len();
            prop_assert_eq!(out + usize::try_from(backlog.take_overrun()).unwrap(), steps.len());
            prop_assert_eq!(backlog.bytes, 0);
        }
    }
}
