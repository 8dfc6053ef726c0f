//! The state machine: an event in, effects out.
//!
//! The only way state changes. Never waits, never reads a clock.
//!
//! Invariants
//! - Every INVOKE is answered by exactly one [`Effect::Next`], at the latest at its deadline less a margin.
//! - Nothing waits for a record that cannot come.
//! - SHUTDOWN ends in exactly one [`Effect::Finish`], at the latest at its deadline less a margin.

mod filing;
mod intake;
mod lane_state;
mod memory;
mod opened;
mod passing;
mod phases;
mod reporting;
mod runtime_signs;
mod sending;
mod settling;
mod stopping;
mod telling;

#[cfg(test)]
mod tests;

use model::ids::RequestId;
use model::size::ByteCount;
use model::time::Timestamp;
use model::wire::runtime_error::Raised;
use model::wire::telemetry::{Delivery, Event as RecordEvent, Record};
use serde_json::Value;

use super::breaker::Breaker;
use super::event::{Effect, Event};
use super::evidence::Evidence;
use super::flush::{Mode, Policy};
use super::identity::{Emission, Identity, Occasion};
use super::invocations::{Change, Invocations};
use super::lane::{Lane, Lanes, PerLane};
use super::memory::Memory;
use super::metrics::{MetricsFormat, OwnInit};
use super::notices::Notices;
use super::platform::Function;
use super::repeats::Repeats;
use super::spool::Spool;
use super::tally::Tally;
use crate::limits::KIND_CHARS;
use crate::logging::{Level, Line};
use lane_state::LaneState;
use opened::open_share;
use passing::Passing;
use phases::Phase;
use reporting::Reports;

/// Where documents go.
#[derive(Debug, Clone, Copy)]
pub struct Outbound {
    /// In the tally.
    pub name: &'static str,
    /// Whether it is X-Ray itself, which takes an account of what was sent.
    pub takes_tally: bool,
}

impl Outbound {
    /// X-Ray's own API.
    pub const XRAY: Self = Self {
        name: "xray",
        takes_tally: true,
    };
}

/// What the engine is told once.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where documents go: each with a lane of its own.
    pub outbounds: PerLane<Outbound>,
    /// When the platform's segments are made here.
    pub emission: Emission,
    /// When documents leave.
    pub flush: Mode,
    /// Managed instances: many requests at once, no INVOKE, no freeze.
    pub is_managed: bool,
    /// The function.
    pub function: Function,
    /// Bytes of documents held until memory is read for the first time.
    pub spool_budget: ByteCount,
    /// Bytes of the whole process.
    pub process_budget: ByteCount,
    /// Whether and how metrics are written.
    pub metrics: MetricsFormat,
    /// How long the start took.
    pub own_init: OwnInit,
    /// Whether documents that memory has no room for may go to files.
    pub spills: bool,
    /// Different in every sandbox: spreads retries.
    pub seed: u64,
}

impl Config {
    /// The outbounds that the platform's segments of a request are made for.
    fn told_to(&self, identity: &Identity, occasion: Occasion) -> Lanes {
        self.emission.tells(identity, occasion, self.outbounds.lanes())
    }

    /// Whether it is known from the start that they are made for any.
    fn is_told(&self, identity: &Identity) -> bool {
        !self.told_to(identity, Occasion::default()).is_empty()
    }
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
    lanes: PerLane<LaneState>,
    policy: Policy,
    passing: Passing,
    reports: Reports,
    tally: Tally,
    notices: Notices,
    /// Why the runtime could not start, until an invocation is blamed on it.
    not_started: Raised,
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
            spool: filing::spool(&config),
            evidence: Evidence::new(open_share(config.spool_budget)),
            share: config.spool_budget,
            memory: Memory::new(
                config.process_budget,
                config.function.memory_mb.map(ByteCount::mib),
            ),
            repeats: Repeats::default(),
            lanes: lanes(&config),
            policy: Policy::new(config.flush),
            passing: Passing::default(),
            reports: Reports::new(&config),
            tally: Tally::new(config.outbounds.map(|outbound| outbound.name)),
            notices: Notices::default(),
            not_started: Raised::default(),
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

    /// What lay in the socket when everything else was over: held, and told so.
    fn count_straggler(&mut self, now: Timestamp, event: Event) {
        match event {
            Event::Arrived(datagrams) => self.take_in(datagrams),
            Event::Posted(posted) => self.take_posted(now, posted),
            Event::Overrun(datagrams) => self.overrun(now, datagrams),
            Event::DroppedBySystem(datagrams) => self.dropped_by_system(now, datagrams),
            Event::Runtime(sign) => self.sign(sign),
            Event::Filed(lane, filed) => self.filed(now, lane, filed),
            Event::Closing => self.save_what_is_left(),
            _ => {}
        }
    }

    /// Takes one event and says what to do.
    pub fn handle(&mut self, now: Timestamp, event: Event) -> Vec<Effect> {
        self.note_freeze(now);
        self.now = now;
        if matches!(self.phase, Phase::Stopped(_)) {
            self.count_straggler(now, event);
        } else {
            match event {
                Event::Invoked(invoked) => self.begin(now, invoked),
                Event::Stopping(stopping) => self.stop(now, stopping),
                Event::Subscribed(is_subscribed) => self.subscribed(is_subscribed),
                Event::Delivered(delivery) => self.observe(now, delivery),
                Event::Arrived(datagrams) => self.take_in(datagrams),
                Event::Posted(posted) => self.take_posted(now, posted),
                Event::Overrun(datagrams) => self.overrun(now, datagrams),
                Event::DroppedBySystem(datagrams) => self.dropped_by_system(now, datagrams),
                Event::Drained => self.drained(now),
                Event::Settled(lane, outcome) => self.settle(now, lane, outcome),
                Event::Told(is_taken) => self.told(is_taken),
                Event::Memory(reading) => self.sense(now, &reading),
                Event::OutboundLost(lane) => self.lose_outbound(lane),
                Event::Runtime(sign) => self.sign(sign),
                Event::Filed(lane, filed) => self.filed(now, lane, filed),
                Event::Closing | Event::Tick => {}
            }
            self.leave_room();
            self.move_on(now);
            self.report(now);
        }
        self.work_on_files(now);
        std::mem::take(&mut self.effects)
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
                self.expect_no_ends();
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
            Change::Started(request) => self.started(&request),
            Change::Done(request) => {
                self.note_ending(&request);
                match &self.phase {
                    Phase::Running { request: running, .. } if *running == request => self.drain(&request),
                    // INVOKE is still to be read: it will find the invocation done.
                    Phase::Waiting | Phase::Passing { .. } | Phase::Running { .. }
                        if self.is_ahead_of_invoke(&request) => {}
                    Phase::Draining {
                        request: draining, ..
                    } if *draining == request => {}
                    _ => self.close_unless_report_tells_more(now, &request),
                }
                self.passed(now, &request);
            }
            Change::LateReport(at, report) => self.tell_late_report(at, &report),
            Change::Reported(request) => match &self.phase {
                // The runtimeDone was lost: the report ends the invocation just as well.
                Phase::Running { request: current, .. } | Phase::Draining { request: current, .. }
                    if *current == request =>
                {
                    self.drain(&request);
                }
                _ => {
                    self.close(now, &request);
                    self.passed(now, &request);
                }
            },
            Change::Restored => {
                // Every sandbox restored from one snapshot has the same seed, and what was learned before it.
                let mut seed = now.as_micros().unsigned_abs();
                for (_, lane) in self.lanes.each_mut() {
                    lane.sending.reseed(seed);
                    lane.breaker = Breaker::default();
                    seed = seed.wrapping_add(1);
                }
                self.policy.forget();
                self.effects.push(Effect::Forget);
            }
        }
    }

    /// On a fresh sandbox records can overtake the INVOKE event. Managed instances have none to overtake.
    fn is_ahead_of_invoke(&self, request: &RequestId) -> bool {
        let invocation = self.invocations.find(request);
        !self.config.is_managed && invocation.is_some_and(|invocation| invocation.invoked_at.is_none())
    }

    /// Whether a function may be held, and a document, until a record comes.
    fn expects_records(&self) -> bool {
        matches!(self.telemetry, Telemetry::Promised | Telemetry::Proven)
    }

    /// A notice about one outbound.
    fn notice_of(&mut self, lane: Lane, kind: &str, line: Line) {
        if self.lanes.are_several() {
            let name = self.config.outbounds.of(lane).name;
            self.notice(self.now, &format!("{name} {kind}"), line.with("outbound", name));
        } else {
            self.notice(self.now, kind, line);
        }
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

fn lanes(config: &Config) -> PerLane<LaneState> {
    let mut seed = config.seed;
    config.outbounds.map(|_| {
        let lane = LaneState::new(seed, config.spills);
        seed = seed.wrapping_add(1);
        lane
    })
}
