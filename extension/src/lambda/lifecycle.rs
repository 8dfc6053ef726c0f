//! Registers, and turns Lambda's events into signals, each answered by a gate.
//!
//! From registration on Lambda waits for us, and any exit but at SHUTDOWN fails the function. So nothing in
//! here ends the process: if nobody takes signals any more (a defect), events are asked for and let pass.

use std::future::Future;
use std::sync::Arc;

use lambda_extension::{InvokeEvent, NextEvent, ShutdownEvent};
use model::time::Timestamp;
use model::trace_header::TraceHeader;
use tokio::sync::{Notify, mpsc, oneshot};

use super::api::{Address, Api};
use super::poll;
use super::registration::{self, RegisterError};
use crate::pipeline::event::Stopping;
use crate::pipeline::invocation::Invoked;

/// What Lambda says.
#[derive(Debug, PartialEq)]
pub enum Signal {
    /// INVOKE
    Invoked(Invoked),
    /// SHUTDOWN
    Stopping(Stopping),
}

/// Opened (or dropped) when Lambda may be asked for the next event.
pub type Gate = oneshot::Sender<()>;

/// Hands signals to the application, or lets them pass if it is gone.
#[derive(Clone)]
pub struct Signals {
    sender: mpsc::Sender<(Signal, Gate)>,
    /// Told when SHUTDOWN came and nobody took it.
    unattended_shutdown: Arc<Notify>,
}

impl Signals {
    /// Signals for this receiver's other end.
    pub fn new(sender: mpsc::Sender<(Signal, Gate)>) -> Self {
        Self {
            sender,
            unattended_shutdown: Arc::new(Notify::new()),
        }
    }

    /// Told when SHUTDOWN came and nobody took it.
    pub fn unattended_shutdown(&self) -> Arc<Notify> {
        Arc::clone(&self.unattended_shutdown)
    }

    /// Returns when Lambda may be asked for the next event.
    async fn deliver(&self, signal: Signal) {
        let is_shutdown = matches!(signal, Signal::Stopping(_));
        let (gate, opened) = oneshot::channel();
        let is_taken = self.sender.send((signal, gate)).await.is_ok() && opened.await.is_ok();
        if is_shutdown && !is_taken {
            self.unattended_shutdown.notify_one();
        }
    }
}

/// Registers, and returns our identifier with the loop that polls for events. The loop never ends.
///
/// # Errors
/// Lambda does not answer, or refuses us.
pub async fn register(
    address: Address,
    is_managed: bool,
    signals: Signals,
) -> Result<(String, impl Future<Output = ()>), RegisterError> {
    let events: &[&str] = if is_managed {
        &["SHUTDOWN"]
    } else {
        &["INVOKE", "SHUTDOWN"]
    };
    let program = std::env::args_os().next();
    let name = registration::name(program.as_deref())?;
    let mut api = Api::at(address);
    let extension_id = registration::register(&mut api, &name, events).await?;
    let poller_id = extension_id.clone();
    let polling = async move {
        loop {
            // An event that cannot be read is let pass: whatever it is, asking again is right.
            if let Some(signal) = poll::next(&mut api, &poller_id).await.and_then(signal) {
                signals.deliver(signal).await;
            }
        }
    };
    Ok((extension_id, polling))
}

/// None for an event without a usable request id, which is let pass.
pub fn signal(event: NextEvent) -> Option<Signal> {
    match event {
        NextEvent::Invoke(InvokeEvent {
            deadline_ms,
            request_id,
            invoked_function_arn,
            tracing,
        }) => Some(Signal::Invoked(Invoked {
            request_id: request_id.parse().ok()?,
            function_arn: invoked_function_arn.into(),
            deadline: deadline(deadline_ms),
            header: TraceHeader::parse(&tracing.value),
        })),
        NextEvent::Shutdown(ShutdownEvent {
            shutdown_reason,
            deadline_ms,
        }) => Some(Signal::Stopping(Stopping {
            reason: shutdown_reason,
            deadline: deadline(deadline_ms),
        })),
    }
}

fn deadline(deadline_ms: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(deadline_ms).unwrap_or(i64::MAX))
}
