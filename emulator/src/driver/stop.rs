//! SHUTDOWN: the runtime first, then the extensions, then SIGKILL, all inside one budget.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::json;

use super::core::{Driver, Interrupt, RUNTIME, Readiness};
use crate::event::ExtensionTurn;
use crate::journal::{What, now};
use crate::lifecycle::{Parties, Stage};
use crate::limits::{LOG_DRAIN_LIMIT, REAP_LIMIT, RUNTIME_SHUTDOWN_PERCENT, SHUTDOWN_BUDGET};
use crate::logs::LogLine;
use crate::process::Exited;

/// Why processes are ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The environment is not needed any more.
    Spindown,
    /// The function timed out.
    Timeout,
    /// A process broke.
    Failure,
}

impl Reason {
    fn name(self) -> &'static str {
        match self {
            Self::Spindown => "spindown",
            Self::Timeout => "timeout",
            Self::Failure => "failure",
        }
    }

    pub(super) fn after(interrupt: &Interrupt) -> Self {
        match interrupt {
            Interrupt::Deadline => Self::Timeout,
            Interrupt::Fault(_) => Self::Failure,
            Interrupt::Stop => Self::Spindown,
        }
    }
}

/// How an environment ended.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Every process that still ran, in the order of their start.
    pub processes: Vec<Exited>,
    /// The log, to its last line.
    pub logs: Vec<LogLine>,
    /// From the call to the last exit.
    pub took: Duration,
}

impl Driver {
    /// Ends the environment for good.
    pub(super) async fn shut_down(&mut self, reason: Reason) -> Shutdown {
        let began = Instant::now();
        let processes = self.end_processes(reason, reason == Reason::Spindown).await;
        self.running.clear();
        self.note(What::Stopped);
        Shutdown {
            processes,
            logs: self.logs.lines(),
            took: began.elapsed(),
        }
    }

    /// Ends all processes; the next request starts new ones.
    pub(super) async fn reset(&mut self, reason: Reason) {
        self.end_processes(reason, false).await;
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.parties = Parties::new(Vec::new(), self.config.init_type.is_managed());
        self.waiting.clear();
        self.polls.clear();
        self.restore_poll = None;
        self.last_extension_next = None;
        self.fault = None;
        self.shutdown_event = None;
        self.hub.reset();
        self.readiness = Readiness::Reset;
        self.note(What::Reset {
            reason: self.reason_text(reason),
        });
    }

    fn reason_text(&self, reason: Reason) -> Arc<str> {
        self.config
            .faults
            .shutdown_reason
            .as_deref()
            .unwrap_or(reason.name())
            .into()
    }

    pub(super) async fn end_processes(&mut self, reason: Reason, is_gentle: bool) -> Vec<Exited> {
        let began = Instant::now();
        let budget = self.config.faults.shutdown_budget.unwrap_or(SHUTDOWN_BUDGET);
        let deadline = began + budget;
        let deadline_ms = now().after(budget).as_millis();
        self.thaw();
        self.resume_telemetry();
        self.parties.stage = Stage::Stopping;
        let has_extensions = self.processes.iter().any(|process| *process.name != *RUNTIME);
        if is_gentle && has_extensions && self.is_alive(RUNTIME) {
            self.processes
                .iter()
                .filter(|process| *process.name == *RUNTIME)
                .for_each(|it| it.terminate());
            let share = began + budget * RUNTIME_SHUTDOWN_PERCENT / 100;
            self.settle(share, |driver| !driver.is_alive(RUNTIME)).await;
        }
        self.kill(|_, name| name == RUNTIME);
        let reason = self.reason_text(reason);
        let event = json!({"eventType": "SHUTDOWN", "shutdownReason": &*reason, "deadlineMs": deadline_ms});
        self.shutdown_event = Some((reason, event.to_string()));
        self.release_shutdown();
        self.kill(|driver, name| name != RUNTIME && !driver.gets_shutdown(name));
        let is_over = |driver: &Self| !driver.processes.iter().any(|process| process.is_alive());
        self.settle(deadline, is_over).await;
        self.kill(|_, _| true);
        self.settle(Instant::now() + REAP_LIMIT, is_over).await;
        self.drain_logs().await;
        let exited = self.processes.drain(..).filter_map(|process| {
            let (exit, at) = process.exit?;
            Some(Exited {
                name: Arc::clone(&process.name),
                exit,
                by_itself: !process.was_killed,
                within: at.saturating_duration_since(began),
            })
        });
        exited.collect()
    }

    /// Gives SHUTDOWN to those who wait for it, once it has begun.
    pub(super) fn release_shutdown(&mut self) {
        let Some((reason, event)) = self.shutdown_event.clone() else {
            return;
        };
        for (name, identifier) in self.parties.release_shutdown() {
            let Some(reply) = self.waiting.remove(&identifier) else {
                continue;
            };
            self.note(What::ShutdownSent {
                extension: name,
                reason: Arc::clone(&reason),
            });
            // Fails only if the extension went away, which its exit tells.
            let _ = reply.send(ExtensionTurn::Event(event.clone()));
        }
    }

    /// Kills the groups that `is_meant` names.
    fn kill(&mut self, is_meant: impl Fn(&Parties, &str) -> bool) {
        let parties = &self.parties;
        for process in self
            .processes
            .iter_mut()
            .filter(|process| is_meant(parties, &process.name))
        {
            process.kill();
        }
    }

    async fn drain_logs(&mut self) {
        let deadline = tokio::time::Instant::now() + LOG_DRAIN_LIMIT;
        for reader in self.readers.drain(..) {
            let abort = reader.abort_handle();
            if tokio::time::timeout_at(deadline, reader).await.is_err() {
                // Somebody outside the group holds the pipe.
                abort.abort();
            }
        }
    }
}
