//! Memory and CPU time when one invocation sends thousands of documents.

use tests::script::Script;

use crate::Outcome;
use crate::plan::Plan;
use crate::process::{self, Memory};
use crate::samples::Samples;
use crate::stage::{self, Destination, Stage};
use crate::table::{Row, Table};

/// Documents of one kilobyte in one invocation.
const BURST: u32 = 5_000;
/// The same while the destination is down: more than the budget holds.
const BURST_DOWN: u32 = 10_000;
const MIB: f64 = 1024.0 * 1024.0;

#[derive(Default)]
struct Seen {
    resident_mb: Samples,
    peak_mib: Samples,
    cpu_micros: Samples,
    unseen: u64,
}

/// Resident memory after a burst, its peak while nothing can be sent, and CPU time per document.
pub(crate) fn measure(plan: &Plan, table: &mut Table) -> Outcome {
    let (up, down) = stage::block_on(interleave(plan))?;
    let rows = [
        (
            format!("resident memory after {BURST} documents of 1 KB"),
            up.resident_mb.spread(2, "MB"),
            "≤ 8 MB",
            up.resident_mb.median() <= 8.0,
        ),
        (
            format!("peak memory, {BURST_DOWN} documents, destination down"),
            down.peak_mib.spread(2, "MiB"),
            "≤ 16 MiB",
            down.peak_mib.median() <= 16.0,
        ),
        (
            format!("CPU per document, {BURST} in one invocation"),
            up.cpu_micros.spread(2, "µs"),
            "≤ 5 µs",
            up.cpu_micros.median() <= 5.0,
        ),
    ];
    for (figure, extension, target, is_met) in rows {
        table.push(Row {
            figure,
            extension,
            target: target.to_owned(),
            is_met: Some(is_met),
            ..Row::default()
        });
    }
    if up.unseen + down.unseen > 0 {
        table.note(format!(
            "{} documents of the bursts never reached the extension's socket",
            up.unseen + down.unseen
        ));
    }
    Ok(())
}

async fn interleave(plan: &Plan) -> Outcome<(Seen, Seen)> {
    let (mut up, mut down) = (Seen::default(), Seen::default());
    for _ in 0..plan.runs {
        up.observe(plan, Destination::Up, BURST).await?;
        down.observe(plan, Destination::Down, BURST_DOWN).await?;
    }
    Ok((up, down))
}

impl Seen {
    /// A new process each time: memory that was given back to nobody would hide the next run's.
    async fn observe(&mut self, plan: &Plan, destination: Destination, documents: u32) -> Outcome {
        let stage = Stage::start(plan, plan.extension.as_path(), destination).await?;
        stage.invoke(&Script::new()).await?;
        let pid = stage.pid()?;
        let before = process::cpu_ms(pid)?;
        let burst = Script::new().burst(usize::try_from(documents)?);
        stage.invoke(&burst).await?;
        let memory = Memory::at_rest(pid)?;
        let spent_ms = process::cpu_ms(pid)? - before;
        self.resident_mb.push(memory.resident_kb / 1e3);
        self.peak_mib.push(memory.peak_kb * 1024.0 / MIB);
        self.cpu_micros.push(spent_ms * 1e3 / f64::from(documents));
        let tally = stage.tally().await?;
        let received = tally["received"]["udp"].as_u64().unwrap_or_default();
        self.unseen += u64::from(documents).saturating_sub(received);
        Ok(())
    }
}
