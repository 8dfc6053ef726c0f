//! Holds traces in memory, within bounds, and answers for them.
//!
//! Invariants
//! - `bytes` is the sum over the traces; neither it nor their number exceeds its limit after a call.
//! - The trace that was longest without an update goes first, and is counted.
//! - Every document that came in is counted once: accepted, repeated or refused.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::ids::TraceId;
use model::time::Timestamp;
use model::wire::xray_api::TelemetryRecord;
use serde_json::Value;
use tokio::sync::watch;

use crate::assemble::{Compiled, Trace};
use crate::decode::Refusal;
use crate::delivery::Delivery;
use crate::document::Document;
use crate::limits::{Limits, TELEMETRY_RECORDS_KEPT};
use crate::summary::{summarize, trace_duration_seconds};
use crate::time_range::TimeRange;

/// What arrived and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls that were read: of PutTraceSegments, and OTLP requests.
    pub calls: u64,
    /// Those of them that were OTLP requests.
    pub exports: u64,
    /// Elements of `TraceSegmentDocuments` in all of them, documents in arrays and spans counted one by one.
    pub documents: u64,
    /// Those of them that came as spans.
    pub spans: u64,
    /// Spans that came as not sampled, beside the documents: nothing shows them.
    pub unsampled_spans: u64,
    /// Documents of the largest call.
    pub largest_call_documents: u64,
    /// Documents that changed their trace.
    pub accepted: u64,
    /// Documents that brought nothing new.
    pub repeated: u64,
    /// Documents that were refused, by error code.
    pub refused: BTreeMap<String, u64>,
    /// Traces that went for lack of room.
    pub evicted_traces: u64,
    /// Telemetry records received.
    pub telemetry_records: u64,
}

/// A trace as BatchGetTraces shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTrace {
    /// Its id.
    pub id: TraceId,
    /// Seconds from the earliest start to the latest end.
    pub duration_seconds: f64,
    /// Whether documents were refused because it is too large.
    pub limit_exceeded: bool,
    /// Its segments, compiled.
    pub segments: Vec<Compiled>,
}

/// One page of summaries.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The newest trace first.
    pub summaries: Vec<Value>,
    /// Start of the page's earliest trace; of the window, if the page is empty.
    pub starts: Timestamp,
    /// Traces in the window.
    pub processed: usize,
    /// Where the next page goes on, if there is one.
    pub next: Option<Position>,
}

/// A place between two summaries: all before it are newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Start of the last summary that was shown.
    pub start: Timestamp,
    /// Its trace.
    pub trace_id: TraceId,
}

/// The bounded store behind the API.
#[derive(Debug)]
pub struct Store {
    limits: Limits,
    /// A mutex, not a queue: readers want answers now, and no lock is held across an await.
    state: Mutex<State>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    traces: HashMap<TraceId, Entry>,
    /// Traces by their last update, the stalest first.
    stalest: BTreeMap<u64, TraceId>,
    updates: u64,
    bytes: usize,
    counts: Counts,
    telemetry: VecDeque<TelemetryRecord>,
}

#[derive(Debug)]
struct Entry {
    trace: Trace,
    revision: u64,
    updated: Timestamp,
    update: u64,
    limit_exceeded: bool,
}

impl Store {
    /// An empty store.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }

    /// The bounds it keeps.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes what one call brought in. Returns what was refused.
    pub fn put(&self, delivery: impl Into<Delivery>, now: Timestamp) -> Vec<Refusal> {
        let delivery = delivery.into();
        let documents = delivery.documents;
        let mut state = self.state();
        let count = u64::try_from(documents.len()).unwrap_or(u64::MAX);
        state.counts.calls += 1;
        state.counts.exports += u64::from(delivery.is_export);
        state.counts.spans += delivery.spans;
        state.counts.unsampled_spans += delivery.unsampled_spans;
        state.counts.documents += count;
        state.counts.largest_call_documents = state.counts.largest_call_documents.max(count);
        let mut refused = Vec::new();
        for document in documents {
            let taken = document.and_then(|document| state.take(document, now, &self.limits));
            if let Err(refusal) = taken {
                *state
                    .counts
                    .refused
                    .entry(refusal.code.as_str().to_owned())
                    .or_default() += 1;
                refused.push(refusal);
            }
        }
        drop(state);
        self.changes.send_modify(|changes| *changes += 1);
        refused
    }

    /// Keeps the newest telemetry records and counts all.
    pub fn put_telemetry(&self, records: Vec<TelemetryRecord>) {
        let mut state = self.state();
        for record in records {
            state.counts.telemetry_records += 1;
            if state.telemetry.len() >= TELEMETRY_RECORDS_KEPT {
                state.telemetry.pop_front();
            }
            state.telemetry.push_back(record);
        }
        drop(state);
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// One trace, compiled.
    pub fn trace(&self, id: TraceId) -> Option<StoredTrace> {
        self.state().traces.get(&id).map(Entry::compile)
    }

    /// Every trace, compiled, in order of start and id.
    pub fn traces(&self) -> Vec<StoredTrace> {
        let state = self.state();
        let mut entries: Vec<&Entry> = state.traces.values().collect();
        entries.sort_by_key(|entry| (entry.trace.start(), entry.trace.id()));
        entries.into_iter().map(Entry::compile).collect()
    }

    /// The summaries of the traces in a window, the newest first, from a position on.
    pub fn summaries(&self, range: &TimeRange, from: Option<Position>) -> Page {
        let state = self.state();
        let mut found: Vec<(Position, Timestamp, &Entry)> = state
            .traces
            .values()
            .filter_map(|entry| {
                Some((
                    entry.position()?,
                    range.matches(&entry.trace, entry.updated)?,
                    entry,
                ))
            })
            .collect();
        found.sort_by_key(|(position, ..)| std::cmp::Reverse(*position));
        let processed = found.len();
        let mut rest = found
            .into_iter()
            .filter(|(position, ..)| from.is_none_or(|from| *position < from))
            .peekable();
        let (mut summaries, mut last) = (Vec::new(), None);
        for (position, matched, entry) in rest.by_ref().take(self.limits.summaries_per_page.max(1)) {
            summaries.push(summarize(&entry.trace, entry.revision, matched));
            last = Some(position);
        }
        let next = last.filter(|_| rest.peek().is_some());
        Page {
            summaries,
            starts: last.map_or(range.start, |last| last.start),
            processed,
            next,
        }
    }

    /// What arrived so far.
    pub fn counts(&self) -> Counts {
        self.state().counts.clone()
    }

    /// Documents received so far, whatever became of them.
    pub fn received_documents(&self) -> u64 {
        self.state().counts.documents
    }

    /// The newest telemetry records, the oldest of them first.
    pub fn telemetry(&self) -> Vec<TelemetryRecord> {
        self.state().telemetry.iter().cloned().collect()
    }

    /// Changes whenever something arrived: wait on it instead of asking again and again.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// A panic while it was held cannot leave half an update that matters more than answering.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, document: Document, now: Timestamp, limits: &Limits) -> Result<(), Refusal> {
        let id = document.trace_id;
        let entry = self.traces.entry(id).or_insert_with(|| Entry::new(id, now));
        let (before, after) = (entry.trace.bytes(), entry.trace.bytes_with(&document.nodes));
        if after > limits.trace_max_bytes && after > before {
            entry.limit_exceeded = true;
            if before == 0 {
                self.traces.remove(&id);
            }
            return Err(Refusal::of_size(
                Some(document.id),
                "Trace",
                after,
                limits.trace_max_bytes,
            ));
        }
        if !entry.trace.absorb(document.nodes) {
            self.counts.repeated += 1;
            return Ok(());
        }
        self.counts.accepted += 1;
        self.updates += 1;
        entry.revision += 1;
        entry.updated = now;
        self.stalest.remove(&entry.update);
        entry.update = self.updates;
        self.stalest.insert(self.updates, id);
        self.bytes = self
            .bytes
            .saturating_sub(before)
            .saturating_add(entry.trace.bytes());
        self.make_room(limits);
        Ok(())
    }

    fn make_room(&mut self, limits: &Limits) {
        while self.traces.len() > limits.traces_max || self.bytes > limits.store_max_bytes {
            let Some((_, stalest)) = self.stalest.pop_first() else {
                break;
            };
            let gone = self.traces.remove(&stalest);
            self.bytes = self
                .bytes
                .saturating_sub(gone.map_or(0, |entry| entry.trace.bytes()));
            self.counts.evicted_traces += 1;
        }
    }
}

impl Entry {
    fn new(id: TraceId, now: Timestamp) -> Self {
        Self {
            trace: Trace::new(id),
            revision: 0,
            updated: now,
            update: 0,
            limit_exceeded: false,
        }
    }

    fn position(&self) -> Option<Position> {
        Some(Position {
            start: self.trace.start()?,
            trace_id: self.trace.id(),
        })
    }

    fn compile(&self) -> StoredTrace {
        StoredTrace {
            id: self.trace.id(),
            duration_seconds: trace_duration_seconds(&self.trace),
            limit_exceeded: self.limit_exceeded,
            segments: self.trace.compile(),
        }
    }
}

#[cfg(test)]
mod tests;
