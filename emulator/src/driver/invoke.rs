//! One invocation on an environment that takes them one by one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::core::{Driver, Interrupt, Readiness};
use super::initialize::Phase;
use super::running::Running;
use super::stop::Reason;
use crate::event::{ExtensionTurn, InvocationTurn, RuntimeTurn};
use crate::invocation::Job;
use crate::journal::{What, now};
use crate::records;
use crate::trace_identity::{FreshIds, Rules, identify};

impl Driver {
    /// Plays one invocation from its arrival to the freeze or reset after it.
    pub(super) async fn invoke(&mut self, job: Job) {
        let arrived = Instant::now();
        let log_mark = self.logs.taken();
        let Ok(init) = self.make_ready().await else { return };
        let started = Instant::now();
        let deadline = started + self.config.timeout;
        let mut broken = None;
        if self.readiness == Readiness::Reset {
            match self.initialize(Phase::Invoke, deadline).await {
                Ok(_) => {
                    self.readiness = Readiness::Ready;
                    // There is no snapshot to wait for any more.
                    self.answer_restore();
                }
                // Dropping the job turns the caller away.
                Err(Interrupt::Stop) => return,
                Err(interrupt) => broken = Some(interrupt),
            }
        }
        self.thaw();
        let request_id = self.begin(job, arrived, started);
        if let Some(running) = self.running.get_mut(&request_id) {
            running.init = init;
            running.log_mark = log_mark;
        }
        let outcome = match broken {
            Some(interrupt) => Err(interrupt),
            None => self.play(&request_id, deadline).await,
        };
        self.end(&request_id, outcome).await;
    }

    /// Init or restore ahead of the invocation itself. `Err` if the environment is to end.
    async fn make_ready(&mut self) -> Result<Option<Duration>, ()> {
        let outcome = match self.readiness {
            Readiness::Cold => {
                let deadline = Instant::now() + self.config.init_limit;
                self.initialize(Phase::Init, deadline).await.map(Some)
            }
            Readiness::Snapshot => self.restore().await.map(|()| None),
            Readiness::Ready | Readiness::Reset | Readiness::Over => return Ok(None),
        };
        match outcome {
            Ok(init) => {
                self.readiness = Readiness::Ready;
                Ok(init)
            }
            Err(Interrupt::Stop) => Err(()),
            Err(interrupt) => {
                self.reset(Reason::after(&interrupt)).await;
                Ok(None)
            }
        }
    }

    /// Decides the identity and says that the invocation starts.
    pub(super) fn begin(&mut self, job: Job, arrived: Instant, started: Instant) -> Arc<str> {
        let Job {
            request,
            request_id,
            reply,
        } = job;
        let config = &self.config;
        let rules = Rules {
            style: config.id_style,
            sampling_decision: config.sampling_decision,
            invocation_id_in_runtime_done: config.invocation_id_in_runtime_done,
            tracing_in_pass_through: config.tracing_in_pass_through,
        };
        let identity = identify(rules, request.trace_header.as_deref(), FreshIds::random(now()));
        let arn = match &request.qualifier {
            Some(qualifier) => format!("{}:{qualifier}", config.function_arn()),
            None => config.function_arn(),
        };
        let deadline = started + config.timeout;
        let record = records::start(config, &request_id, &arn, identity.start.as_ref());
        self.note(What::InvocationStarted {
            request_id: Arc::clone(&request_id),
        });
        self.log(format!(
            "START RequestId: {request_id} Version: {}",
            self.config.version
        ));
        self.emit("platform.start", record);
        let running = Running {
            request,
            request_id: Arc::clone(&request_id),
            arn,
            identity,
            reply: Some(reply),
            arrived,
            started,
            deadline,
            deadline_ms: now()
                .after(deadline.saturating_duration_since(Instant::now()))
                .as_millis(),
            released: None,
            response: None,
            next_at: None,
            is_runtime_done: false,
            init: None,
            log_mark: self.logs.taken(),
            answer: None,
        };
        self.running.insert(Arc::clone(&request_id), running);
        request_id
    }

    /// Hands the event out and waits for the runtime, then for the extensions.
    async fn play(&mut self, request_id: &Arc<str>, deadline: Instant) -> Result<(), Interrupt> {
        self.last_extension_next = None;
        self.release_extensions(request_id);
        while !self.release_runtime(request_id) {
            // The runtime's connection broke while it waited; it will ask again.
            self.wait_for(deadline, Self::has_poll).await?;
        }
        let is_done = |driver: &Self| {
            driver
                .running
                .get(request_id)
                .is_some_and(|run| run.next_at.is_some())
        };
        self.wait_for(deadline, is_done).await?;
        self.emit_runtime_done(request_id, records::Outcome::SUCCESS);
        self.wait_for(deadline, |driver| driver.parties.invoked_are_ready())
            .await
    }

    fn release_extensions(&mut self, request_id: &Arc<str>) {
        let Some(running) = self.running.get(request_id) else {
            return;
        };
        let faults = &self.config.faults;
        let mut event = json!({
            "eventType": "INVOKE",
            "deadlineMs": faults.invoke_deadline_ms.unwrap_or(running.deadline_ms),
            "requestId": &**request_id,
            "invokedFunctionArn": running.arn,
        });
        let header = running
            .identity
            .invoke_header
            .as_ref()
            .filter(|_| !faults.invoke_without_tracing);
        if let (Some(header), Some(event)) = (header, event.as_object_mut()) {
            event.insert(
                "tracing".to_owned(),
                json!({"type": "X-Amzn-Trace-Id", "value": header}),
            );
        }
        let event = event.to_string();
        let delay = faults.invoke_event_delay;
        for (name, identifier) in self.parties.release_invoke() {
            let Some(reply) = self.waiting.remove(&identifier) else {
                continue;
            };
            self.note(What::Released {
                to: name,
                request_id: Arc::clone(request_id),
            });
            let event = event.clone();
            if delay.is_zero() {
                // Fails only if the extension went away, which its exit tells.
                let _ = reply.send(ExtensionTurn::Event(event));
            } else {
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    let _ = reply.send(ExtensionTurn::Event(event));
                });
            }
        }
    }

    /// Hands the invocation to the runtime, if it still waits for one.
    pub(super) fn release_runtime(&mut self, request_id: &Arc<str>) -> bool {
        let is_hidden = self.config.faults.runtime_without_trace_header;
        while let Some(poll) = self.polls.pop_front() {
            let Some(running) = self.running.get_mut(request_id) else {
                return true;
            };
            let turn = InvocationTurn {
                request_id: Arc::clone(request_id),
                deadline_ms: running.deadline_ms,
                arn: running.arn.clone(),
                trace_header: running.identity.runtime_header.clone().filter(|_| !is_hidden),
                client_context: running.request.client_context.clone(),
                payload: running.request.payload.clone(),
            };
            running.released = Some(Instant::now());
            if poll.send(RuntimeTurn::Invocation(Box::new(turn))).is_ok() {
                self.note(What::Released {
                    to: super::core::RUNTIME.into(),
                    request_id: Arc::clone(request_id),
                });
                return true;
            }
            // It never got it: it may ask again.
            if let Some(running) = self.running.get_mut(request_id) {
                running.released = None;
            }
        }
        false
    }
}
