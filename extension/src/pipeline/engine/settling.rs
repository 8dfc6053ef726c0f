//! What became of a batch, and what a lane learns from it.

use model::time::Timestamp;
use serde_json::Value;

use super::super::lane::Lane;
use super::super::outcome::{Answered, Failure, FailureKind, Outcome, Retry};
use super::super::tally::{ShedReason, Sign};
use super::{Engine, Phase};
use crate::limits::{FLUSH_CALL_MAX, MENDED_PROBE};
use crate::logging::{Level, Line};

impl Engine {
    pub(super) fn settle(&mut self, now: Timestamp, lane: Lane, outcome: Outcome) {
        match outcome {
            Outcome::Answered(answered) => {
                self.answered(now, lane, &answered);
                self.tell_midway(now, lane);
            }
            Outcome::Failed(failure) => self.failed(lane, &failure),
        }
    }

    /// Documents that `keep` names are given back for another attempt; returns how many left.
    fn settle_batch(&mut self, lane: Lane, keep: impl Fn(usize) -> bool) -> u64 {
        let all = self.spool.documents_on_their_way(lane);
        let left = self.spool.settle(lane, keep);
        self.note_settled(lane, left);
        self.tally.sign_of(lane, Sign::Retried, all.saturating_sub(left));
        left
    }

    /// The destination judged document by document.
    fn answered(&mut self, now: Timestamp, lane: Lane, answered: &Answered) {
        let retriable = |place: usize| {
            answered
                .unprocessed
                .iter()
                .any(|item| item.document == Some(place) && item.retriable)
        };
        let mut left = self.settle_batch(lane, retriable);
        let name = self.config.outbounds.of(lane).name;
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
            let reason = format!("{name} {code}");
            let line = Line::new(Level::Warn, "a destination rejected a document")
                .with("outbound", name)
                .with("code", code)
                .with("detail", item.message.clone());
            self.notice(now, &reason, line);
            self.tally.rejected_by(lane, reason);
        }
        if let Some(remark) = &answered.remark {
            let line = Line::new(Level::Warn, "a destination took what it was sent, with a remark")
                .with("outbound", name)
                .with("detail", remark.clone());
            self.notice(now, &format!("{name} remark"), line);
        }
        self.tally.sent(lane, left);
        let state = self.lanes.of_mut(lane);
        let sending = &mut state.sending;
        let after = (!sending.is_behind_freeze).then(|| now.since(sending.began));
        state.breaker.answered(after);
        sending.is_excused = false;
        if matches!(self.phase, Phase::Flushing { .. }) {
            sending.awaited_since = now;
        }
        sending.needs_mending = false;
        sending.size.answered();
        if answered.unprocessed.iter().any(|item| item.retriable) {
            sending.not_before = now.after(sending.backoff.failed(None));
        } else {
            sending.backoff.succeeded();
            sending.not_before = Timestamp::default();
        }
    }

    /// The batch as a whole was not taken.
    fn failed(&mut self, lane: Lane, failure: &Failure) {
        let sending = &mut self.lanes.of_mut(lane).sending;
        let retry = match failure.documents() {
            Some(documents) if sending.size.refused(documents) => Retry::Never,
            Some(_) => Retry::Smaller,
            None => failure.retry(),
        };
        failure.kind.count_in(&mut sending.errors);
        let is_given_up = retry == Retry::Never;
        sending.needs_mending = retry == Retry::WhenMended;
        let documents = self.settle_batch(lane, |_| !is_given_up);
        let reason = failure_reason(&failure.kind);
        self.tally.failed(lane, reason);
        if self.is_freezes_fault(lane, failure) {
            return;
        }
        self.pause(lane, failure, retry);
        if is_given_up {
            (0..documents).for_each(|_| self.tally.rejected_by(lane, reason));
        }
        let level = if is_given_up || retry == Retry::WhenMended {
            Level::Error
        } else {
            Level::Warn
        };
        let held = self.spool.held_documents(lane);
        let line = Line::new(level, failure.message.clone()).with("held", Value::from(held));
        self.notice_of(lane, reason, line);
    }

    /// Until when nothing is sent after a failure.
    fn pause(&mut self, lane: Lane, failure: &Failure, retry: Retry) {
        let now = self.now;
        let state = self.lanes.of_mut(lane);
        let sending = &mut state.sending;
        let probe = state.breaker.failed(&failure.kind, &mut sending.backoff);
        match retry {
            Retry::Later { at_least } => {
                let is_hiccup = matches!(
                    failure.kind,
                    FailureKind::Unavailable {
                        retry_after: None,
                        ..
                    }
                );
                // A call that is answered as quickly may follow soon.
                let pause = if is_hiccup && now.since(sending.began) <= FLUSH_CALL_MAX {
                    sending.backoff.failed_at_once()
                } else {
                    sending.backoff.failed(at_least)
                };
                sending.not_before = now.after(pause.max(probe.unwrap_or_default()));
            }
            Retry::WhenMended => sending.not_before = now.after(MENDED_PROBE),
            Retry::Smaller | Retry::Never => {}
        }
    }

    /// An outbound ended by a defect: what it had is gone unless it is in the files, what is ready stays held.
    pub(super) fn lose_outbound(&mut self, lane: Lane) {
        self.lanes.of_mut(lane).sending.is_lost = true;
        let is_in_files = self.spool.is_sending_from_files(lane);
        let lost = self.spool.settle(lane, |_| is_in_files);
        self.note_settled(lane, lost);
        self.tally.shed_unknown_by(lane, ShedReason::OutboundLost, lost);
        if self.reports.tells_through(lane) {
            self.told(false);
        }
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
