//! The driver's state, its loop, and the one way to wait.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use model::time::Timestamp;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::running::Running;
use super::stop::{Reason, Shutdown};
use super::suspend::Standstill;
use crate::config::{Config, Freeze, InitAt, InitType};
use crate::event::{ExtensionTurn, RuntimeTurn, Stamped};
use crate::invocation::Job;
use crate::journal::{Journal, What, now};
use crate::lifecycle::Parties;
use crate::limits::STOP_PATIENCE;
use crate::logs::{LogLine, Logs, Source};
use crate::memory_limit::MemoryLimit;
use crate::process::{Process, out_of_memory_kills};
use crate::records::Record;
use crate::telemetry::Hub;
use crate::variables::{Host, Sandbox};

/// The runtime's name in the journal.
pub(crate) const RUNTIME: &str = "runtime";

/// What a driver is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) config: Arc<Config>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) host: Host,
    pub(crate) sandbox: Sandbox,
    pub(crate) memory_limit: Option<MemoryLimit>,
    pub(crate) generation: Arc<AtomicU64>,
    pub(crate) event_sender: mpsc::Sender<Stamped>,
    pub(crate) events: mpsc::Receiver<Stamped>,
    pub(crate) jobs: mpsc::Receiver<Job>,
}

/// How far the environment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readiness {
    /// Nothing was started yet.
    Cold,
    /// Initialised.
    Ready,
    /// A snapshot: to be restored by the next request.
    Snapshot,
    /// After a failure: to be initialised inside the next invocation.
    Reset,
    /// A managed instance that was given up.
    Over,
}

/// Why a phase ended early.
#[derive(Debug, Clone)]
pub(super) enum Interrupt {
    Deadline,
    Fault(Fault),
    /// The owner wants the environment to end.
    Stop,
}

/// What broke.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) error_type: String,
    pub(super) message: String,
    /// What the runtime itself reported, for the caller.
    pub(super) payload: Option<bytes::Bytes>,
}

/// The owner's order to end the environment.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) reason: Reason,
    pub(super) reply: oneshot::Sender<Shutdown>,
    pub(super) since: Instant,
}

#[derive(Debug)]
pub(crate) struct Driver {
    pub(super) config: Arc<Config>,
    pub(super) journal: Arc<Journal>,
    pub(super) logs: Arc<Logs>,
    pub(super) hub: Arc<Hub>,
    pub(super) host: Host,
    pub(super) sandbox: Sandbox,
    pub(super) generation: Arc<AtomicU64>,
    pub(super) event_sender: mpsc::Sender<Stamped>,
    pub(super) events: mpsc::Receiver<Stamped>,
    pub(super) jobs: mpsc::Receiver<Job>,

    pub(super) readiness: Readiness,
    pub(super) parties: Parties,
    pub(super) processes: Vec<Process>,
    pub(super) readers: Vec<JoinHandle<()>>,
    /// Extensions blocked in `next`, by identifier.
    pub(super) waiting: BTreeMap<String, oneshot::Sender<ExtensionTurn>>,
    /// The runtime's calls blocked in `next`.
    pub(super) polls: VecDeque<oneshot::Sender<RuntimeTurn>>,
    /// The runtime's call blocked in `restore/next`.
    pub(super) restore_poll: Option<oneshot::Sender<RuntimeTurn>>,
    pub(super) last_extension_next: Option<Instant>,
    pub(super) running: BTreeMap<Arc<str>, Running>,
    pub(super) fault: Option<Fault>,
    /// The SHUTDOWN event, once it has begun.
    pub(super) shutdown_event: Option<(Arc<str>, String)>,
    pub(super) stop: Option<Stop>,
    pub(super) is_frozen: bool,
    pub(super) standstill: Option<Standstill>,
    /// How far back records of a snapshot's init lie.
    pub(super) clock_offset: Duration,
    pub(super) out_of_memory_kills: u64,
    /// Below the processes: they are killed before their group goes.
    pub(super) memory_limit: Option<MemoryLimit>,
}

impl Driver {
    pub(crate) fn new(parts: Parts) -> Self {
        let is_managed = parts.config.init_type.is_managed();
        Self {
            config: parts.config,
            journal: parts.journal,
            logs: parts.logs,
            hub: parts.hub,
            host: parts.host,
            sandbox: parts.sandbox,
            generation: parts.generation,
            event_sender: parts.event_sender,
            events: parts.events,
            jobs: parts.jobs,
            readiness: Readiness::Cold,
            parties: Parties::new(Vec::new(), is_managed),
            processes: Vec::new(),
            readers: Vec::new(),
            waiting: BTreeMap::new(),
            polls: VecDeque::new(),
            restore_poll: None,
            last_extension_next: None,
            running: BTreeMap::new(),
            fault: None,
            shutdown_event: None,
            stop: None,
            is_frozen: false,
            standstill: None,
            clock_offset: Duration::ZERO,
            out_of_memory_kills: 0,
            memory_limit: parts.memory_limit,
        }
    }

    /// Runs until the environment is stopped or its owner is gone.
    pub(crate) async fn run(mut self) {
        if self.config.init_type != InitType::OnDemand || self.config.init_at == InitAt::Start {
            self.initialize_ahead().await;
        }
        loop {
            if let Some(Stop { reason, reply, .. }) = self.stop.take() {
                let shutdown = self.shut_down(reason).await;
                // The owner may have stopped waiting.
                let _ = reply.send(shutdown);
                return;
            }
            if let Some(fault) = self.fault.take() {
                self.broke_while_idle(&fault).await;
            }
            if self.config.init_type.is_managed() {
                self.hand_out().await;
            }
            // A managed instance takes a request only when the runtime asks for one.
            let takes_jobs =
                !self.config.init_type.is_managed() || self.has_poll() || self.readiness == Readiness::Over;
            let next_deadline = self.next_managed_deadline();
            tokio::select! {
                biased;
                event = self.events.recv() => match event {
                    Some(event) => self.apply(event),
                    None => return,
                },
                job = self.jobs.recv(), if takes_jobs => match job {
                    Some(job) if self.config.init_type.is_managed() => self.take_up(job),
                    Some(job) => self.invoke(job).await,
                    // The owner is gone; dropping the processes kills them.
                    None => return,
                },
                () = tokio::time::sleep_until(next_deadline.into()) => self.expire(),
            }
        }
    }

    /// Applies events until `met` holds, the deadline passes, or something gets in the way.
    pub(super) async fn wait_for(
        &mut self,
        deadline: Instant,
        met: impl Fn(&Self) -> bool,
    ) -> Result<(), Interrupt> {
        loop {
            if met(self) {
                return Ok(());
            }
            if let Some(fault) = self.fault.take() {
                return Err(Interrupt::Fault(fault));
            }
            let limit = match &self.stop {
                Some(stop) if self.is_answered() => deadline.min(stop.since + STOP_PATIENCE),
                Some(_) => return Err(Interrupt::Stop),
                None => deadline,
            };
            match tokio::time::timeout_at(limit.into(), self.events.recv()).await {
                Ok(Some(event)) => self.apply(event),
                Ok(None) => return Err(Interrupt::Stop),
                Err(_) if limit < deadline => return Err(Interrupt::Stop),
                Err(_) => return Err(Interrupt::Deadline),
            }
        }
    }

    /// Whether the callers have their answers: Lambda never ends an environment between that and the report.
    fn is_answered(&self) -> bool {
        !self.running.is_empty() && self.running.values().all(|running| running.response.is_some())
    }

    /// Applies events until `met` holds or the deadline passes, whatever else happens.
    pub(super) async fn settle(&mut self, deadline: Instant, met: impl Fn(&Self) -> bool) {
        while !met(self) {
            match tokio::time::timeout_at(deadline.into(), self.events.recv()).await {
                Ok(Some(event)) => self.apply(event),
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Stops every process, if that is wanted.
    pub(super) fn freeze(&mut self) {
        if self.config.freeze == Freeze::Off || self.is_frozen || self.config.init_type.is_managed() {
            return;
        }
        self.pause_telemetry();
        for process in &self.processes {
            process.stop();
        }
        self.is_frozen = true;
        self.note(What::Frozen);
    }

    /// Continues every process; only then may anything be handed out.
    pub(super) fn thaw(&mut self) {
        if !self.is_frozen {
            return;
        }
        self.continue_processes();
        self.resume_telemetry();
        self.is_frozen = false;
        self.note(What::Thawed);
    }

    /// Lambda's clock: that of the publish time while a snapshot is made.
    pub(super) fn now(&self) -> Timestamp {
        now().before(self.clock_offset)
    }

    pub(super) fn emit(&self, kind: &'static str, record: Value) {
        self.hub.emit(&Record::new(self.now(), kind, record));
    }

    pub(super) fn note(&self, what: What) {
        self.journal.push(Instant::now(), what);
    }

    /// A line of the platform's own.
    pub(super) fn log(&self, text: String) {
        self.logs.push(LogLine {
            time: now(),
            source: Source::Platform,
            text,
        });
    }

    /// How often the kernel has killed for want of memory: in the sandbox if it has a limit, else anywhere.
    pub(super) fn count_memory_kills(&self) -> u64 {
        let limit = self.memory_limit.as_ref();
        limit.map_or_else(out_of_memory_kills, MemoryLimit::kills)
    }

    pub(super) fn is_alive(&self, name: &str) -> bool {
        self.processes
            .iter()
            .any(|process| *process.name == *name && process.is_alive())
    }

    pub(super) fn has_poll(&self) -> bool {
        self.polls.iter().any(|poll| !poll.is_closed())
    }

    pub(super) fn current_generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }
}
