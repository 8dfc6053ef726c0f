//! Reads a delivery element by element.
//!
//! Never fails as a whole: a refused delivery is sent again, and one record kind that we have not met
//! must not cost its neighbours.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::records::{
    Event, Init, InitKind, Measure, Phase, Record, Report, RuntimeDone, Span, SpanName, Start, Status,
    Tracing,
};
use crate::ids::RequestId;
use crate::limits::FAULT_TEXT_MAX_CHARS;
use crate::time::Timestamp;
use crate::trace_header::TraceHeader;

/// What one POST of the Telemetry API carried.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Delivery {
    /// What was understood, in its order; unknown kinds are [`Event::Unknown`].
    pub records: Vec<Record>,
    /// What was not.
    pub rejects: Rejects,
}

/// Elements that gave nothing, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rejects {
    /// Bodies that are not a JSON array, or whose end is damaged.
    pub damaged: u64,
    /// Elements that are not objects with a `type`.
    pub untyped: u64,
    /// Elements without a readable `time`.
    pub untimed: u64,
    /// Known kinds whose record lacks what makes it usable, such as a request id.
    pub incomplete: u64,
}

impl Rejects {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.damaged + self.untyped + self.untimed + self.incomplete
    }
}

/// Longest wait a duration in milliseconds may say: what is longer is not a measurement.
const DURATION_MAX_MS: f64 = 1e12;

/// Reads the body of one POST.
pub fn decode(body: &[u8]) -> Delivery {
    let mut delivery = Delivery::default();
    let mut reader = serde_json::Deserializer::from_slice(body);
    let end = reader
        .deserialize_seq(Elements(&mut delivery))
        .and_then(|()| reader.end());
    if end.is_err() {
        delivery.rejects.damaged += 1;
    }
    delivery
}

struct Elements<'a>(&'a mut Delivery);

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element::<&RawValue>()? {
            let rejects = &mut self.0.rejects;
            match serde_json::from_str(element.get())
                .map_err(|_| Defect::Untyped)
                .and_then(record)
            {
                Ok(record) => self.0.records.push(record),
                Err(Defect::Untyped) => rejects.untyped += 1,
                Err(Defect::Untimed) => rejects.untimed += 1,
                Err(Defect::Incomplete) => rejects.incomplete += 1,
            }
        }
        Ok(())
    }
}

/// Kinds whose record we read, and which is an object on every real one.
const ACTED_ON: [&str; 10] = [
    "platform.initStart",
    "platform.initRuntimeDone",
    "platform.initReport",
    "platform.start",
    "platform.runtimeDone",
    "platform.report",
    "platform.restoreStart",
    "platform.restoreRuntimeDone",
    "platform.restoreReport",
    "platform.logsDropped",
];
/// Kinds we know and do not act on.
const IGNORED: [&str; 5] = [
    "platform.extension",
    "platform.telemetrySubscription",
    "platform.end",
    "function",
    "extension",
];

fn ignored(kind: &str) -> Result<Event, Defect> {
    match kind {
        _ if ACTED_ON.contains(&kind) => Err(Defect::Incomplete),
        _ if IGNORED.contains(&kind) => Ok(Event::Ignored),
        unknown => Ok(Event::Unknown(unknown.into())),
    }
}

enum Defect {
    Untyped,
    Untimed,
    Incomplete,
}

fn record(element: Map<String, Value>) -> Result<Record, Defect> {
    let kind = text(&element, "type").ok_or(Defect::Untyped)?;
    let time = text(&element, "time")
        .and_then(Timestamp::parse_iso8601)
        .ok_or(Defect::Untimed)?;
    if kind == "platform.fault" {
        let event = text(&element, "record").and_then(fault).unwrap_or(Event::Ignored);
        return Ok(Record { time, event });
    }
    let fields = element.get("record").and_then(Value::as_object);
    let Some(body) = fields.filter(|_| ACTED_ON.contains(&kind)) else {
        return ignored(kind).map(|event| Record { time, event });
    };
    let event = match kind {
        "platform.initStart" => Event::InitStart(init(body)),
        "platform.initRuntimeDone" => Event::InitRuntimeDone(init(body)),
        "platform.initReport" => Event::InitReport(init(body)),
        "platform.start" => Event::Start(Start {
            request_id: request_id(body)?,
            function_arn: text(body, "functionArn").map(Into::into),
            tracing: tracing(body),
        }),
        "platform.runtimeDone" => Event::RuntimeDone(RuntimeDone {
            request_id: request_id(body)?,
            measure: measure(body),
            produced_bytes: metrics(body).and_then(|metrics| count(metrics, "producedBytes")),
            spans: spans(body),
            tracing: tracing(body),
        }),
        "platform.report" => Event::Report(report(body)?),
        "platform.restoreStart" => Event::RestoreStart,
        "platform.restoreRuntimeDone" => Event::RestoreRuntimeDone(measure(body)),
        "platform.restoreReport" => Event::RestoreReport(measure(body)),
        "platform.logsDropped" => Event::LogsDropped {
            records: count(body, "droppedRecords").unwrap_or(0),
            bytes: count(body, "droppedBytes").unwrap_or(0),
        },
        _ => Event::Ignored,
    };
    Ok(Record { time, event })
}

/// `RequestId: 0f6f4f8e-… Error: Runtime exited with error: signal: killed`
fn fault(line: &str) -> Option<Event> {
    let (request_id, text) = line.strip_prefix("RequestId: ")?.split_once(' ')?;
    Some(Event::Fault {
        request_id: request_id.parse().ok()?,
        text: text.chars().take(FAULT_TEXT_MAX_CHARS).collect(),
    })
}

fn init(body: &Map<String, Value>) -> Init {
    Init {
        kind: text(body, "initializationType").map_or(InitKind::Unknown, InitKind::parse),
        phase: match text(body, "phase") {
            Some("init") => Phase::Init,
            Some("invoke") => Phase::Invoke,
            Some("snap-start") => Phase::SnapStart,
            _ => Phase::Unknown,
        },
        runtime_version: text(body, "runtimeVersion").map(Into::into),
        measure: measure(body),
    }
}

fn report(body: &Map<String, Value>) -> Result<Report, Defect> {
    let empty = Map::new();
    let metrics = metrics(body).unwrap_or(&empty);
    Ok(Report {
        request_id: request_id(body)?,
        measure: measure(body),
        billed_duration: duration(metrics, "billedDurationMs"),
        memory_size_mb: count(metrics, "memorySizeMB"),
        max_memory_used_mb: count(metrics, "maxMemoryUsedMB"),
        init_duration: duration(metrics, "initDurationMs"),
        spans: spans(body),
        tracing: tracing(body),
    })
}

fn measure(body: &Map<String, Value>) -> Measure {
    Measure {
        status: match text(body, "status") {
            Some("success") => Status::Success,
            Some("failure") => Status::Failure,
            Some("error") => Status::Error,
            Some("timeout") => Status::Timeout,
            _ => Status::Unknown,
        },
        error_type: text(body, "errorType").map(Into::into),
        duration: metrics(body).and_then(|metrics| duration(metrics, "durationMs")),
    }
}

fn metrics(body: &Map<String, Value>) -> Option<&Map<String, Value>> {
    body.get("metrics")?.as_object()
}

fn request_id(body: &Map<String, Value>) -> Result<RequestId, Defect> {
    text(body, "requestId")
        .and_then(|id| id.parse().ok())
        .ok_or(Defect::Incomplete)
}

fn tracing(body: &Map<String, Value>) -> Option<Tracing> {
    let tracing = body.get("tracing")?.as_object()?;
    let span_id = text(tracing, "spanId").and_then(|id| id.parse().ok());
    Some(Tracing {
        span_id,
        header: TraceHeader::parse(text(tracing, "value")?),
    })
}

/// Spans whose name and interval are known; the others are passed over.
fn spans(body: &Map<String, Value>) -> Vec<Span> {
    let spans = body.get("spans").and_then(Value::as_array);
    spans
        .into_iter()
        .flatten()
        .filter_map(|span| one_span(span.as_object()?))
        .collect()
}

fn one_span(span: &Map<String, Value>) -> Option<Span> {
    let name = match text(span, "name")? {
        "responseLatency" => SpanName::ResponseLatency,
        "responseDuration" => SpanName::ResponseDuration,
        "runtimeOverhead" => SpanName::RuntimeOverhead,
        "extensionOverhead" => SpanName::ExtensionOverhead,
        _ => return None,
    };
    let start = text(span, "start").and_then(Timestamp::parse_iso8601)?;
    Some(Span {
        name,
        start,
        duration: duration(span, "durationMs")?,
    })
}

fn text<'a>(body: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    body.get(key)?.as_str()
}

fn duration(body: &Map<String, Value>, key: &str) -> Option<Duration> {
    let millis = body
        .get(key)?
        .as_f64()
        .filter(|millis| (0.0..=DURATION_MAX_MS).contains(millis))?;
    Some(Duration::from_secs_f64(millis / 1e3))
}

/// A count, which Lambda sometimes prints with a fraction.
fn count(body: &Map<String, Value>, key: &str) -> Option<u64> {
    let number = body.get(key)?;
    #[expect(clippy::as_conversions, reason = "bounded: not negative and far below 2^53")]
    let rounded = || {
        number
            .as_f64()
            .filter(|n| (0.0..=DURATION_MAX_MS).contains(n))
            .map(|n| n.round() as u64)
    };
    number.as_u64().or_else(rounded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: &str = r#"{"time":"2026-05-21T10:15:29.710Z","type":"platform.start","record":{"requestId":"r-1","tracing":
        {"spanId":"1122334455667788","type":"X-Amzn-Trace-Id","value":"Root=1-6a0edb41-00112233445566778899aabb;Parent=aabbccddeeff0011;Sampled=1"}}}"#;

    fn only(record: &str) -> Event {
        let mut delivery = decode(format!("[{record}]").as_bytes());
        assert_eq!(
            (delivery.records.len(), delivery.rejects.total()),
            (1, 0),
            "{record}: {delivery:?}"
        );
        delivery.records.remove(0).event
    }

    #[test]
    fn a_fault_is_a_line_that_names_its_request() {
        let fault = |record: &str| {
            only(&format!(
                r#"{{"time":"2026-05-21T10:15:29.710Z","type":"platform.fault","record":{record}}}"#
            ))
        };
        let long = "x".repeat(FAULT_TEXT_MAX_CHARS);
        for (line, text) in [
            (
                "Error: Runtime exited with error: signal: killed",
                "Error: Runtime exited with error: signal: killed",
            ),
            (&format!("{long}x"), long.as_str()),
        ] {
            let expected = Event::Fault {
                request_id: "r-1".parse().unwrap(),
                text: text.into(),
            };
            assert_eq!(fault(&format!(r#""RequestId: r-1 {line}""#)), expected);
        }
        for other in [r#""something else""#, r#""RequestId: ""#, "{}", "7"] {
            assert_eq!(fault(other), Event::Ignored, "{other}");
        }
    }

    #[test]
    fn a_start_carries_the_trace_identity() {
        let Event::Start(start) = only(START) else {
            panic!("not a start")
        };
        let tracing = start.tracing.unwrap();
        assert_eq!(tracing.span_id.unwrap().to_string(), "1122334455667788");
        assert_eq!(
            tracing.header.parent_id().unwrap().to_string(),
            "aabbccddeeff0011"
        );
        assert_eq!(start.request_id.as_str(), "r-1");
    }

    #[test]
    fn a_runtime_done_carries_status_and_spans() {
        let Event::RuntimeDone(done) = only(
            r#"{"time":"2026-05-21T10:15:29.960Z","type":"platform.runtimeDone","record":{"requestId":"r-1","status":"error",
            "errorType":"Runtime.ExitError","metrics":{"durationMs":250,"producedBytes":84.0},"spans":[
            {"name":"responseLatency","start":"2026-05-21T10:15:29:711Z","durationMs":248.3},{"name":"new"},{"name":"responseDuration"}]}}"#,
        ) else {
            panic!("not a runtimeDone")
        };
        assert_eq!(done.measure.status, Status::Error);
        assert_eq!(done.measure.error_type.as_deref(), Some("Runtime.ExitError"));
        assert_eq!(done.measure.duration, Some(Duration::from_millis(250)));
        assert_eq!(done.produced_bytes, Some(84));
        assert_eq!(done.spans.len(), 1);
        assert_eq!(done.spans[0].end().as_micros(), 1_779_358_529_711_000 + 248_300);
    }

    #[test]
    fn a_report_of_managed_instances_needs_only_a_duration() {
        let Event::Report(report) = only(
            r#"{"time":"2026-05-21T10:15:30Z","type":"platform.report","record":{"requestId":"r-1","metrics":{"durationMs":1.5}}}"#,
        ) else {
            panic!("not a report")
        };
        assert_eq!(report.measure.duration, Some(Duration::from_micros(1500)));
        assert_eq!(
            (report.measure.status, report.memory_size_mb),
            (Status::Unknown, None)
        );
    }

    #[test]
    fn init_records_say_how_the_sandbox_came_to_be() {
        let Event::InitStart(init) = only(
            r#"{"time":"2026-05-21T10:15:29Z","type":"platform.initStart","record":{"initializationType":"provisioned-concurrency","phase":"init","runtimeVersion":"python:3.13.v40"}}"#,
        ) else {
            panic!("not an initStart")
        };
        assert_eq!(
            (init.kind, init.phase),
            (InitKind::ProvisionedConcurrency, Phase::Init)
        );
        assert_eq!(init.runtime_version.as_deref(), Some("python:3.13.v40"));
    }

    #[test]
    fn what_we_have_not_met_stays_unknown_and_what_we_do_not_need_is_ignored() {
        assert_eq!(
            only(r#"{"time":"2026-05-21T10:15:29Z","type":"platform.new","record":{}}"#),
            Event::Unknown("platform.new".into())
        );
        assert_eq!(
            only(r#"{"time":"2026-05-21T10:15:29Z","type":"function","record":"a log line"}"#),
            Event::Ignored
        );
        assert_eq!(
            only(
                r#"{"time":"2026-05-21T10:15:29Z","type":"platform.logsDropped","record":{"droppedRecords":7,"droppedBytes":123}}"#
            ),
            Event::LogsDropped {
                records: 7,
                bytes: 123
            }
        );
    }

    #[test]
    fn each_useless_element_is_counted_by_reason() {
        let body = r#"[7, {}, {"type":"platform.start"}, {"type":"platform.start","time":"soon","record":{}},
            {"type":"platform.start","time":"2026-05-21T10:15:29Z","record":{}},
            {"type":"platform.report","time":"2026-05-21T10:15:29Z","record":[]}]"#;
        let rejects = decode(body.as_bytes()).rejects;
        assert_eq!(
            rejects,
            Rejects {
                damaged: 0,
                untyped: 2,
                untimed: 2,
                incomplete: 2
            }
        );
        for body in ["", "{}", "null", "[", "[]x"] {
            assert_eq!(
                decode(body.as_bytes()).rejects,
                Rejects {
                    damaged: 1,
                    ..Rejects::default()
                },
                "{body}"
            );
        }
        assert_eq!(decode(b"[]"), Delivery::default());
    }

    #[test]
    fn a_damaged_end_keeps_what_came_before() {
        let delivery = decode(format!("[{START},{START},{{\"time\"").as_bytes());
        assert_eq!((delivery.records.len(), delivery.rejects.damaged), (2, 1));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode(&body);
        }

        #[test]
        fn no_mutation_of_a_delivery_makes_the_decoder_panic(at in 0usize..300, byte in any::<u8>()) {
            let mut body = format!("[{START}]").into_bytes();
            if let Some(target) = body.get_mut(at) {
                *target = byte;
            }
            let _ = decode(&body);
        }

        #[test]
        fn one_bad_element_never_costs_its_neighbours(
            position in 0usize..4,
            bad in prop_oneof![
                Just("null".to_owned()), Just("[]".to_owned()), Just("{\"type\":7}".to_owned()),
                "\\{\"type\":\"platform[.](start|report|runtimeDone|initStart)\",\"time\":\"[0-9T:.-]{0,12}\",\"record\":(1|\\[\\]|null|\\{\\})\\}",
            ],
        ) {
            let mut elements = vec![START; 4];
            elements.insert(position, &bad);
            let delivery = decode(format!("[{}]", elements.join(",")).as_bytes());
            let starts = delivery.records.iter().filter(|record| matches!(&record.event, Event::Start(start) if start.tracing.is_some()));
            prop_assert_eq!(starts.count(), 4);
        }
    }
}
