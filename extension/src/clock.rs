//! The one reader of system time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::time::Timestamp;

/// Wall-clock time. Lambda's deadlines are wall-clock times, and a freeze moves both clocks alike.
#[derive(Debug, Clone, Copy)]
pub struct Clock;

impl Clock {
    /// The time now.
    pub fn now(self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the clock")]
        let now = SystemTime::now();
        let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    /// Waits until `when`, or for ever if there is nothing to wait for.
    pub async fn sleep_until(self, when: Option<Timestamp>) {
        match when {
            Some(when) => tokio::time::sleep(when.since(self.now())).await,
            None => std::future::pending().await,
        }
    }
}
