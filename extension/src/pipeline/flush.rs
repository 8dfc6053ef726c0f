//! When documents leave: at the end of their invocation, or alongside a later handler.
//!
//! At the end is sure and costs the function's time after its response: the records of its end take 25 ms, the
//! call a round trip. Alongside costs nothing, and the last documents before a pause wait for its end. So what
//! comes rarely leaves at the end, and what comes in a quick rhythm leaves alongside.
//!
//! Pure: the rhythm is learned from the times of INVOKE, which a freeze does not falsify.

use std::collections::VecDeque;
use std::str::FromStr;
use std::time::Duration;

use model::time::Timestamp;

use crate::limits::{FAULT_END_EVERY, PERIOD_MAX, RHYTHM_GAP_MAX, RHYTHM_GAPS};

/// The setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// As the rhythm of invocations has it.
    #[default]
    Adaptive,
    /// At the end of every invocation.
    End,
    /// Alongside the next handler.
    Continuous,
    /// Alongside a handler, at most once in this time.
    Periodic(Duration),
}

impl FromStr for Mode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.trim().to_ascii_lowercase().as_str() {
            "adaptive" => Ok(Self::Adaptive),
            "end" => Ok(Self::End),
            "continuous" => Ok(Self::Continuous),
            text => text
                .strip_prefix("periodic:")
                .and_then(period)
                .map(Self::Periodic)
                .ok_or(()),
        }
    }
}

/// `500ms`, `20s` or `2m`: more than nothing, and no more than [`PERIOD_MAX`].
fn period(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => return None,
    };
    let period = Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(unit_ms)?);
    (Duration::ZERO < period && period <= PERIOD_MAX).then_some(period)
}

/// What is decided for one invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Next is held back until the runtime is done and what it sent has left.
    AtEnd,
    /// Next is asked for at once, and what there is leaves while the handler runs.
    Alongside,
}

/// What else a decision depends on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Situation {
    /// The destination does not answer in time, or asked to be left alone: waiting for it is in vain.
    pub is_in_vain: bool,
    /// Memory runs short: what is held has to leave.
    pub is_memory_short: bool,
    /// The spool is filling.
    pub is_spool_large: bool,
    /// Something failed since the last decision.
    pub has_fault: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Policy {
    mode: Mode,
    last_start: Option<Timestamp>,
    /// Of the last invocations, oldest first.
    gaps: VecDeque<Duration>,
    /// When a fault last made an invocation deliver at its end.
    last_fault: Option<Timestamp>,
    /// When a period last began.
    period_start: Timestamp,
}

impl Policy {
    /// A policy before the first invocation.
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            last_start: None,
            gaps: VecDeque::new(),
            last_fault: None,
            period_start: Timestamp::default(),
        }
    }

    /// Notes that an invocation begins, and decides how its documents leave.
    pub fn begin(&mut self, now: Timestamp, situation: Situation) -> Plan {
        if let Some(last) = self.last_start.replace(now) {
            if self.gaps.len() >= RHYTHM_GAPS {
                self.gaps.pop_front();
            }
            self.gaps.push_back(now.since(last));
        } else {
            self.period_start = now;
        }
        if situation.is_in_vain {
            return Plan::Alongside;
        }
        let has_to = situation.is_memory_short
            || match self.mode {
                Mode::Adaptive => {
                    let is_fault_due = situation.has_fault && self.is_fault_due(now);
                    is_fault_due || situation.is_spool_large || !self.has_rhythm()
                }
                Mode::End => true,
                Mode::Continuous | Mode::Periodic(_) => false,
            };
        if has_to { Plan::AtEnd } else { Plan::Alongside }
    }

    fn is_fault_due(&mut self, now: Timestamp) -> bool {
        let is_due = self
            .last_fault
            .is_none_or(|last| now.since(last) >= FAULT_END_EVERY);
        if is_due {
            self.last_fault = Some(now);
        }
        is_due
    }

    /// Whether the next invocation will come soon, as far as the last ones tell.
    fn has_rhythm(&self) -> bool {
        self.gaps.len() >= RHYTHM_GAPS && self.gaps.iter().all(|gap| *gap <= RHYTHM_GAP_MAX)
    }

    /// Before this time nothing leaves alongside a handler, but for what has no room to wait.
    pub fn not_before(&self) -> Timestamp {
        match self.mode {
            Mode::Periodic(period) => self.period_start.after(period),
            _ => Timestamp::default(),
        }
    }

    /// Whether documents wait for the period's end rather than leave with what fills a call.
    pub fn is_periodic(&self) -> bool {
        matches!(self.mode, Mode::Periodic(_))
    }

    /// Everything that was held is leaving: a new period begins.
    pub fn flushed(&mut self, now: Timestamp) {
        self.period_start = now;
    }

    /// The sandbox was restored from a snapshot: the rhythm before it was another one's.
    pub fn forget(&mut self) {
        *self = Self::new(self.mode);
    }
}

#[cfg(test)]
mod tests;
