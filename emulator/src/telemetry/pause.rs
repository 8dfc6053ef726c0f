//! The environment's active time: a clock that stands still while the environment is frozen.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

#[derive(Debug)]
pub(crate) struct Pause {
    // Read by every subscriber's task, written by the driver.
    clock: Mutex<Clock>,
    is_paused: watch::Sender<bool>,
}

#[derive(Debug)]
struct Clock {
    before: Duration,
    running_since: Option<Instant>,
}

impl Pause {
    pub(crate) fn new() -> Self {
        let clock = Clock {
            before: Duration::ZERO,
            running_since: Some(Instant::now()),
        };
        Self {
            clock: Mutex::new(clock),
            is_paused: watch::Sender::new(false),
        }
    }

    /// Active time since the start.
    pub(crate) fn active(&self) -> Duration {
        let clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        clock.before
            + clock
                .running_since
                .map_or(Duration::ZERO, |since| since.elapsed())
    }

    pub(crate) fn is_paused(&self) -> bool {
        *self.is_paused.borrow()
    }

    pub(crate) fn pause(&self) {
        {
            let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(since) = clock.running_since.take() {
                clock.before += since.elapsed();
            }
        }
        self.is_paused.send_replace(true);
    }

    pub(crate) fn resume(&self) {
        {
            let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
            clock.running_since.get_or_insert_with(Instant::now);
        }
        self.is_paused.send_replace(false);
    }

    /// Waits until the clock runs.
    pub(crate) async fn running(&self) {
        let mut paused = self.is_paused.subscribe();
        // Fails only if the sender is gone, which `self` owns.
        let _ = paused.wait_for(|paused| !paused).await;
    }

    /// Waits until this active time.
    pub(crate) async fn until(&self, at: Duration) {
        let mut paused = self.is_paused.subscribe();
        loop {
            let left = at.saturating_sub(self.active());
            if left.is_zero() && !*paused.borrow() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(left), if !*paused.borrow() => {}
                _ = paused.changed() => {}
            }
        }
    }

    /// Waits for so much active time.
    pub(crate) async fn sleep(&self, duration: Duration) {
        self.until(self.active() + duration).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn active_time_stands_still_while_paused() {
        let pause = Arc::new(Pause::new());
        pause.pause();
        let frozen_at = pause.active();
        let sleeper = tokio::spawn({
            let pause = Arc::clone(&pause);
            async move { pause.sleep(Duration::from_millis(5)).await }
        });
        // Well beyond the sleeper's 5 ms, in wall-clock time.
        let patience = tokio::time::timeout(Duration::from_millis(50), pause.running()).await;
        assert!(patience.is_err(), "paused");
        assert_eq!(pause.active(), frozen_at);
        assert!(!sleeper.is_finished());
        pause.resume();
        tokio::time::timeout(Duration::from_secs(5), sleeper)
            .await
            .unwrap()
            .unwrap();
        assert!(pause.active() >= frozen_at + Duration::from_millis(5));
    }
}
