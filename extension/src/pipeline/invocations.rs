//! Every invocation that is open, the last ones that closed, and how the sandbox started.
//!
//! Records and events arrive in any order and more than once; everything is keyed by the request id.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use model::ids::{RequestId, TraceId};
use model::time::Timestamp;
use model::trace_header::TraceHeader;
use model::wire::runtime_error::Raised;
use model::wire::telemetry::{Event as RecordEvent, Init, InitKind, Measure, Phase, Record, Report, Status};

use super::attach::Observed;
use super::failure::FailureKind;
use super::identity::Identity;
use super::invocation::{Invocation, Invoked};
use super::lane::Lanes;
use super::platform::SandboxStart;
use crate::limits::{CLOSED_INVOCATIONS, INIT_BELONGS, OPEN_INVOCATIONS};

/// An invocation that has been told.
#[derive(Debug, Clone)]
pub struct Closed {
    /// Which.
    pub request_id: RequestId,
    /// Its place in the trace, if it had one.
    pub identity: Option<Identity>,
    /// The outbounds that its segments were made for.
    pub told: Lanes,
    /// Whether its report has come, or cannot come any more.
    pub is_reported: bool,
    /// How it failed, if it did.
    pub failure: Option<FailureKind>,
}

/// What a record led to, beyond being remembered.
#[derive(Debug, PartialEq)]
pub enum Change {
    /// The identity of this invocation is known now.
    Started(RequestId),
    /// The runtime is done with this invocation.
    Done(RequestId),
    /// The report of an invocation that is still open.
    Reported(RequestId),
    /// The report of an invocation that is closed already.
    LateReport(Timestamp, Box<Report>),
    /// Credentials and connections from before a snapshot are worth nothing now.
    Restored,
}

/// See the module.
#[derive(Default)]
pub struct Invocations {
    open: VecDeque<Invocation>,
    closed: VecDeque<Closed>,
    sandbox_start: Option<SandboxStart>,
    /// Ids that the open ones remember together.
    observed_in_all: Arc<AtomicUsize>,
}

impl Invocations {
    /// The INVOKE event was read.
    pub fn invoked(&mut self, now: Timestamp, invoked: Invoked) {
        if let Some(invocation) = self.open(&invoked.request_id.clone()) {
            invocation.invoked(now, invoked);
        }
    }

    /// The runtime was told a decision made here, in this header.
    pub fn decided(&mut self, id: &RequestId, header: TraceHeader) {
        if let Some(invocation) = self.open(id) {
            invocation.decided(header);
        }
    }

    /// The runtime reported that an invocation failed. A second report changes nothing.
    pub fn threw(&mut self, id: &RequestId, thrown: Raised) {
        if let Some(invocation) = self.open(id).filter(|invocation| invocation.thrown.is_empty()) {
            invocation.thrown = thrown;
        }
    }

    /// Notes one record.
    pub fn note(&mut self, record: Record) -> Option<Change> {
        let Record { time, event } = record;
        match event {
            RecordEvent::InitStart(init) => self.init_started(time, &init),
            RecordEvent::InitReport(init) => self.init_ended(time, &init),
            RecordEvent::RestoreStart => self.sandbox_start = Some(restore(time)),
            RecordEvent::RestoreReport(measure) => return self.restored(time, &measure),
            RecordEvent::Start(start) => {
                let id = start.request_id.clone();
                self.open(&id)?.started(time, start);
                return Some(Change::Started(id));
            }
            RecordEvent::RuntimeDone(done) => {
                let id = done.request_id.clone();
                self.open(&id)?.done(time, done);
                return Some(Change::Done(id));
            }
            RecordEvent::Report(report) => return self.reported(time, report),
            RecordEvent::Fault { request_id, text } => self.faulted(&request_id, text),
            RecordEvent::InitRuntimeDone(_)
            | RecordEvent::RestoreRuntimeDone(_)
            | RecordEvent::LogsDropped { .. }
            | RecordEvent::Ignored
            | RecordEvent::Unknown(_) => {}
        }
        None
    }

    fn faulted(&mut self, id: &RequestId, text: Box<str>) {
        let known = self.open.iter_mut().find(|one| one.request_id == *id);
        if let Some(invocation) = known {
            invocation.fault.get_or_insert(text);
        }
    }

    fn reported(&mut self, time: Timestamp, report: Report) -> Option<Change> {
        let id = report.request_id.clone();
        if let Some(closed) = self.closed.iter_mut().find(|closed| closed.request_id == id) {
            let is_first = !std::mem::replace(&mut closed.is_reported, true);
            return is_first.then(|| Change::LateReport(time, Box::new(report)));
        }
        let known = self
            .open
            .iter_mut()
            .find(|invocation| invocation.request_id == id);
        // The report of a request nobody told us of: another sandbox's past, or managed instances' lost start.
        known?.reported(time, report);
        Some(Change::Reported(id))
    }

    fn init_started(&mut self, time: Timestamp, init: &Init) {
        // Publish-time inits of snapshots are replayed days later, with the first restore.
        let is_snapshot = init.kind == InitKind::SnapStart || init.phase == Phase::SnapStart;
        let is_restored = self
            .sandbox_start
            .as_ref()
            .is_some_and(|start| start.name == "Restore");
        // Managed instances start for many requests at once: none of them waited.
        if is_snapshot || is_restored || init.kind == InitKind::ManagedInstances {
            return;
        }
        self.sandbox_start = Some(SandboxStart {
            name: "Initialization",
            start: time,
            end: None,
            kind: init.kind,
            runtime_version: init.runtime_version.clone(),
        });
    }

    fn init_ended(&mut self, time: Timestamp, init: &Init) {
        if init.kind == InitKind::SnapStart || init.phase == Phase::SnapStart {
            return;
        }
        if let Some(start) = self
            .sandbox_start
            .as_mut()
            .filter(|start| start.name == "Initialization")
        {
            start.end = Some(
                init.measure
                    .duration
                    .map_or(time, |duration| start.start.after(duration)),
            );
        }
    }

    fn restored(&mut self, time: Timestamp, measure: &Measure) -> Option<Change> {
        let start = self
            .sandbox_start
            .as_mut()
            .filter(|start| start.name == "Restore" && start.end.is_none())?;
        start.end = Some(
            measure
                .duration
                .map_or(time, |duration| start.start.after(duration)),
        );
        (measure.status != Status::Timeout).then_some(Change::Restored)
    }

    /// The invocation of this id, opened if need be. None if it is closed already.
    fn open(&mut self, id: &RequestId) -> Option<&mut Invocation> {
        if self.closed.iter().any(|closed| closed.request_id == *id) {
            return None;
        }
        let place = self
            .open
            .iter()
            .position(|invocation| invocation.request_id == *id);
        if place.is_none() {
            let mut invocation = Invocation::new(id.clone());
            invocation.observed = Observed::beside(&self.observed_in_all);
            self.open.push_back(invocation);
        }
        match place {
            Some(place) => self.open.get_mut(place),
            None => self.open.back_mut(),
        }
    }

    /// The oldest invocation while there are more than [`OPEN_INVOCATIONS`].
    pub fn overdue(&self) -> Option<RequestId> {
        let oldest = self.open.front().filter(|_| self.open.len() > OPEN_INVOCATIONS);
        oldest.map(|invocation| invocation.request_id.clone())
    }

    /// The open invocation of this id.
    pub fn find(&self, id: &RequestId) -> Option<&Invocation> {
        self.open.iter().find(|invocation| invocation.request_id == *id)
    }

    /// The same, to take note of its documents.
    pub fn find_mut(&mut self, id: &RequestId) -> Option<&mut Invocation> {
        self.open
            .iter_mut()
            .find(|invocation| invocation.request_id == *id)
    }

    /// The traces of all that are open but this one.
    pub fn traces_but(&self, id: &RequestId) -> Vec<TraceId> {
        let others = self.open.iter().filter(|invocation| invocation.request_id != *id);
        others.filter_map(Invocation::trace_id).collect()
    }

    /// The open invocation of this trace; the latest, should one trace have called the function twice.
    pub fn of_trace(&mut self, trace: TraceId) -> Option<&mut Invocation> {
        self.open
            .iter_mut()
            .rev()
            .find(|invocation| invocation.trace_id() == Some(trace))
    }

    /// The closed invocation of this trace, the latest.
    pub fn closed_of_trace(&self, trace: TraceId) -> Option<&Closed> {
        let of = |closed: &&Closed| closed.identity.is_some_and(|identity| identity.trace_id == trace);
        self.closed.iter().rev().find(of)
    }

    /// The closed invocation of this id.
    pub fn find_closed(&self, id: &RequestId) -> Option<&Closed> {
        self.closed.iter().find(|closed| closed.request_id == *id)
    }

    /// Takes an open invocation out, to be told.
    pub fn take(&mut self, id: &RequestId) -> Option<Invocation> {
        let place = self
            .open
            .iter()
            .position(|invocation| invocation.request_id == *id)?;
        self.open.remove(place)
    }

    /// The ids of all that are open, oldest first.
    pub fn open_ids(&self) -> Vec<RequestId> {
        self.open
            .iter()
            .map(|invocation| invocation.request_id.clone())
            .collect()
    }

    /// Remembers an invocation that has been told.
    pub fn remember(&mut self, closed: Closed) {
        if self.closed.len() >= CLOSED_INVOCATIONS {
            self.closed.pop_front();
        }
        self.closed.push_back(closed);
    }

    /// How the sandbox started, for the first request told after it: given once.
    pub fn take_sandbox_start(&mut self, first_request: Timestamp) -> Option<SandboxStart> {
        let start = self.sandbox_start.take()?;
        let is_near = first_request.since(start.end.unwrap_or(start.start)) <= INIT_BELONGS;
        (is_near || start.kind == InitKind::ProvisionedConcurrency).then_some(start)
    }

    /// Whether records are still to come for a request: one is open, or the last one told lacks its report.
    pub fn awaits_records(&self) -> bool {
        !self.open.is_empty() || self.closed.back().is_some_and(|closed| !closed.is_reported)
    }
}

fn restore(time: Timestamp) -> SandboxStart {
    SandboxStart {
        name: "Restore",
        start: time,
        end: None,
        kind: InitKind::SnapStart,
        runtime_version: None,
    }
}
