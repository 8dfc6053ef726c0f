//! How much time a call has left, and what the wall clock says meanwhile.

use std::time::Duration;

use model::time::Timestamp;
use tokio::time::Instant;

use crate::limits::THAW_SLACK;

/// The end of a wait that began at a known wall-clock time.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    started: Instant,
    began: Timestamp,
    wait: Duration,
}

impl Deadline {
    /// `wait` from now on, where the wall clock says `now`.
    pub fn starting(now: Timestamp, wait: Duration) -> Self {
        Self {
            started: Instant::now(),
            began: now,
            wait,
        }
    }

    /// What remains of the wait.
    pub fn left(&self) -> Duration {
        self.wait.saturating_sub(self.started.elapsed())
    }

    /// Whether the wait has lasted longer than any timer lets it: a freeze lay in between.
    pub fn saw_freeze(&self) -> bool {
        self.started.elapsed() > self.wait.saturating_add(THAW_SLACK)
    }

    /// The wall clock.
    pub fn now(&self) -> Timestamp {
        self.began.after(self.started.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_runs_off_the_wait_and_onto_the_clock() {
        let deadline = Deadline::starting(Timestamp::from_micros(5), Duration::from_millis(30));
        tokio::time::advance(Duration::from_millis(10)).await;
        assert_eq!(deadline.left(), Duration::from_millis(20));
        assert_eq!(deadline.now(), Timestamp::from_micros(10_005));
        tokio::time::advance(Duration::from_millis(50)).await;
        assert_eq!(deadline.left(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_freeze_is_a_wait_that_no_timer_ended() {
        let deadline = Deadline::starting(Timestamp::from_micros(5), Duration::from_millis(30));
        tokio::time::advance(Duration::from_millis(30) + THAW_SLACK).await;
        assert!(!deadline.saw_freeze());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(deadline.saw_freeze());
    }
}
