//! Telemetry records as Lambda words them.
//!
//! Written by hand, not with the decoder's types: a shared misreading would hide itself.

use std::sync::Arc;
use std::time::Duration;

use model::time::Timestamp;
use serde_json::{Value, json};

use crate::config::Config;
use crate::lifecycle::Extension;
use crate::trace_identity::Tracing;

/// One record.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) time: Timestamp,
    pub(crate) kind: &'static str,
    pub(crate) record: Value,
}

impl Record {
    pub(crate) fn new(time: Timestamp, kind: &'static str, record: Value) -> Self {
        Self { time, kind, record }
    }

    /// The array element.
    pub(crate) fn to_json(&self) -> Arc<str> {
        json!({"time": self.time.to_iso8601(), "type": self.kind, "record": self.record})
            .to_string()
            .into()
    }

    /// Which subscription it belongs to: `platform`, `function` or `extension`.
    pub(crate) fn stream(&self) -> &'static str {
        match self.kind {
            "function" | "extension" => self.kind,
            _ => "platform",
        }
    }
}

/// Milliseconds with three decimals.
pub(crate) fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// Adds a member unless it is null.
fn put(record: &mut Value, name: &str, value: Value) {
    if let (Some(object), false) = (record.as_object_mut(), value.is_null()) {
        object.insert(name.to_owned(), value);
    }
}

fn tracing(tracing: Option<&Tracing>) -> Value {
    let Some(tracing) = tracing else {
        return Value::Null;
    };
    let mut value = json!({"type": "X-Amzn-Trace-Id", "value": tracing.value});
    put(&mut value, "spanId", json!(tracing.span_id));
    value
}

/// `platform.initStart` and `platform.restoreStart` describe the function alike.
pub(crate) fn function_facts(config: &Config, instance: &str) -> Value {
    let mut facts = json!({
        "functionName": config.function_name,
        "functionVersion": config.version,
        "instanceId": instance,
        "instanceMaxMemory": u64::from(config.memory_mb) * 1024 * 1024,
    });
    put(&mut facts, "runtimeVersion", json!(config.runtime_version));
    facts
}

/// `platform.initStart`.
pub(crate) fn init_start(config: &Config, instance: &str, phase: &str) -> Value {
    let mut record = function_facts(config, instance);
    put(&mut record, "initializationType", json!(config.init_type.name()));
    put(&mut record, "phase", json!(phase));
    record
}

/// How an init, restore or invocation went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome<'a> {
    pub(crate) status: &'a str,
    pub(crate) error_type: Option<&'a str>,
}

impl Outcome<'_> {
    pub(crate) const SUCCESS: Self = Self {
        status: "success",
        error_type: None,
    };

    fn put_into(self, record: &mut Value) {
        put(record, "status", json!(self.status));
        put(record, "errorType", json!(self.error_type));
    }
}

/// `platform.initRuntimeDone`, and with a duration `platform.initReport`.
pub(crate) fn init_end(config: &Config, phase: &str, outcome: Outcome<'_>, took: Option<Duration>) -> Value {
    let mut record = json!({"initializationType": config.init_type.name(), "phase": phase});
    outcome.put_into(&mut record);
    if let Some(took) = took {
        put(&mut record, "metrics", json!({"durationMs": millis(took)}));
    }
    record
}

/// `platform.restoreRuntimeDone`, and with a duration `platform.restoreReport`.
pub(crate) fn restore_end(outcome: Outcome<'_>, took: Option<Duration>) -> Value {
    let mut record = json!({});
    outcome.put_into(&mut record);
    if let Some(took) = took {
        put(&mut record, "metrics", json!({"durationMs": millis(took)}));
    }
    record
}

/// `platform.extension`.
pub(crate) fn extension(extension: &Extension) -> Value {
    json!({"name": &*extension.name, "state": "Ready", "events": extension.events()})
}

/// `platform.start`.
pub(crate) fn start(config: &Config, request_id: &str, arn: &str, trace: Option<&Tracing>) -> Value {
    let mut record = json!({"requestId": request_id, "version": config.version, "functionArn": arn});
    put(&mut record, "tracing", tracing(trace));
    record
}

/// An element of `spans`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) name: &'static str,
    pub(crate) start: Timestamp,
    pub(crate) took: Duration,
}

fn spans(spans: &[Span]) -> Value {
    if spans.is_empty() {
        return Value::Null;
    }
    let span = |span: &Span| json!({"name": span.name, "start": span.start.to_iso8601(), "durationMs": millis(span.took)});
    spans.iter().map(span).collect()
}

/// The end of an invocation's records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) outcome: Outcome<'a>,
    pub(crate) spans: &'a [Span],
    pub(crate) tracing: Option<&'a Tracing>,
}

/// `platform.runtimeDone` and `platform.report` with these metrics.
pub(crate) fn end(ending: Ending<'_>, metrics: Value) -> Value {
    let mut record = json!({"requestId": ending.request_id, "metrics": metrics});
    ending.outcome.put_into(&mut record);
    put(&mut record, "spans", spans(ending.spans));
    put(&mut record, "tracing", tracing(ending.tracing));
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_left_out() {
        let ending = Ending {
            request_id: "r",
            outcome: Outcome::SUCCESS,
            spans: &[],
            tracing: None,
        };
        let record = end(ending, json!({"durationMs": 1.5}));
        assert_eq!(
            record,
            json!({"requestId": "r", "metrics": {"durationMs": 1.5}, "status": "success"})
        );
    }

    #[test]
    fn an_element_carries_time_type_and_record() {
        let record = Record::new(
            Timestamp::from_millis(1_779_358_529_710),
            "platform.fault",
            json!("x"),
        );
        let text = record.to_json();
        let element: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            element,
            json!({"time": "2026-05-21T10:15:29.710Z", "type": "platform.fault", "record": "x"})
        );
        assert_eq!(record.stream(), "platform");
    }

    #[test]
    fn durations_have_three_decimals() {
        assert_eq!(millis(Duration::from_nanos(1_234_567)), 1.235);
    }
}
