//! Memory and CPU time when one invocation sends thousands of documents.

use tests::script::Script;

use crate::Outcome;
use crate::plan::Plan;
use crate::process::{self, Memory};
use crate::samples::Samples;
use crate::stage::{self, Destination, Stage};
use crate::table::{Row, Table};
use crate::udp::{self, Pace};

/// Documents of one kilobyte in one invocation.
const BURST: u32 = 5_000;
/// The same while the destination is down: more than the budget holds.
const BURST_DOWN: u32 = 10_000;
/// The function works longer than they take to send.
const WORK_MS: u64 = 150;
const TRACE: &str = "1-6553f100-0123456789abcdef01234567";
const MIB: f64 = 1024.0 * 1024.0;

#[derive(Default)]
struct Seen {
    resident_mb: Samples,
    anonymous_mb: Samples,
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
            Some(up.resident_mb.median() <= 8.0),
        ),
        (
            "– of which anonymous".to_owned(),
            up.anonymous_mb.spread(2, "MB"),
            "",
            None,
        ),
        (
            format!("peak memory, {BURST_DOWN} documents, destination down"),
            down.peak_mib.spread(2, "MiB"),
            "≤ 16 MiB",
            Some(down.peak_mib.median() <= 16.0),
        ),
        (
            format!("CPU per document, {BURST} at full speed"),
            up.cpu_micros.spread(2, "µs"),
            "≤ 5 µs",
            Some(up.cpu_micros.median() <= 5.0),
        ),
    ];
    for (figure, extension, target, is_met) in rows {
        table.push(Row {
            figure,
            extension,
            target: target.to_owned(),
            is_met,
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
        up.observe_cpu(plan).await?;
    }
    Ok((up, down))
}

impl Seen {
    /// A new process each time: memory that was given back to nobody would hide the next run's.
    async fn observe(&mut self, plan: &Plan, destination: Destination, documents: u32) -> Outcome {
        let stage = Stage::start(plan, plan.extension.as_path(), destination).await?;
        stage.invoke(&Script::new()).await?;
        let pid = stage.pid()?;
        let burst = Script::new().burst(usize::try_from(documents)?);
        stage.invoke(&burst).await?;
        let memory = Memory::at_rest(pid)?;
        self.resident_mb.push(memory.resident_kb / 1e3);
        self.anonymous_mb.push(memory.anonymous_kb / 1e3);
        self.peak_mib.push(memory.peak_kb * 1024.0 / MIB);
        let tally = stage.tally().await?;
        let received = tally["received"]["udp"].as_u64().unwrap_or_default();
        self.unseen += u64::from(documents).saturating_sub(received);
        Ok(())
    }

    /// CPU time per document, from a sender that costs the extension no wake-up for each.
    async fn observe_cpu(&mut self, plan: &Plan) -> Outcome {
        let stage = Stage::start(plan, plan.extension.as_path(), Destination::Up).await?;
        stage.invoke(&Script::new()).await?;
        let pid = stage.pid()?;
        let before = process::cpu_ms(pid)?;
        let header = format!("Root={TRACE};Parent=53995c3f42cd8ad8;Sampled=1");
        let (working, to) = (Script::new().work_ms(WORK_MS), stage.udp);
        let sending = async {
            stage.under_way(2).await?;
            tokio::task::spawn_blocking(move || udp::flood(to, TRACE, BURST, Pace::Full)).await?
        };
        let (ended, sent) = tokio::join!(stage.invoke_with(&working, &header), sending);
        ended?;
        sent?;
        Memory::at_rest(pid)?;
        let spent_ms = process::cpu_ms(pid)? - before;
        let tally = stage.tally().await?;
        let received = tally["received"]["udp"].as_u64().unwrap_or_default();
        self.cpu_micros
            .push(spent_ms * 1e3 / f64::from(u32::try_from(received.max(1))?));
        Ok(())
    }
}
