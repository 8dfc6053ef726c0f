//! Keeps the same problem from filling the log: once a minute per kind, with a count of what was left out.

use std::collections::BTreeMap;

use model::time::Timestamp;

use crate::limits::{NOTICE_INTERVAL, NOTICE_KINDS};

/// When each kind was last told.
#[derive(Debug, Default)]
pub struct Notices {
    told: BTreeMap<String, Told>,
}

#[derive(Debug)]
struct Told {
    at: Timestamp,
    left_out: u64,
}

impl Notices {
    /// Whether to tell of this kind now; if so, how often it was left out since the last time.
    ///
    /// Beyond [`NOTICE_KINDS`] kinds, new ones are not told.
    pub fn due(&mut self, now: Timestamp, kind: &str) -> Option<u64> {
        let Some(told) = self.told.get_mut(kind) else {
            if self.told.len() >= NOTICE_KINDS {
                return None;
            }
            self.told.insert(kind.to_owned(), Told { at: now, left_out: 0 });
            return Some(0);
        };
        if now.since(told.at) < NOTICE_INTERVAL {
            told.left_out += 1;
            return None;
        }
        told.at = now;
        Some(std::mem::take(&mut told.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_told_once_a_minute_with_what_was_left_out() {
        let mut notices = Notices::default();
        let start = Timestamp::from_millis(1_000_000);
        let just_before = start
            .after(NOTICE_INTERVAL)
            .before(std::time::Duration::from_micros(1));
        assert_eq!(notices.due(start, "a"), Some(0));
        assert_eq!(notices.due(start, "b"), Some(0));
        assert_eq!(notices.due(just_before, "a"), None);
        assert_eq!(notices.due(start.after(NOTICE_INTERVAL), "a"), Some(1));
        assert_eq!(notices.due(start.after(NOTICE_INTERVAL), "a"), None);
    }

    #[test]
    fn kinds_are_bounded() {
        let mut notices = Notices::default();
        let told = (0..NOTICE_KINDS + 3)
            .filter(|kind| notices.due(Timestamp::default(), &kind.to_string()).is_some());
        assert_eq!(told.count(), NOTICE_KINDS);
    }
}
