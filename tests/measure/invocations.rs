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
/// The peer has this part of the runs, which take it a hundred times as long.
const PEERS_SHARE: usize = 10;

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
    let (script, of_peer) = (subsegments(), spans());
    for _ in 0..WARM_UP {
        with_extension.invoke(&script).await?;
        with_floor.invoke(&script).await?;
    }
    let (mut extension, mut floor) = (Seen::default(), Seen::default());
    for _ in 0..plan.runs {
        extension.observe(&with_extension, &script).await?;
        floor.observe(&with_floor, &script).await?;
    }
    let Some(program) = &plan.peer else {
        return Ok((extension, floor, None));
    };
    // Not in turn with the others: it holds each invocation for a second, and theirs would no longer be steady traffic.
    let (with_peer, mut peer) = (
        Stage::start(plan, program.as_path(), at()).await?,
        Seen::default(),
    );
    for _ in 0..WARM_UP {
        with_peer.invoke(&of_peer).await?;
    }
    for _ in 0..plan.runs.div_ceil(PEERS_SHARE) {
        peer.observe(&with_peer, &of_peer).await?;
    }
    Ok((extension, floor, Some(peer)))
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
