//! What a warm invocation costs: CPU time, and time after the function's response.

use std::time::Instant;

use tests::script::Script;

use crate::Outcome;
use crate::plan::Plan;
use crate::process;
use crate::samples::Samples;
use crate::stage::{self, Destination, Stage};
use crate::table::{Row, Table};

/// Invocations behind one value of CPU time, so that the clock's grain does not show.
const PER_RUN: u32 = 10;
/// Invocations before anything is measured: the client is built in the first, and caches fill.
const WARM_UP: u32 = 10;

#[derive(Default)]
struct Seen {
    cpu_ms: Samples,
    added_ms: Samples,
    telemetry_ms: Samples,
    own_ms: Samples,
}

/// CPU per warm invocation with three documents, and runtimeDone to next.
pub(crate) fn measure(plan: &Plan, table: &mut Table) -> Outcome {
    let (extension, floor) = stage::block_on(interleave(plan))?;
    let cpu_ms = extension.cpu_ms.median();
    table.push(Row {
        figure: "CPU per warm invocation, 3 documents".to_owned(),
        extension: extension.cpu_ms.spread(3, "ms"),
        floor: floor.cpu_ms.spread(3, "ms"),
        ratio: Some(cpu_ms / floor.cpu_ms.median()),
        target: "≤ 0.2 ms".to_owned(),
        is_met: Some(cpu_ms <= 0.2),
    });
    let tail = |samples: &Samples, share| format!("{:.2} ms", samples.quantile(share));
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        let added_ms = extension.added_ms.quantile(share);
        table.push(Row {
            figure: format!("runtimeDone → next, {name}"),
            extension: tail(&extension.added_ms, share),
            target: "≤ 36 ms".to_owned(),
            is_met: Some(added_ms <= 36.0),
            ..Row::default()
        });
        for (part, samples) in [
            ("until its delivery was answered", &extension.telemetry_ms),
            ("after that", &extension.own_ms),
        ] {
            table.push(Row {
                figure: format!("– {part}, {name}"),
                extension: tail(samples, share),
                ..Row::default()
            });
        }
    }
    Ok(())
}

async fn interleave(plan: &Plan) -> Outcome<(Seen, Seen)> {
    let with_extension = Stage::start(plan, plan.extension.as_path(), Destination::Up).await?;
    let with_floor = Stage::start(plan, plan.floor()?, Destination::Up).await?;
    let script = script();
    for stage in [&with_extension, &with_floor] {
        for _ in 0..WARM_UP {
            stage.invoke(&script).await?;
        }
    }
    let (mut extension, mut floor) = (Seen::default(), Seen::default());
    for _ in 0..plan.runs {
        extension.observe(&with_extension, &script).await?;
        floor.observe(&with_floor, &script).await?;
    }
    Ok((extension, floor))
}

impl Seen {
    async fn observe(&mut self, stage: &Stage, script: &Script) -> Outcome {
        let pid = stage.pid()?;
        let before = process::cpu_ms(pid)?;
        for _ in 0..PER_RUN {
            let ended = stage.invoke(script).await?;
            let millis = |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f64() * 1e3;
            let Some(next) = ended.next else { continue };
            self.added_ms.push(millis(ended.done, next));
            if let Some(delivered) = ended.delivered {
                self.telemetry_ms.push(millis(ended.done, delivered));
                self.own_ms.push(millis(delivered, next));
            }
        }
        let spent = process::cpu_ms(pid)? - before;
        self.cpu_ms.push(spent / f64::from(PER_RUN));
        Ok(())
    }
}

fn script() -> Script {
    Script::new()
        .subsegment("00000000000000a1", "read")
        .subsegment("00000000000000a2", "decide")
        .subsegment("00000000000000a3", "write")
}
