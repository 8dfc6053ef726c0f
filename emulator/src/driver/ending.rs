//! How an invocation ends: its last records, the caller's answer, then freeze or reset.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};

use super::core::{Driver, Fault, Interrupt, RUNTIME, Readiness};
use super::running::{Answer, Running};
use super::stop::Reason;
use crate::journal::{What, now};
use crate::limits::LOG_SETTLE;
use crate::process::Process;
use crate::records::{self, Ending, Outcome, Span, millis};

impl Driver {
    /// Ends an invocation as its outcome asks for.
    pub(super) async fn end(&mut self, request_id: &Arc<str>, outcome: Result<(), Interrupt>) {
        match outcome {
            Ok(()) => {
                let took = self.time_until_ready(request_id);
                self.emit_report(request_id, Outcome::SUCCESS, took);
                self.answer_with_tail(request_id).await;
                self.freeze();
            }
            Err(Interrupt::Deadline) => self.time_out(request_id).await,
            Err(Interrupt::Fault(fault)) => self.fail(request_id, &fault).await,
            // Dropping it turns the caller away.
            Err(Interrupt::Stop) => {
                self.running.remove(request_id);
                return;
            }
        }
        self.running.remove(request_id);
    }

    async fn time_out(&mut self, request_id: &Arc<str>) {
        let outcome = Outcome {
            status: "timeout",
            error_type: None,
        };
        self.emit_runtime_done(request_id, outcome);
        let seconds = self.config.timeout.as_secs_f64();
        let text = format!(
            "{} {request_id} Task timed out after {seconds:.2} seconds",
            now().to_iso8601()
        );
        self.log(text.clone());
        self.fall_back(request_id, json!({"errorMessage": text}).to_string().into());
        self.emit_report(request_id, outcome, self.config.timeout);
        // After the report, which tells how much memory it used.
        self.kill_runtime();
        self.answer_with_tail(request_id).await;
        self.reset(Reason::Timeout).await;
    }

    async fn fail(&mut self, request_id: &Arc<str>, fault: &Fault) {
        let is_sandbox = fault.error_type.starts_with("Sandbox.");
        let status = if is_sandbox { "failure" } else { "error" };
        let outcome = Outcome {
            status,
            error_type: Some(&fault.error_type),
        };
        self.emit_runtime_done(request_id, outcome);
        let text = format!("RequestId: {request_id} {}", fault.message);
        self.log(text.clone());
        let error = json!({"errorType": fault.error_type, "errorMessage": text});
        let payload = fault.payload.clone().filter(|payload| !payload.is_empty());
        self.fall_back(request_id, payload.unwrap_or_else(|| error.to_string().into()));
        let took = self
            .running
            .get(request_id)
            .map_or(Duration::ZERO, |running| running.started.elapsed());
        self.emit_report(request_id, outcome, took);
        self.answer_with_tail(request_id).await;
        self.reset(Reason::Failure).await;
    }

    /// The caller's answer if the function gave none.
    fn fall_back(&mut self, request_id: &Arc<str>, payload: Bytes) {
        if let Some(running) = self.running.get_mut(request_id) {
            running.answer.get_or_insert(Answer {
                payload,
                is_error: true,
                error_type: None,
            });
        }
    }

    /// Answers a caller who waited for the log tail, or for an answer that the function never gave.
    async fn answer_with_tail(&mut self, request_id: &Arc<str>) {
        let wants_tail = self
            .running
            .get(request_id)
            .is_some_and(|running| running.request.wants_log_tail);
        if wants_tail {
            // Lines that the function wrote before it answered may still be in its pipe.
            self.settle(Instant::now() + LOG_SETTLE, |_| false).await;
        }
        let logs = Arc::clone(&self.logs);
        if let Some(running) = self.running.get_mut(request_id) {
            running.tell_caller(|mark| logs.tail_since(mark));
        }
    }

    pub(super) fn emit_runtime_done(&mut self, request_id: &Arc<str>, outcome: Outcome<'_>) {
        let Some(running) = self.running.get_mut(request_id) else {
            return;
        };
        if std::mem::replace(&mut running.is_runtime_done, true) {
            return;
        }
        let spans = running.spans();
        let ended = running.next_at.unwrap_or_else(Instant::now);
        let ending = Ending {
            request_id,
            outcome,
            // A runtime that did not finish has no spans.
            spans: if outcome.status == "success" { &spans } else { &[] },
            tracing: running.identity.runtime_done.as_ref(),
        };
        let record = records::end(ending, running.runtime_metrics(ended));
        self.emit("platform.runtimeDone", record);
    }

    /// From the start until runtime and extensions were ready again.
    fn time_until_ready(&self, request_id: &Arc<str>) -> Duration {
        let Some(running) = self.running.get(request_id) else {
            return Duration::ZERO;
        };
        let last = running
            .next_at
            .max(self.last_extension_next)
            .unwrap_or_else(Instant::now);
        last.saturating_duration_since(running.started)
    }

    pub(super) fn emit_report(&mut self, request_id: &Arc<str>, outcome: Outcome<'_>, took: Duration) {
        let Some(running) = self.running.get(request_id) else {
            return;
        };
        let metrics = self.report_metrics(running, took);
        let spans: Vec<Span> = if self.config.init_type.is_managed() {
            running.spans()
        } else {
            self.extension_overhead(running).into_iter().collect()
        };
        let tracing = running.identity.start.clone();
        let ending = Ending {
            request_id,
            outcome,
            spans: &spans,
            tracing: tracing.as_ref(),
        };
        let record = records::end(ending, metrics.clone());
        self.emit("platform.report", record);
        self.log(format!("END RequestId: {request_id}"));
        self.log(report_line(request_id, outcome, &metrics));
        let status = match outcome.status {
            "success" => "success",
            "timeout" => "timeout",
            "failure" => "failure",
            _ => "error",
        };
        self.note(What::InvocationEnded {
            request_id: Arc::clone(request_id),
            status,
        });
    }

    fn report_metrics(&self, running: &Running, took: Duration) -> Value {
        if self.config.init_type.is_managed() {
            return json!({"durationMs": millis(took)});
        }
        let billed = took + running.init.unwrap_or_default();
        let mut metrics = json!({
            "durationMs": millis(took),
            "billedDurationMs": u64::try_from(billed.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX),
            "memorySizeMB": self.config.memory_mb,
            "maxMemoryUsedMB": self.max_memory_used_mb(),
        });
        if let (Some(init), Some(metrics)) = (running.init, metrics.as_object_mut()) {
            metrics.insert("initDurationMs".to_owned(), json!(millis(init)));
        }
        metrics
    }

    /// The sum of the processes' peaks. A process that the kernel has killed tells nothing: it had everything.
    fn max_memory_used_mb(&self) -> u64 {
        const MEGABYTE: u64 = 1024 * 1024;
        let size = u64::from(self.config.memory_mb);
        let used: u64 = self.processes.iter().map(Process::peak_memory_bytes).sum();
        match &self.memory_limit {
            Some(limit) if limit.kills() > self.out_of_memory_kills => size,
            Some(_) => used.div_ceil(MEGABYTE).min(size),
            None => used.div_ceil(MEGABYTE),
        }
    }

    fn extension_overhead(&self, running: &Running) -> Option<Span> {
        let next_at = running.next_at?;
        let took = self.last_extension_next?.saturating_duration_since(next_at);
        Some(Span {
            name: "extensionOverhead",
            start: now().before(next_at.elapsed()),
            took,
        })
    }

    fn kill_runtime(&mut self) {
        for process in self
            .processes
            .iter_mut()
            .filter(|process| *process.name == *RUNTIME)
        {
            process.kill();
        }
    }

    /// A process ended between two invocations.
    pub(super) async fn broke_while_idle(&mut self, fault: &Fault) {
        if matches!(self.readiness, Readiness::Cold | Readiness::Over) {
            return;
        }
        self.log(fault.message.clone());
        if self.config.init_type.is_managed() {
            self.terminate(fault).await;
        } else {
            self.reset(Reason::Failure).await;
        }
    }
}

fn report_line(request_id: &str, outcome: Outcome<'_>, metrics: &Value) -> String {
    let mut line = format!("REPORT RequestId: {request_id}");
    let fields = [
        ("durationMs", "Duration", "ms"),
        ("billedDurationMs", "Billed Duration", "ms"),
        ("memorySizeMB", "Memory Size", "MB"),
        ("maxMemoryUsedMB", "Max Memory Used", "MB"),
        ("initDurationMs", "Init Duration", "ms"),
    ];
    for (member, name, unit) in fields {
        if let Some(value) = metrics.get(member) {
            line.push_str(&format!("\t{name}: {value} {unit}"));
        }
    }
    if outcome.status != "success" {
        line.push_str(&format!("\tStatus: {}", outcome.status));
    }
    if let Some(error_type) = outcome.error_type {
        line.push_str(&format!("\tError Type: {error_type}"));
    }
    line
}
