//! One environment with what is measured in it: the local Lambda environment, a function that follows a script, an
//! extension, and a destination.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use backend::{Limits, Running};
use emulator::{
    Config, Entry, Environment, ExtensionProgram, Freeze, FunctionCommand, Reason, Request, What,
};
use serde_json::Value;
use tests::lab;
use tests::script::Script;

use crate::Outcome;
use crate::plan::Plan;

/// Longest wait for something that has to happen.
const BOUND: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(60);

/// Where the extension sends to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    /// The backend.
    Up,
    /// A port nobody listens on.
    Down,
    /// Somewhere else.
    At(String),
}

/// A running environment.
pub(crate) struct Stage {
    environment: Environment,
    /// Where the extension takes datagrams.
    pub(crate) udp: SocketAddr,
    _xray: Option<Running>,
}

/// When the steps at the end of an invocation were seen.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// `platform.runtimeDone` was generated.
    pub(crate) done: Instant,
    /// The delivery with that record was answered; there is none where nobody subscribed.
    pub(crate) delivered: Option<Instant>,
    /// The extension asked for the next event; one that does not wait for the record asked before it.
    pub(crate) next: Option<Instant>,
    /// The trace header of the invocation.
    pub(crate) header: String,
}

/// An address for an extension's datagrams. They are used in turn: the process before may still be ending.
pub(crate) fn udp_address() -> SocketAddr {
    const IN_TURN: usize = 16;
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    static ADDRESSES: OnceLock<[SocketAddr; IN_TURN]> = OnceLock::new();
    let addresses = ADDRESSES.get_or_init(|| std::array::from_fn(|_| lab::own_udp_address()));
    let [first, ..] = addresses;
    let turn = NEXT.fetch_add(1, Ordering::Relaxed) % IN_TURN;
    *addresses.get(turn).unwrap_or(first)
}

/// Runs what needs a runtime.
pub(crate) fn block_on<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().build()?.block_on(work)
}

impl Stage {
    /// A function of 128 MB with an extension, never frozen: CPU time is read while it waits.
    pub(crate) async fn start(
        plan: &Plan,
        extension: impl Into<ExtensionProgram>,
        destination: Destination,
    ) -> Outcome<Self> {
        // Every invocation is delivered before the next one, so that it can be looked at.
        Self::start_with(plan, extension, destination, &[("FLUOROSCOPE_FLUSH", "end")]).await
    }

    /// The same, with these variables.
    pub(crate) async fn start_with(
        plan: &Plan,
        extension: impl Into<ExtensionProgram>,
        destination: Destination,
        variables: &[(&str, &str)],
    ) -> Outcome<Self> {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (xray, url) = match destination {
            Destination::Up => {
                let xray = backend::serve(any_port, Limits::default()).await?;
                let url = xray.url();
                (Some(xray), url)
            }
            Destination::Down => (
                None,
                format!("http://{}", TcpListener::bind(any_port)?.local_addr()?),
            ),
            Destination::At(url) => (None, url),
        };
        let (udp, otlp) = (udp_address(), TcpListener::bind(any_port)?.local_addr()?);
        let mut config = Config::new("orders", FunctionCommand::new(plan.function()?))
            .with_extension(extension)
            .with_variable("FLUOROSCOPE_UDP_ADDRESS", udp.to_string())
            .with_variable("FLUOROSCOPE_OTLP_ADDRESS", lab::otlp_address(udp).to_string())
            .with_variable("AWS_ENDPOINT_URL_XRAY", &url)
            // The same for the peer, which takes OTLP and sends nothing else.
            .with_variable("LAMBDA_OTEL_RECEIVER_HTTP_PORT", otlp.port().to_string())
            .with_variable("LAMBDA_OTEL_EXPORTER_ENDPOINT", &url)
            .with_variable("LAMBDA_OTEL_EXPORTER_COMPRESSION", "none")
            .with_variable("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{otlp}"))
            .with_timeout(TIMEOUT)
            .with_freeze(Freeze::Off);
        for (name, value) in variables {
            config = config.with_variable(*name, *value);
        }
        config.memory_mb = 128;
        let environment = Environment::start(config).await?;
        Ok(Self {
            environment,
            udp,
            _xray: xray,
        })
    }

    /// The extension's process.
    pub(crate) fn pid(&self) -> Outcome<u32> {
        let started = self
            .environment
            .journal()
            .into_iter()
            .find_map(|entry| match entry.what {
                What::ProcessStarted { name, pid } if &*name != "runtime" => Some(pid),
                _ => None,
            });
        started.ok_or_else(|| "the extension was not started".into())
    }

    /// Invokes the function and waits until the extension has done its part.
    pub(crate) async fn invoke(&self, script: &Script) -> Outcome<Ended> {
        self.ask(Request::json(script.event())).await
    }

    /// The same with this trace header.
    pub(crate) async fn invoke_with(&self, script: &Script, header: &str) -> Outcome<Ended> {
        self.ask(Request::json(script.event()).with_trace_header(header))
            .await
    }

    /// How many events the function was handed.
    pub(crate) fn events(&self) -> usize {
        events(&self.environment.journal())
    }

    /// Waits until the function was handed its `count`th event.
    pub(crate) async fn under_way(&self, count: usize) -> Outcome {
        let seen = |entries: &[Entry]| (events(entries) >= count).then_some(());
        Ok(self.environment.wait_until(seen, BOUND).await?)
    }

    async fn ask(&self, request: Request) -> Outcome<Ended> {
        let invoked = self.environment.invoke(request).await;
        if invoked.status != 200 || invoked.function_error.is_some() {
            return Err(format!("an invocation failed: {}", invoked.text()).into());
        }
        let header = invoked.trace_header.clone().unwrap_or_default();
        let ended = |entries: &[Entry]| ended(entries, &invoked.request_id, &header);
        Ok(self.environment.wait_until(ended, BOUND).await?)
    }

    /// Ends the environment.
    pub(crate) async fn stop(&self) {
        self.environment.stop(Reason::Spindown).await;
    }

    /// Ends the environment. Returns the extension's account of every document.
    pub(crate) async fn tally(self) -> Outcome<Value> {
        self.stop().await;
        let lines = self.environment.logs();
        let tally = lines.iter().find_map(|line| {
            let line: Value = serde_json::from_str(&line.text).ok()?;
            (line["message"] == "tally").then_some(line)
        });
        tally.ok_or_else(|| "the extension printed no tally".into())
    }
}

fn events(entries: &[Entry]) -> usize {
    let is_released = |entry: &&Entry| matches!(&entry.what, What::Released { to, .. } if &**to == "runtime");
    entries.iter().filter(is_released).count()
}

/// The journal's newest part is searched, and only as far as needed: it may hold thousands of entries.
fn ended(entries: &[Entry], request_id: &str, header: &str) -> Option<Ended> {
    let has_ended = entries.iter().rev().any(
        |entry| matches!(&entry.what, What::InvocationEnded { request_id: ended, .. } if &**ended == request_id),
    );
    let is_done = |entry: &Entry| matches!(&entry.what, What::Emitted { kind: "platform.runtimeDone", record } if record.contains(request_id));
    let start = entries.iter().rposition(is_done).filter(|_| has_ended)?;
    let tail = entries.get(start..)?;
    let is_delivery = |entry: &&Entry| {
        matches!(&entry.what, What::Delivered { body, .. }
            if body.contains("platform.runtimeDone") && body.contains(request_id))
    };
    let is_next = |entry: &&Entry| matches!(entry.what, What::ExtensionNext { .. });
    Some(Ended {
        done: tail.first()?.at,
        delivered: tail.iter().find(is_delivery).map(|entry| entry.at),
        next: tail.iter().find(is_next).map(|entry| entry.at),
        header: header.to_owned(),
    })
}
