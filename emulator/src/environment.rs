//! The handle on one environment.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::api::{self, Api};
use crate::config::Config;
use crate::driver::{Driver, Part, Parts, Reason, Shutdown};
use crate::event::{Event, Stamped};
use crate::invocation::{Invoked, Job, Request};
use crate::invoke_api;
use crate::journal::{Entry, Journal, now};
use crate::limits::{QUEUED_EVENTS_MAX, QUEUED_INVOCATIONS_MAX};
use crate::logs::{LogLine, Logs};
use crate::memory_limit::{MemoryLimit, MemoryLimitError};
use crate::scratch::Scratch;
use crate::telemetry::Hub;
use crate::variables::{Host, Sandbox};

/// An environment could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A server has no port.
    #[error("could not listen on {address} for the {api}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What was to be served.
        api: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The processes have no temporary folder.
    #[error(
        "could not create a temporary folder for the sandbox; is TMPDIR a folder that can be written to?"
    )]
    Scratch(#[source] std::io::Error),
    /// Memory was to be enforced.
    #[error(transparent)]
    Memory(#[from] MemoryLimitError),
}

/// Something waited for did not happen in time.
#[derive(Debug, Clone, thiserror::Error)]
#[error("not seen within {waited:?}; the journal's last entries: {last:#?}")]
pub struct NotSeen {
    waited: Duration,
    last: Vec<Entry>,
}

/// A running environment. Dropping it kills its processes.
#[derive(Debug)]
pub struct Environment {
    front: Front,
    journal: Arc<Journal>,
    logs: Arc<Logs>,
    events: mpsc::Sender<Stamped>,
    invoke_address: SocketAddr,
    runtime_api: String,
    driver: JoinHandle<()>,
    servers: [JoinHandle<()>; 2],
    scratch: Scratch,
}

/// The way in for requests, shared by the handle and the Invoke API.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    pub(crate) config: Arc<Config>,
    jobs: mpsc::Sender<Job>,
}

impl Front {
    /// Invokes the function and waits for its answer.
    pub(crate) async fn invoke(&self, request: Request) -> Invoked {
        let arrived = Instant::now();
        let request_id = request
            .request_id
            .as_deref()
            .map_or_else(new_request_id, Arc::from);
        let (reply, answer) = oneshot::channel();
        let job = Job {
            request,
            request_id: Arc::clone(&request_id),
            reply,
        };
        let turned_away = |status| Invoked {
            status,
            function_error: None,
            payload: bytes::Bytes::new(),
            request_id: Arc::clone(&request_id),
            trace_header: None,
            log_tail: None,
            duration: arrived.elapsed(),
        };
        match self.jobs.try_send(job) {
            Ok(()) => {
                let invoked = answer.await.unwrap_or_else(|_| turned_away(503));
                Invoked {
                    duration: arrived.elapsed(),
                    ..invoked
                }
            }
            Err(mpsc::error::TrySendError::Full(_)) => turned_away(429),
            Err(mpsc::error::TrySendError::Closed(_)) => turned_away(503),
        }
    }
}

impl Environment {
    /// Opens the servers and, unless the first request is to wait for it, begins init.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let scratch = Scratch::create().map_err(StartError::Scratch)?;
        let memory_limit = config
            .enforce_memory
            .then(|| MemoryLimit::make(config.memory_mb))
            .transpose()?;
        let api_listener = listen(0, "Runtime API").await?;
        let invoke_listener = listen(config.invoke_port, "Invoke API").await?;
        let api_address = address(&api_listener, "Runtime API")?;
        let invoke_address = address(&invoke_listener, "Invoke API")?;
        let runtime_api = format!("{api_address}{}", config.path_prefix);

        let journal = Arc::new(Journal::new());
        let logs = Arc::new(Logs::new(config.log_sink.clone()));
        let hub = Arc::new(Hub::new(config.faults.clone(), Arc::clone(&journal)));
        let generation = Arc::new(AtomicU64::new(0));
        let (event_sender, events) = mpsc::channel(QUEUED_EVENTS_MAX);
        let (job_sender, jobs) = mpsc::channel(QUEUED_INVOCATIONS_MAX);
        let credentials_token: Arc<str> = uuid::Uuid::new_v4().simple().to_string().into();
        let sandbox = Sandbox {
            runtime_api: runtime_api.clone(),
            log_stream: log_stream(&config),
            credentials_token: credentials_token.to_string(),
            scratch: scratch.path().to_string_lossy().into_owned(),
        };
        let api = Api {
            config: Arc::clone(&config),
            events: event_sender.clone(),
            generation: Arc::clone(&generation),
            credentials_token,
        };
        let front = Front {
            config: Arc::clone(&config),
            jobs: job_sender,
        };
        let servers = [
            tokio::spawn(api::serve(api_listener, api)),
            tokio::spawn(api::serve_router(
                invoke_listener,
                invoke_api::router(front.clone()),
            )),
        ];
        let driver = Driver::new(Parts {
            host: Host::read(&config),
            config,
            journal: Arc::clone(&journal),
            logs: Arc::clone(&logs),
            hub,
            sandbox,
            memory_limit,
            generation,
            event_sender: event_sender.clone(),
            events,
            jobs,
        });
        let driver = tokio::spawn(driver.run());
        Ok(Self {
            front,
            journal,
            logs,
            events: event_sender,
            invoke_address,
            runtime_api,
            driver,
            servers,
            scratch,
        })
    }

    /// Invokes the function and waits for its answer.
    pub async fn invoke(&self, request: Request) -> Invoked {
        self.front.invoke(request).await
    }

    /// Where the Invoke API listens.
    pub fn invoke_address(&self) -> SocketAddr {
        self.invoke_address
    }

    /// `TMPDIR` of the processes, unless the function's variables name another: theirs alone, and gone with this.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// `AWS_LAMBDA_RUNTIME_API`: address of the Runtime, Extensions and Telemetry APIs, with the path prefix.
    pub fn runtime_api(&self) -> &str {
        &self.runtime_api
    }

    /// What happened so far, the newest last.
    pub fn journal(&self) -> Vec<Entry> {
        self.journal.entries()
    }

    /// What was logged so far, the newest last.
    pub fn logs(&self) -> Vec<LogLine> {
        self.logs.lines()
    }

    /// Waits until `look` finds something in the journal. It sees the journal itself, locked: it must not ask this
    /// environment for anything.
    pub async fn wait_until<T>(
        &self,
        look: impl Fn(&[Entry]) -> Option<T>,
        bound: Duration,
    ) -> Result<T, NotSeen> {
        /// Entries that a failed wait shows.
        const SHOWN: usize = 20;
        let deadline = tokio::time::Instant::now() + bound;
        let mut version = self.journal.watch();
        loop {
            version.borrow_and_update();
            if let Some(found) = self.journal.look(&look) {
                return Ok(found);
            }
            if !matches!(
                tokio::time::timeout_at(deadline, version.changed()).await,
                Ok(Ok(()))
            ) {
                let last = self.journal.last(SHOWN);
                return Err(NotSeen { waited: bound, last });
            }
        }
    }

    /// Brings processes to a standstill, in the middle of whatever they do, until [`Environment::resume`].
    /// Time goes on: deadlines come nearer.
    pub async fn suspend(&self, part: Part) {
        self.order(|reply| Event::Suspend { part, reply }).await;
    }

    /// Ends the standstill. What is frozen between two invocations stays so.
    pub async fn resume(&self) {
        self.order(|reply| Event::Resume { reply }).await;
    }

    /// Has the driver do something. `None` if it is gone: then there is nothing left to order about.
    async fn order<T>(&self, event: impl FnOnce(oneshot::Sender<T>) -> Event) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let stamped = Stamped {
            at: Instant::now(),
            generation: 0,
            event: event(reply),
        };
        self.events.send(stamped).await.ok()?;
        answer.await.ok()
    }

    /// Ends the environment as Lambda does: runtime, SHUTDOWN to the extensions, SIGKILL at the deadline.
    ///
    /// An invocation whose caller waits for the answer is given up with a 503; one that is answered ends first.
    pub async fn shutdown(self, reason: Reason) -> Shutdown {
        self.stop(reason).await
    }

    /// [`Environment::shutdown`] for a handle that is shared. The second call finds nothing to end.
    pub async fn stop(&self, reason: Reason) -> Shutdown {
        let stopped = self.order(|reply| Event::Stop { reason, reply }).await;
        stopped.unwrap_or_default()
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.driver.abort();
        for server in &self.servers {
            server.abort();
        }
    }
}

/// A random request id.
pub(crate) fn new_request_id() -> Arc<str> {
    uuid::Uuid::new_v4().to_string().into()
}

fn log_stream(config: &Config) -> String {
    let today = now().to_iso8601();
    let day = today.split('T').next().unwrap_or_default().replace('-', "/");
    let instance = uuid::Uuid::new_v4().simple();
    format!("{day}/{}[{}]{instance}", config.function_name, config.version)
}

async fn listen(port: u16, api: &'static str) -> Result<TcpListener, StartError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address)
        .await
        .map_err(|source| StartError::Listen { address, api, source })
}

fn address(listener: &TcpListener, api: &'static str) -> Result<SocketAddr, StartError> {
    let unknown = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    listener.local_addr().map_err(|source| StartError::Listen {
        address: unknown,
        api,
        source,
    })
}
