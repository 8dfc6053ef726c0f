//! The closed lists: what can happen to the engine, and what it can ask for.

use std::time::Duration;

use model::time::Timestamp;
pub use model::wire::telemetry::Delivery;
use model::wire::xray_api::TelemetryRecord;
use serde_json::Value;

use super::filing::{Filed, Filing};
use super::invocation::Invoked;
use super::lane::Lane;
use super::memory::Reading;
use super::outcome::Outcome;
use super::runtime_sign::RuntimeSign;
use super::sampler::Asked;
use super::span::Export;
use super::spool::Batch;
use super::tally::Foreign;
use crate::logging::Line;

/// Everything that can happen.
#[derive(Debug)]
pub enum Event {
    /// Lambda begins an invocation and waits for our next.
    Invoked(Invoked),
    /// Lambda ends the sandbox.
    Stopping(Stopping),
    /// Whether records of the Telemetry API will come.
    Subscribed(bool),
    /// Records came.
    Delivered(Delivery),
    /// Datagrams came.
    Arrived(Vec<Box<[u8]>>),
    /// A request came over TCP.
    Posted(Posted),
    /// So many datagrams were given up unseen: they came faster than they could be looked at.
    Overrun(u64),
    /// So many datagrams the system had dropped by the end: no documents of ours, but somebody misses them.
    DroppedBySystem(u64),
    /// The socket is empty: the answer to [`Effect::Drain`].
    Drained,
    /// What became of an outbound's batch on its way.
    Settled(Lane, Outcome),
    /// The tally was told (true), or could not be: the answer to [`Effect::Tell`].
    Told(bool),
    /// An outbound has ended by a defect; it can send nothing any more.
    OutboundLost(Lane),
    /// The Runtime API proxy saw something.
    Runtime(RuntimeSign),
    /// What became of work on an outbound's files: the answer to [`Effect::File`].
    Filed(Lane, Filed),
    /// Nothing arrives any more: the last chance to put what is held where the next processes find it.
    Closing,
    /// How much memory there is.
    Memory(Reading),
    /// The time that [`wake_at`](super::engine::Engine::wake_at) named has come.
    Tick,
}

/// What a request brought that was answered already.
#[derive(Debug)]
pub enum Posted {
    /// The strings of PutTraceSegments, each a document or an array of them.
    Documents(Vec<String>),
    /// A sampler's question.
    Asked(Asked),
    /// Spans of OTLP.
    Spans(Export),
    /// Something that was to be spans of OTLP, and what is wrong with it.
    Damaged(&'static str),
    /// Something that is no business of ours.
    Foreign(Foreign),
}

/// The SHUTDOWN event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopping {
    /// `spindown`, `timeout`, `failure`, or what an emulator says.
    pub reason: String,
    /// When what still runs is killed.
    pub deadline: Timestamp,
}

/// Everything the engine can ask for.
#[derive(Debug)]
pub enum Effect {
    /// Send a batch to an outbound, within the wait.
    Send(Lane, Batch, Duration),
    /// Hand over what lies in the socket, without waiting, then say [`Event::Drained`].
    Drain,
    /// Ask Lambda for the next event.
    Next,
    /// Have the allocator give back what it keeps, then say [`Event::Memory`].
    GiveBack,
    /// Forget credentials and connections: they are from before a snapshot.
    Forget,
    /// Tell X-Ray the tally (PutTelemetryRecords), within the wait.
    Tell(Lane, TelemetryRecord, Duration),
    /// Work on an outbound's spill files, then say [`Event::Filed`] before anything else happens to them.
    File(Lane, Filing),
    /// Write a line.
    Log(Line),
    /// Write this as a line of its own, as it is: metrics.
    Write(Value),
    /// Hand over what still lies in the socket, say [`Event::Closing`], write the [last word](super::engine::Engine::last_word), and
    /// end the process.
    Finish,
}
