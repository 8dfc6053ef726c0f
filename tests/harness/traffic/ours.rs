//! Our engine, the real one, behind the simulation's inputs.

use std::time::Duration;

use extension::pipeline::engine::{Config, Engine, Outbound};
use extension::pipeline::event::{Effect, Event, Stopping};
use extension::pipeline::flush::Mode;
use extension::pipeline::identity::{Emission, PlatformSegments, Rescue};
use extension::pipeline::invocation::Invoked;
use extension::pipeline::lane::{Lane, Lanes, PerLane};
use extension::pipeline::metrics::{MetricsFormat, OwnInit};
use extension::pipeline::outcome::{Answered, Outcome};
use extension::pipeline::platform::Function;
use model::size::ByteCount;
use model::time::Timestamp;
use model::trace_header::TraceHeader;
use model::wire::done;
use model::wire::telemetry::decode;
use serde_json::{Value, json};

use super::world::{DocumentId, Extension, Input, Output, Record};

const FUNCTION_SEGMENT: &str = "1122334455667788";

/// Our extension in one sandbox.
pub struct Ours {
    engine: Engine,
    /// Documents of the call under way.
    under_way: usize,
}

impl Ours {
    /// A fresh sandbox with this setting.
    pub fn new(flush: Mode) -> Self {
        let config = Config {
            outbounds: PerLane::one(Outbound::XRAY),
            emission: Emission {
                setting: PlatformSegments::Auto,
                aws: Lanes::NONE,
                rescue: Rescue::Faults,
            },
            flush,
            is_managed: false,
            function: Function {
                name: "orders-fn".into(),
                log_group: "/aws/lambda/orders-fn".into(),
                memory_mb: Some(256),
            },
            spool_budget: ByteCount::mib(8),
            spills: false,
            process_budget: ByteCount::mib(16),
            metrics: MetricsFormat::Off,
            own_init: OwnInit::default(),
            seed: 1,
        };
        let mut engine = Engine::new(config);
        engine.handle(Timestamp::default(), Event::Subscribed(true));
        Self { engine, under_way: 0 }
    }

    fn take(&mut self, now: Timestamp, event: Event) -> Vec<Output> {
        let mut outputs = Vec::new();
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for effect in self.engine.handle(now, event) {
                match effect {
                    Effect::Next => outputs.push(Output::Next),
                    Effect::Send(_, batch, _) => {
                        self.under_way = batch.documents.len();
                        let ids = batch
                            .documents
                            .iter()
                            .filter_map(|document| id_of(document.as_ref()));
                        outputs.push(Output::Send(ids.collect()));
                    }
                    Effect::Drain => events.push(Event::Drained),
                    Effect::Tell(..) => events.push(Event::Told(true)),
                    Effect::Forget
                    | Effect::Log(_)
                    | Effect::Write(_)
                    | Effect::File(..)
                    | Effect::Finish
                    | Effect::GiveBack => {}
                }
            }
        }
        outputs
    }
}

impl Extension for Ours {
    fn handle(&mut self, now: Timestamp, input: Input) -> Vec<Output> {
        let event = match input {
            Input::Invoke(number, deadline) => {
                let Ok(request_id) = request(number).parse() else {
                    return Vec::new();
                };
                Event::Invoked(Invoked {
                    request_id,
                    function_arn: "arn:aws:lambda:eu-west-1:111122223333:function:orders-fn".into(),
                    deadline,
                    header: TraceHeader::parse(&header(number)),
                })
            }
            Input::Documents(ids) => Event::Arrived(ids.into_iter().map(|id| datagram(now, id)).collect()),
            Input::Records(records) => {
                let records: Vec<Value> = records.into_iter().map(record).collect();
                Event::Delivered(decode(Value::Array(records).to_string().as_bytes()))
            }
            Input::Signal(number) => match request(number).parse() {
                Ok(request) => Event::Arrived(vec![done::datagram(&request).into()]),
                Err(_) => return Vec::new(),
            },
            Input::Answered => Event::Settled(
                Lane::FIRST,
                Outcome::Answered(Answered {
                    documents: self.under_way,
                    unprocessed: Vec::new(),
                    remark: None,
                }),
            ),
            Input::Tick => Event::Tick,
            Input::Shutdown(deadline) => Event::Stopping(Stopping {
                reason: "spindown".into(),
                deadline,
            }),
        };
        self.take(now, event)
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.engine.wake_at()
    }
}

fn request(number: u32) -> String {
    format!("r-{number}")
}

fn header(number: u32) -> String {
    format!("Root={};Parent={FUNCTION_SEGMENT};Sampled=1", root(number))
}

fn root(number: u32) -> String {
    format!("1-6a0edb41-{number:024x}")
}

fn record(record: Record) -> Value {
    let (kind, at, content) = match record {
        Record::Start(number, at) => {
            let tracing =
                json!({ "type": "X-Amzn-Trace-Id", "spanId": FUNCTION_SEGMENT, "value": header(number) });
            let content = json!({ "requestId": request(number), "version": "$LATEST", "tracing": tracing });
            ("platform.start", at, content)
        }
        Record::Done(number, at) => {
            let metrics = json!({ "durationMs": 50.0, "producedBytes": 84 });
            let content = json!({ "requestId": request(number), "status": "success", "metrics": metrics });
            ("platform.runtimeDone", at, content)
        }
    };
    json!({ "time": at.to_iso8601(), "type": kind, "record": content })
}

/// The invocation is in the trace id, the place in the segment's.
fn datagram(now: Timestamp, id: DocumentId) -> Box<[u8]> {
    let end = now.as_seconds();
    let begin = now.before(Duration::from_millis(4)).as_seconds();
    let document = json!({
        "name": "call", "type": "subsegment", "trace_id": root(id.invocation), "id": format!("{:016x}", id.place + 1),
        "parent_id": FUNCTION_SEGMENT, "start_time": begin, "end_time": end,
    });
    format!("{{\"format\":\"json\",\"version\":1}}\n{document}")
        .into_bytes()
        .into()
}

/// None for the platform's documents, which no peer has.
fn id_of(document: &[u8]) -> Option<DocumentId> {
    let document: Value = serde_json::from_slice(document).ok()?;
    let invocation = document["trace_id"].as_str()?.rsplit('-').next()?;
    let place = u32::from_str_radix(document["id"].as_str()?, 16).ok()?;
    Some(DocumentId {
        invocation: u32::from_str_radix(invocation, 16).ok()?,
        place: place.checked_sub(1)?,
    })
}
