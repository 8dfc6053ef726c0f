//! Managed instances: several requests at a time, no INVOKE, no freeze, a prompt report for each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::core::{Driver, Fault, Readiness};
use super::running::Answer;
use super::stop::Reason;
use crate::invocation::Job;
use crate::journal::now;
use crate::records::Outcome;

/// A wait that is renewed before it ends.
const IDLE: Duration = Duration::from_secs(3600);

impl Driver {
    /// Gives a request to a runtime that asks for one.
    pub(super) fn take_up(&mut self, job: Job) {
        let arrived = Instant::now();
        if self.readiness == Readiness::Over {
            return;
        }
        let request_id = self.begin(job, arrived, arrived);
        if !self.release_runtime(&request_id) {
            // Its connection broke this moment: the caller is turned away.
            self.running.remove(&request_id);
        }
    }

    /// Ends the requests that were answered.
    pub(super) async fn hand_out(&mut self) {
        let answered = |id: &Arc<str>, driver: &Self| {
            let running = driver.running.get(id)?;
            let error_type = running
                .answer
                .as_ref()
                .and_then(|answer| answer.error_type.clone());
            let times = running.response?;
            Some((
                times.is_error,
                error_type,
                times.complete_at.saturating_duration_since(running.started),
            ))
        };
        let ids: Vec<Arc<str>> = self.running.keys().cloned().collect();
        for id in ids {
            let Some((is_error, error_type, took)) = answered(&id, self) else {
                continue;
            };
            let outcome = if is_error {
                Outcome {
                    status: "error",
                    error_type: Some(error_type.as_deref().unwrap_or("Function.Unknown")),
                }
            } else {
                Outcome::SUCCESS
            };
            self.end_managed(&id, outcome, took);
        }
    }

    /// Ends the requests whose time is over; the runtime goes on with them all the same.
    pub(super) fn expire(&mut self) {
        let now_at = Instant::now();
        let late = |running: &super::running::Running| running.deadline <= now_at;
        let ids: Vec<Arc<str>> = self
            .running
            .iter()
            .filter(|(_, running)| late(running))
            .map(|(id, _)| Arc::clone(id))
            .collect();
        for id in ids {
            let seconds = self.config.timeout.as_secs_f64();
            let text = format!(
                "{} {id} Task timed out after {seconds:.2} seconds",
                now().to_iso8601()
            );
            if let Some(running) = self.running.get_mut(&id) {
                let payload = json!({"errorType": "Sandbox.Timedout", "errorMessage": text}).to_string();
                running.answer = Some(Answer {
                    payload: payload.into(),
                    is_error: true,
                    error_type: None,
                });
            }
            let outcome = Outcome {
                status: "timeout",
                error_type: Some("Sandbox.Timedout"),
            };
            self.end_managed(&id, outcome, self.config.timeout);
        }
    }

    fn end_managed(&mut self, request_id: &Arc<str>, outcome: Outcome<'_>, took: Duration) {
        self.emit_report(request_id, outcome, took);
        let logs = Arc::clone(&self.logs);
        if let Some(mut running) = self.running.remove(request_id) {
            running.tell_caller(|mark| logs.tail_since(mark));
        }
    }

    /// When the next request's time is over.
    pub(super) fn next_managed_deadline(&self) -> Instant {
        let deadlines = self.running.values().map(|running| running.deadline);
        deadlines.min().unwrap_or_else(|| Instant::now() + IDLE)
    }

    /// A process broke: the instance is given up.
    pub(super) async fn terminate(&mut self, fault: &Fault) {
        let ids: Vec<Arc<str>> = self.running.keys().cloned().collect();
        for id in ids {
            if let Some(running) = self.running.get_mut(&id) {
                let message = format!("RequestId: {id} {}", fault.message);
                let payload = json!({"errorType": fault.error_type, "errorMessage": message}).to_string();
                running.answer = Some(Answer {
                    payload: payload.into(),
                    is_error: true,
                    error_type: None,
                });
            }
            let outcome = Outcome {
                status: "error",
                error_type: Some(&fault.error_type),
            };
            let took = self
                .running
                .get(&id)
                .map_or(Duration::ZERO, |running| running.started.elapsed());
            self.end_managed(&id, outcome, took);
        }
        self.end_processes(Reason::Failure, false).await;
        self.readiness = Readiness::Over;
    }
}
