//! What is sent during one invocation by somebody else than the function, and what that cost.

use std::net::SocketAddr;

use tests::lab;
use tests::script::Script;

use crate::Outcome;
use crate::process::{self, Memory};
use crate::stage::Stage;

/// The trace of what is sent, and the parent that it has.
pub(crate) const TRACE: &str = "1-6553f100-0123456789abcdef01234567";
pub(crate) const PARENT: &str = "53995c3f42cd8ad8";

/// Where an extension takes datagrams, and spans over HTTP.
pub(crate) type To = [SocketAddr; 2];

/// What became of it.
pub(crate) struct Cost {
    /// CPU time for each that the extension counted.
    pub(crate) cpu_micros: f64,
    /// The sender's pace.
    pub(crate) sent_per_second: f64,
    /// The share that was counted.
    pub(crate) arrived_percent: f64,
    /// What was counted and not taken by the destination, the platform's own documents with it.
    pub(crate) unsent: u64,
}

/// Sends during an invocation of this length, after one that leaves the extension warm. `send` returns how many a second.
pub(crate) async fn cost(
    stage: Stage,
    work_ms: u64,
    documents: u32,
    send: impl FnOnce(To) -> Outcome<f64> + Send + 'static,
) -> Outcome<Cost> {
    stage.invoke(&Script::new()).await?;
    let pid = stage.pid()?;
    let before = process::cpu_ms(pid)?;
    let sent_per_second = invoke_and(&stage, work_ms, send).await?;
    Memory::at_rest(pid)?;
    let spent_ms = process::cpu_ms(pid)? - before;
    let tally = stage.tally().await?;
    let count = |of: &str| tally["received"][of].as_u64().unwrap_or_default();
    let received = u32::try_from(count("udp") + count("otlp"))?;
    Ok(Cost {
        cpu_micros: spent_ms * 1e3 / f64::from(received.max(1)),
        sent_per_second,
        arrived_percent: f64::from(received) / f64::from(documents) * 100.0,
        unsent: count("total").saturating_sub(tally["sent"].as_u64().unwrap_or_default()),
    })
}

/// One invocation of this length, during which this is sent.
pub(crate) async fn invoke_and(
    stage: &Stage,
    work_ms: u64,
    send: impl FnOnce(To) -> Outcome<f64> + Send + 'static,
) -> Outcome<f64> {
    let header = format!("Root={TRACE};Parent={PARENT};Sampled=1");
    let (working, udp) = (Script::new().work_ms(work_ms), stage.udp);
    let before = stage.events();
    let sending = async {
        stage.under_way(before + 1).await?;
        tokio::task::spawn_blocking(move || send([udp, lab::otlp_address(udp)])).await?
    };
    let (ended, sent) = tokio::join!(stage.invoke_with(&working, &header), sending);
    ended?;
    sent
}
