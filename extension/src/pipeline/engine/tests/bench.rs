//! What the scenarios are written in: an engine, a clock that is moved by hand, and what it asked for.

use std::collections::VecDeque;
use std::time::Duration;

use model::size::ByteCount;
use model::time::Timestamp;
use model::trace_header::TraceHeader;
use model::wire::telemetry::decode;
use model::wire::xray_api::TelemetryRecord;
use serde_json::{Value, json};

use super::super::{Config, Engine, Outbound};
use crate::logging::Line;
use crate::pipeline::document::Form;
use crate::pipeline::event::{Effect, Event, Stopping};
use crate::pipeline::filing::Filing;
use crate::pipeline::flush::Mode;
use crate::pipeline::identity::{Emission, PlatformSegments, Rescue};
use crate::pipeline::invocation::Invoked;
use crate::pipeline::lane::{Lane, Lanes, PerLane};
use crate::pipeline::memory::{Process, Reading};
use crate::pipeline::metrics::{MetricsFormat, OwnInit};
use crate::pipeline::outcome::{Answered, Failure, FailureKind, Outcome, Unprocessed};
use crate::pipeline::platform::Function;
use crate::pipeline::span::Surroundings;
use crate::pipeline::spool::Batch;
use crate::spill::store::Store;
use crate::spill::temporary::Temporary;

pub(super) const ROOT: &str = "1-6a0edb41-00112233445566778899aabb";
/// Function segment of an actively traced function.
pub(super) const S: &str = "1122334455667788";
/// The front end's AWS::Lambda segment.
pub(super) const W: &str = "aabbccddeeff0011";
/// The caller's subsegment.
pub(super) const U: &str = "0123456789abcdef";
/// An Invocation subsegment that nobody announced.
pub(super) const V: &str = "4444444444444444";
const ARN: &str = "arn:aws:lambda:eu-west-1:111122223333:function:orders-fn";
/// 2026-05-21T10:15:29.000Z
const BEGINNING_MS: i64 = 1_779_358_529_000;
/// The function's time, as in `deadlineMs`.
pub(super) const TIMEOUT: Duration = Duration::from_millis(3000);

pub(super) struct Bench {
    pub(super) engine: Engine,
    /// Spill files; a store of nothing unless a test has it otherwise.
    pub(super) files: PerLane<Store>,
    /// Work on the files that is still to be done, for those who play a slow disk.
    pub(super) filings: Option<VecDeque<(Lane, Filing)>>,
    pub(super) now: Timestamp,
    /// Batches that were to be sent to the first outbound and are not settled.
    pub(super) sending: Vec<(Batch, Duration)>,
    /// The same of the other outbounds.
    pub(super) elsewhere: Vec<(Lane, Batch)>,
    /// Documents that were taken.
    pub(super) delivered: Vec<Value>,
    pub(super) nexts: usize,
    /// When the last call began, for those who play a destination.
    pub(super) called: Timestamp,
    pub(super) lines: Vec<Line>,
    pub(super) forgotten: usize,
    /// How often the allocator was asked for what it keeps.
    pub(super) given_back: usize,
    /// The record that X-Ray was told.
    pub(super) told: Option<TelemetryRecord>,
    /// Everything that X-Ray was told, with what it did not take.
    pub(super) records: Vec<TelemetryRecord>,
    pub(super) takes_records: bool,
    pub(super) metrics: Vec<Value>,
    pub(super) finished: Option<Line>,
}

impl Config {
    /// That of a function of 256 MB, whose documents go to a local endpoint and never to files.
    pub(crate) fn of_tests() -> Self {
        Self {
            outbounds: PerLane::one(Outbound::XRAY),
            emission: Emission {
                setting: PlatformSegments::Auto,
                aws: Lanes::NONE,
                rescue: Rescue::Faults,
            },
            flush: Mode::Adaptive,
            is_managed: false,
            function: Function {
                name: "orders-fn".into(),
                log_group: "/aws/lambda/orders-fn".into(),
                memory_mb: Some(256),
            },
            spool_budget: ByteCount::mib(8),
            process_budget: ByteCount::mib(16),
            metrics: MetricsFormat::Off,
            own_init: OwnInit::default(),
            spills: false,
            seed: 1,
        }
    }
}

impl Bench {
    /// Documents go to a local endpoint.
    pub(super) fn new() -> Self {
        Self::with(|_| ())
    }

    /// With spill files, and room in memory for little.
    pub(super) fn spilling(temporary: &Temporary, memory: ByteCount, limit: ByteCount) -> Self {
        let mut bench = Self::with(|config| {
            config.spool_budget = memory;
            config.spills = true;
        });
        *bench.files.of_mut(Lane::FIRST) = Store::new(&temporary.0, limit);
        bench
    }

    /// With so many outbounds, the first of which is X-Ray.
    pub(super) fn with_lanes(count: usize, change: impl FnOnce(&mut Config)) -> Self {
        let others = ["second", "third", "fourth"].map(|name| Outbound {
            name,
            takes_tally: false,
        });
        Self::with(|config| {
            config.outbounds = PerLane::of_all(Outbound::XRAY, others.into_iter().take(count - 1));
            change(config);
        })
    }

    /// The lanes there are.
    pub(super) fn lanes(&self) -> Vec<Lane> {
        self.files.lanes().each().collect()
    }

    pub(super) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::of_tests();
        change(&mut config);
        Self {
            files: config.outbounds.map(|_| Store::none()),
            engine: Engine::new(config),
            filings: None,
            now: Timestamp::from_millis(BEGINNING_MS),
            sending: Vec::new(),
            elsewhere: Vec::new(),
            delivered: Vec::new(),
            nexts: 0,
            called: Timestamp::default(),
            lines: Vec::new(),
            forgotten: 0,
            given_back: 0,
            told: None,
            records: Vec::new(),
            takes_records: true,
            metrics: Vec::new(),
            finished: None,
        }
    }

    /// The engine's wish to be woken is granted up to this time.
    pub(super) fn wait(&mut self, wait: Duration) {
        let end = self.now.after(wait);
        while let Some(wake) = self.engine.wake_at().filter(|wake| *wake <= end) {
            assert!(wake >= self.now || self.engine.wake_at() == Some(wake));
            let before = self.progress();
            self.now = self.now.max(wake);
            self.event(Event::Tick);
            assert!(
                before != self.progress() || self.engine.wake_at() != Some(wake),
                "the engine spins at {wake:?}"
            );
        }
        self.now = end;
    }

    fn progress(&self) -> (Timestamp, usize, usize, usize) {
        let sending = self.sending.len() + self.elsewhere.len();
        (self.now, self.nexts, sending, self.lines.len())
    }

    /// Nobody is woken while this passes.
    pub(super) fn freeze(&mut self, lasts: Duration) {
        self.now = self.now.after(lasts);
    }

    /// A recorder says that this request is done.
    pub(super) fn done_datagram(&mut self, request: &str) {
        let datagram = model::wire::done::datagram(&request.parse().unwrap());
        self.event(Event::Arrived(vec![datagram.into()]));
    }

    pub(super) fn event(&mut self, event: Event) {
        let mut is_finished = false;
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for effect in self.engine.handle(self.now, event) {
                match effect {
                    Effect::Send(Lane::FIRST, batch, wait) => {
                        self.called = self.now;
                        self.sending.push((batch, wait));
                    }
                    Effect::Send(lane, batch, _) => self.elsewhere.push((lane, batch)),
                    Effect::Drain => events.push_back(Event::Drained),
                    Effect::Next => self.nexts += 1,
                    Effect::GiveBack => self.given_back += 1,
                    Effect::Forget => self.forgotten += 1,
                    Effect::Tell(_, record, _) => {
                        self.records.push(record.clone());
                        self.told = Some(record);
                        events.push_back(Event::Told(self.takes_records));
                    }
                    Effect::File(lane, filing) => match &mut self.filings {
                        Some(filings) => filings.push_back((lane, filing)),
                        None => {
                            let filed = self.files.of_mut(lane).perform(filing);
                            events.push_back(Event::Filed(lane, filed));
                        }
                    },
                    Effect::Log(line) => self.lines.push(line),
                    Effect::Write(line) => self.metrics.push(line),
                    Effect::Finish => {
                        is_finished = true;
                        events.push_back(Event::Closing);
                    }
                }
            }
        }
        if is_finished {
            self.metrics.extend(self.engine.untold_metrics(self.now));
            self.finished = Some(self.engine.last_word());
        }
        for lane in self.files.lanes().each() {
            if self.filings.is_none() {
                let in_file = self.files.of(lane).documents();
                assert_eq!(self.engine.held_by(lane).in_file, in_file);
            }
            let held = self.engine.held_documents(lane);
            assert!(
                self.engine.tally().of(lane).is_balanced(held),
                "{lane:?}: {:?} with {held} held",
                self.engine.tally()
            );
        }
    }

    /// The next work on the files, where it is not done at once.
    pub(super) fn next_filing(&mut self) -> Option<Filing> {
        let (_, filing) = self.filings.as_mut()?.pop_front()?;
        Some(filing)
    }

    pub(super) fn invoke(&mut self, request: &str, header: &str) {
        let invoked = Invoked {
            request_id: request.parse().unwrap(),
            function_arn: format!("{ARN}:live").into(),
            deadline: self.now.after(TIMEOUT),
            header: TraceHeader::parse(header),
        };
        self.event(Event::Invoked(invoked));
    }

    /// Records generated now: pairs of type and record.
    pub(super) fn records<const N: usize>(&mut self, records: [(&str, Value); N]) {
        let time = self.now.to_iso8601();
        let elements: Vec<Value> = records
            .into_iter()
            .map(|(kind, record)| json!({ "time": time, "type": kind, "record": record }))
            .collect();
        self.deliver(&Value::Array(elements));
    }

    pub(super) fn deliver(&mut self, elements: &Value) {
        let delivery = decode(elements.to_string().as_bytes());
        assert_eq!(delivery.rejects.total(), 0, "{elements}");
        self.event(Event::Delivered(delivery));
    }

    pub(super) fn datagram(&mut self, body: &str) {
        let datagram = format!("{{\"format\":\"json\",\"version\":1}}\n{body}");
        self.event(Event::Arrived(vec![datagram.into_bytes().into()]));
    }

    /// A subsegment of the function's own.
    pub(super) fn subsegment(&mut self, id: &str, parent: &str) {
        self.datagram(&subsegment(id, parent, json!({})));
    }

    pub(super) fn stop(&mut self, reason: &str) {
        let deadline = self.now.after(Duration::from_millis(2000));
        self.event(Event::Stopping(Stopping {
            reason: reason.into(),
            deadline,
        }));
    }

    /// X-Ray takes everything that is on its way and what follows.
    pub(super) fn accept(&mut self) {
        while self.answer() {}
    }

    /// X-Ray takes what is on its way. False if there is nothing.
    pub(super) fn answer(&mut self) -> bool {
        let Some((batch, _)) = self.sending.pop() else {
            return false;
        };
        for document in batch.documents.iter() {
            self.delivered.push(match &document.form {
                Form::Segment => serde_json::from_slice(&document.bytes).unwrap(),
                Form::Span(surroundings) => told(&document.bytes, surroundings),
            });
        }
        let documents = batch.documents.len();
        drop(batch);
        self.event(Event::Settled(
            Lane::FIRST,
            Outcome::Answered(Answered {
                documents,
                ..Answered::default()
            }),
        ));
        true
    }

    pub(super) fn fail(&mut self, kind: FailureKind) {
        assert!(self.sending.pop().is_some(), "nothing is on its way");
        self.event(Event::Settled(
            Lane::FIRST,
            Outcome::Failed(Failure {
                kind,
                message: "it failed".into(),
            }),
        ));
    }

    /// What another outbound than the first says of its batch on its way; documents that it had.
    pub(super) fn settle_elsewhere(&mut self, lane: Lane, unprocessed: Vec<Unprocessed>) -> Vec<Value> {
        let place = self.elsewhere.iter().position(|(one, _)| *one == lane);
        let (_, batch) = self.elsewhere.remove(place.expect("a batch is on its way"));
        let documents = batch.documents.iter();
        let documents = documents.map(|document| serde_json::from_slice(&document.bytes).unwrap());
        let documents: Vec<Value> = documents.collect();
        drop(batch);
        self.event(Event::Settled(
            lane,
            Outcome::Answered(Answered {
                documents: documents.len(),
                unprocessed,
                remark: None,
            }),
        ));
        documents
    }

    /// The batch on its way to another outbound than the first fails.
    pub(super) fn fail_elsewhere(&mut self, lane: Lane, kind: FailureKind) {
        let place = self.elsewhere.iter().position(|(one, _)| *one == lane);
        drop(self.elsewhere.remove(place.expect("a batch is on its way")));
        let message = "it failed".into();
        self.event(Event::Settled(lane, Outcome::Failed(Failure { kind, message })));
    }

    /// The delivered document of this name; there is exactly one.
    #[track_caller]
    pub(super) fn document(&self, name: &str) -> &Value {
        let found: Vec<&Value> = self
            .delivered
            .iter()
            .filter(|document| {
                document["origin"] == name || (document["origin"].is_null() && document["name"] == name)
            })
            .collect();
        assert_eq!(found.len(), 1, "{name} among {:?}", self.outline());
        found[0]
    }

    /// What was delivered, one line each: id, name or origin, parent.
    pub(super) fn outline(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        self.delivered
            .iter()
            .map(|document| {
                let name = if document["origin"].is_null() {
                    &document["name"]
                } else {
                    &document["origin"]
                };
                format!(
                    "{} {} under {}",
                    text(&document["id"]),
                    text(name),
                    text(&document["parent_id"])
                )
            })
            .collect()
    }

    /// Names of the subsegments nested in the function's segment.
    pub(super) fn parts(&self) -> Vec<String> {
        let function = self.document("AWS::Lambda::Function");
        function["subsegments"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| part["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// A span in words that segments have.
fn told(span: &[u8], surroundings: &Surroundings) -> Value {
    let span = model::otlp::decode::span(span).unwrap();
    let schema = String::from_utf8_lossy(surroundings.group().resource_schema);
    let parent = span.parent.map(|id| id.to_string());
    json!({ "name": span.name, "id": span.span_id.to_string(), "parent_id": parent, "schema": schema })
}

pub(super) fn subsegment(id: &str, parent: &str, more: Value) -> String {
    let mut document = json!({
        "name": format!("call {id}"), "type": "subsegment", "trace_id": ROOT, "id": id, "parent_id": parent,
        "start_time": 1_779_358_529.2, "end_time": 1_779_358_529.3,
    });
    document
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    document.to_string()
}

pub(super) fn header(parent: &str) -> String {
    format!("Root={ROOT};Parent={parent};Sampled=1")
}

pub(super) fn tracing(span_id: Option<&str>, parent: &str) -> Value {
    let mut tracing = json!({ "type": "X-Amzn-Trace-Id", "value": header(parent) });
    if let Some(span_id) = span_id {
        tracing["spanId"] = span_id.into();
    }
    tracing
}

pub(super) fn start(request: &str, tracing: Value) -> (&'static str, Value) {
    (
        "platform.start",
        json!({ "requestId": request, "version": "$LATEST", "tracing": tracing }),
    )
}

pub(super) fn done(request: &str, status: &str) -> (&'static str, Value) {
    (
        "platform.runtimeDone",
        json!({ "requestId": request, "status": status, "metrics": { "durationMs": 250.0, "producedBytes": 84 } }),
    )
}

pub(super) fn report(request: &str) -> (&'static str, Value) {
    let record = json!({
        "requestId": request, "status": "success",
        "metrics": { "durationMs": 300.5, "billedDurationMs": 301, "memorySizeMB": 256, "maxMemoryUsedMB": 91 },
        "spans": [{ "name": "extensionOverhead", "start": "2026-05-21T10:15:29.960Z", "durationMs": 50.2 }],
    });
    ("platform.report", record)
}

/// A reading of memory, in MiB.
pub(super) fn reading(resident: u64, available: u64) -> Reading {
    Reading {
        process: Some(Process {
            resident: ByteCount::mib(resident),
            ..Process::default()
        }),
        available: Some(ByteCount::mib(available)),
        limit: None,
    }
}
