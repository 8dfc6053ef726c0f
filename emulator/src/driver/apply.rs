//! What each event changes.

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use tokio::sync::oneshot;

use super::core::{Driver, Fault, RUNTIME, Stop};
use crate::config::{InitType, KilledAs};
use crate::event::{
    ErrorPhase, ErrorReport, Event, ExtensionTurn, Identifier, Refusal, Registered, Registration, Response,
    RuntimeTurn, Stamped,
};
use crate::faults::SubscriptionAnswer;
use crate::journal::What;
use crate::lifecycle::Stage;
use crate::process::Exit;
use crate::telemetry::Subscription;

const SIGKILL: i32 = 9;

impl Driver {
    /// Applies one event. Those of processes that a reset has ended are dropped.
    pub(super) fn apply(&mut self, stamped: Stamped) {
        let Stamped {
            at,
            generation,
            event,
        } = stamped;
        let Some(event) = self.obey(at, event) else {
            return;
        };
        if generation != self.current_generation() {
            return;
        }
        match event {
            Event::RuntimeNext { reply } => self.runtime_next(at, reply),
            Event::RestoreNext { reply } => self.restore_poll = Some(reply),
            Event::RestoreError { error, reply } | Event::InitError { error, reply } => {
                self.runtime_failed(error);
                let _ = reply.send(Ok(()));
            }
            Event::Response {
                request_id,
                response,
                reply,
            } => {
                let _ = reply.send(self.respond(&request_id, response));
            }
            Event::Register { request, reply } => {
                let _ = reply.send(self.register(at, &request));
            }
            Event::ExtensionNext { identifier, reply } => self.extension_next(at, &identifier, reply),
            Event::ExtensionError {
                identifier,
                phase,
                error_type,
                reply,
            } => {
                let _ = reply.send(self.extension_failed(&identifier, phase, error_type));
            }
            Event::Subscribe {
                identifier,
                body,
                reply,
            } => {
                let _ = reply.send(self.subscribe(at, &identifier, &body));
            }
            Event::Exited { name, exit } => self.exited(at, &name, exit),
            Event::Suspend { .. } | Event::Resume { .. } | Event::Stop { .. } => {}
        }
    }

    /// Does what the environment's owner orders, whatever processes there are; gives back what is no order.
    fn obey(&mut self, at: Instant, event: Event) -> Option<Event> {
        // Whoever gave the order may have stopped waiting.
        match event {
            Event::Stop { reason, reply } => {
                self.stop = Some(Stop {
                    reason,
                    reply,
                    since: at,
                });
            }
            Event::Suspend { part, reply } => {
                self.suspend(part);
                let _ = reply.send(());
            }
            Event::Resume { reply } => {
                self.resume();
                let _ = reply.send(());
            }
            event => return Some(event),
        }
        None
    }

    fn refused(&self, refusal: Refusal) -> Refusal {
        self.note(What::Refused {
            error_type: refusal.error_type,
            message: refusal.message.clone(),
        });
        refusal
    }

    fn runtime_next(&mut self, at: Instant, reply: oneshot::Sender<RuntimeTurn>) {
        self.polls.retain(|poll| !poll.is_closed());
        let (limit, is_managed) = match self.config.init_type {
            InitType::ManagedInstances { max_concurrency } => (usize::from(max_concurrency), true),
            _ => (1, false),
        };
        // One that it has not got yet is what it asks for.
        let is_unanswered =
            |running: &super::running::Running| running.released.is_some() && running.response.is_none();
        if self.polls.len() >= limit || (!is_managed && self.running.values().any(is_unanswered)) {
            let message = "next is not allowed before the response or while another next waits";
            let refusal = self.refused(Refusal::forbidden("InvalidStateTransition", message));
            let _ = reply.send(RuntimeTurn::Refused(refusal));
            return;
        }
        self.journal.push(at, What::RuntimeNext);
        if self.parties.stage == Stage::Init {
            self.parties.stage = Stage::Registered;
        }
        if !is_managed {
            let answered = self
                .running
                .values_mut()
                .filter(|running| running.response.is_some());
            answered.for_each(|running| {
                running.next_at.get_or_insert(at);
            });
        }
        self.polls.push_back(reply);
    }

    fn runtime_failed(&mut self, error: ErrorReport) {
        let error_type = error.error_type.unwrap_or_else(|| "Runtime.Unknown".to_owned());
        let message = format!("Error: runtime reported {error_type}");
        self.fault = Some(Fault {
            error_type,
            message,
            payload: Some(error.payload),
        });
    }

    fn respond(&mut self, request_id: &str, response: Response) -> Result<(), Refusal> {
        let is_managed = self.config.init_type.is_managed();
        let running = self
            .running
            .get_mut(request_id)
            .filter(|running| running.response.is_none());
        let Some(running) = running else {
            return Err(self.refused(Refusal::invalid("InvalidRequestID", "Invalid request ID")));
        };
        let what = What::Responded {
            request_id: Arc::clone(&running.request_id),
            is_error: response.is_error,
        };
        self.journal.push(response.complete_at, what);
        running.respond(response);
        if !running.request.wants_log_tail && !is_managed {
            running.tell_caller(|_| Vec::new());
        }
        Ok(())
    }

    fn register(&mut self, at: Instant, request: &Registration) -> Result<Registered, Refusal> {
        let identifier = uuid::Uuid::new_v4().to_string();
        let registered = match self.parties.register(request, identifier) {
            Ok(registered) => registered,
            Err(refusal) => return Err(self.refused(refusal)),
        };
        if let Some(extension) = self.parties.extensions().last() {
            let what = What::Registered {
                extension: Arc::clone(&extension.name),
                events: extension.events(),
            };
            self.journal.push(at, what);
        }
        Ok(registered)
    }

    fn extension_next(
        &mut self,
        at: Instant,
        identifier: &Identifier,
        reply: oneshot::Sender<ExtensionTurn>,
    ) {
        let earlier = identifier.0.as_ref().and_then(|text| self.waiting.get(text));
        let is_waiting = earlier.is_some_and(|earlier| !earlier.is_closed());
        let (name, key) = match self.parties.next(identifier, is_waiting) {
            Ok(extension) => (Arc::clone(&extension.name), extension.identifier.clone()),
            Err(refusal) => {
                let refusal = self.refused(refusal);
                let _ = reply.send(ExtensionTurn::Refused(refusal));
                return;
            }
        };
        self.journal.push(at, What::ExtensionNext { extension: name });
        self.last_extension_next = Some(at);
        self.waiting.insert(key, reply);
        self.release_shutdown();
    }

    fn extension_failed(
        &mut self,
        identifier: &Identifier,
        phase: ErrorPhase,
        error_type: Option<String>,
    ) -> Result<(), Refusal> {
        let name = match self.parties.fail(identifier, phase, error_type.as_deref()) {
            Ok(name) => name,
            Err(refusal) => return Err(self.refused(refusal)),
        };
        let fallback = match phase {
            ErrorPhase::Init => "Extension.InitError",
            ErrorPhase::Exit => "Extension.ExitError",
        };
        let error_type = error_type.filter(|text| text.starts_with("Extension."));
        let error_type = error_type.unwrap_or_else(|| fallback.to_owned());
        self.note(What::ExtensionError {
            extension: Arc::clone(&name),
            error_type: error_type.clone(),
        });
        if self.parties.stage != Stage::Stopping {
            let message = format!("Error: extension {name} reported {error_type}");
            self.fault.get_or_insert(Fault {
                error_type,
                message,
                payload: None,
            });
        }
        Ok(())
    }

    fn subscribe(&mut self, at: Instant, identifier: &Identifier, body: &[u8]) -> Result<(), Refusal> {
        let name = match self.parties.identify(identifier) {
            Ok(extension) => Arc::clone(&extension.name),
            Err(refusal) => return Err(self.refused(refusal)),
        };
        let outcome = self.check_subscription(body);
        let status = outcome.as_ref().err().map_or(200, |refusal| refusal.status);
        let what = What::Subscribed {
            extension: Arc::clone(&name),
            schema_version: member(body, "/schemaVersion"),
            uri: member(body, "/destination/URI"),
            status,
        };
        self.journal.push(at, what);
        let subscription = outcome?;
        if self.config.faults.subscription == SubscriptionAnswer::Silent {
            return Ok(());
        }
        let types = subscription.streams.clone();
        self.hub.subscribe(Arc::clone(&name), subscription);
        self.log(format!(
            "TELEMETRY\tName: {name}\tState: Subscribed\tTypes: [{}]",
            types.join(", ")
        ));
        self.emit(
            "platform.telemetrySubscription",
            json!({"name": &*name, "state": "Subscribed", "types": types}),
        );
        Ok(())
    }

    fn check_subscription(&self, body: &[u8]) -> Result<Subscription, Refusal> {
        let unsupported = |wanted: &str| {
            let message = format!("schemaVersion: {wanted} is needed here");
            Err(Refusal::invalid("ValidationError", message))
        };
        if let SubscriptionAnswer::Status(status) = self.config.faults.subscription {
            return Err(faulty(status));
        }
        let subscription = Subscription::parse(body)?;
        if let SubscriptionAnswer::SchemaVersions(accepted) = &self.config.faults.subscription
            && !accepted.contains(&subscription.schema_version)
        {
            return unsupported(&accepted.join(" or "));
        }
        if self.config.init_type.is_managed() && subscription.schema_version != "2025-01-29" {
            return unsupported("2025-01-29");
        }
        if matches!(self.parties.stage, Stage::Open | Stage::Stopping) {
            return Err(faulty(403));
        }
        Ok(subscription)
    }

    fn exited(&mut self, at: Instant, name: &Arc<str>, exit: Exit) {
        self.journal.push(
            at,
            What::ProcessExited {
                name: Arc::clone(name),
                exit,
            },
        );
        let mut was_killed = false;
        for process in self.processes.iter_mut().filter(|process| process.name == *name) {
            process.exit = Some((exit, at));
            was_killed = process.was_killed;
        }
        self.parties.exited(name);
        if self.parties.stage == Stage::Stopping || was_killed || self.fault.is_some() {
            return;
        }
        self.fault = Some(if **name == *RUNTIME {
            self.runtime_crash(exit)
        } else {
            extension_crash(name, exit)
        });
    }

    fn runtime_crash(&self, exit: Exit) -> Fault {
        let is_out_of_memory = exit == Exit::Signal(SIGKILL)
            && match self.config.killed_as {
                KilledAs::OutOfMemory => true,
                KilledAs::ExitError => false,
                KilledAs::Detect => self.count_memory_kills() > self.out_of_memory_kills,
            };
        let error_type = if is_out_of_memory {
            "Runtime.OutOfMemory"
        } else {
            "Runtime.ExitError"
        };
        let message = match exit {
            Exit::Code(0) => "Error: Runtime exited without providing a reason".to_owned(),
            exit => format!("Error: Runtime exited with error: {exit}"),
        };
        Fault {
            error_type: error_type.to_owned(),
            message,
            payload: None,
        }
    }
}

fn extension_crash(name: &str, exit: Exit) -> Fault {
    let message = format!("Error: extension {name} exited unexpectedly: {exit}");
    Fault {
        error_type: "Extension.Crash".to_owned(),
        message,
        payload: None,
    }
}

/// What a subscription says there, whether or not the rest can be read.
fn member(body: &[u8], pointer: &str) -> String {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    body.pointer(pointer)
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// A refusal as real environments word it.
fn faulty(status: u16) -> Refusal {
    let (error_type, message) = match status {
        202 => ("Telemetry.NotSupported", "Telemetry API is not supported"),
        400 => ("ValidationError", "the subscription was refused"),
        403 => (
            "Telemetry.SubscriptionClosed",
            "Telemetry API subscription is closed already",
        ),
        404 => ("Telemetry.NotFound", "404 page not found"),
        _ => ("Telemetry.ServiceClosed", "Telemetry API is not available"),
    };
    Refusal {
        status,
        error_type,
        message: message.to_owned(),
    }
}
