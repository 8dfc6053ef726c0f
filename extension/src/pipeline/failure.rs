//! What the platform's records say of an invocation that failed: timeout, out of memory, or a crash.
//!
//! Memory running out has three signs, any of which is enough where the sandbox crashed: the error type
//! `Runtime.OutOfMemory`, a peak that reaches the memory's size in `platform.report`, and the line
//! `Runtime exited with error: signal: killed`, which only `platform.fault` of older sandboxes brings (the
//! function's own log is not subscribed to). A peak that reaches the size of memory is no failure by itself: the
//! invocation may have succeeded, or run out of time first.

use std::time::Duration;

use model::wire::telemetry::{Report, Status};

use super::invocation::{Ending, Invocation};

/// How Lambda calls it in records.
const OUT_OF_MEMORY: &str = "Runtime.OutOfMemory";
const KILLED: &str = "signal: killed";
const STATUS_CRASH: u16 = 502;
const STATUS_TIMEOUT: u16 = 504;

/// Which way an invocation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Its time ran out.
    Timeout,
    /// Its memory ran out.
    OutOfMemory,
    /// The runtime exited, or the sandbox failed.
    Crash,
}

/// A failed invocation, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which way.
    pub kind: FailureKind,
    /// Such as `Runtime.ExitError`.
    pub error_type: String,
    /// What happened, after how long.
    pub what: String,
}

impl Failure {
    /// Reads how an invocation ended; none unless it failed.
    pub fn of(invocation: &Invocation, ending: &Ending, memory_mb: Option<u64>) -> Option<Self> {
        let kind = kind_of(invocation, ending)?;
        let lasted = ending
            .duration
            .unwrap_or_else(|| ending.at.since(invocation.start(ending)));
        let lasted = seconds(lasted);
        let size = memory_mb.map(|mb| format!(" ({mb} MB)")).unwrap_or_default();
        let error_type = match kind {
            FailureKind::Timeout => ending.error_type.as_deref().unwrap_or("Sandbox.Timeout"),
            FailureKind::OutOfMemory => OUT_OF_MEMORY,
            FailureKind::Crash => ending.error_type.as_deref().unwrap_or("Runtime.ExitError"),
        };
        let is_full = invocation
            .report
            .as_ref()
            .is_some_and(|(_, report)| is_memory_full(report));
        let what = match kind {
            FailureKind::Timeout if is_full => {
                format!("Task timed out after {lasted}; all of its memory{size} was used")
            }
            FailureKind::Timeout => format!("Task timed out after {lasted}"),
            FailureKind::OutOfMemory => format!("the function ran out of memory{size} after {lasted}"),
            FailureKind::Crash => format!("the invocation ended with {error_type} after {lasted}"),
        };
        Some(Self {
            kind,
            error_type: error_type.to_owned(),
            what,
        })
    }

    /// What the caller of the function sees.
    pub fn http_status(&self) -> u16 {
        match self.kind {
            FailureKind::Timeout => STATUS_TIMEOUT,
            FailureKind::OutOfMemory | FailureKind::Crash => STATUS_CRASH,
        }
    }
}

fn kind_of(invocation: &Invocation, ending: &Ending) -> Option<FailureKind> {
    match ending.status {
        Status::Success | Status::Unknown => return None,
        Status::Timeout => return Some(FailureKind::Timeout),
        Status::Error | Status::Failure => {}
    }
    let report = invocation.report.as_ref().map(|(_, report)| report);
    let of_report = report.and_then(|report| report.measure.error_type.as_deref());
    let is_named = [ending.error_type.as_deref(), of_report]
        .into_iter()
        .flatten()
        .any(|name| name == OUT_OF_MEMORY || name.contains(KILLED));
    let is_killed = invocation
        .fault
        .as_deref()
        .is_some_and(|text| text.contains(KILLED));
    let is_full = report.is_some_and(is_memory_full);
    Some(if is_named || is_killed || is_full {
        FailureKind::OutOfMemory
    } else {
        FailureKind::Crash
    })
}

/// Whether the peak reached the memory's size.
pub fn is_memory_full(report: &Report) -> bool {
    let [peak, size] = [report.max_memory_used_mb, report.memory_size_mb];
    peak.zip(size).is_some_and(|(peak, size)| peak >= size)
}

/// As Lambda prints it: `3.00 seconds`.
fn seconds(duration: Duration) -> String {
    format!("{:.2} seconds", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use model::time::Timestamp;
    use model::wire::telemetry::{Event, decode};
    use serde_json::json;

    use super::*;

    /// What is made of an invocation with these signs.
    fn read(
        status: &str,
        error_type: Option<&str>,
        peak_mb: Option<u64>,
        line: Option<&str>,
    ) -> Option<Failure> {
        let mut invocation = Invocation::new("r-1".parse().unwrap());
        let mut records = vec![
            json!({ "time": "2026-05-21T10:15:30.000Z", "type": "platform.runtimeDone", "record":
            { "requestId": "r-1", "status": status, "errorType": error_type, "metrics": { "durationMs": 1500.0 } } }),
        ];
        records.extend(peak_mb.map(|peak| {
            json!({ "time": "2026-05-21T10:15:30.010Z", "type": "platform.report", "record": { "requestId": "r-1",
            "status": status, "metrics": { "durationMs": 1500.0, "memorySizeMB": 256, "maxMemoryUsedMB": peak } } })
        }));
        records.extend(line.map(|line| {
            json!({ "time": "2026-05-21T10:15:30.000Z", "type": "platform.fault",
            "record": format!("RequestId: r-1 {line}") })
        }));
        for record in decode(json!(records).to_string().as_bytes()).records {
            match record.event {
                Event::RuntimeDone(done) => invocation.done(record.time, done),
                Event::Report(report) => invocation.reported(record.time, report),
                Event::Fault { text, .. } => invocation.fault = Some(text),
                other => panic!("{other:?}"),
            }
        }
        let ending = invocation
            .ending()
            .unwrap_or_else(|| Ending::unwatched(Timestamp::default()));
        Failure::of(&invocation, &ending, Some(256))
    }

    #[test]
    fn memory_has_run_out_if_any_of_the_three_signs_says_so_of_a_crash() {
        let types = [None, Some("Runtime.ExitError"), Some("Runtime.OutOfMemory")];
        let peaks = [None, Some(255), Some(256), Some(257)];
        let lines = [
            None,
            Some("Error: Runtime exited with error: exit status 1"),
            Some("Error: Runtime exited with error: signal: killed"),
        ];
        for status in ["success", "error", "failure", "timeout", "unheard-of"] {
            for (t, error_type) in types.into_iter().enumerate() {
                for (p, peak) in peaks.into_iter().enumerate() {
                    for (l, line) in lines.into_iter().enumerate() {
                        let expected = match status {
                            "timeout" => Some(FailureKind::Timeout),
                            "error" | "failure" if t == 2 || p >= 2 || l == 2 => {
                                Some(FailureKind::OutOfMemory)
                            }
                            "error" | "failure" => Some(FailureKind::Crash),
                            _ => None,
                        };
                        let found = read(status, error_type, peak, line).map(|failure| failure.kind);
                        assert_eq!(found, expected, "{status} {error_type:?} {peak:?} {line:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_failure_says_what_happened_and_after_how_long() {
        let told = |status, error_type, peak| {
            let failure = read(status, error_type, peak, None).unwrap();
            (
                failure.error_type.clone(),
                failure.what.clone(),
                failure.http_status(),
            )
        };
        for (signs, kind, what, status) in [
            (
                ("timeout", None, None),
                "Sandbox.Timeout",
                "Task timed out after 1.50 seconds",
                504,
            ),
            (
                ("timeout", Some("Sandbox.Timedout"), Some(256)),
                "Sandbox.Timedout",
                "Task timed out after 1.50 seconds; all of its memory (256 MB) was used",
                504,
            ),
            (
                ("error", None, Some(256)),
                "Runtime.OutOfMemory",
                "the function ran out of memory (256 MB) after 1.50 seconds",
                502,
            ),
            (
                ("failure", Some("Sandbox.Failure"), Some(91)),
                "Sandbox.Failure",
                "the invocation ended with Sandbox.Failure after 1.50 seconds",
                502,
            ),
            (
                ("error", None, None),
                "Runtime.ExitError",
                "the invocation ended with Runtime.ExitError after 1.50 seconds",
                502,
            ),
        ] {
            assert_eq!(
                told(signs.0, signs.1, signs.2),
                (kind.into(), what.into(), status)
            );
        }
    }
}
