//! Memory and CPU time when one invocation sends thousands of documents.

use std::path::Path;
use std::time::Duration;

use tests::script::Script;

use crate::plan::Plan;
use crate::process::{self, Memory};
use crate::samples::Samples;
use crate::sink::Sink;
use crate::stage::{self, Destination, Stage};
use crate::table::{Row, Table};
use crate::udp::{self, Pace};
use crate::{Outcome, daemon, load};

/// Documents of one kilobyte in one invocation.
const BURST: u32 = 5_000;
/// The same while the destination is down: more than the budget holds.
const BURST_DOWN: u32 = 10_000;
/// The function works longer than they take to send.
const WORK_MS: u64 = 150;
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
    let Compared {
        up,
        down,
        peer,
        before,
    } = stage::block_on(interleave(plan))?;
    type Of = fn(&Seen) -> &Samples;
    let rows: [(_, _, Of, _, _); 4] = [
        (
            format!("resident memory after {BURST} documents of 1 KB"),
            &up,
            |seen| &seen.resident_mb,
            "MB",
            Some(8.0),
        ),
        (
            "– of which anonymous".to_owned(),
            &up,
            |seen| &seen.anonymous_mb,
            "MB",
            None,
        ),
        (
            format!("peak memory, {BURST_DOWN} documents, destination down"),
            &down,
            |seen| &seen.peak_mib,
            "MiB",
            Some(16.0),
        ),
        (
            format!("CPU per document, {BURST} at full speed"),
            &up,
            |seen| &seen.cpu_micros,
            "µs",
            Some(5.0),
        ),
    ];
    for (figure, seen, of, unit, target) in rows {
        let of_peer = peer.as_ref().filter(|_| unit != "MiB");
        table.push(Row {
            figure,
            extension: of(seen).spread(2, unit),
            peer: of_peer.map(|peer| of(peer).spread(2, unit)).unwrap_or_default(),
            target: target
                .map(|target| format!("≤ {target} {unit}"))
                .unwrap_or_default(),
            is_met: target.map(|target| of(seen).median() <= target),
            ..Row::default()
        });
    }
    if let Some(before) = before {
        let growth = up.cpu_micros.median() / before.cpu_micros.median();
        table.push(Row {
            figure: "– of the earlier build".to_owned(),
            extension: up.cpu_micros.spread(2, "µs"),
            ratio: Some(growth),
            peer: before.cpu_micros.spread(2, "µs"),
            target: "≤ 1.05 × the earlier".to_owned(),
            is_met: Some(growth <= 1.05),
            ..Row::default()
        });
    }
    beside_the_daemon(plan, up.cpu_micros.median(), table)?;
    if up.unseen + down.unseen > 0 {
        table.note(format!(
            "{} documents of the bursts never reached the extension's socket",
            up.unseen + down.unseen
        ));
    }
    Ok(())
}

/// AWS's own daemon under the same burst, where somebody has one at hand.
fn beside_the_daemon(plan: &Plan, own_micros: f64, table: &mut Table) -> Outcome {
    let Some(daemon) = &plan.daemon else {
        table.note("AWS's X-Ray daemon was left out: its path is given with --daemon");
        return Ok(());
    };
    let micros = stage::block_on(async {
        let mut micros = Samples::default();
        for _ in 0..plan.runs {
            micros.push(daemon::cpu_micros(daemon, BURST).await?);
        }
        Ok(micros)
    })?;
    let share = own_micros / micros.median();
    table.push(Row {
        figure: "– as a share of the X-Ray daemon's".to_owned(),
        extension: format!("{share:.2}"),
        peer: format!("{} (the daemon)", micros.spread(2, "µs")),
        target: "≤ 0.2".to_owned(),
        is_met: Some(share <= 0.2),
        ..Row::default()
    });
    Ok(())
}

/// What was seen of the programs that are compared.
#[derive(Default)]
struct Compared {
    up: Seen,
    down: Seen,
    peer: Option<Seen>,
    before: Option<Seen>,
}

async fn interleave(plan: &Plan) -> Outcome<Compared> {
    let mut seen = Compared {
        peer: plan.peer.as_ref().map(|_| Seen::default()),
        before: plan.before.as_ref().map(|_| Seen::default()),
        ..Compared::default()
    };
    for _ in 0..plan.runs {
        seen.up.observe(plan, Destination::Up, BURST).await?;
        seen.down.observe(plan, Destination::Down, BURST_DOWN).await?;
        seen.up.observe_cpu(plan, &plan.extension).await?;
        if let (Some(program), Some(before)) = (&plan.before, &mut seen.before) {
            before.observe_cpu(plan, program).await?;
        }
        if let (Some(program), Some(peer)) = (&plan.peer, &mut seen.peer) {
            peer.observe_peer(plan, program).await?;
        }
    }
    Ok(seen)
}

impl Seen {
    /// A new process each time: memory that was given back to nobody would hide the next run's.
    async fn observe(&mut self, plan: &Plan, destination: Destination, documents: u32) -> Outcome {
        let stage = Stage::start(plan, plan.extension.as_path(), destination).await?;
        stage.invoke(&Script::new()).await?;
        let pid = stage.pid()?;
        let burst = Script::new().burst(usize::try_from(documents)?);
        stage.invoke(&burst).await?;
        let memory = Memory::settled(pid)?;
        self.resident_mb.push(memory.resident_kb / 1e3);
        self.anonymous_mb.push(memory.anonymous_kb / 1e3);
        self.peak_mib.push(memory.peak_kb * 1024.0 / MIB);
        let tally = stage.tally().await?;
        let received = tally["received"]["udp"].as_u64().unwrap_or_default();
        self.unseen += u64::from(documents).saturating_sub(received);
        Ok(())
    }

    /// The same number of spans of the same size, posted as the exporters of SDKs do.
    async fn observe_peer(&mut self, plan: &Plan, peer: &Path) -> Outcome {
        let sink = Sink::start(Duration::ZERO).await?;
        let stage = Stage::start(plan, peer, Destination::At(sink.url().to_owned())).await?;
        stage.invoke(&Script::new()).await?;
        let pid = stage.pid()?;
        let before = process::cpu_ms(pid)?;
        let burst = Script::new().otlp(usize::try_from(BURST)?);
        stage.invoke(&burst.work_ms(WORK_MS)).await?;
        let memory = Memory::settled(pid)?;
        let spent_ms = process::cpu_ms(pid)? - before;
        self.resident_mb.push(memory.resident_kb / 1e3);
        self.anonymous_mb.push(memory.anonymous_kb / 1e3);
        self.cpu_micros.push(spent_ms * 1e3 / f64::from(BURST));
        Ok(())
    }

    /// CPU time per document, from a sender that costs the extension no wake-up for each.
    async fn observe_cpu(&mut self, plan: &Plan, extension: &Path) -> Outcome {
        let stage = Stage::start(plan, extension, Destination::Up).await?;
        let flood = |[udp, _]: load::To| udp::flood(udp, load::TRACE, BURST, Pace::Full);
        let cost = load::cost(stage, WORK_MS, BURST, flood).await?;
        self.cpu_micros.push(cost.cpu_micros);
        Ok(())
    }
}
