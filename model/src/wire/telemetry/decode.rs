//! Reads a delivery element by element.
//!
//! Never fails as a whole: a refused delivery is sent again, and one record kind that we have not met
//! must not cost its neighbours.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use super::super::text::Text;
use super::fields::{Fields, Level, Part, SpanFields};
use super::records::{
    Event, Init, InitKind, Measure, Phase, Record, Report, RuntimeDone, Span, SpanName, Start, Status,
    Tracing,
};
use crate::ids::RequestId;
use crate::limits::FAULT_TEXT_MAX_CHARS;
use crate::limits::RECORDS_PER_DELIVERY_MAX;
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
    usual(body).unwrap_or_else(|| odd(body))
}

/// A delivery in which every record is as it should be, in one pass.
fn usual(body: &[u8]) -> Option<Delivery> {
    let mut reader = serde_json::Deserializer::from_str(std::str::from_utf8(body).ok()?);
    let mut delivery = Delivery::default();
    reader.deserialize_seq(Usual(&mut delivery.records)).ok()?;
    reader.end().ok()?;
    Some(delivery)
}

struct Usual<'a>(&'a mut Vec<Record>);

impl<'de> Visitor<'de> for Usual<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        loop {
            let mut fields = Fields::default();
            let element = Part {
                fields: &mut fields,
                level: Level::Element,
            };
            if elements.next_element_seed(element)?.is_none() {
                return Ok(());
            }
            let record = usual_record(&fields).filter(|_| self.0.len() < RECORDS_PER_DELIVERY_MAX);
            self.0.push(record.ok_or_else(|| A::Error::custom("odd"))?);
        }
    }
}

fn usual_record(fields: &Fields<'_>) -> Option<Record> {
    let time = Timestamp::parse_iso8601(fields.time.as_ref()?.as_ref())?;
    let kind = fields.kind.as_ref().filter(|_| fields.has_record())?;
    let event = event(kind.as_ref(), fields).ok()?;
    Some(Record { time, event })
}

/// Any delivery, each element on its own.
fn odd(body: &[u8]) -> Delivery {
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
            if self.0.records.len() >= RECORDS_PER_DELIVERY_MAX {
                rejects.damaged += 1;
                continue;
            }
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
/// A kind whose record is a line of text.
const FAULT: &str = "platform.fault";
/// Kinds we know and do not act on.
const IGNORED: [&str; 5] = [
    "platform.extension",
    "platform.telemetrySubscription",
    "platform.end",
    "function",
    "extension",
];

/// A record that is of no use to us, for its kind or for its body.
fn left_alone(kind: &str) -> Result<Event, Defect> {
    match kind {
        _ if ACTED_ON.contains(&kind) => Err(Defect::Incomplete),
        _ if kind == FAULT || IGNORED.contains(&kind) => Ok(Event::Ignored),
        unknown => Ok(Event::Unknown(unknown.into())),
    }
}

enum Defect {
    Untyped,
    Untimed,
    Incomplete,
}

fn record(element: Map<String, Value>) -> Result<Record, Defect> {
    let text = |name| element.get(name).and_then(Value::as_str);
    let kind = text("type").ok_or(Defect::Untyped)?;
    let time = text("time")
        .and_then(Timestamp::parse_iso8601)
        .ok_or(Defect::Untimed)?;
    let event = match element.get("record") {
        Some(Value::String(line)) if kind == FAULT => fault(line).unwrap_or(Event::Ignored),
        Some(Value::Object(body)) => event(kind, &Fields::of(body))?,
        _ => left_alone(kind)?,
    };
    Ok(Record { time, event })
}

/// What a record says whose body is an object.
fn event(kind: &str, body: &Fields<'_>) -> Result<Event, Defect> {
    Ok(match kind {
        "platform.initStart" => Event::InitStart(init(body)),
        "platform.initRuntimeDone" => Event::InitRuntimeDone(init(body)),
        "platform.initReport" => Event::InitReport(init(body)),
        "platform.start" => Event::Start(Start {
            request_id: request_id(body)?,
            function_arn: boxed(body.function_arn.as_ref()),
            tracing: tracing(body),
        }),
        "platform.runtimeDone" => Event::RuntimeDone(RuntimeDone {
            request_id: request_id(body)?,
            measure: measure(body),
            produced_bytes: body.produced_bytes.as_ref().and_then(count),
            spans: spans(body),
            tracing: tracing(body),
        }),
        "platform.report" => Event::Report(report(body)?),
        "platform.restoreStart" => Event::RestoreStart,
        "platform.restoreRuntimeDone" => Event::RestoreRuntimeDone(measure(body)),
        "platform.restoreReport" => Event::RestoreReport(measure(body)),
        "platform.logsDropped" => Event::LogsDropped {
            records: body.dropped_records.as_ref().and_then(count).unwrap_or(0),
            bytes: body.dropped_bytes.as_ref().and_then(count).unwrap_or(0),
        },
        _ => left_alone(kind)?,
    })
}

/// `RequestId: 0f6f4f8e-… Error: Runtime exited with error: signal: killed`
fn fault(line: &str) -> Option<Event> {
    let (request_id, text) = line.strip_prefix("RequestId: ")?.split_once(' ')?;
    Some(Event::Fault {
        request_id: request_id.parse().ok()?,
        text: text.chars().take(FAULT_TEXT_MAX_CHARS).collect(),
    })
}

fn init(body: &Fields<'_>) -> Init {
    Init {
        kind: body
            .initialization_type
            .as_ref()
            .map_or(InitKind::Unknown, |kind| InitKind::parse(kind.as_ref())),
        phase: match body.phase.as_ref().map(AsRef::as_ref) {
            Some("init") => Phase::Init,
            Some("invoke") => Phase::Invoke,
            Some("snap-start") => Phase::SnapStart,
            _ => Phase::Unknown,
        },
        runtime_version: boxed(body.runtime_version.as_ref()),
        measure: measure(body),
    }
}

fn report(body: &Fields<'_>) -> Result<Report, Defect> {
    Ok(Report {
        request_id: request_id(body)?,
        measure: measure(body),
        billed_duration: body.billed_duration_ms.as_ref().and_then(duration),
        memory_size_mb: body.memory_size_mb.as_ref().and_then(count),
        max_memory_used_mb: body.max_memory_used_mb.as_ref().and_then(count),
        init_duration: body.init_duration_ms.as_ref().and_then(duration),
        spans: spans(body),
        tracing: tracing(body),
    })
}

fn measure(body: &Fields<'_>) -> Measure {
    Measure {
        status: match body.status.as_ref().map(AsRef::as_ref) {
            Some("success") => Status::Success,
            Some("failure") => Status::Failure,
            Some("error") => Status::Error,
            Some("timeout") => Status::Timeout,
            _ => Status::Unknown,
        },
        error_type: boxed(body.error_type.as_ref()),
        duration: body.duration_ms.as_ref().and_then(duration),
    }
}

fn request_id(body: &Fields<'_>) -> Result<RequestId, Defect> {
    let id = body.request_id.as_ref().and_then(|id| id.as_ref().parse().ok());
    id.ok_or(Defect::Incomplete)
}

fn tracing(body: &Fields<'_>) -> Option<Tracing> {
    let span_id = body.span_id.as_ref().and_then(|id| id.as_ref().parse().ok());
    Some(Tracing {
        span_id,
        header: TraceHeader::parse(body.header.as_ref()?.as_ref()),
    })
}

/// Spans whose name and interval are known; the others are passed over.
fn spans(body: &Fields<'_>) -> Vec<Span> {
    body.spans.iter().filter_map(one_span).collect()
}

fn one_span(span: &SpanFields<'_>) -> Option<Span> {
    let name = match span.name.as_ref()?.as_ref() {
        "responseLatency" => SpanName::ResponseLatency,
        "responseDuration" => SpanName::ResponseDuration,
        "runtimeOverhead" => SpanName::RuntimeOverhead,
        "extensionOverhead" => SpanName::ExtensionOverhead,
        _ => return None,
    };
    Some(Span {
        name,
        start: Timestamp::parse_iso8601(span.start.as_ref()?.as_ref())?,
        duration: duration(span.duration_ms.as_ref()?)?,
    })
}

fn boxed(text: Option<&Text<'_>>) -> Option<Box<str>> {
    text.map(|text| text.as_ref().into())
}

fn duration(millis: &Number) -> Option<Duration> {
    let millis = millis
        .as_f64()
        .filter(|millis| (0.0..=DURATION_MAX_MS).contains(millis))?;
    Some(Duration::from_secs_f64(millis / 1e3))
}

/// A count, which Lambda sometimes prints with a fraction.
fn count(number: &Number) -> Option<u64> {
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
    fn records_beyond_the_limit_of_a_delivery_are_counted() {
        let record = r#"{"time":"2026-05-21T10:15:29Z","type":"platform.unheardOf","record":{}}"#;
        let body = |count| format!("[{}]", vec![record; count].join(","));
        let whole = decode(body(RECORDS_PER_DELIVERY_MAX).as_bytes());
        assert_eq!(
            (whole.records.len(), whole.rejects.total()),
            (RECORDS_PER_DELIVERY_MAX, 0)
        );
        let over = decode(body(RECORDS_PER_DELIVERY_MAX + 2).as_bytes());
        assert_eq!(
            (over.records.len(), over.rejects.damaged),
            (RECORDS_PER_DELIVERY_MAX, 2)
        );
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

    /// A value that a record may have where another is expected.
    fn value() -> impl Strategy<Value = String> {
        let values = [
            r#""r-1""#,
            r#""success""#,
            "250",
            "84.5",
            "-1",
            "null",
            "[]",
            "{}",
            "true",
            r#""esc\u0061ped""#,
            r#"{"spanId":"1122334455667788","value":"Root=x"}"#,
            r#"{"value":7}"#,
            r#"{"durationMs":1.5,"memorySizeMB":128,"new":[{}]}"#,
            r#"{"durationMs":"1"}"#,
            r#"[{"name":"responseLatency","start":"2026-05-21T10:15:29.711Z","durationMs":2},{"name":7},3]"#,
            r#"[{"name":"responseLatency","start":"2026-05-21T10:15:29.711Z","durationMs":2,"x":null}]"#,
            r#"["2026-05-21T10:15:29.711Z","r-1",{}]"#,
        ];
        proptest::sample::select(values.to_vec()).prop_map(str::to_owned)
    }

    fn element() -> impl Strategy<Value = String> {
        let members = [
            "requestId",
            "functionArn",
            "tracing",
            "status",
            "errorType",
            "metrics",
            "spans",
            "initializationType",
            "phase",
            "runtimeVersion",
            "droppedRecords",
            "droppedBytes",
            "unknown",
        ];
        let member = (proptest::sample::select(members.to_vec()), value());
        let record = proptest::collection::vec(member, 0..6).prop_map(|members| {
            let members: Vec<String> = members
                .into_iter()
                .map(|(name, value)| format!(r#""{name}":{value}"#))
                .collect();
            format!("{{{}}}", members.join(","))
        });
        let kinds = [&ACTED_ON[..], &IGNORED[..], &[FAULT, "platform.new"]].concat();
        let time = prop_oneof![9 => Just("2026-05-21T10:15:29.710Z"), 1 => Just("soon")];
        (
            proptest::sample::select(kinds),
            time,
            prop_oneof![9 => record, 1 => value()],
        )
            .prop_map(|(kind, time, record)| {
                format!(r#"{{"time":"{time}","type":"{kind}","record":{record},"more":[1]}}"#)
            })
    }

    proptest! {
        #[test]
        fn one_pass_reads_what_each_element_on_its_own_gives(
            elements in proptest::collection::vec(prop_oneof![9 => element(), 1 => value()], 0..5),
            damage in proptest::option::weighted(0.2, (0usize..900, any::<u8>())),
        ) {
            let mut body = format!("[{}]", elements.join(",")).into_bytes();
            if let Some((at, byte)) = damage && let Some(target) = body.get_mut(at) {
                *target = byte;
            }
            let expected = odd(&body);
            prop_assert_eq!(usual(&body).is_none_or(|read| read == expected), true, "{}", String::from_utf8_lossy(&body));
            prop_assert_eq!(decode(&body), expected);
        }

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
