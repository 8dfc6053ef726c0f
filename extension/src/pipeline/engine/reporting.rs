//! The account on its way out: to X-Ray (PutTelemetryRecords) and as metrics, once a minute at most.
//!
//! No timer drives it and nobody waits for it: X-Ray is told while a handler runs, over the connection that has just
//! taken a batch, and at SHUTDOWN when everything else has left.

use model::time::Timestamp;
use model::wire::xray_api::TelemetryRecord;
use serde_json::Value;

use super::super::event::Effect;
use super::super::lane::{Lane, PerLane};
use super::super::metrics::{Gauges, Metrics, MetricsFormat};
use super::super::tally::{Held, Tally};
use super::{Config, Engine, Phase};
use crate::limits::{REPORT_EVERY, TELL_MIDWAY_MAX};
use crate::logging::{Level, Line};

/// What was reported so far.
pub(super) struct Reports {
    metrics: Option<PerLane<Metrics>>,
    /// The outbound that takes the tally: X-Ray, if it is among them.
    teller: Option<Lane>,
    /// The totals that X-Ray knows of.
    told: TelemetryRecord,
    /// The totals that X-Ray will know of when the record on its way has arrived.
    telling: Option<TelemetryRecord>,
    /// When X-Ray was last told, or the first document came.
    since: Option<Timestamp>,
}

impl Reports {
    pub(super) fn new(config: &Config) -> Self {
        let metrics = || {
            let are_several = config.outbounds.are_several();
            config.outbounds.map(|outbound| {
                let name = are_several.then_some(outbound.name);
                Metrics::new(config.function.name.clone(), name, config.own_init)
            })
        };
        let mut outbounds = config.outbounds.each();
        let teller = outbounds.find(|(_, outbound)| outbound.takes_tally);
        Self {
            teller: teller.map(|(lane, _)| lane),
            metrics: (config.metrics == MetricsFormat::Emf).then(metrics),
            told: TelemetryRecord::default(),
            telling: None,
            since: None,
        }
    }

    /// The outbound that takes the tally.
    pub(super) fn teller(&self) -> Option<Lane> {
        self.teller
    }

    /// Whether this outbound is told.
    pub(super) fn tells_through(&self, lane: Lane) -> bool {
        self.teller == Some(lane)
    }

    /// Whether a record is on its way.
    pub(super) fn is_telling(&self) -> bool {
        self.telling.is_some()
    }
}

impl Engine {
    /// The tally as a line: the last word, once [`Effect::Finish`] was asked for and nothing arrives any more.
    pub fn last_word(&self) -> Line {
        let reason = if let Phase::Stopped(reason) = &self.phase {
            reason.as_str()
        } else {
            ""
        };
        let mut line = Line::new(Level::Info, "tally").with("shutdown", reason);
        line.fields.extend(self.tally.fields(|lane| self.held_by(lane)));
        line.with("memory", self.memory.fields())
            .with("init", self.config.own_init.fields())
    }

    /// The account so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Documents held for an outbound.
    pub fn held_documents(&self, lane: Lane) -> u64 {
        self.held_by(lane).total()
    }

    pub(super) fn held_by(&self, lane: Lane) -> Held {
        let filing = &self.lanes.of(lane).filing;
        Held {
            in_memory: self.spool.held_documents(lane) + self.evidence.documents() + filing.in_transit(),
            in_file: filing.documents(),
        }
    }

    /// Whether any document came in.
    pub(super) fn has_received(&self) -> bool {
        let lanes = self.lanes.lanes();
        lanes.each().any(|lane| self.tally.of(lane).received_total() > 0)
    }

    /// What X-Ray is to know beyond what it knows, as the daemon tells it. None if that is nothing, or while it is
    /// being told, or if it is no outbound of ours.
    pub(super) fn begin_telling(&mut self, now: Timestamp) -> Option<TelemetryRecord> {
        let lane = self.reports.teller.filter(|_| !self.reports.is_telling())?;
        let account = self.tally.of(lane);
        let totals = TelemetryRecord {
            timestamp: now.as_seconds(),
            segments_received_count: account.received_total(),
            segments_sent_count: account.sent_total(),
            segments_spillover_count: account.shed_total(),
            segments_rejected_count: account.rejected_total(),
            backend_connection_errors: self.lanes.of(lane).sending.errors,
        };
        let record = totals.since(&self.reports.told);
        if record.is_empty() {
            return None;
        }
        self.reports.telling = Some(totals);
        Some(record)
    }

    /// X-Ray was told, or could not be: what it did not get is in the next record.
    pub(super) fn told(&mut self, is_taken: bool) {
        if let Some(totals) = self.reports.telling.take().filter(|_| is_taken) {
            self.reports.told = totals;
        }
        self.told_at_the_end();
    }

    /// A batch was taken: if a handler runs, and will for a while as far as anybody knows, X-Ray hears the account.
    pub(super) fn tell_midway(&mut self, now: Timestamp, lane: Lane) {
        let is_unattended = match &self.phase {
            Phase::Running { .. } | Phase::Passing { .. } => true,
            Phase::Waiting => self.config.is_managed,
            _ => false,
        };
        let is_due = now >= self.reports.since.get_or_insert(now).after(REPORT_EVERY);
        let is_idle = !self.spool.is_sending(lane) && self.spool.ready_documents(lane) == 0;
        if is_unattended
            && is_due
            && is_idle
            && self.reports.tells_through(lane)
            && self.lanes.of(lane).sending.is_healthy()
            && let Some(record) = self.begin_telling(now)
        {
            self.reports.since = Some(now);
            self.effects.push(Effect::Tell(lane, record, TELL_MIDWAY_MAX));
        }
    }

    /// Writes the metrics that are due.
    pub(super) fn report(&mut self, now: Timestamp) {
        let metrics = self.reports.metrics.as_mut();
        if metrics.is_some_and(|metrics| metrics.of_mut(Lane::FIRST).is_due(now)) {
            let lines = self.untold_metrics(now);
            self.effects.extend(lines.into_iter().map(Effect::Write));
        }
    }

    /// What metrics have not told yet, if there is any: together with [`Self::last_word`], or they would not add up
    /// to it.
    pub fn untold_metrics(&mut self, now: Timestamp) -> Vec<Value> {
        let Some(mut metrics) = self.reports.metrics.take() else {
            return Vec::new();
        };
        let flushes = self.tally.take_recent_flushes();
        let lines = metrics.each_mut().filter_map(|(lane, metrics)| {
            let gauges = Gauges {
                held: self.held_documents(lane),
                peak_resident: self.memory.peak().get(),
                flushes: &flushes,
            };
            metrics.line(now, self.tally.of(lane), gauges)
        });
        let lines = lines.collect();
        self.reports.metrics = Some(metrics);
        lines
    }
}
