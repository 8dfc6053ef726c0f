//! The account on its way out: to X-Ray (PutTelemetryRecords) and as metrics, once a minute at most.
//!
//! No timer drives it and nobody waits for it: X-Ray is told while a handler runs, over the connection that has just
//! taken a batch, and at SHUTDOWN when everything else has left.

use model::time::Timestamp;
use model::wire::xray_api::TelemetryRecord;
use serde_json::Value;

use super::super::event::Effect;
use super::super::metrics::{Gauges, Metrics, MetricsFormat};
use super::super::tally::{Held, Tally};
use super::{Config, Engine, Phase};
use crate::limits::{REPORT_EVERY, TELL_MIDWAY_MAX};
use crate::logging::{Level, Line};

/// What was reported so far.
pub(super) struct Reports {
    metrics: Option<Metrics>,
    /// The totals that X-Ray knows of.
    told: TelemetryRecord,
    /// The totals that X-Ray will know of when the record on its way has arrived.
    telling: Option<TelemetryRecord>,
    /// When X-Ray was last told, or the first document came.
    since: Option<Timestamp>,
}

impl Reports {
    pub(super) fn new(config: &Config) -> Self {
        let metrics = || Metrics::new(config.function.name.clone(), config.own_init);
        Self {
            metrics: (config.metrics == MetricsFormat::Emf).then(metrics),
            told: TelemetryRecord::default(),
            telling: None,
            since: None,
        }
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
        line.fields.extend(self.tally.fields(self.held()));
        line.with("memory", self.memory.fields())
            .with("init", self.config.own_init.fields())
    }

    /// The account so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Documents held.
    pub fn held_documents(&self) -> u64 {
        self.held().total()
    }

    pub(super) fn held(&self) -> Held {
        Held {
            in_memory: self.spool.held_documents() + self.evidence.documents() + self.filing.in_transit(),
            in_file: self.filing.documents(),
        }
    }

    /// What X-Ray is to know beyond what it knows, as the daemon tells it. None if that is nothing, or while it is
    /// being told.
    pub(super) fn begin_telling(&mut self, now: Timestamp) -> Option<TelemetryRecord> {
        if self.reports.is_telling() {
            return None;
        }
        let totals = TelemetryRecord {
            timestamp: now.as_seconds(),
            segments_received_count: self.tally.received_total(),
            segments_sent_count: self.tally.sent_total(),
            segments_spillover_count: self.tally.shed_total(),
            segments_rejected_count: self.tally.rejected_total(),
            backend_connection_errors: self.sending.errors,
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
    pub(super) fn tell_midway(&mut self, now: Timestamp) {
        let is_unattended = match &self.phase {
            Phase::Running { .. } | Phase::Passing { .. } => true,
            Phase::Waiting => self.config.is_managed,
            _ => false,
        };
        let is_due = now >= self.reports.since.get_or_insert(now).after(REPORT_EVERY);
        let is_idle = !self.spool.is_sending() && self.spool.ready_documents() == 0;
        if is_unattended
            && is_due
            && is_idle
            && self.sending.is_healthy()
            && let Some(record) = self.begin_telling(now)
        {
            self.reports.since = Some(now);
            self.effects.push(Effect::Tell(record, TELL_MIDWAY_MAX));
        }
    }

    /// Writes the metrics that are due.
    pub(super) fn report(&mut self, now: Timestamp) {
        let metrics = self.reports.metrics.as_mut();
        if metrics.is_some_and(|metrics| metrics.is_due(now)) {
            let line = self.untold_metrics(now);
            self.effects.extend(line.map(Effect::Write));
        }
    }

    /// What metrics have not told yet, if there is any: together with [`Self::last_word`], or they would not add up
    /// to it.
    pub fn untold_metrics(&mut self, now: Timestamp) -> Option<Value> {
        let gauges = Gauges {
            held: self.held_documents(),
            peak_resident: self.memory.peak().get(),
        };
        let metrics = self.reports.metrics.as_mut()?;
        metrics.line(now, &mut self.tally, gauges)
    }
}
