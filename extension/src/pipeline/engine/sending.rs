//! When and how much to send, and what becomes of it.

use std::time::Duration;

use model::time::Timestamp;
use serde_json::Value;

use super::super::event::Effect;
use super::super::outcome::{Answered, Failure, FailureKind, Outcome, Retry};
use super::super::spool::{Batch, BatchLimits, Order, Sequence};
use super::super::tally::{ShedReason, Sign};
use super::{Engine, Phase};
use crate::limits::{
    ATTEMPT_MAX, ATTEMPT_MIN, BATCH_MAX, FLUSH_CALL_MAX, FLUSH_MAX, GATHER_AGE, MENDED_PROBE, SEND_AGE,
    SPOOL_LARGE_PERCENT,
};
use crate::logging::{Level, Line};
use crate::pipeline::backoff::Backoff;
use crate::pipeline::call_size::CallSize;
use model::limits::DOCUMENTS_PER_CALL_MAX;
use model::wire::xray_api::BackendConnectionErrors;

/// What earlier attempts taught.
pub(super) struct Sending {
    backoff: Backoff,
    /// No attempt before this time.
    not_before: Timestamp,
    /// Of the next batch: halved when X-Ray finds a batch too large or wrong.
    size: CallSize,
    /// Nothing can be sent any more.
    is_lost: bool,
    /// The last failure can only be mended by somebody.
    needs_mending: bool,
    /// When the call under way began.
    began: Timestamp,
    /// A freeze may have interrupted the call under way.
    pub(super) is_behind_freeze: bool,
    /// The last failure was put down to a freeze.
    pub(super) is_excused: bool,
    /// Failed calls by kind.
    pub(super) errors: BackendConnectionErrors,
}

impl Sending {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            backoff: Backoff::new(seed),
            not_before: Timestamp::default(),
            size: CallSize::default(),
            is_lost: false,
            needs_mending: false,
            began: Timestamp::default(),
            is_behind_freeze: false,
            is_excused: false,
            errors: BackendConnectionErrors::default(),
        }
    }

    /// Draws pauses anew, different from those of sandboxes made from the same snapshot.
    pub(super) fn reseed(&mut self, now: Timestamp) {
        self.backoff = Backoff::new(now.as_micros().unsigned_abs());
        self.not_before = Timestamp::default();
    }

    /// Whether the destination works as far as anybody knows.
    pub(super) fn is_healthy(&self) -> bool {
        !self.is_lost && self.backoff.failures() == 0 && !self.needs_mending
    }

    /// SHUTDOWN: the last chance does not wait for a pause to end.
    pub(super) fn hurry(&mut self, now: Timestamp) {
        if !self.needs_mending {
            self.not_before = self.not_before.min(now);
        }
    }
}

impl Engine {
    /// Sends a batch if one is due.
    pub(super) fn pump(&mut self, now: Timestamp) {
        if self.sending.is_lost
            || self.spool.is_sending()
            || now < self.sending.not_before
            || !self.is_due(now)
        {
            return;
        }
        let Some(wait) = self.time_to_send(now) else {
            return;
        };
        self.note_flush(now);
        if let Phase::Flushing { last, .. } = &self.phase {
            self.filing.note_call_at_end(!self.spool.is_ready_up_to(*last));
        }
        let limits = BatchLimits {
            documents: self.sending.size.documents(),
            bytes: BATCH_MAX,
        };
        // At SHUTDOWN there may be no time for the rest.
        let order = match self.phase {
            Phase::Stopping(_) => Order::Valuable,
            _ => Order::Oldest,
        };
        if let Some(batch) = self.spool.take(limits, order) {
            self.send(now, batch, wait);
        } else {
            self.recall(limits, order);
        }
    }

    fn send(&mut self, now: Timestamp, batch: Batch, wait: Duration) {
        self.tally.sign(Sign::Attempt, 1);
        self.sending.began = now;
        self.sending.is_behind_freeze = false;
        self.effects.push(Effect::Send(batch, wait));
    }

    /// Sends a batch that was recalled, if there is still time and somebody to send it.
    pub(super) fn send_recalled(&mut self, now: Timestamp, batch: Batch) {
        match self.time_to_send(now) {
            Some(wait) if !self.sending.is_lost => self.send(now, batch, wait),
            _ => {
                self.spool.settle(|_| true);
                self.note_settled(0);
            }
        }
    }

    /// A batch leaves alongside a handler: so does everything else that is ready now.
    fn note_flush(&mut self, now: Timestamp) {
        if matches!(self.phase, Phase::Passing { .. }) && !self.is_left_behind() {
            self.passing.last = self.spool.last_sequence();
            self.policy.flushed(now);
        }
    }

    /// Whether what is ready should leave now.
    fn is_due(&self, now: Timestamp) -> bool {
        if self.spool.ready_documents() == 0 {
            return false;
        }
        match &self.phase {
            Phase::Flushing { last, .. } => self.is_ready_at_end(*last),
            Phase::Stopping(stop) => stop.is_closed,
            Phase::Running { .. } | Phase::Draining { .. } => self.is_worth_a_call(now),
            Phase::Passing { .. } => {
                self.is_left_behind()
                    || self.has_no_room_to_wait()
                    || self.due_alongside().is_some_and(|due| now >= due)
            }
            // Frozen between invocations, but for environments that do not tell us when they are.
            Phase::Waiting => self.runs_unwatched() && self.is_worth_a_call(now),
            Phase::Stopped(_) => false,
        }
    }

    /// Whether the last flush alongside a handler has left something behind, or the files have something.
    fn is_left_behind(&self) -> bool {
        self.spool.file_has_more() || self.spool.is_ready_up_to(self.passing.last)
    }

    /// Whether the function is held for a call: for all that is its own, and for one call out of the files. The
    /// rest of them leaves while a handler runs.
    fn is_ready_at_end(&self, last: Sequence) -> bool {
        self.spool.is_ready_up_to(last) || (self.spool.file_has_more() && self.filing.may_call_at_end())
    }

    fn is_worth_a_call(&self, now: Timestamp) -> bool {
        self.fills_a_call()
            || self
                .spool
                .oldest_ready()
                .is_some_and(|arrived| now >= arrived.after(SEND_AGE))
    }

    fn fills_a_call(&self) -> bool {
        self.spool.ready_documents() >= DOCUMENTS_PER_CALL_MAX || self.spool.is_ready_over(BATCH_MAX)
    }

    fn has_no_room_to_wait(&self) -> bool {
        if self.policy.is_periodic() {
            self.is_spool_large()
        } else {
            self.fills_a_call()
        }
    }

    /// Whether the spool is about to shed.
    pub(super) fn is_spool_large(&self) -> bool {
        let large = self.spool.budget().get() / 100 * SPOOL_LARGE_PERCENT;
        self.spool.held().get() > large
    }

    /// When what is ready leaves alongside the handler.
    fn due_alongside(&self) -> Option<Timestamp> {
        let Phase::Passing { since, .. } = &self.phase else {
            return None;
        };
        let arrived = self.spool.oldest_ready()?;
        let age = if arrived < *since { GATHER_AGE } else { SEND_AGE };
        Some(arrived.after(age).max(self.policy.not_before()))
    }

    /// Whether nothing keeps an attempt from being made.
    pub(super) fn is_at_liberty(&self, now: Timestamp) -> bool {
        !self.sending.is_lost && now >= self.sending.not_before
    }

    fn runs_unwatched(&self) -> bool {
        self.config.is_managed || !self.expects_records()
    }

    /// The time an attempt may take; none if there is too little left for one.
    fn time_to_send(&self, now: Timestamp) -> Option<Duration> {
        let until = match &self.phase {
            // The call goes on when nobody waits for it any more.
            Phase::Flushing { until, .. } if until.since(now) >= ATTEMPT_MIN => Some(now.after(FLUSH_MAX)),
            Phase::Flushing { until, .. } => Some(*until),
            Phase::Running { until, .. } | Phase::Draining { until, .. } => *until,
            Phase::Stopping(stop) => Some(stop.until()),
            Phase::Waiting | Phase::Passing { .. } | Phase::Stopped(_) => None,
        };
        let wait = until.map_or(ATTEMPT_MAX, |until| until.since(now).min(ATTEMPT_MAX));
        (wait >= ATTEMPT_MIN).then_some(wait)
    }

    /// Whether the end of the invocation has to wait for a batch, on its way or about to be.
    pub(super) fn has_to_flush(&self, now: Timestamp) -> bool {
        let can_send = now >= self.sending.not_before && self.can_send_at(now);
        self.breaker.may_wait() && (self.spool.is_sending() || can_send)
    }

    /// Whether another attempt is possible, now or after a pause that ends in time.
    pub(super) fn can_still_send(&self, now: Timestamp) -> bool {
        self.can_send_at(now.max(self.sending.not_before))
    }

    fn can_send_at(&self, when: Timestamp) -> bool {
        let is_ready = match &self.phase {
            Phase::Flushing { last, .. } => self.is_ready_at_end(*last),
            _ => self.spool.ready_documents() > 0,
        };
        !self.sending.is_lost && is_ready && self.time_to_send(when).is_some()
    }

    /// When a batch becomes due by time alone. What was due by now has left.
    pub(super) fn wake_to_send(&self) -> Option<Timestamp> {
        if self.spool.is_sending() {
            return None;
        }
        let when = match &self.phase {
            Phase::Flushing { .. } | Phase::Stopping(_) => self.sending.not_before,
            Phase::Running { .. } | Phase::Draining { .. } => self.aged()?,
            Phase::Passing { .. } => self.due_alongside()?.max(self.sending.not_before),
            Phase::Waiting if self.runs_unwatched() => self.aged()?,
            Phase::Waiting | Phase::Stopped(_) => return None,
        };
        (when > self.now && self.can_send_at(when)).then_some(when)
    }

    fn aged(&self) -> Option<Timestamp> {
        let aged = self.spool.oldest_ready()?.after(SEND_AGE);
        Some(aged.max(self.sending.not_before))
    }

    pub(super) fn settle(&mut self, now: Timestamp, outcome: Outcome) {
        match outcome {
            Outcome::Answered(answered) => {
                self.answered(now, &answered);
                self.tell_midway(now);
            }
            Outcome::Failed(failure) => self.failed(now, &failure),
        }
    }

    /// Documents that `keep` names are given back for another attempt; returns how many left.
    fn settle_batch(&mut self, keep: impl Fn(usize) -> bool) -> u64 {
        let all = self.spool.documents_on_their_way();
        let left = self.spool.settle(keep);
        self.note_settled(left);
        self.tally.sign(Sign::Retried, all.saturating_sub(left));
        left
    }

    /// X-Ray judged document by document.
    fn answered(&mut self, now: Timestamp, answered: &Answered) {
        let retriable = |place: usize| {
            answered
                .unprocessed
                .iter()
                .any(|item| item.document == Some(place) && item.retriable)
        };
        let mut left = self.settle_batch(retriable);
        for item in answered
            .unprocessed
            .iter()
            .filter(|item| item.document.is_none() || !item.retriable)
        {
            if left == 0 {
                break;
            }
            left -= 1;
            let code = if item.code.is_empty() {
                "unprocessed"
            } else {
                item.code.as_str()
            };
            self.tally.rejected(format!("xray {code}"));
            let line = Line::new(Level::Warn, "X-Ray rejected a document")
                .with("code", code)
                .with("detail", item.message.clone());
            self.notice(now, &format!("xray {code}"), line);
        }
        self.tally.sent(left);
        let after = (!self.sending.is_behind_freeze).then(|| now.since(self.sending.began));
        self.breaker.answered(after);
        self.sending.is_excused = false;
        if let Phase::Flushing { since, .. } = &mut self.phase {
            *since = now;
        }
        self.sending.needs_mending = false;
        self.sending.size.answered();
        if answered.unprocessed.iter().any(|item| item.retriable) {
            self.sending.not_before = now.after(self.sending.backoff.failed(None));
        } else {
            self.sending.backoff.succeeded();
            self.sending.not_before = Timestamp::default();
        }
    }

    /// The batch as a whole was not taken.
    fn failed(&mut self, now: Timestamp, failure: &Failure) {
        let retry = match failure.documents() {
            Some(documents) if self.sending.size.refused(documents) => Retry::Never,
            Some(_) => Retry::Smaller,
            None => failure.retry(),
        };
        failure.kind.count_in(&mut self.sending.errors);
        let is_given_up = retry == Retry::Never;
        let documents = self.settle_batch(|_| !is_given_up);
        self.tally.failed(failure_reason(&failure.kind));
        self.sending.needs_mending = retry == Retry::WhenMended;
        if self.is_freezes_fault(failure) {
            return;
        }
        let probe = self.breaker.failed(&failure.kind, &mut self.sending.backoff);
        match retry {
            Retry::Later { at_least } => {
                let pause = if self.is_refused_at_once(now, failure) {
                    self.sending.backoff.failed_at_once()
                } else {
                    self.sending.backoff.failed(at_least)
                };
                self.sending.not_before = now.after(pause.max(probe.unwrap_or_default()));
            }
            Retry::Smaller => {}
            Retry::WhenMended => self.sending.not_before = now.after(MENDED_PROBE),
            Retry::Never => (0..documents).for_each(|_| self.tally.rejected(failure_reason(&failure.kind))),
        }
        let level = if is_given_up || self.sending.needs_mending {
            Level::Error
        } else {
            Level::Warn
        };
        let line =
            Line::new(level, failure.message.clone()).with("held", Value::from(self.spool.held_documents()));
        self.notice(now, failure_reason(&failure.kind), line);
    }

    /// Whether the destination had a hiccup: a call that it answers as quickly may follow soon.
    fn is_refused_at_once(&self, now: Timestamp, failure: &Failure) -> bool {
        let is_hiccup = matches!(
            failure.kind,
            FailureKind::Unavailable {
                retry_after: None,
                ..
            }
        );
        is_hiccup && now.since(self.sending.began) <= FLUSH_CALL_MAX
    }

    /// The outbound ended by a defect: what it had is gone unless it is in the files, what is ready stays held.
    pub(super) fn lose_outbound(&mut self) {
        self.sending.is_lost = true;
        let is_in_files = self.spool.is_sending_from_files();
        let lost = self.spool.settle(|_| is_in_files);
        self.note_settled(lost);
        self.tally.shed_unknown(ShedReason::OutboundLost, lost);
        self.told(false);
    }
}

const fn failure_reason(kind: &FailureKind) -> &'static str {
    match kind {
        FailureKind::Throttled { .. } => "throttled",
        FailureKind::Unavailable { .. } => "unavailable",
        FailureKind::Unreachable(_) => "unreachable",
        FailureKind::Disconnected => "disconnected",
        FailureKind::Silent => "silent",
        FailureKind::Garbled => "garbled",
        FailureKind::TooLarge { .. } => "call_too_large",
        FailureKind::Refused { .. } => "call_refused",
        FailureKind::Misdirected { .. } => "misdirected",
        FailureKind::Forbidden { .. } => "forbidden",
        FailureKind::Expired { .. } => "expired",
        FailureKind::ClockSkew { .. } => "clock_skew",
        FailureKind::NoCredentials => "no_credentials",
        FailureKind::CredentialsUnavailable => "credentials_unavailable",
        FailureKind::NoEndpoint => "no_endpoint",
        FailureKind::Unsendable => "unsendable",
    }
}
