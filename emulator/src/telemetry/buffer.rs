//! What waits for delivery to one subscriber.
//!
//! Pure; time is the environment's active time, which stands still while it is frozen.
//!
//! Invariants
//! - `bytes` is the sum of the lengths in `records`, and at most `LIMIT_FACTOR` × the subscriber's `maxBytes`.
//! - A record that does not fit is counted, never kept.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::subscription::Buffering;

/// A subscriber that is this many batches behind is too slow.
const LIMIT_FACTOR: usize = 4;

/// Records given up because the subscriber is too slow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Send these.
    Batch(Vec<Arc<str>>),
    /// Ask again at this active time.
    At(Duration),
    /// Nothing waits.
    Empty,
}

#[derive(Debug)]
pub(crate) struct Buffer {
    buffering: Buffering,
    /// The faults' limit on one delivery.
    records_per_delivery: Option<usize>,
    records: VecDeque<Arc<str>>,
    bytes: usize,
    /// When the oldest record came.
    since: Duration,
    dropped: Dropped,
}

impl Buffer {
    pub(crate) fn new(buffering: Buffering, records_per_delivery: Option<usize>) -> Self {
        Self {
            buffering,
            records_per_delivery,
            records: VecDeque::new(),
            bytes: 0,
            since: Duration::ZERO,
            dropped: Dropped::default(),
        }
    }

    /// Takes a record in, or counts it if the subscriber is too far behind.
    pub(crate) fn push(&mut self, record: Arc<str>, now: Duration) {
        if self.bytes + record.len() > self.buffering.max_bytes * LIMIT_FACTOR {
            self.dropped.records += 1;
            self.dropped.bytes += u64::try_from(record.len()).unwrap_or(u64::MAX);
            return;
        }
        if self.records.is_empty() {
            self.since = now;
        }
        self.bytes += record.len();
        self.records.push_back(record);
    }

    /// What is due at `now`.
    pub(crate) fn due(&mut self, now: Duration) -> Due {
        if self.records.is_empty() {
            return Due::Empty;
        }
        let at = self.since + self.buffering.timeout;
        let is_full =
            self.records.len() >= self.buffering.max_items || self.bytes >= self.buffering.max_bytes;
        if !is_full && now < at {
            return Due::At(at);
        }
        let limit = self
            .records_per_delivery
            .unwrap_or(self.buffering.max_items)
            .max(1);
        let mut batch = Vec::new();
        let mut batch_bytes = 0;
        while batch.len() < limit && batch_bytes < self.buffering.max_bytes {
            let Some(record) = self.records.pop_front() else {
                break;
            };
            self.bytes -= record.len();
            batch_bytes += record.len();
            batch.push(record);
        }
        // What did not fit has waited as long as what did.
        Due::Batch(batch)
    }

    /// What was given up since the last call.
    pub(crate) fn take_dropped(&mut self) -> Option<Dropped> {
        let dropped = std::mem::take(&mut self.dropped);
        (dropped.records > 0).then_some(dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn buffer(records_per_delivery: Option<usize>) -> Buffer {
        let buffering = Buffering {
            max_items: 3,
            max_bytes: 10,
            timeout: 25 * MS,
        };
        Buffer::new(buffering, records_per_delivery)
    }

    fn batch(due: Due) -> usize {
        match due {
            Due::Batch(records) => records.len(),
            other => panic!("no batch is due: {other:?}"),
        }
    }

    #[test]
    fn a_batch_is_due_a_timeout_after_its_first_record() {
        let mut buffer = buffer(None);
        assert_eq!(buffer.due(MS), Due::Empty);
        buffer.push("a".into(), 5 * MS);
        buffer.push("b".into(), 29 * MS);
        assert_eq!(buffer.due(29 * MS), Due::At(30 * MS));
        assert_eq!(batch(buffer.due(30 * MS)), 2);
        buffer.push("c".into(), 40 * MS);
        assert_eq!(buffer.due(40 * MS), Due::At(65 * MS), "the timer starts anew");
    }

    #[test]
    fn a_batch_is_due_at_once_at_max_items_and_at_max_bytes() {
        let mut buffer = buffer(None);
        for _ in 0..4 {
            buffer.push("a".into(), MS);
        }
        assert_eq!(batch(buffer.due(MS)), 3);
        assert_eq!(buffer.due(MS), Due::At(26 * MS));
        buffer.push("123456789".into(), MS);
        assert_eq!(batch(buffer.due(MS)), 2);
    }

    #[test]
    fn a_subscriber_that_is_four_batches_behind_loses_records_and_the_loss_is_counted() {
        let mut buffer = buffer(None);
        for _ in 0..5 {
            buffer.push("1234567890".into(), MS);
        }
        assert_eq!(
            buffer.take_dropped(),
            Some(Dropped {
                records: 1,
                bytes: 10
            })
        );
        assert_eq!(buffer.take_dropped(), None);
    }

    #[test]
    fn records_can_be_split_over_deliveries() {
        let mut buffer = buffer(Some(1));
        buffer.push("a".into(), MS);
        buffer.push("b".into(), MS);
        assert_eq!(batch(buffer.due(30 * MS)), 1);
        assert_eq!(batch(buffer.due(30 * MS)), 1);
    }
}
