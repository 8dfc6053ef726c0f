//! The state machine: an event in, effects out.
//!
//! The only way state changes. Never waits, never reads a clock.
//!
//! Invariants
//! - Every INVOKE is answered by exactly one [`Effect::Next`], at the latest at its deadline less a margin.
//! - Nothing waits for a record that cannot come.
//! - SHUTDOWN ends in exactly one [`Effect::Finish`], at the latest at its deadline less a margin.

mod intake;
mod memory;
mod opened;
mod sending;
mod stopping;
mod telling;

#[cfg(test)]
mod tests;

use model::ids::RequestId;
use model::size::ByteCount;
use model::time::Timestamp;
use model::wire::telemetry::{Delivery, Event as RecordEvent, Record};
use serde_json::Value;

use super::event::{Effect, Event};
use super::evidence::Evidence;
use super::identity::Emission;
use super::invocation::Invoked;
use super::invocations::{Change, Invocations};
use super::memory::Memory;
use super::notices::Notices;
use super::platform::Function;
use super::repeats::Repeats;
use super::spool::{Sequence, Spool};
use super::tally::{Held, Tally};
use crate::limits::{DEADLINE_MARGIN, FLUSH_MAX, KIND_CHARS, TELEMETRY_PROOF};
use crate::logging::{Level, Line};
use opened::open_share;
use sending::Sending;

/// What the engine is told once.
#[derive(Debug, Clone)]
pub struct Config {
    /// When the platform's segments are made here.
    pub emission: Emission,
    /// Managed instances: many requests at once, no INVOKE, no freeze.
    pub is_managed: bool,
    /// The function.
    pub function: Function,
    /// Bytes of documents held until memory is read for the first time.
    pub spool_budget: ByteCount,
    /// Bytes of the whole process.
    pub process_budget: ByteCount,
    /// Different in every sandbox: spreads retries.
    pub seed: u64,
}

/// Where in Lambda's cycle we are.
#[derive(Debug)]
enum Phase {
    /// Lambda has our next: it may freeze us at any moment.
    Waiting,
    /// A handler runs and our next is held back until its runtime is done.
    Running {
        request: RequestId,
        since: Timestamp,
        until: Option<Timestamp>,
    },
    /// The runtime is done; what it sent lies in the socket.
    Draining {
        request: RequestId,
        until: Option<Timestamp>,
    },
    /// The last documents of the invocation are leaving.
    /// What comes after the last of them waits for the next invocation: it cannot hold this one.
    Flushing { until: Timestamp, last: Sequence },
    /// SHUTDOWN.
    Stopping(stopping::Stop),
    /// Finished, for this reason; what still arrives is counted.
    Stopped(String),
}

/// Whether records of the Telemetry API come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Telemetry {
    /// Subscribed, or about to be; some environments accept a subscription and deliver nothing.
    Promised,
    /// Records have come.
    Proven,
    /// Records have come, but the end of an invocation was not among them: no function is held for it again
    /// before one is.
    Doubted,
    /// None will come.
    Absent,
}

/// See the module.
pub struct Engine {
    config: Config,
    phase: Phase,
    telemetry: Telemetry,
    invocations: Invocations,
    spool: Spool,
    evidence: Evidence,
    /// What documents may take up, open or not.
    share: ByteCount,
    memory: Memory,
    repeats: Repeats,
    sending: Sending,
    tally: Tally,
    notices: Notices,
    effects: Vec<Effect>,
    /// When the runtime of the invocation that we hold was done.
    done_at: Option<Timestamp>,
    /// Of the last event.
    now: Timestamp,
}

impl Engine {
    /// An engine before its first event.
    pub fn new(config: Config) -> Self {
        Self {
            phase: Phase::Waiting,
            telemetry: Telemetry::Promised,
            invocations: Invocations::default(),
            spool: Spool::new(config.spool_budget),
            evidence: Evidence::new(open_share(config.spool_budget)),
            share: config.spool_budget,
            memory: Memory::new(
                config.process_budget,
                config.function.memory_mb.map(ByteCount::mib),
            ),
            repeats: Repeats::default(),
            sending: Sending::new(config.seed),
            tally: Tally::default(),
            notices: Notices::default(),
            effects: Vec::new(),
            done_at: None,
            now: Timestamp::default(),
            config,
        }
    }

    /// The room that is left for documents.
    pub fn room(&self) -> ByteCount {
        self.spool.budget().minus(self.spool.held())
    }

    /// The tally as a line: the last word, once [`Effect::Finish`] was asked for and nothing arrives any more.
    pub fn last_word(&self) -> Line {
        let reason = if let Phase::Stopped(reason) = &self.phase {
            reason.as_str()
        } else {
            ""
        };
        let mut line = Line::new(Level::Info, "tally").with("shutdown", reason);
        line.fields.extend(self.tally.fields(self.held()));
        line.with("memory", self.memory.fields())
    }

    /// What lay in the socket when everything else was over: held, and told so.
    fn count_straggler(&mut self, now: Timestamp, event: Event) {
        match event {
            Event::Arrived(datagrams) => self.take_in(now, datagrams),
            Event::Posted(documents) => self.take_posted(now, documents),
            Event::Overrun(datagrams) => self.overrun(now, datagrams),
            _ => {}
        }
    }

    /// The account so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Documents held.
    pub fn held_documents(&self) -> u64 {
        self.held().total()
    }

    fn held(&self) -> Held {
        Held {
            in_memory: self.spool.held_documents() + self.evidence.documents(),
            in_file: 0,
        }
    }

    /// Takes one event and says what to do.
    pub fn handle(&mut self, now: Timestamp, event: Event) -> Vec<Effect> {
        self.now = now;
        if matches!(self.phase, Phase::Stopped(_)) {
            self.count_straggler(now, event);
        } else {
            match event {
                Event::Invoked(invoked) => self.begin(now, invoked),
                Event::Stopping(stopping) => self.stop(now, stopping),
                Event::Subscribed(is_subscribed) => self.subscribed(is_subscribed),
                Event::Delivered(delivery) => self.observe(now, delivery),
                Event::Arrived(datagrams) => self.take_in(now, datagrams),
                Event::Posted(documents) => self.take_posted(now, documents),
                Event::Overrun(datagrams) => self.overrun(now, datagrams),
                Event::Drained => self.drained(now),
                Event::Settled(outcome) => self.settle(now, outcome),
                Event::Told => self.told(),
                Event::Memory(reading) => self.sense(now, &reading),
                Event::OutboundLost => self.lose_outbound(),
                Event::Tick => {}
            }
            self.leave_room();
            self.move_on(now);
        }
        std::mem::take(&mut self.effects)
    }

    fn begin(&mut self, now: Timestamp, invoked: Invoked) {
        let request = invoked.request_id.clone();
        let others = self
            .invocations
            .open_ids()
            .into_iter()
            .filter(|id| *id != request);
        let others: Vec<RequestId> = others.collect();
        let until =
            (invoked.deadline > Timestamp::default()).then(|| invoked.deadline.before(DEADLINE_MARGIN));
        self.invocations.invoked(now, invoked);
        self.extend_open(&request);
        if !self.expects_records() {
            // Before anything else is closed: a document may have been faster than its INVOKE.
            self.release(&request);
        }
        // One sandbox runs one request at a time: whatever else is open is over.
        for id in others {
            self.close(now, &id);
        }
        if !self.expects_records() {
            self.next();
            return;
        }
        self.phase = Phase::Running {
            request: request.clone(),
            since: now,
            until,
        };
        let is_done = self
            .invocations
            .find(&request)
            .is_none_or(|invocation| invocation.done.is_some());
        if is_done {
            self.drain(request, until);
        }
    }

    fn subscribed(&mut self, is_subscribed: bool) {
        if is_subscribed {
            return;
        }
        self.telemetry = Telemetry::Absent;
        self.release_waiting(|_| true);
    }

    fn observe(&mut self, now: Timestamp, delivery: Delivery) {
        let is_end = |record: &Record| matches!(record.event, RecordEvent::RuntimeDone(_));
        if self.telemetry != Telemetry::Doubted || delivery.records.iter().any(is_end) {
            self.telemetry = Telemetry::Proven;
        }
        let rejects = delivery.rejects;
        self.tally.telemetry("damaged", rejects.damaged);
        self.tally.telemetry("untyped", rejects.untyped);
        self.tally.telemetry("untimed", rejects.untimed);
        self.tally.telemetry("incomplete", rejects.incomplete);
        let mut changes = Vec::new();
        for record in delivery.records {
            self.note_oddity(now, &record.event);
            changes.extend(self.invocations.note(record));
        }
        // Records of one delivery come in any order, so they are acted on when all of them are known.
        for change in changes {
            self.act_on(now, change);
        }
        while let Some(overdue) = self.invocations.overdue() {
            self.close(now, &overdue);
        }
    }

    fn note_oddity(&mut self, now: Timestamp, event: &RecordEvent) {
        match event {
            RecordEvent::Unknown(kind) => {
                let kind: String = kind.chars().take(KIND_CHARS).collect();
                self.tally.telemetry(format!("unknown {kind}"), 1);
            }
            RecordEvent::LogsDropped { records, bytes } => {
                // The runtimeDone may be among them: holding the function for it could last until its deadline.
                if matches!(self.phase, Phase::Running { .. }) {
                    self.next();
                }
                let line = Line::new(
                    Level::Warn,
                    "Lambda dropped telemetry records; timings may be missing",
                )
                .with("records", *records)
                .with("bytes", *bytes);
                self.notice(now, "logs_dropped", line);
            }
            _ => {}
        }
    }

    fn act_on(&mut self, now: Timestamp, change: Change) {
        match change {
            Change::Started(request) => {
                self.extend_open(&request);
                self.release(&request);
            }
            Change::Done(request) => match &self.phase {
                Phase::Running {
                    request: running,
                    until,
                    ..
                } if *running == request => {
                    let until = *until;
                    self.drain(request, until);
                }
                // INVOKE is still to be read: it will find the invocation done.
                Phase::Waiting | Phase::Running { .. } if self.is_ahead_of_invoke(&request) => {}
                Phase::Draining {
                    request: draining, ..
                } if *draining == request => {}
                _ => self.close_unless_report_tells_more(now, &request),
            },
            Change::Reported(request) => {
                let is_current = match &self.phase {
                    Phase::Running { request: current, .. } | Phase::Draining { request: current, .. } => {
                        *current == request
                    }
                    _ => false,
                };
                if is_current {
                    // The runtimeDone was lost: the report ends the invocation just as well.
                    let until = self.running_until();
                    self.drain(request, until);
                } else {
                    self.close(now, &request);
                }
            }
            Change::LateReport(at, report) => self.tell_late_report(at, &report),
            Change::Restored => {
                // Every sandbox restored from one snapshot has the same seed.
                self.sending.reseed(now);
                self.effects.push(Effect::Forget);
            }
        }
    }

    /// On a fresh sandbox records can overtake the INVOKE event. Managed instances have none to overtake.
    fn is_ahead_of_invoke(&self, request: &RequestId) -> bool {
        let invocation = self.invocations.find(request);
        !self.config.is_managed && invocation.is_some_and(|invocation| invocation.invoked_at.is_none())
    }

    fn running_until(&self) -> Option<Timestamp> {
        match &self.phase {
            Phase::Running { until, .. } | Phase::Draining { until, .. } => *until,
            _ => None,
        }
    }

    fn drain(&mut self, request: RequestId, until: Option<Timestamp>) {
        if !matches!(self.phase, Phase::Draining { .. }) {
            let invocation = self.invocations.find(&request);
            self.done_at = invocation.and_then(|one| Some(one.done.as_ref()?.0));
            self.phase = Phase::Draining { request, until };
            self.effects.push(Effect::Drain);
        }
    }

    fn drained(&mut self, now: Timestamp) {
        match &mut self.phase {
            Phase::Draining { request, until } => {
                let (request, until) = (request.clone(), *until);
                self.close_unless_report_tells_more(now, &request);
                let flush_until = now.after(FLUSH_MAX);
                let until = until.map_or(flush_until, |until| until.min(flush_until));
                self.phase = Phase::Flushing {
                    until,
                    last: self.spool.last_sequence(),
                };
            }
            Phase::Stopping(stop) => stop.is_drained = true,
            _ => {}
        }
    }

    /// Everything that follows from time alone, after every event.
    fn move_on(&mut self, now: Timestamp) {
        self.release_overdue(now);
        self.give_back_if_due(now);
        self.release_open(now);
        match &self.phase {
            Phase::Running { since, until, .. } => {
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
                }
            }
            Phase::Draining { until, .. } if until.is_some_and(|until| now >= until) => self.next(),
            _ => {}
        }
        self.pump(now);
        match &self.phase {
            Phase::Flushing { until, .. } if now >= *until || !self.has_to_flush(now) => self.next(),
            Phase::Stopping(_) => self.move_on_stopping(now),
            _ => {}
        }
    }

    /// Whether a function may be held, and a document, until a record comes.
    fn expects_records(&self) -> bool {
        matches!(self.telemetry, Telemetry::Promised | Telemetry::Proven)
    }

    fn next(&mut self) {
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

    /// When to call [`Event::Tick`], if nothing else happens before.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let of_phase = match &self.phase {
            Phase::Running { since, until, .. } => {
                let proof = (self.telemetry == Telemetry::Promised).then(|| since.after(TELEMETRY_PROOF));
                earliest([*until, proof])
            }
            Phase::Draining { until, .. } => *until,
            Phase::Flushing { until, .. } => Some(*until),
            Phase::Stopping(stop) => Some(stop.wake_at()),
            Phase::Waiting => None,
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

    fn notice(&mut self, now: Timestamp, kind: &str, line: Line) {
        if let Some(left_out) = self.notices.due(now, kind) {
            let line = if left_out > 0 {
                line.with("left_out", Value::from(left_out))
            } else {
                line
            };
            self.effects.push(Effect::Log(line));
        }
    }
}

fn earliest<const N: usize>(times: [Option<Timestamp>; N]) -> Option<Timestamp> {
    times.into_iter().flatten().min()
}
