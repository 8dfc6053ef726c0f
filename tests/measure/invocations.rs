//! What a warm invocation costs in CPU time.

use std::time::Duration;

use tests::script::Script;

use crate::Outcome;
use crate::plan::Plan;
use crate::process;
use crate::samples::Samples;
use crate::sink::Sink;
use crate::stage::{self, Destination, Stage};
use crate::table::{Row, Table};

/// Invocations behind one value of CPU time, so that the clock's grain does not show.
const PER_RUN: u32 = 10;
/// Invocations before anything is measured: the client is built in the first, and caches fill.
const WARM_UP: u32 = 10;

#[derive(Default)]
struct Seen {
    cpu_ms: Samples,
}

/// CPU per warm invocation with three documents.
pub(crate) fn measure(plan: &Plan, table: &mut Table) -> Outcome {
    let (extension, floor, peer) = stage::block_on(interleave(plan))?;
    let cpu_ms = extension.cpu_ms.median();
    table.push(Row {
        figure: "CPU per warm invocation, 3 documents".to_owned(),
        extension: extension.cpu_ms.spread(3, "ms"),
        floor: floor.cpu_ms.spread(3, "ms"),
        ratio: Some(cpu_ms / floor.cpu_ms.median()),
        peer: peer.map(|peer| peer.cpu_ms.spread(3, "ms")).unwrap_or_default(),
        target: "≤ 0.2 ms".to_owned(),
        is_met: Some(cpu_ms <= 0.2),
    });
    Ok(())
}

async fn interleave(plan: &Plan) -> Outcome<(Seen, Seen, Option<Seen>)> {
    let sink = Sink::start(Duration::ZERO).await?;
    let at = || Destination::At(sink.url().to_owned());
    // As it comes: `adaptive`.
    let with_extension = Stage::start_with(plan, plan.extension.as_path(), at(), &[]).await?;
    let with_floor = Stage::start(plan, plan.floor()?, at()).await?;
    let with_peer = match &plan.peer {
        Some(peer) => Some(Stage::start(plan, peer.as_path(), at()).await?),
        None => None,
    };
    let (script, of_peer) = (subsegments(), spans());
    for _ in 0..WARM_UP {
        with_extension.invoke(&script).await?;
        with_floor.invoke(&script).await?;
        if let Some(stage) = &with_peer {
            stage.invoke(&of_peer).await?;
        }
    }
    let (mut extension, mut floor, mut peer) = (Seen::default(), Seen::default(), Seen::default());
    for _ in 0..plan.runs {
        extension.observe(&with_extension, &script).await?;
        floor.observe(&with_floor, &script).await?;
        if let Some(stage) = &with_peer {
            peer.observe(stage, &of_peer).await?;
        }
    }
    Ok((extension, floor, with_peer.map(|_| peer)))
}

impl Seen {
    async fn observe(&mut self, stage: &Stage, script: &Script) -> Outcome {
        let pid = stage.pid()?;
        let before = process::cpu_ms(pid)?;
        for _ in 0..PER_RUN {
            stage.invoke(script).await?;
        }
        let spent = process::cpu_ms(pid)? - before;
        self.cpu_ms.push(spent / f64::from(PER_RUN));
        Ok(())
    }
}

/// Three documents for an extension that speaks the daemon's protocol.
pub(crate) fn subsegments() -> Script {
    Script::new()
        .subsegment("00000000000000a1", "read")
        .subsegment("00000000000000a2", "decide")
        .subsegment("00000000000000a3", "write")
}

/// Three spans for one that takes OTLP.
pub(crate) fn spans() -> Script {
    Script::new().otlp(3)
}
