//! The one reader of system time.

use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::time::Timestamp;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::limits::ALARM_SLACK;

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
}

/// One timer for a wake-up that mostly stays the same from one turn of the loop to the next.
///
/// Where the two clocks have moved apart, as they may in a freeze, it is set anew by the wall clock at the next turn.
#[derive(Debug)]
pub struct Alarm {
    sleep: Pin<Box<Sleep>>,
    is_set: bool,
}

impl Alarm {
    /// An alarm that is not set.
    pub fn new() -> Self {
        Self {
            sleep: Box::pin(sleep_until(Instant::now())),
            is_set: false,
        }
    }

    /// Sets it to `when`, or turns it off. Must be called before each wait.
    pub fn set(&mut self, when: Option<Timestamp>, now: Timestamp) {
        self.is_set = when.is_some();
        let Some(when) = when else {
            return;
        };
        let due = Instant::now() + when.since(now);
        let set = self.sleep.deadline();
        let is_off = due.max(set).duration_since(due.min(set)) > ALARM_SLACK;
        // Without the first a ring too early would be followed by another one at once.
        if self.sleep.is_elapsed() || is_off {
            self.sleep.as_mut().reset(due);
        }
    }

    /// Returns when it rings; never, if it is off.
    pub async fn rung(&mut self) {
        if self.is_set {
            self.sleep.as_mut().await;
        } else {
            std::future::pending().await
        }
    }
}

impl Default for Alarm {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// The wall clock as far as it goes with the other one.
    fn wall(since: Instant) -> Timestamp {
        Timestamp::from_millis(1_779_358_529_000).after(since.elapsed())
    }

    /// How long the alarm takes to ring; none after a minute.
    async fn ring(alarm: &mut Alarm) -> Option<Duration> {
        let from = Instant::now();
        let rung = tokio::time::timeout(60_000 * MS, alarm.rung()).await;
        rung.is_ok().then(|| from.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn an_alarm_rings_when_it_is_due_however_often_it_is_set_to_the_same_time() {
        let (since, mut alarm) = (Instant::now(), Alarm::new());
        let when = wall(since).after(300 * MS);
        for _ in 0..100 {
            alarm.set(Some(when), wall(since));
            let rung = tokio::time::timeout(2 * MS, alarm.rung()).await;
            assert!(rung.is_err());
        }
        alarm.set(Some(when), wall(since));
        let rest = ring(&mut alarm).await.unwrap();
        assert!(wall(since) >= when && rest <= 102 * MS, "{rest:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_alarm_follows_a_time_that_moves_and_is_silent_when_off() {
        let (since, mut alarm) = (Instant::now(), Alarm::new());
        assert_eq!(ring(&mut alarm).await, None);
        for wait in [300 * MS, 20 * MS, 5000 * MS] {
            alarm.set(Some(wall(since).after(40_000 * MS)), wall(since));
            alarm.set(Some(wall(since).after(wait)), wall(since));
            let rung = ring(&mut alarm).await.unwrap();
            assert!((wait..=wait + MS).contains(&rung), "{rung:?} of {wait:?}");
        }
        alarm.set(Some(wall(since).after(MS)), wall(since));
        alarm.set(None, wall(since));
        assert_eq!(ring(&mut alarm).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wall_clock_that_jumped_in_a_freeze_sets_the_same_time_anew() {
        for (jump_ms, rest_ms) in [(500, 500), (-500, 1500), (5000, 0)] {
            let (since, mut alarm) = (Instant::now(), Alarm::new());
            let when = wall(since).after(1000 * MS);
            alarm.set(Some(when), wall(since));
            let jumped = Timestamp::from_micros(wall(since).as_micros() + jump_ms * 1000);
            alarm.set(Some(when), jumped);
            let rest = ring(&mut alarm).await.unwrap();
            assert!((rest_ms * MS..=(rest_ms + 1) * MS).contains(&rest), "{rest:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_ring_too_early_is_followed_by_the_rest_of_the_time() {
        let (since, mut alarm) = (Instant::now(), Alarm::new());
        let when = wall(since).after(10 * MS);
        alarm.set(Some(when), wall(since));
        ring(&mut alarm).await.unwrap();
        // The wall clock is behind by less than what sets a running alarm anew.
        let now = when.before(ALARM_SLACK / 2);
        alarm.set(Some(when), now);
        assert!(ring(&mut alarm).await.unwrap() > Duration::ZERO);
    }
}
