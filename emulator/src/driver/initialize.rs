//! Init: extensions first, then the runtime, until everybody has asked for an event.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::process::Child;

use super::core::{Driver, Fault, Interrupt, RUNTIME, Readiness};
use super::stop::Reason;
use crate::config::InitType;
use crate::event::{Event, Stamped};
use crate::journal::{What, now};
use crate::lifecycle::{Parties, Stage};
use crate::limits::LONG_INIT_LIMIT;
use crate::logs::{LogLine, Source};
use crate::process::{Process, Program, read_lines};
use crate::records::{self, Outcome, Record};
use crate::variables;

/// When an init runs, as the records name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Init,
    Invoke,
    SnapStart,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Invoke => "invoke",
            Self::SnapStart => "snap-start",
        }
    }
}

impl Driver {
    /// Init without a request that waits for it.
    pub(super) async fn initialize_ahead(&mut self) {
        let (phase, limit) = match self.config.init_type {
            InitType::OnDemand => (Phase::Init, self.config.init_limit),
            InitType::SnapStart { published } => {
                self.clock_offset = published;
                // What happens at publish time reaches extensions with the first restore.
                self.pause_telemetry();
                (Phase::SnapStart, LONG_INIT_LIMIT.max(self.config.timeout))
            }
            _ => (Phase::Init, LONG_INIT_LIMIT.max(self.config.timeout)),
        };
        match self.initialize(phase, Instant::now() + limit).await {
            Ok(_) => {
                let is_snapshot = phase == Phase::SnapStart;
                self.readiness = if is_snapshot {
                    Readiness::Snapshot
                } else {
                    Readiness::Ready
                };
                self.freeze();
            }
            Err(Interrupt::Stop) => {}
            // A managed instance is given up, it is not initialised again.
            Err(interrupt) if self.config.init_type.is_managed() => {
                self.end_processes(Reason::after(&interrupt), false).await;
                self.readiness = Readiness::Over;
            }
            Err(interrupt) => {
                self.clock_offset = Duration::ZERO;
                self.reset(Reason::after(&interrupt)).await;
            }
        }
    }

    /// Starts every process and waits until all are ready. Returns how long it took.
    pub(super) async fn initialize(
        &mut self,
        phase: Phase,
        deadline: Instant,
    ) -> Result<Duration, Interrupt> {
        let began = Instant::now();
        let names = self
            .config
            .extensions
            .iter()
            .map(|extension| extension.name.as_str().into())
            .collect();
        self.parties = Parties::new(names, self.config.init_type.is_managed());
        self.out_of_memory_kills = self.count_memory_kills();
        self.emit(
            "platform.initStart",
            records::init_start(&self.config, &self.sandbox.log_stream, phase.name()),
        );
        let mut is_runtime_done = false;
        let outcome = self.bring_up(phase, deadline, &mut is_runtime_done).await;
        let took = began.elapsed();
        match &outcome {
            Ok(()) => self.initialized(phase, took),
            Err(Interrupt::Deadline) => {
                let timeout = Outcome {
                    status: "timeout",
                    error_type: None,
                };
                self.report_init(phase, timeout, took);
            }
            Err(Interrupt::Fault(fault)) => {
                let failed = Outcome {
                    status: "error",
                    error_type: Some(&fault.error_type),
                };
                if !is_runtime_done {
                    let record = records::init_end(&self.config, phase.name(), failed, None);
                    self.emit("platform.initRuntimeDone", record);
                }
                self.report_init(phase, failed, took);
                self.log(fault.message.clone());
            }
            Err(Interrupt::Stop) => {}
        }
        outcome.map(|()| took)
    }

    async fn bring_up(
        &mut self,
        phase: Phase,
        deadline: Instant,
        is_runtime_done: &mut bool,
    ) -> Result<(), Interrupt> {
        self.start_extensions().map_err(Interrupt::Fault)?;
        self.wait_for(deadline, |driver| driver.parties.all_registered())
            .await?;
        self.start_runtime().map_err(Interrupt::Fault)?;
        self.wait_for(deadline, |driver| {
            driver.has_poll() || driver.restore_poll.is_some()
        })
        .await?;
        *is_runtime_done = true;
        let record = records::init_end(&self.config, phase.name(), Outcome::SUCCESS, None);
        self.emit("platform.initRuntimeDone", record);
        self.wait_for(deadline, |driver| driver.parties.all_ready()).await
    }

    fn initialized(&mut self, phase: Phase, took: Duration) {
        self.parties.stage = Stage::Open;
        self.report_init(phase, Outcome::SUCCESS, took);
        for extension in self.parties.extensions() {
            let events = extension.events().join(", ");
            self.log(format!(
                "EXTENSION\tName: {}\tState: Ready\tEvents: [{events}]",
                extension.name
            ));
            self.emit("platform.extension", records::extension(extension));
        }
        self.hub.close();
    }

    fn report_init(&self, phase: Phase, outcome: Outcome<'_>, took: Duration) {
        let record = records::init_end(&self.config, phase.name(), outcome, Some(took));
        self.emit("platform.initReport", record);
        if outcome.status != "success" {
            let millis = records::millis(took);
            let error = outcome
                .error_type
                .map(|error| format!("\tError Type: {error}"))
                .unwrap_or_default();
            self.log(format!(
                "INIT_REPORT Init Duration: {millis} ms\tPhase: {}\tStatus: {}{error}",
                phase.name(),
                outcome.status
            ));
        }
    }

    fn start_extensions(&mut self) -> Result<(), Fault> {
        let config = Arc::clone(&self.config);
        for extension in &config.extensions {
            let name: Arc<str> = extension.name.as_str().into();
            let program = Program {
                name: Arc::clone(&name),
                program: &extension.program,
                arguments: extension.arguments.iter().map(String::as_str).collect(),
                variables: variables::extension(&config, &self.host, &self.sandbox),
                directory: None,
            };
            self.start(&program, &Source::Extension(name))
                .map_err(|error| Fault {
                    error_type: "Extension.LaunchError".to_owned(),
                    message: format!(
                        "Error: could not start extension {}: {error}",
                        extension.program.display()
                    ),
                    payload: None,
                })?;
        }
        Ok(())
    }

    fn start_runtime(&mut self) -> Result<(), Fault> {
        let config = Arc::clone(&self.config);
        let function = &config.function;
        let arguments = function.arguments.iter().map(String::as_str);
        // The wrapper gets the command it wraps as its arguments.
        let (program, arguments) = match config.variables.get("AWS_LAMBDA_EXEC_WRAPPER") {
            Some(wrapper) if !wrapper.is_empty() => {
                let wrapped = function.program.to_str().unwrap_or_default();
                let place = match &config.layers {
                    Some(layers) => layers.place(wrapper),
                    None => PathBuf::from(wrapper),
                };
                (place, std::iter::once(wrapped).chain(arguments).collect())
            }
            _ => (function.program.clone(), arguments.collect()),
        };
        let program = Program {
            name: RUNTIME.into(),
            program: &program,
            arguments,
            variables: variables::runtime(&config, &self.host, &self.sandbox),
            directory: config.task_root.clone(),
        };
        self.start(&program, &Source::Function).map_err(|error| Fault {
            error_type: "Runtime.InvalidEntrypoint".to_owned(),
            message: format!("Error: could not start {}: {error}", program.program.display()),
            payload: None,
        })
    }

    fn start(&mut self, program: &Program<'_>, source: &Source) -> std::io::Result<()> {
        let (process, mut child) = Process::start(program, self.memory_limit.as_ref())?;
        self.note(What::ProcessStarted {
            name: Arc::clone(&process.name),
            pid: process.pid,
        });
        let (logs, hub) = (Arc::clone(&self.logs), Arc::clone(&self.hub));
        let take = move |source: Source, text: String| {
            let kind = if source == Source::Function {
                "function"
            } else {
                "extension"
            };
            hub.emit(&Record::new(now(), kind, serde_json::Value::String(text.clone())));
            logs.push(LogLine {
                time: now(),
                source,
                text,
            });
        };
        self.readers.extend(read_lines(&mut child, source, &take));
        self.watch(Arc::clone(&process.name), child);
        if self.is_suspended(&process.name) {
            process.stop();
        }
        self.processes.push(process);
        Ok(())
    }

    fn watch(&self, name: Arc<str>, mut child: Child) {
        let (events, generation) = (self.event_sender.clone(), self.current_generation());
        tokio::spawn(async move {
            let Ok(status) = child.wait().await else { return };
            let event = Event::Exited {
                name,
                exit: status.into(),
            };
            // Nobody listens once the environment is over.
            let _ = events
                .send(Stamped {
                    at: Instant::now(),
                    generation,
                    event,
                })
                .await;
        });
    }
}
