//! When and how much a lane sends, and what becomes of it.

use std::time::Duration;

use model::size::ByteCount;
use model::time::Timestamp;

use super::super::event::Effect;
use super::super::lane::Lane;
use super::super::spool::{Batch, BatchLimits, Order, Sequence};
use super::super::tally::Sign;
use super::lane_state::LaneState;
use super::{Engine, Phase};
use crate::limits::{
    ATTEMPT_MAX, ATTEMPT_MIN, BATCH_MAX, FLUSH_MAX, GATHER_AGE, SEND_AGE, SPOOL_LARGE_PERCENT,
};
use crate::pipeline::backoff::Backoff;
use crate::pipeline::call_size::CallSize;
use model::limits::DOCUMENTS_PER_CALL_MAX;
use model::wire::xray_api::BackendConnectionErrors;

/// What earlier attempts taught.
pub(super) struct Sending {
    pub(super) backoff: Backoff,
    /// No attempt before this time.
    pub(super) not_before: Timestamp,
    /// Of the next batch: halved when X-Ray finds a batch too large or wrong.
    pub(super) size: CallSize,
    /// Nothing can be sent any more.
    pub(super) is_lost: bool,
    /// The last failure can only be mended by somebody.
    pub(super) needs_mending: bool,
    /// When the call under way began.
    pub(super) began: Timestamp,
    /// A freeze may have interrupted the call under way.
    pub(super) is_behind_freeze: bool,
    /// The last failure was put down to a freeze.
    pub(super) is_excused: bool,
    /// Failed calls by kind.
    pub(super) errors: BackendConnectionErrors,
    /// Since when the end of an invocation waits for the call under way.
    pub(super) awaited_since: Timestamp,
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
            awaited_since: Timestamp::default(),
        }
    }

    /// Draws pauses anew, different from those of sandboxes made from the same snapshot.
    pub(super) fn reseed(&mut self, seed: u64) {
        self.backoff = Backoff::new(seed);
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
    /// Sends a batch to each outbound that one is due for.
    pub(super) fn pump(&mut self, now: Timestamp) {
        for lane in self.lanes.lanes().each() {
            self.pump_lane(now, lane);
        }
    }

    fn pump_lane(&mut self, now: Timestamp, lane: Lane) {
        let sending = &self.lanes.of(lane).sending;
        if sending.is_lost
            || self.spool.is_sending(lane)
            || now < sending.not_before
            || !self.is_due(now, lane)
        {
            return;
        }
        let Some(wait) = self.time_to_send(now) else {
            return;
        };
        self.note_flush(now, lane);
        if let Phase::Flushing { last, .. } = &self.phase {
            let is_for_files = !self.spool.is_ready_up_to(lane, *last);
            self.lanes.of_mut(lane).filing.note_call_at_end(is_for_files);
        }
        let limits = BatchLimits {
            documents: self.lanes.of(lane).sending.size.documents(),
            bytes: self.call_max(),
        };
        // At SHUTDOWN there may be no time for the rest.
        let order = match self.phase {
            Phase::Stopping(_) => Order::Valuable,
            _ => Order::Oldest,
        };
        if let Some(batch) = self.spool.take(lane, limits, order) {
            self.send(lane, batch, wait);
        } else {
            self.recall(lane, limits, order);
        }
    }

    fn send(&mut self, lane: Lane, batch: Batch, wait: Duration) {
        self.tally.sign_of(lane, Sign::Attempt, 1);
        let sending = &mut self.lanes.of_mut(lane).sending;
        sending.began = self.now;
        sending.is_behind_freeze = false;
        self.effects.push(Effect::Send(lane, batch, wait));
    }

    /// Sends a batch that was recalled, if there is still time and somebody to send it.
    pub(super) fn send_recalled(&mut self, now: Timestamp, lane: Lane, batch: Batch) {
        match self.time_to_send(now) {
            Some(wait) if !self.lanes.of(lane).sending.is_lost => self.send(lane, batch, wait),
            _ => {
                self.spool.settle(lane, |_| true);
                self.note_settled(lane, 0);
            }
        }
    }

    /// A batch leaves alongside a handler: so does everything else that is ready now.
    fn note_flush(&mut self, now: Timestamp, lane: Lane) {
        if matches!(self.phase, Phase::Passing { .. }) && !self.is_left_behind(lane) {
            self.passing.last = self.spool.last_sequence();
            self.policy.flushed(now);
        }
    }

    /// Whether what is ready should leave now.
    fn is_due(&self, now: Timestamp, lane: Lane) -> bool {
        if self.spool.ready_documents(lane) == 0 {
            return false;
        }
        match &self.phase {
            Phase::Flushing { last, .. } => self.is_ready_at_end(lane, *last),
            Phase::Stopping(stop) => stop.is_closed,
            Phase::Running { .. } | Phase::Draining { .. } => self.is_worth_a_call(now, lane),
            Phase::Passing { .. } => {
                self.is_left_behind(lane)
                    || self.has_no_room_to_wait(lane)
                    || self.due_alongside(lane).is_some_and(|due| now >= due)
            }
            // Frozen between invocations, but for environments that do not tell us when they are.
            Phase::Waiting => self.runs_unwatched() && self.is_worth_a_call(now, lane),
            Phase::Stopped(_) => false,
        }
    }

    /// Whether the last flush alongside a handler has left something behind, or the files have something.
    fn is_left_behind(&self, lane: Lane) -> bool {
        self.spool.file_has_more(lane) || self.spool.is_ready_up_to(lane, self.passing.last)
    }

    /// Whether the function is held for a call: for all that is its own, and for one call out of the files. The
    /// rest of them leaves while a handler runs.
    fn is_ready_at_end(&self, lane: Lane, last: Sequence) -> bool {
        self.spool.is_ready_up_to(lane, last)
            || (self.spool.file_has_more(lane) && self.lanes.of(lane).filing.may_call_at_end())
    }

    fn is_worth_a_call(&self, now: Timestamp, lane: Lane) -> bool {
        self.fills_a_call(lane)
            || self
                .spool
                .oldest_ready(lane)
                .is_some_and(|arrived| now >= arrived.after(SEND_AGE))
    }

    fn fills_a_call(&self, lane: Lane) -> bool {
        self.spool.ready_documents(lane) >= DOCUMENTS_PER_CALL_MAX
            || self.spool.is_ready_over(lane, self.call_max())
    }

    /// Bytes of a call. What is on its way cannot be given up: so where there are several outbounds no call has more
    /// than leaves room for the others' and for what comes in.
    fn call_max(&self) -> ByteCount {
        match self.lanes.count() {
            1 => BATCH_MAX,
            lanes => BATCH_MAX.min(ByteCount::bytes(self.spool.budget().get() / (lanes + 1))),
        }
    }

    fn has_no_room_to_wait(&self, lane: Lane) -> bool {
        if self.policy.is_periodic() {
            self.is_spool_large()
        } else {
            self.fills_a_call(lane)
        }
    }

    /// Whether the spool is about to shed.
    pub(super) fn is_spool_large(&self) -> bool {
        let large = self.spool.budget().get() / 100 * SPOOL_LARGE_PERCENT;
        self.spool.held().get() > large
    }

    /// When what is ready leaves alongside the handler.
    fn due_alongside(&self, lane: Lane) -> Option<Timestamp> {
        let Phase::Passing { since, .. } = &self.phase else {
            return None;
        };
        let arrived = self.spool.oldest_ready(lane)?;
        let age = if arrived < *since { GATHER_AGE } else { SEND_AGE };
        Some(arrived.after(age).max(self.policy.not_before()))
    }

    /// Whether there is an outbound that the end of an invocation may wait for and that nothing keeps from sending.
    pub(super) fn is_any_at_liberty(&self, now: Timestamp) -> bool {
        self.lanes.each().any(|(_, lane)| {
            lane.breaker.may_wait() && !lane.sending.is_lost && now >= lane.sending.not_before
        })
    }

    /// Whether there is an outbound that the end of an invocation may wait for.
    pub(super) fn may_wait(&self) -> bool {
        self.lanes.each().any(|(_, lane)| lane.breaker.may_wait())
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

    /// Whether the end of the invocation has to wait for a batch, on its way or about to be, to any outbound.
    pub(super) fn has_to_flush(&self, now: Timestamp) -> bool {
        self.lanes.each().any(|(lane, state)| {
            let can_send = now >= state.sending.not_before && self.can_send_at(now, lane);
            state.breaker.may_wait() && (self.spool.is_sending(lane) || can_send)
        })
    }

    /// How long the end of the invocation waits at the most for the call under way that it waits for longest; each
    /// wait that is over by now was in vain.
    pub(super) fn waited(&mut self, now: Timestamp, until: Timestamp) {
        for (lane, state) in self.lanes.each_mut() {
            let is_over = now >= until || now >= state.wait_until();
            if is_over && state.breaker.may_wait() && self.spool.is_sending(lane) {
                let waited = now.since(state.sending.awaited_since);
                state.breaker.waited_in_vain(waited);
            }
        }
    }

    /// The end of an invocation begins to wait.
    pub(super) fn begin_to_wait(&mut self, now: Timestamp) {
        for (lane, state) in self.lanes.each_mut() {
            state.sending.awaited_since = now;
            state.filing.begin_flush(self.spool.is_sending_from_files(lane));
        }
    }

    /// Whether a batch is on its way, or another attempt is possible, now or after a pause that ends in time.
    pub(super) fn is_busy(&self, now: Timestamp, lane: Lane) -> bool {
        let when = now.max(self.lanes.of(lane).sending.not_before);
        self.spool.is_sending(lane) || self.can_send_at(when, lane)
    }

    /// See [`Self::is_busy`].
    pub(super) fn is_any_busy(&self, now: Timestamp) -> bool {
        self.lanes.each().any(|(lane, _)| self.is_busy(now, lane))
    }

    fn can_send_at(&self, when: Timestamp, lane: Lane) -> bool {
        let is_ready = match &self.phase {
            Phase::Flushing { last, .. } => self.is_ready_at_end(lane, *last),
            _ => self.spool.ready_documents(lane) > 0,
        };
        !self.lanes.of(lane).sending.is_lost && is_ready && self.time_to_send(when).is_some()
    }

    /// When a batch becomes due by time alone. What was due by now has left.
    pub(super) fn wake_to_send(&self) -> Option<Timestamp> {
        let lanes = self.lanes.each();
        lanes.filter_map(|(lane, _)| self.wake_to_send_on(lane)).min()
    }

    fn wake_to_send_on(&self, lane: Lane) -> Option<Timestamp> {
        if self.spool.is_sending(lane) {
            return None;
        }
        let not_before = self.lanes.of(lane).sending.not_before;
        let when = match &self.phase {
            Phase::Flushing { .. } | Phase::Stopping(_) => not_before,
            Phase::Running { .. } | Phase::Draining { .. } => self.aged(lane)?,
            Phase::Passing { .. } => self.due_alongside(lane)?.max(not_before),
            Phase::Waiting if self.runs_unwatched() => self.aged(lane)?,
            Phase::Waiting | Phase::Stopped(_) => return None,
        };
        (when > self.now && self.can_send_at(when, lane)).then_some(when)
    }

    fn aged(&self, lane: Lane) -> Option<Timestamp> {
        let aged = self.spool.oldest_ready(lane)?.after(SEND_AGE);
        Some(aged.max(self.lanes.of(lane).sending.not_before))
    }

    /// When a wait for a call under way is over.
    pub(super) fn wake_from_waiting(&self, until: Timestamp) -> Timestamp {
        let is_awaited =
            |(lane, state): &(Lane, &LaneState)| state.breaker.may_wait() && self.spool.is_sending(*lane);
        let awaited = self.lanes.each().filter(is_awaited);
        let first = awaited.map(|(_, state)| state.wait_until()).min();
        first.map_or(until, |first| first.min(until))
    }
}
