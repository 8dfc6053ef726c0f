//! One invocation: what the platform and the documents have said of it so far.

use std::time::Duration;

use model::ids::{RequestId, TraceId};
use model::time::Timestamp;
use model::trace_header::TraceHeader;
use model::wire::runtime_error::Raised;
use model::wire::telemetry::{Report, RuntimeDone, Start, Status, Tracing};

use super::attach::Observed;
use super::identity::Identity;

/// The INVOKE event.
#[derive(Debug, Clone, PartialEq)]
pub struct Invoked {
    /// The invocation.
    pub request_id: RequestId,
    /// As the caller named it, with its qualifier.
    pub function_arn: Box<str>,
    /// When the function times out.
    pub deadline: Timestamp,
    /// Empty where the sandbox has no trace.
    pub header: TraceHeader,
}

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    /// When.
    pub at: Timestamp,
    /// Unknown where nobody said.
    pub status: Status,
    /// Such as `Runtime.ExitError`.
    pub error_type: Option<Box<str>>,
    /// As the platform measured it.
    pub duration: Option<Duration>,
}

impl Ending {
    /// An end of which only the time is known.
    pub fn unwatched(at: Timestamp) -> Self {
        Self {
            at,
            status: Status::Unknown,
            error_type: None,
            duration: None,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Invocation {
    /// Which.
    pub request_id: RequestId,
    /// Without its qualifier.
    pub function_arn: Option<Box<str>>,
    /// When the INVOKE event was read.
    pub invoked_at: Option<Timestamp>,
    /// When the function times out.
    pub deadline: Option<Timestamp>,
    /// What its documents say.
    pub observed: Observed,
    /// What its runtime reported, if it failed.
    pub thrown: Raised,
    /// `platform.runtimeDone` and its time.
    pub done: Option<(Timestamp, RuntimeDone)>,
    /// `platform.report` and its time.
    pub report: Option<(Timestamp, Report)>,
    /// The text of `platform.fault`.
    pub fault: Option<Box<str>>,
    started: Option<(Timestamp, Option<Tracing>)>,
    invoke_header: Option<TraceHeader>,
    /// What the runtime was told instead, since nobody had decided whether to record the trace.
    decided_header: Option<TraceHeader>,
    identity: Option<Identity>,
}

impl Invocation {
    /// An invocation of which nothing but its id is known.
    pub fn new(request_id: RequestId) -> Self {
        Self {
            request_id,
            function_arn: None,
            invoked_at: None,
            deadline: None,
            observed: Observed::default(),
            thrown: Raised::default(),
            done: None,
            report: None,
            fault: None,
            started: None,
            invoke_header: None,
            decided_header: None,
            identity: None,
        }
    }

    /// The INVOKE event was read.
    pub fn invoked(&mut self, now: Timestamp, invoked: Invoked) {
        self.invoked_at = Some(now);
        self.deadline = Some(invoked.deadline).filter(|deadline| *deadline > Timestamp::default());
        self.function_arn = Some(unqualified(&invoked.function_arn));
        self.invoke_header = Some(invoked.header);
        self.identify();
    }

    /// The trace is recorded because of a decision made here, and the runtime has this header.
    pub fn decided(&mut self, header: TraceHeader) {
        self.decided_header = Some(header);
        self.identify();
    }

    /// `platform.start` came. A second one changes nothing.
    pub fn started(&mut self, at: Timestamp, start: Start) {
        if self.started.is_some() {
            return;
        }
        if let (None, Some(arn)) = (&self.function_arn, &start.function_arn) {
            self.function_arn = Some(unqualified(arn));
        }
        self.started = Some((at, start.tracing));
        self.identify();
    }

    /// `platform.runtimeDone` came. A second one changes nothing.
    pub fn done(&mut self, at: Timestamp, done: RuntimeDone) {
        self.done.get_or_insert((at, done));
        self.identify();
    }

    /// `platform.report` came. A second one changes nothing.
    pub fn reported(&mut self, at: Timestamp, report: Report) {
        self.report.get_or_insert((at, report));
        self.identify();
    }

    fn identify(&mut self) {
        let stand_in = self.stand_in();
        let started = match &self.started {
            Some((_, tracing)) => tracing.as_ref(),
            None => stand_in.as_ref(),
        };
        let header = self.decided_header.as_ref().or(self.invoke_header.as_ref());
        self.identity = Identity::new(header, started);
    }

    /// The trace identity that a lost `platform.start` would have announced, from a later record.
    ///
    /// A later record's ids may be those of an Invocation subsegment (older sandboxes), so P, which is the
    /// function's segment wherever a span id is announced, goes first.
    fn stand_in(&self) -> Option<Tracing> {
        let of_done = self.done.as_ref().and_then(|(_, done)| done.tracing.as_ref());
        let of_report = self
            .report
            .as_ref()
            .and_then(|(_, report)| report.tracing.as_ref());
        let tracing = of_done.or(of_report)?;
        let invoke_parent = self.invoke_header.as_ref().and_then(TraceHeader::parent_id);
        let span_id = tracing
            .span_id
            .map(|announced| invoke_parent.unwrap_or(announced));
        Some(Tracing {
            span_id,
            header: tracing.header.clone(),
        })
    }

    /// Whether its handler failed, as far as the runtime reported it or its documents show it.
    pub fn has_fault(&self) -> bool {
        !self.thrown.is_empty() || self.observed.has_top_level_fault()
    }

    /// The trace, as soon as anything names it.
    pub fn trace_id(&self) -> Option<TraceId> {
        self.identity.map(|identity| identity.trace_id)
    }

    /// The place in the trace as far as it is known.
    pub fn identity(&self) -> Option<Identity> {
        self.identity
    }

    /// Whether `platform.start` has come, so that the identity is final.
    pub fn is_started(&self) -> bool {
        self.started.is_some()
    }

    /// When the invocation began: `platform.start`, else the end less the duration, else INVOKE.
    pub fn start(&self, ending: &Ending) -> Timestamp {
        let started = self.started.as_ref().map(|(at, _)| *at);
        let measured = || ending.duration.map(|duration| ending.at.before(duration));
        started.or_else(measured).or(self.invoked_at).unwrap_or(ending.at)
    }

    /// How it ended by the platform's records, if one said so: runtimeDone, else report.
    pub fn ending(&self) -> Option<Ending> {
        let done = self.done.as_ref().map(|(at, done)| (*at, &done.measure));
        let (at, measure) =
            done.or_else(|| self.report.as_ref().map(|(at, report)| (*at, &report.measure)))?;
        Some(Ending {
            at,
            status: measure.status,
            error_type: measure.error_type.clone(),
            duration: measure.duration,
        })
    }
}

/// An ARN without the version or alias behind the function's name.
fn unqualified(arn: &str) -> Box<str> {
    /// `arn:aws:lambda:region:account:function:name`
    const PARTS: usize = 7;
    let end = arn
        .match_indices(':')
        .nth(PARTS - 1)
        .map_or(arn.len(), |(at, _)| at);
    arn.get(..end).unwrap_or(arn).into()
}

#[cfg(test)]
mod tests {
    use model::wire::telemetry::{Event, decode};

    use super::*;

    const ARN: &str = "arn:aws:lambda:eu-west-1:111122223333:function:orders-fn";

    fn done(tracing: &str) -> RuntimeDone {
        let body = format!(
            r#"[{{"time":"2026-05-21T10:15:29.960Z","type":"platform.runtimeDone","record":{{"requestId":"r-1","status":"success","metrics":{{"durationMs":250}},"tracing":{tracing}}}}}]"#
        );
        match decode(body.as_bytes()).records.remove(0).event {
            Event::RuntimeDone(done) => done,
            other => panic!("{other:?}"),
        }
    }

    fn invoked(parent: &str) -> Invoked {
        Invoked {
            request_id: "r-1".parse().unwrap(),
            function_arn: format!("{ARN}:live").into(),
            deadline: Timestamp::from_millis(1_779_358_532_710),
            header: TraceHeader::parse(&format!(
                "Root=1-6a0edb41-00112233445566778899aabb;Parent={parent};Sampled=1"
            )),
        }
    }

    #[test]
    fn a_lost_start_is_made_up_for_by_later_records() {
        let at = Timestamp::parse_iso8601("2026-05-21T10:15:29.960Z").unwrap();
        let value = |parent| {
            format!(r#""value":"Root=1-6a0edb41-00112233445566778899aabb;Parent={parent};Sampled=1""#)
        };
        for (span, parent, function) in [
            (
                r#""spanId":"2222222222222222","#,
                "aabbccddeeff0011",
                Some("1122334455667788"),
            ), // P goes first
            (
                r#""spanId":"1122334455667788","#,
                "aabbccddeeff0011",
                Some("1122334455667788"),
            ),
            ("", "0123456789abcdef", None), // PassThrough: nothing is announced
        ] {
            let mut invocation = Invocation::new("r-1".parse().unwrap());
            invocation.invoked(Timestamp::default(), invoked("1122334455667788"));
            invocation.done(at, done(&format!("{{{span}{}}}", value(parent))));
            let identity = invocation.identity().unwrap();
            assert_eq!(identity.span_id.map(|id| id.to_string()).as_deref(), function);
            assert_eq!(identity.start_parent.unwrap().to_string(), parent);
            let ending = invocation.ending().unwrap();
            assert_eq!(invocation.start(&ending).to_iso8601(), "2026-05-21T10:15:29.710Z");
        }
    }

    #[test]
    fn an_arn_loses_its_qualifier() {
        assert_eq!(&*unqualified(&format!("{ARN}:live")), ARN);
        assert_eq!(&*unqualified(ARN), ARN);
        assert_eq!(&*unqualified("junk"), "junk");
    }
}
