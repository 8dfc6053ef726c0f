//! Builds AWS::Lambda and AWS::Lambda::Function from the platform's records.

use std::time::Duration;

use model::ids::SegmentId;
use model::otlp::from_segment::FRONT_END;
use model::time::Timestamp;
use model::wire::segment_document::{
    Cause, Exception, Http, HttpResponse, Interval, Place, SegmentDocument, Subsegment,
};
use model::wire::telemetry::{InitKind, Report, Span, SpanName};
use serde_json::{Map, Value, json};

use super::failure::{Failure, is_memory_full};
use super::identity::{Identity, SegmentIds, derived};
use super::invocation::{Ending, Invocation};
use super::thrown;
use crate::limits::WAITED_FOR_INIT;

/// What does not change from request to request.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its name, which both segments bear.
    pub name: String,
    /// Where its log lines are.
    pub log_group: String,
    /// Its memory in MB.
    pub memory_mb: Option<u64>,
}

/// How the sandbox came to be before its first request.
#[derive(Debug, Clone, PartialEq)]
pub struct SandboxStart {
    /// `Initialization` or `Restore`.
    pub name: &'static str,
    /// When it began.
    pub start: Timestamp,
    /// When it ended, if its report came in time.
    pub end: Option<Timestamp>,
    /// How.
    pub kind: InitKind,
    /// Such as `python:3.13.v40`.
    pub runtime_version: Option<Box<str>>,
}

impl SandboxStart {
    /// Whether the request that began at `start` had to wait for it.
    fn was_waited_for(&self, start: Timestamp) -> bool {
        self.kind == InitKind::OnDemand && self.end.is_none_or(|end| start.since(end) <= WAITED_FOR_INIT)
    }
}

/// One request, ready to be told.
pub struct Told<'a> {
    /// The function.
    pub function: &'a Function,
    /// The request.
    pub invocation: &'a Invocation,
    /// Its place in the trace.
    pub identity: Identity,
    /// How it ended.
    pub ending: &'a Ending,
    /// Set on the first request of a sandbox.
    pub sandbox_start: Option<&'a SandboxStart>,
    /// How it failed, if it did.
    pub failure: Option<&'a Failure>,
    /// What hung when it failed.
    pub still_open: Option<Box<str>>,
}

const ORIGIN_LAMBDA: &str = "AWS::Lambda";
const ORIGIN_FUNCTION: &str = "AWS::Lambda::Function";
const STATUS_OK: u16 = 200;

impl Told<'_> {
    /// The two segments, AWS::Lambda first.
    pub fn segments(&self) -> [SegmentDocument; 2] {
        let mut ids = self.identity.segments(&self.invocation.request_id);
        if self.is_rescued() {
            // Nobody above recorded anything: the trace begins here.
            ids.lambda_parent = None;
        }
        [self.lambda(&ids), self.function(&ids)]
    }

    /// Head sampling left it out; it is told all the same.
    fn is_rescued(&self) -> bool {
        !self.identity.is_sampled
    }

    fn interval(&self) -> Interval {
        Interval::new(self.invocation.start(self.ending), self.ending.at)
    }

    fn lambda(&self, ids: &SegmentIds) -> SegmentDocument {
        let interval = self.interval();
        let waited = self
            .sandbox_start
            .filter(|start| start.was_waited_for(interval.start));
        let start = waited.map_or(interval.start, |init| init.start.min(interval.start));
        let place = Place {
            trace_id: self.identity.trace_id,
            id: ids.lambda,
            parent_id: ids.lambda_parent,
        };
        let mut segment =
            SegmentDocument::new(&self.function.name, place, Interval::new(start, interval.end));
        segment.origin = Some(ORIGIN_LAMBDA);
        segment.resource_arn = self.invocation.function_arn.as_deref().map(Into::into);
        segment.aws = object(json!({ "request_id": self.invocation.request_id.as_str() }));
        // Invoke answers 200 for an error of the handler's too; that it failed all the same is said by the flag.
        let status = self.failure.map_or(STATUS_OK, Failure::http_status);
        segment.http = Some(Http {
            response: HttpResponse { status },
        });
        segment.fault = self.has_fault();
        if !self.is_rescued() && self.identity.has_front_end(ids) {
            segment.metadata = object(json!({ "lambda": { "parent": FRONT_END } }));
        }
        segment
    }

    fn function(&self, ids: &SegmentIds) -> SegmentDocument {
        let place = Place {
            trace_id: self.identity.trace_id,
            id: ids.function,
            parent_id: Some(ids.lambda),
        };
        let mut segment = SegmentDocument::new(&self.function.name, place, self.interval());
        segment.origin = Some(ORIGIN_FUNCTION);
        segment.aws = self.aws();
        segment.annotations = object(json!({ "cold_start": self.sandbox_start.is_some() }));
        let report = self.invocation.report.as_ref().map(|(_, report)| report);
        segment.annotations.extend(report.and_then(memory_full));
        if self.is_rescued() {
            segment.annotations.insert("rescued".into(), true.into());
        }
        segment.metadata = object(json!({ "lambda": self.metadata() }));
        segment.subsegments = self.subsegments(ids);
        segment.fault = self.has_fault();
        if let Some(failure) = self.failure {
            if let Some(invocation) = segment
                .subsegments
                .iter_mut()
                .find(|one| one.name == "Invocation")
            {
                invocation.fault = true;
            }
            segment.cause = Some(Cause {
                exceptions: vec![self.exception(failure)],
                ..Cause::default()
            });
        }
        thrown::tell(&mut segment, &self.invocation.request_id, &self.invocation.thrown);
        segment
    }

    /// Only a crash of the platform's kind tells of itself; a handler's exception shows in what it left behind.
    ///
    /// Both segments have it: whoever asks the trace's root whether the function failed gets the answer.
    fn has_fault(&self) -> bool {
        self.failure.is_some() || self.invocation.has_fault()
    }

    fn aws(&self) -> Map<String, Value> {
        let arn = self.invocation.function_arn.as_deref();
        let mut aws = object(json!({
            "request_id": self.invocation.request_id.as_str(),
            "resource_names": [self.function.name],
            "cloudwatch_logs": [{ "log_group": self.function.log_group }],
        }));
        if let Some(arn) = arn {
            aws.insert("function_arn".into(), arn.into());
        }
        if let Some(account) = arn
            .and_then(|arn| arn.split(':').nth(4))
            .filter(|account| !account.is_empty())
        {
            aws.insert("account_id".into(), account.into());
        }
        aws
    }

    fn metadata(&self) -> Map<String, Value> {
        let mut lambda = Map::new();
        lambda.insert("cold_start".into(), self.sandbox_start.is_some().into());
        put(&mut lambda, "memory_size_mb", self.function.memory_mb);
        if let Some(start) = self.sandbox_start {
            lambda.insert("init_type".into(), start.kind.as_str().into());
            put(&mut lambda, "runtime_version", start.runtime_version.as_deref());
        }
        put(
            &mut lambda,
            "produced_bytes",
            self.invocation
                .done
                .as_ref()
                .and_then(|(_, done)| done.produced_bytes),
        );
        if let Some((_, report)) = &self.invocation.report {
            lambda.extend(report_metadata(report));
        }
        lambda
    }

    fn subsegments(&self, ids: &SegmentIds) -> Vec<Subsegment> {
        let request = &self.invocation.request_id;
        let interval = self.interval();
        let mut subsegments = Vec::new();
        if let Some(start) = self.sandbox_start {
            // The report of an init that ended with the freeze comes with the first request, or after it.
            let end = start.end.or(self.invocation.invoked_at).unwrap_or(interval.start);
            let interval = Interval::new(start.start, end);
            subsegments.push(subsegment(start.name, derived(request, "start"), interval));
        }
        let adopted = self.invocation.observed.adopted(&self.identity, ids);
        let id = adopted.unwrap_or_else(|| derived(request, "invocation"));
        subsegments.push(subsegment("Invocation", id, self.invocation_interval(interval)));
        if let Some(span) = self.span(SpanName::RuntimeOverhead) {
            let interval = Interval::new(span.start, span.end());
            subsegments.push(subsegment("Overhead", derived(request, "overhead"), interval));
        }
        for subsegment in &mut subsegments {
            let arn = self.invocation.function_arn.as_deref();
            subsegment
                .aws
                .extend(arn.map(|arn| ("function_arn".to_owned(), arn.into())));
        }
        subsegments
    }

    /// responseLatency and responseDuration; without them (a crash has none) the whole interval.
    fn invocation_interval(&self, whole: Interval) -> Interval {
        let Some(latency) = self.span(SpanName::ResponseLatency) else {
            return whole;
        };
        let end = self
            .span(SpanName::ResponseDuration)
            .map_or(latency.end(), |span| span.end().max(latency.end()));
        Interval::new(latency.start, end)
    }

    fn span(&self, name: SpanName) -> Option<&Span> {
        let done = self.invocation.done.iter().flat_map(|(_, done)| &done.spans);
        let report = self
            .invocation
            .report
            .iter()
            .flat_map(|(_, report)| &report.spans);
        done.chain(report).find(|span| span.name == name)
    }

    /// Timeout, crash or out-of-memory, told in one exception.
    fn exception(&self, failure: &Failure) -> Exception {
        let what = &failure.what;
        let open = self.still_open.as_ref();
        let message = open.map_or_else(|| what.clone(), |name| format!("{what}; still open: {name}"));
        let id = derived(&self.invocation.request_id, "exception");
        Exception::new(id, failure.error_type.as_str(), message)
    }
}

/// What `platform.report` adds to a request that is already told: an independent subsegment for the time its
/// extensions took, or, where the report does not measure that, for the moment it was made. None where it says
/// nothing new.
pub fn late_report(identity: Identity, at: Timestamp, report: &Report) -> Option<SegmentDocument> {
    let metadata = report_metadata(report);
    let span = report
        .spans
        .iter()
        .find(|span| span.name == SpanName::ExtensionOverhead);
    if span.is_none() && metadata.is_empty() {
        return None;
    }
    let (name, role, interval) = match span {
        Some(span) => (
            "ExtensionOverhead",
            "extension_overhead",
            Interval::new(span.start, span.end()),
        ),
        None => ("Report", "report", Interval::new(at, at)),
    };
    let ids = identity.segments(&report.request_id);
    let place = Place {
        trace_id: identity.trace_id,
        id: derived(&report.request_id, role),
        parent_id: Some(ids.function),
    };
    let mut document = SegmentDocument::new(name, place, interval);
    document.kind = Some("subsegment");
    document.annotations.extend(memory_full(report));
    document.metadata = object(json!({ "lambda": metadata }));
    Some(document)
}

/// The mark of an invocation whose memory was used up, which need not have failed.
fn memory_full(report: &Report) -> Option<(String, Value)> {
    is_memory_full(report).then(|| ("memory_full".to_owned(), true.into()))
}

fn report_metadata(report: &Report) -> Map<String, Value> {
    let millis = |duration: Option<Duration>| duration.map(|duration| duration.as_secs_f64() * 1e3);
    let mut lambda = Map::new();
    put(&mut lambda, "billed_duration_ms", millis(report.billed_duration));
    put(&mut lambda, "init_duration_ms", millis(report.init_duration));
    put(&mut lambda, "memory_size_mb", report.memory_size_mb);
    put(&mut lambda, "max_memory_used_mb", report.max_memory_used_mb);
    lambda
}

fn subsegment(name: &'static str, id: SegmentId, interval: Interval) -> Subsegment {
    Subsegment {
        name,
        id,
        start_time: interval.start,
        end_time: interval.end,
        aws: Map::new(),
        fault: false,
        cause: None,
    }
}

fn put(map: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    map.extend(value.map(|value| (name.to_owned(), value.into())));
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
