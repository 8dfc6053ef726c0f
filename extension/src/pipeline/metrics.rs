//! The account as CloudWatch's embedded metric format: one JSON line in the function's log that CloudWatch turns into
//! metrics, without a call of ours.
//!
//! Counters are what happened since the line before, so that CloudWatch's sums are right; there is no timer, which a
//! freeze would stop: a line is due when something happens a minute or more after the last.

use std::str::FromStr;
use std::time::Duration;

use model::time::Timestamp;
use serde_json::{Map, Value, json};

use super::durations::Durations;
use super::tally::{Account, Sign};
use crate::limits::REPORT_EVERY;

/// Whether and how metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsFormat {
    /// Not at all.
    Off,
    /// CloudWatch's embedded metric format.
    Emf,
}

impl FromStr for MetricsFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.trim().to_ascii_lowercase().as_str() {
            "off" => Ok(Self::Off),
            "emf" => Ok(Self::Emf),
            _ => Err(()),
        }
    }
}

/// How long the extension took to start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnInit {
    /// From the start of the program until Lambda had registered it.
    pub registered: Duration,
    /// From the start of the program until it was ready to ask for its first event.
    pub ready: Duration,
}

impl OwnInit {
    /// The figures of a log line.
    pub fn fields(self) -> Value {
        json!({ "registered_ms": millis(self.registered), "ready_ms": millis(self.ready) })
    }
}

/// What is not counted but read.
#[derive(Debug, Clone, Copy)]
pub struct Gauges<'a> {
    /// Documents held.
    pub held: u64,
    /// The most bytes this process has had resident.
    pub peak_resident: u64,
    /// Time that invocations took after their runtime was done, since the line before.
    pub flushes: &'a Durations,
}

const NAMESPACE: &str = "Fluoroscope";
const COUNTERS: usize = 14;

/// See the module.
#[derive(Debug)]
pub struct Metrics {
    function_name: String,
    /// Where there are several.
    outbound: Option<&'static str>,
    own_init: Option<OwnInit>,
    told: [u64; COUNTERS],
    /// When the last line was written, or the first event came.
    since: Option<Timestamp>,
}

impl Metrics {
    /// Nothing written yet.
    pub fn new(function_name: String, outbound: Option<&'static str>, own_init: OwnInit) -> Self {
        Self {
            function_name,
            outbound,
            own_init: Some(own_init),
            told: [0; COUNTERS],
            since: None,
        }
    }

    /// Whether a line is due. The first is a minute after the first event.
    pub fn is_due(&mut self, now: Timestamp) -> bool {
        now >= self.since.get_or_insert(now).after(REPORT_EVERY)
    }

    /// The line: what happened since the last one. None if nothing did.
    pub fn line(&mut self, now: Timestamp, account: Account<'_>, gauges: Gauges<'_>) -> Option<Value> {
        let counters = counters(account);
        let flushes = gauges.flushes;
        let mut figures: Vec<(&'static str, &'static str, Value)> = counters
            .iter()
            .zip(self.told)
            .map(|((name, total), told)| (*name, "Count", total.saturating_sub(told).into()))
            .collect();
        if figures.iter().all(|(_, _, value)| *value == 0) && flushes.count() == 0 {
            return None;
        }
        self.told = counters.map(|(_, total)| total);
        self.since = Some(now);
        figures.push(("DocumentsHeld", "Count", gauges.held.into()));
        figures.push(("ResidentMemoryPeak", "Bytes", gauges.peak_resident.into()));
        if flushes.count() > 0 {
            figures.push((
                "FlushDurationMedian",
                "Milliseconds",
                flushes.quantile_ms(50).into(),
            ));
            figures.push(("FlushDurationMax", "Milliseconds", flushes.longest_ms().into()));
        }
        if let Some(own_init) = self.own_init.take() {
            figures.push(("InitDuration", "Milliseconds", millis(own_init.ready).into()));
        }
        Some(self.embed(now, figures))
    }

    fn embed(&self, now: Timestamp, figures: Vec<(&'static str, &'static str, Value)>) -> Value {
        let metrics: Vec<Value> = figures
            .iter()
            .map(|(name, unit, _)| json!({ "Name": name, "Unit": unit }))
            .collect();
        let mut dimensions = vec!["FunctionName"];
        dimensions.extend(self.outbound.map(|_| "Outbound"));
        let mut line = Map::new();
        line.insert(
            "_aws".into(),
            json!({ "Timestamp": now.as_millis(), "CloudWatchMetrics": [{
                "Namespace": NAMESPACE, "Dimensions": [dimensions], "Metrics": metrics,
            }] }),
        );
        line.insert("FunctionName".into(), self.function_name.clone().into());
        if let Some(outbound) = self.outbound {
            line.insert("Outbound".into(), outbound.into());
        }
        line.extend(
            figures
                .into_iter()
                .map(|(name, _, value)| (name.to_owned(), value)),
        );
        Value::Object(line)
    }
}

fn counters(tally: Account<'_>) -> [(&'static str, u64); COUNTERS] {
    [
        ("DocumentsReceived", tally.received_total()),
        ("DocumentsSent", tally.sent_total()),
        ("DocumentsShed", tally.shed_total()),
        ("DocumentsRejected", tally.rejected_total()),
        ("DocumentsRepeated", tally.repeated_total()),
        ("DocumentsSuperseded", tally.superseded_total()),
        ("DocumentsSplit", tally.times(Sign::Split)),
        ("DocumentsRetried", tally.times(Sign::Retried)),
        ("Calls", tally.times(Sign::Attempt)),
        ("CallsFailed", tally.failed_total()),
        ("OutOfMemory", tally.times(Sign::OutOfMemory)),
        ("InvocationsRescued", tally.times(Sign::Rescued)),
        ("DocumentsAsEvidence", tally.times(Sign::Evidence)),
        ("TelemetryRejected", tally.telemetry_total()),
    ]
}

/// Milliseconds with three decimals.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::super::lane::{Lane, PerLane};
    use super::super::tally::{Origin, Tally};
    use super::*;

    fn metrics() -> Metrics {
        let own_init = OwnInit {
            registered: Duration::from_micros(1_200),
            ready: Duration::from_micros(2_345),
        };
        Metrics::new("orders".into(), None, own_init)
    }

    fn line(metrics: &mut Metrics, now: Timestamp, tally: &mut Tally) -> Option<Value> {
        let flushes = tally.take_recent_flushes();
        let gauges = Gauges {
            held: 3,
            peak_resident: 5 << 20,
            flushes: &flushes,
        };
        metrics.line(now, tally.of(Lane::FIRST), gauges)
    }

    #[test]
    fn of_several_outbounds_each_has_lines_of_its_own() {
        let mut metrics = Metrics::new("orders".into(), Some("daemon"), OwnInit::default());
        let mut tally = Tally::new(PerLane::one("daemon"));
        tally.received(Origin::Udp, 1);
        let line = line(&mut metrics, Timestamp::default(), &mut tally).unwrap();
        assert_eq!(line["Outbound"], "daemon");
        let dimensions = &line["_aws"]["CloudWatchMetrics"][0]["Dimensions"];
        assert_eq!(*dimensions, json!([["FunctionName", "Outbound"]]));
    }

    #[test]
    fn a_line_tells_what_happened_since_the_line_before() {
        let (mut metrics, mut tally) = (metrics(), Tally::new(PerLane::one("xray")));
        let now = Timestamp::from_millis(1_779_358_529_000);
        assert_eq!(line(&mut metrics, now, &mut tally), None, "nothing happened");
        tally.received(Origin::Udp, 5);
        tally.sent(Lane::FIRST, 2);
        tally.flushed(Duration::from_millis(7));
        let first = line(&mut metrics, now, &mut tally).unwrap();
        assert_eq!(
            (&first["DocumentsReceived"], &first["DocumentsSent"]),
            (&json!(5), &json!(2))
        );
        assert_eq!(
            (&first["DocumentsHeld"], &first["ResidentMemoryPeak"]),
            (&json!(3), &json!(5 << 20))
        );
        assert_eq!(
            (&first["FlushDurationMax"], &first["InitDuration"]),
            (&json!(7), &json!(2.345))
        );
        tally.sent(Lane::FIRST, 3);
        let second = line(&mut metrics, now, &mut tally).unwrap();
        assert_eq!(
            (&second["DocumentsReceived"], &second["DocumentsSent"]),
            (&json!(0), &json!(3))
        );
        assert_eq!(
            (&second["FlushDurationMax"], &second["InitDuration"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(line(&mut metrics, now, &mut tally), None);
        assert_eq!(
            tally.flushes().count(),
            1,
            "the tally's own histogram is not emptied"
        );
    }

    #[test]
    fn a_line_is_due_a_minute_after_the_last_however_long_the_freeze() {
        let (mut metrics, mut tally) = (metrics(), Tally::new(PerLane::one("xray")));
        let start = Timestamp::from_millis(1_779_358_529_000);
        assert!(!metrics.is_due(start));
        assert!(!metrics.is_due(start.after(REPORT_EVERY).before(Duration::from_micros(1))));
        let thaw = start.after(Duration::from_secs(7200));
        assert!(metrics.is_due(thaw));
        tally.sent(Lane::FIRST, 1);
        assert!(line(&mut metrics, thaw, &mut tally).is_some());
        assert!(!metrics.is_due(thaw.after(REPORT_EVERY / 2)));
        assert!(metrics.is_due(thaw.after(REPORT_EVERY)));
    }
}
