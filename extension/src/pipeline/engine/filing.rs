//! The account of what is in the spill files, and when something goes there or comes back.

use std::time::Duration;

use model::size::ByteCount;
use model::time::Timestamp;

use super::super::attach::attach;
use super::super::document::Document;
use super::super::event::Effect;
use super::super::filing::{Filed, Filing};
use super::super::lane::{Lane, Lanes};
use super::super::spool::{BatchLimits, Order, Overflow, Spool};
use super::super::tally::{Origin, ShedReason};
use super::lane_state::LaneState;
use super::{Config, Engine, Phase};
use crate::limits::{SAVE_TIME_OF_MIB, SPILL_MARGIN, SPILL_RETRY, SPILL_STEP};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct FilingAccount {
    /// Nobody has said that nothing can be written.
    can_write: bool,
    /// Somebody has: from then on an INVOKE has it tried again.
    retry_at: Option<Timestamp>,
    /// Whether what an earlier process left was looked for.
    is_noticed: bool,
    /// Documents in the files that were counted and are not settled.
    documents: u64,
    /// Documents handed over to be written, of which nothing was heard yet.
    in_transit: u64,
    /// Since the end of the invocation a call was made for nothing but the files.
    has_called_at_end: bool,
    /// After SHUTDOWN what is held goes to the files until then.
    save_until: Option<Timestamp>,
    /// It does: nothing arrives any more.
    is_saving: bool,
}

impl FilingAccount {
    pub(super) fn new(can_write: bool) -> Self {
        Self {
            can_write,
            ..Self::default()
        }
    }

    pub(super) fn documents(&self) -> u64 {
        self.documents
    }

    pub(super) fn in_transit(&self) -> u64 {
        self.in_transit
    }

    /// The end of an invocation, with a call out of the files on its way or not.
    pub(super) fn begin_flush(&mut self, is_calling: bool) {
        self.has_called_at_end = is_calling;
    }

    /// A call is made at the end of an invocation, for the files alone or not.
    pub(super) fn note_call_at_end(&mut self, is_for_files: bool) {
        self.has_called_at_end |= is_for_files;
    }

    /// Whether the function may be held for a call out of the files.
    pub(super) fn may_call_at_end(&self) -> bool {
        !self.has_called_at_end
    }

    /// SHUTDOWN: after a timeout or a failure the same sandbox starts new processes, which find the files. After
    /// any other reason nobody does.
    pub(super) fn prepare(&mut self, reason: &str, deadline: Timestamp) {
        let lives_on = ["timeout", "failure"]
            .iter()
            .any(|one| reason.eq_ignore_ascii_case(one));
        self.save_until = lives_on.then(|| deadline.before(SPILL_MARGIN));
    }

    /// Whether what is held at the end goes to the files.
    fn may_save(&self) -> bool {
        self.save_until.is_some() && self.can_write
    }
}

/// A spool whose overflow goes to the files, if it may.
pub(super) fn spool(config: &Config) -> Spool {
    let mut spool = Spool::new(config.spool_budget, &config.outbounds);
    for lane in config.outbounds.lanes().each().filter(|_| config.spills) {
        spool.set_overflow(lane, Overflow::Spill);
    }
    spool
}

impl Engine {
    /// Memory is wanted elsewhere: everything held goes to the files, and what arrives follows in small pieces.
    /// Where nothing can be written, everything stays as it is.
    pub fn spill_everything(&mut self, is_wanted: bool) {
        let overflow = if is_wanted {
            Overflow::SpillAll(Order::Oldest)
        } else {
            Overflow::Spill
        };
        for (lane, _) in self.lanes.each().filter(|(_, state)| state.filing.can_write) {
            self.spool.set_overflow(lane, overflow);
        }
    }

    /// With the first sign of work: not while the function waits for our init.
    pub(super) fn look_for_leftovers(&mut self) {
        for (lane, state) in self.lanes.each_mut() {
            if !std::mem::replace(&mut state.filing.is_noticed, true) && state.filing.can_write {
                self.effects.push(Effect::File(lane, Filing::Notice));
            }
        }
    }

    /// INVOKE: what kept the files from being written may be over.
    pub(super) fn retry_files(&mut self, now: Timestamp) {
        for (lane, state) in self.lanes.each_mut() {
            if state.filing.retry_at.take_if(|when| now >= *when).is_some() {
                self.effects.push(Effect::File(lane, Filing::Notice));
            }
        }
    }

    pub(super) fn recall(&mut self, lane: Lane, limits: BatchLimits, order: Order) {
        if self.spool.recall(lane) {
            self.effects
                .push(Effect::File(lane, Filing::Recall(limits, order)));
        }
    }

    /// A batch was settled, of which this many documents left.
    pub(super) fn note_settled(&mut self, lane: Lane, left: u64) {
        if let Some(keep) = self.spool.take_settled(lane) {
            let account = &mut self.lanes.of_mut(lane).filing;
            account.documents = account.documents.saturating_sub(left);
            self.effects.push(Effect::File(lane, Filing::Settle(keep)));
        }
    }

    /// What has left memory goes to the files, piece by piece: the next when the last is written.
    pub(super) fn work_on_files(&mut self, now: Timestamp) {
        let is_stopped = matches!(self.phase, Phase::Stopped(_));
        for (lane, LaneState { filing, .. }) in self.lanes.each_mut() {
            let is_late = filing.save_until.is_none_or(|until| now >= until);
            if filing.in_transit > 0 || (is_stopped && (!filing.is_saving || is_late)) {
                continue;
            }
            let documents = self.spool.take_spilling(lane, SPILL_STEP);
            if !documents.is_empty() {
                filing.in_transit = u64::try_from(documents.len()).unwrap_or(u64::MAX);
                self.effects.push(Effect::File(lane, Filing::Write(documents)));
            }
        }
    }

    /// Whether something is on its way to the files.
    pub(super) fn is_filing(&self) -> bool {
        let mut lanes = self.lanes.each();
        lanes.any(|(lane, state)| state.filing.in_transit > 0 || self.spool.is_leaving(lane))
    }

    pub(super) fn filed(&mut self, now: Timestamp, lane: Lane, filed: Filed) {
        let refused = u64::try_from(filed.refused.len()).unwrap_or(u64::MAX);
        let account = &mut self.lanes.of_mut(lane).filing;
        account.in_transit = account.in_transit.saturating_sub(filed.written + refused);
        let given_up = filed.given_up;
        let lost = given_up.ordinary + given_up.faulty + given_up.platform + filed.damaged;
        account.documents = (account.documents + filed.written + filed.recovered).saturating_sub(lost);
        if account.can_write != filed.can_write {
            account.can_write = filed.can_write;
            let overflow = if filed.can_write {
                Overflow::Spill
            } else {
                Overflow::Shed
            };
            self.spool.set_overflow(lane, overflow);
        }
        if filed.can_write {
            account.retry_at = None;
        } else {
            account.retry_at.get_or_insert(now.after(SPILL_RETRY));
        }
        self.tally.received_by(lane, Origin::Recovered, filed.recovered);
        self.tally.shed(lane, ShedReason::SpillLimit, given_up);
        (0..filed.damaged).for_each(|_| self.tally.rejected_by(lane, "spill_damaged"));
        let shed = self.spool.take_back(lane, filed.refused);
        self.count_shed(&shed);
        self.spool.set_file_has_more(lane, filed.has_more);
        if let Some(line) = filed.problem {
            self.notice_of(lane, "spill", line);
        }
        if filed.is_recall {
            self.hang(lane, filed.recalled, now);
        }
    }

    /// Documents that waited in the files hang under their invocation's segments, if those were made here.
    fn hang(&mut self, lane: Lane, mut documents: Vec<Document>, now: Timestamp) {
        for document in &mut documents {
            if let Some(invocation) = self.invocations.of_trace(document.trace_id) {
                if let Some(identity) = invocation.identity().filter(|_| invocation.is_started())
                    && self.config.is_told(&identity)
                {
                    attach(document, &identity, &invocation.request_id);
                }
            } else if let Some(closed) = self.invocations.closed_of_trace(document.trace_id)
                && let Some(identity) = closed.identity.filter(|_| !closed.told.is_empty())
            {
                attach(document, &identity, &closed.request_id);
            }
        }
        if let Some(batch) = self.spool.recalled(lane, documents) {
            self.send_recalled(now, lane, batch);
        }
    }

    /// What putting into files takes of all that is held in memory, if that is to happen at all.
    pub(super) fn time_to_save(&self) -> Duration {
        let held = self.spool.held().plus(self.evidence.held());
        let mebibytes = u32::try_from(held.get() / ByteCount::mib(1).get()).unwrap_or(u32::MAX);
        let saving = self.lanes.each().filter(|(_, state)| state.filing.may_save());
        // At most: what one outbound has is not written for it.
        saving.fold(Duration::ZERO, |time, _| {
            time.saturating_add(SAVE_TIME_OF_MIB.saturating_mul(mebibytes))
        })
    }

    /// The process ends: what is held goes where the next ones find it, the most valuable first.
    pub(super) fn save_what_is_left(&mut self) {
        let saving = self.lanes.each().filter(|(_, state)| state.filing.may_save());
        let saving: Lanes = saving.map(|(lane, _)| lane).collect();
        if saving.is_empty() {
            return;
        }
        self.release_waiting(|_| true);
        for lane in saving.each() {
            self.lanes.of_mut(lane).filing.is_saving = true;
            // A batch on its way that nobody has answered is not known to be delivered.
            self.spool.settle(lane, |_| true);
            self.note_settled(lane, 0);
            self.spool.set_overflow(lane, Overflow::SpillAll(Order::Valuable));
        }
    }
}
