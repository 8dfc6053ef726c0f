//! Where in Lambda's cycle we are, and what follows from time alone.

use model::ids::RequestId;
use model::time::Timestamp;

use super::super::event::Effect;
use super::super::flush::{Plan, Situation};
use super::super::invocation::Invoked;
use super::super::memory::Level;
use super::super::spool::Sequence;
use super::stopping::Stop;
use super::{Engine, Telemetry};
use crate::limits::{DEADLINE_MARGIN, FLUSH_MAX, TELEMETRY_PROOF};

/// Where in Lambda's cycle we are.
#[derive(Debug)]
pub(super) enum Phase {
    /// Lambda has our next: it may freeze us at any moment.
    Waiting,
    /// Lambda has our next and a handler runs, as far as we know: it may freeze us when the handler is done.
    Passing { request: RequestId, since: Timestamp },
    /// A handler runs and our next is held back until its runtime is done.
    Running {
        request: RequestId,
        since: Timestamp,
        until: Option<Timestamp>,
        /// Its end was signalled; only what its documents wait for is still to come.
        is_signalled: bool,
    },
    /// The runtime is done; what it sent lies in the socket.
    Draining {
        request: RequestId,
        until: Option<Timestamp>,
        is_signalled: bool,
    },
    /// The last documents of the invocation are leaving.
    /// What comes after the last of them waits for the next invocation: it cannot hold this one.
    Flushing { until: Timestamp, last: Sequence },
    /// SHUTDOWN.
    Stopping(Stop),
    /// Finished, for this reason; what still arrives is counted.
    Stopped(String),
}

impl Engine {
    pub(super) fn begin(&mut self, now: Timestamp, invoked: Invoked) {
        let request = invoked.request_id.clone();
        let until =
            (invoked.deadline > Timestamp::default()).then(|| invoked.deadline.before(DEADLINE_MARGIN));
        // Next was asked for, so everything under way may have been frozen.
        self.thawed(now);
        let over = self.over_with(&request);
        self.look_for_leftovers();
        self.retry_files(now);
        self.invocations.invoked(now, invoked);
        self.passing.current = Some(request.clone());
        self.extend_open(&request);
        if !self.expects_records() {
            // Before anything else is closed: a document may have been faster than its INVOKE.
            self.release(&request);
        }
        // One sandbox runs one request at a time: whatever else is open is over.
        for id in over {
            self.close(now, &id);
        }
        let situation = self.situation(now);
        let plan = self.policy.begin(now, situation);
        if !self.expects_records() {
            self.next();
            return;
        }
        if plan == Plan::Alongside {
            self.pass(now, request);
            return;
        }
        let is_signalled = self.passing.take_early_end(&request);
        self.phase = Phase::Running {
            request: request.clone(),
            since: now,
            until,
            is_signalled,
        };
        let is_done = self
            .invocations
            .find(&request)
            .is_none_or(|invocation| invocation.done.is_some());
        if is_done {
            self.drain(&request);
        }
    }

    /// What the plan for an invocation depends on, beside its rhythm.
    fn situation(&mut self, now: Timestamp) -> Situation {
        Situation {
            is_in_vain: !self.is_any_at_liberty(now),
            is_memory_short: self.level() > Level::Normal,
            is_spool_large: self.is_spool_large(),
            has_fault: std::mem::take(&mut self.passing.has_fault),
        }
    }

    /// Empties the socket, now that the handler is done.
    pub(super) fn drain(&mut self, request: &RequestId) {
        let Phase::Running {
            until, is_signalled, ..
        } = self.phase
        else {
            return;
        };
        let invocation = self.invocations.find(request);
        self.done_at = invocation.and_then(|one| Some(one.done.as_ref()?.0));
        self.phase = Phase::Draining {
            request: request.clone(),
            until,
            is_signalled,
        };
        self.effects.push(Effect::Drain);
    }

    pub(super) fn drained(&mut self, now: Timestamp) {
        match &mut self.phase {
            Phase::Draining {
                request,
                until,
                is_signalled,
            } => {
                let (request, until, is_signalled) = (request.clone(), *until, *is_signalled);
                if is_signalled && self.awaits_start(&request) {
                    self.phase = Phase::Running {
                        request,
                        since: now,
                        until,
                        is_signalled,
                    };
                    return;
                }
                self.end(now, request);
                self.begin_to_wait(now);
                let flush_until = now.after(FLUSH_MAX);
                self.phase = Phase::Flushing {
                    until: until.map_or(flush_until, |until| until.min(flush_until)),
                    last: self.spool.last_sequence(),
                };
            }
            Phase::Stopping(stop) => stop.is_drained = true,
            _ => {}
        }
    }

    /// Everything that follows from time alone, after every event.
    pub(super) fn move_on(&mut self, now: Timestamp) {
        self.release_overdue(now);
        self.give_back_if_due(now);
        self.release_open(now);
        match &self.phase {
            Phase::Running {
                request,
                since,
                until,
                is_signalled,
            } => {
                let is_late = until.is_some_and(|until| now >= until);
                let is_silent = self.telemetry == Telemetry::Promised && now >= since.after(TELEMETRY_PROOF);
                if is_silent || is_late {
                    self.telemetry = if is_silent {
                        Telemetry::Absent
                    } else {
                        Telemetry::Doubted
                    };
                    self.release_waiting(|_| true);
                    self.next();
                } else if *is_signalled && !self.awaits_start(request) {
                    let request = request.clone();
                    self.drain(&request);
                } else if !self.may_wait() {
                    // Every destination fell silent meanwhile: there is nothing to wait for.
                    let request = request.clone();
                    self.pass(now, request);
                }
            }
            Phase::Draining { until, .. } if until.is_some_and(|until| now >= until) => self.next(),
            _ => {}
        }
        self.pump(now);
        match &self.phase {
            Phase::Flushing { until, .. } => {
                let until = *until;
                self.waited(now, until);
                if now >= until || !self.has_to_flush(now) {
                    self.passing.has_fault = false;
                    self.next();
                }
            }
            Phase::Stopping(_) => self.move_on_stopping(now),
            _ => {}
        }
    }

    pub(super) fn next(&mut self) {
        if let Some(done_at) = self.done_at.take() {
            self.tally.flushed(self.now.since(done_at));
        }
        self.phase = Phase::Waiting;
        self.effects.push(Effect::Next);
        self.give_back_soon();
    }

    /// How long emptying the socket may take: nothing of ours holds the function, or SHUTDOWN, beyond it.
    pub fn drain_until(&self) -> Option<Timestamp> {
        match &self.phase {
            Phase::Draining { until, .. } => *until,
            Phase::Stopping(stop) => Some(stop.until()),
            _ => None,
        }
    }

    /// When to call [`Event::Tick`](super::Event::Tick), if nothing else happens before.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let of_phase = match &self.phase {
            Phase::Running { since, until, .. } => {
                let proof = (self.telemetry == Telemetry::Promised).then(|| since.after(TELEMETRY_PROOF));
                earliest([*until, proof])
            }
            Phase::Draining { until, .. } => *until,
            Phase::Flushing { until, .. } => Some(self.wake_from_waiting(*until)),
            Phase::Stopping(stop) => Some(stop.wake_at()),
            Phase::Waiting | Phase::Passing { .. } => None,
            Phase::Stopped(_) => return None,
        };
        earliest([
            of_phase,
            self.evidence.first_until(),
            self.wake_to_release(),
            self.wake_to_send(),
            self.memory.give_back_at(),
        ])
    }
}

fn earliest<const N: usize>(times: [Option<Timestamp>; N]) -> Option<Timestamp> {
    times.into_iter().flatten().min()
}
