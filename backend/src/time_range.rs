//! The window of GetTraceSummaries: half open, in one of three readings of "when".
//!
//! Pure.

use std::time::Duration;

use model::time::Timestamp;
use serde_json::Value;

use crate::assemble::Trace;

/// Which time of a trace counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeRangeType {
    /// The seconds in the trace id.
    TraceId,
    /// Any moment from the trace's first start to its last end or update.
    Event,
    /// The end of any of its segments.
    Service,
}

/// A window of time. The end lies outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// The first moment inside.
    pub start: Timestamp,
    /// The first moment after it.
    pub end: Timestamp,
    /// Which time of a trace counts.
    pub kind: TimeRangeType,
}

/// Why a request names no window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeRangeError {
    /// A bound is missing or no time.
    #[error("{0} must be a time: seconds since the epoch or ISO 8601")]
    NoTime(&'static str),
    /// The window ends before it starts.
    #[error("StartTime must not be after EndTime")]
    Reversed,
    /// The window is longer than the backend answers for.
    #[error("Time range cannot be longer than {} hours", .0.as_secs() / 3600)]
    TooLong(Duration),
    /// Not one of the three readings.
    #[error("TimeRangeType must be TraceId, Event or Service, not {0}")]
    UnknownType(Value),
}

impl TimeRange {
    /// Reads `StartTime`, `EndTime` and `TimeRangeType` of a request.
    pub fn read(request: &Value, window_max: Duration) -> Result<Self, TimeRangeError> {
        let bound = |name| {
            request
                .get(name)
                .and_then(read_time)
                .ok_or(TimeRangeError::NoTime(name))
        };
        let (start, end) = (bound("StartTime")?, bound("EndTime")?);
        let kind = match request.get("TimeRangeType") {
            None | Some(Value::Null) => TimeRangeType::TraceId,
            Some(kind) => match kind.as_str() {
                Some("TraceId") => TimeRangeType::TraceId,
                Some("Event") => TimeRangeType::Event,
                Some("Service") => TimeRangeType::Service,
                _ => return Err(TimeRangeError::UnknownType(kind.clone())),
            },
        };
        if start > end {
            return Err(TimeRangeError::Reversed);
        }
        if end.since(start) > window_max {
            return Err(TimeRangeError::TooLong(window_max));
        }
        Ok(Self { start, end, kind })
    }

    /// The latest moment of the trace that lies in the window, if any does.
    pub fn matches(&self, trace: &Trace, updated: Timestamp) -> Option<Timestamp> {
        match self.kind {
            TimeRangeType::TraceId => {
                let start = Timestamp::from_micros(i64::from(trace.id().epoch_seconds()) * 1_000_000);
                Some(start).filter(|start| self.contains(*start))
            }
            TimeRangeType::Service => trace.segment_ends().filter(|end| self.contains(*end)).max(),
            TimeRangeType::Event => {
                let start = trace.start()?;
                let end = trace.end().unwrap_or(start).max(start);
                let last_moment = Timestamp::from_micros(self.end.as_micros().saturating_sub(1));
                let active =
                    Some(end.min(last_moment)).filter(|moment| start <= *moment && self.contains(*moment));
                active.max(Some(updated).filter(|updated| self.contains(*updated)))
            }
        }
    }

    fn contains(&self, moment: Timestamp) -> bool {
        self.start <= moment && moment < self.end
    }
}

/// A time as clients send it: a number, a number as text, or ISO 8601.
fn read_time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(seconds) => seconds.as_f64().and_then(Timestamp::from_seconds),
        Value::String(text) => match text.trim().parse() {
            Ok(seconds) => Timestamp::from_seconds(seconds),
            Err(_) => Timestamp::parse_iso8601(text),
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::decode::decode;

    const WINDOW_MAX: Duration = Duration::from_secs(24 * 3600);

    fn seconds(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_time_is_read_in_every_form_clients_send() {
        for time in [
            json!(1767323045),
            json!(1767323045.0),
            json!("1767323045"),
            json!("2026-01-02T03:04:05Z"),
        ] {
            assert_eq!(read_time(&time), Some(seconds(1_767_323_045)), "{time}");
        }
        for time in [
            json!(null),
            json!("soon"),
            json!(true),
            json!([1]),
            json!("NaN"),
            json!(1e300),
        ] {
            assert_eq!(read_time(&time), None, "{time}");
        }
    }

    #[test]
    fn a_request_without_a_sound_window_is_refused_with_the_reason() {
        let check = |request: Value, expected: &str| {
            let error = TimeRange::read(&request, WINDOW_MAX).unwrap_err().to_string();
            assert!(error.contains(expected), "{request}: {error}");
        };
        check(json!({}), "StartTime must be a time");
        check(json!({"StartTime": 1}), "EndTime must be a time");
        check(json!({"StartTime": 2, "EndTime": 1}), "must not be after");
        check(
            json!({"StartTime": 0, "EndTime": 86401}),
            "Time range cannot be longer than 24 hours",
        );
        check(
            json!({"StartTime": 0, "EndTime": 1, "TimeRangeType": "Trace"}),
            "TimeRangeType must be",
        );
        let longest = TimeRange::read(&json!({"StartTime": 0, "EndTime": 86400}), WINDOW_MAX);
        assert_eq!(
            longest,
            Ok(TimeRange {
                start: seconds(0),
                end: seconds(86400),
                kind: TimeRangeType::TraceId
            })
        );
    }

    /// A trace whose id says 100, with segments from 200 to 300 and 250 to 400; updated at 900.
    #[track_caller]
    fn check(kind: TimeRangeType, window: [i64; 2], expected: Option<i64>) {
        let id = "1-00000064-abcdef012345678812345678";
        let mut trace = Trace::new(id.parse().unwrap());
        for (segment, start, end) in [("a", 200, 300), ("b", 250, 400)] {
            let document = json!({"name": "n", "id": format!("{segment:0>16}"), "trace_id": id,
                                  "start_time": start, "end_time": end});
            trace.absorb(decode(&document.to_string(), 65_536).remove(0).unwrap().nodes);
        }
        let range = TimeRange {
            start: seconds(window[0]),
            end: seconds(window[1]),
            kind,
        };
        let expected = expected.map(seconds);
        assert_eq!(
            range.matches(&trace, seconds(900)),
            expected,
            "{kind:?} {window:?}"
        );
    }

    #[test]
    fn by_trace_id_the_seconds_in_the_id_decide_and_the_end_lies_outside() {
        check(TimeRangeType::TraceId, [100, 101], Some(100));
        check(TimeRangeType::TraceId, [0, 100], None);
        check(TimeRangeType::TraceId, [101, 900], None);
    }

    #[test]
    fn by_event_any_moment_of_activity_decides() {
        check(TimeRangeType::Event, [0, 200], None);
        check(TimeRangeType::Event, [300, 1000], Some(900));
        check(TimeRangeType::Event, [350, 500], Some(400));
        check(TimeRangeType::Event, [400, 401], Some(400));
        check(TimeRangeType::Event, [401, 900], None);
        check(TimeRangeType::Event, [900, 901], Some(900));
    }

    #[test]
    fn by_event_a_trace_that_is_still_open_is_found_by_its_start_and_its_update() {
        let id = "1-00000064-abcdef012345678812345678";
        let mut trace = Trace::new(id.parse().unwrap());
        let document = json!({"name": "n", "id": "000000000000000a", "trace_id": id, "start_time": 200,
                              "in_progress": true});
        trace.absorb(decode(&document.to_string(), 65_536).remove(0).unwrap().nodes);
        for (window, expected) in [
            ([200, 201], Some(200)),
            ([201, 900], None),
            ([201, 901], Some(900)),
        ] {
            let range = TimeRange {
                start: seconds(window[0]),
                end: seconds(window[1]),
                kind: TimeRangeType::Event,
            };
            assert_eq!(
                range.matches(&trace, seconds(900)),
                expected.map(seconds),
                "{window:?}"
            );
        }
    }

    #[test]
    fn by_service_the_end_of_any_segment_decides() {
        check(TimeRangeType::Service, [300, 301], Some(300));
        check(TimeRangeType::Service, [0, 1000], Some(400));
        check(TimeRangeType::Service, [301, 400], None);
    }

    proptest! {
        #[test]
        fn no_request_makes_the_reader_panic(start in any::<f64>(), end in ".*", kind in ".*") {
            let request = json!({"StartTime": start, "EndTime": end, "TimeRangeType": kind});
            let _ = TimeRange::read(&request, WINDOW_MAX);
        }
    }
}
