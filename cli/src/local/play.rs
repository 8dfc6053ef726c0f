//! Starts the backend and the environment, waits for a signal, and ends both.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;

use emulator::{Environment, Reason};
use tokio::signal::unix::{SignalKind, signal};

use super::arguments::{Arguments, Unusable};
use super::output::Output;

#[derive(Debug, thiserror::Error)]
enum LocalError {
    #[error(transparent)]
    Unusable(#[from] Unusable),
    #[error("could not start the executor")]
    Executor(#[source] std::io::Error),
    #[error("could not start the X-Ray backend on 127.0.0.1")]
    Backend(#[source] std::io::Error),
    #[error(transparent)]
    Environment(#[from] emulator::StartError),
    #[error("could not listen for signals")]
    Signals(#[source] std::io::Error),
    #[error("could not write the addresses to {path}")]
    Addresses {
        path: String,
        #[source]
        source: std::io::Error,
    },
}

/// Runs until a signal ends it.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(play(arguments)),
        Err(source) => Err(LocalError::Executor(source)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = format!("fluoroscope local: {error}");
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                text.push_str(&format!(": {cause}"));
                source = cause.source();
            }
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

async fn play(arguments: &Arguments) -> Result<(), LocalError> {
    let output = Output::standard();
    let mut signals = Signals::listen().map_err(LocalError::Signals)?;
    let backend = match arguments.named_endpoint() {
        Some(_) => None,
        None => {
            let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let served = backend::serve(any_port, backend::Limits::default()).await;
            Some(served.map_err(LocalError::Backend)?)
        }
    };
    let embedded = backend.as_ref().map(backend::Running::url);
    let xray = arguments
        .named_endpoint()
        .map(str::to_owned)
        .or(embedded)
        .unwrap_or_default();
    let config = arguments.config(&xray, output.sink())?;
    let environment = Environment::start(config).await?;
    let invoke = format!("http://{}", environment.invoke_address());
    let kept = if backend.is_some() {
        " (in memory, gone when this ends)"
    } else {
        ""
    };
    output.ready(arguments.name(), &invoke, &format!("{xray}{kept}"));
    if let Some(path) = &arguments.addresses {
        write_addresses(path, &invoke, &xray).map_err(|source| LocalError::Addresses {
            path: path.display().to_string(),
            source,
        })?;
    }

    signals.next().await;
    tokio::select! {
        shutdown = environment.stop(Reason::Spindown) => {
            shutdown.processes.iter().for_each(|exited| output.exited(exited));
        }
        // Somebody who asks twice does not want to wait; dropping the environment kills what is left.
        () = signals.next() => {}
    }
    if let Some(backend) = backend {
        backend.stop().await;
    }
    Ok(())
}

/// The signals that end the environment.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

/// Whole or not at all, since a script waits for the file.
fn write_addresses(path: &Path, invoke: &str, xray: &str) -> std::io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    std::fs::write(
        &unfinished,
        format!("{}\n", serde_json::json!({"invoke": invoke, "xray": xray})),
    )?;
    std::fs::rename(&unfinished, path)
}
