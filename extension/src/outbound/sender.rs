//! Whatever sends: one for each kind of outbound. A new kind is a file beside this one and an arm in each match.

use std::time::Duration;

use model::time::Timestamp;
use model::wire::xray_api::TelemetryRecord;

use super::daemon::DaemonSender;
use super::otlp::OtlpSender;
use super::stdout::StdoutSender;
use super::xray::XraySender;
use crate::pipeline::outcome::Outcome;
use crate::pipeline::spool::Held;

/// See the module.
#[derive(Debug)]
pub enum Sender {
    /// To X-Ray's API.
    Xray(Box<XraySender>),
    /// To a destination of OpenTelemetry's protocol.
    Otlp(Box<OtlpSender>),
    /// To Lambda's own daemon.
    Daemon(DaemonSender),
    /// To the log.
    Stdout(StdoutSender),
}

impl Sender {
    /// Sends one batch, each in the words of its destination, and waits at most `wait` for what becomes of it. `now` is
    /// the wall clock.
    pub async fn send(&mut self, batch: &[Held], now: Timestamp, wait: Duration) -> Outcome {
        match self {
            Self::Xray(sender) => sender.send_batch(batch, now, wait).await,
            Self::Otlp(sender) => sender.send(batch, now, wait).await,
            Self::Daemon(sender) => sender.send(batch, wait).await,
            Self::Stdout(sender) => sender.send(batch, wait).await,
        }
    }

    /// Tells the tally, where the destination takes it. Whether it did.
    pub async fn tell(&mut self, record: TelemetryRecord, now: Timestamp, wait: Duration) -> bool {
        match self {
            Self::Xray(sender) => sender.send_telemetry(record, now, wait).await.is_ok(),
            Self::Otlp(_) | Self::Daemon(_) | Self::Stdout(_) => false,
        }
    }

    /// Forgets what a snapshot must not carry over.
    pub fn forget(&mut self) {
        match self {
            Self::Xray(sender) => sender.forget(),
            Self::Otlp(sender) => sender.forget(),
            Self::Daemon(sender) => sender.forget(),
            Self::Stdout(_) => {}
        }
    }
}
