//! What happens after the function's response, with a destination 10 ms away: time added, and time until delivered.

use std::time::{Duration, Instant};

use model::trace_header::TraceHeader;
use tests::script::Script;

use crate::Outcome;
use crate::invocations::{spans, subsegments};
use crate::plan::Plan;
use crate::samples::Samples;
use crate::sink::Sink;
use crate::stage::{self, Destination, Ended, Stage};
use crate::table::{Row, Table};

/// How far away the destination is.
const AWAY: Duration = Duration::from_millis(10);
/// How long a handler works: longer than a call takes.
const WORK_MS: u64 = 30;
/// Invocations behind one run.
const PER_RUN: usize = 10;
/// Invocations before anything is measured: a rhythm has to be there before anybody can follow it.
const WARM_UP: usize = 25;
/// Calls in a row that the destination refuses.
const REFUSALS: usize = 10;

/// An extension, and what its functions send.
#[derive(Clone, Copy)]
enum Subject {
    Extension,
    Peer,
}

/// What was seen of some invocations.
#[derive(Debug, Default)]
struct Seen {
    added_ms: Samples,
    /// Of this the part after the delivery of `platform.runtimeDone`, which takes 25 ms, was answered.
    own_ms: Samples,
    delivered_ms: Samples,
    /// Traces of which nothing ever came.
    lost: usize,
}

/// A stage with its destination.
struct Measured {
    stage: Stage,
    sink: Sink,
    script: Script,
}

/// Every figure of what happens after the response.
pub(crate) fn measure(plan: &Plan, table: &mut Table) -> Outcome {
    stage::block_on(async {
        steady(plan, table).await?;
        rare(plan, table).await?;
        refused(plan, table).await
    })
}

/// Warm and steady: one invocation after the other.
async fn steady(plan: &Plan, table: &mut Table) -> Outcome {
    let (extension, peer) = both(plan, "adaptive", 0).await?;
    for (name, share, target_ms) in [("p50", 0.5, 0.0), ("p99", 0.99, 0.1)] {
        let added_ms = extension.added_ms.quantile(share);
        table.push(Row {
            figure: format!("steady: added after the response, {name}"),
            extension: format!("{added_ms:.2} ms"),
            peer: quantile(peer.as_ref(), |seen| &seen.added_ms, share),
            target: format!("≤ {target_ms} ms"),
            is_met: Some(added_ms <= target_ms),
            ..Row::default()
        });
    }
    table.push(until_delivered("steady", &extension, peer.as_ref(), None));
    Ok(())
}

/// Rare: what is sent is sent before the sandbox freezes. `end` is what `adaptive` does then.
async fn rare(plan: &Plan, table: &mut Table) -> Outcome {
    let (extension, peer) = both(plan, "end", 0).await?;
    let row = |name: &str, share| Row {
        figure: format!("rare: added after the response, {name}"),
        extension: format!("{:.2} ms", extension.added_ms.quantile(share)),
        peer: quantile(peer.as_ref(), |seen| &seen.added_ms, share),
        ..Row::default()
    };
    table.push(Row {
        target: "≤ 36 ms".to_owned(),
        is_met: Some(extension.added_ms.median() <= 36.0),
        ..row("p50", 0.5)
    });
    table.push(row("p99", 0.99));
    table.push(Row {
        figure: "– after the telemetry's delivery was answered, p50".to_owned(),
        extension: quantile(Some(&extension), |seen| &seen.own_ms, 0.5),
        peer: quantile(peer.as_ref(), |seen| &seen.own_ms, 0.5),
        ..Row::default()
    });
    table.push(until_delivered("rare", &extension, peer.as_ref(), Some(50.0)));
    let told = Measured::start(plan, Subject::Extension, "end")
        .await?
        .told_done();
    let told = told.observe(plan.runs * PER_RUN, 0).await?;
    let added_ms = told.added_ms.median();
    table.push(Row {
        figure: "rare, told when done: added after the response, p50".to_owned(),
        extension: format!("{added_ms:.2} ms"),
        target: "≤ 12 ms".to_owned(),
        is_met: Some(added_ms <= 12.0),
        ..Row::default()
    });
    table.push(until_delivered("rare, told when done", &told, None, Some(50.0)));
    Ok(())
}

/// Ten calls in a row are answered 503.
async fn refused(plan: &Plan, table: &mut Table) -> Outcome {
    let (extension, peer) = both(plan, "adaptive", REFUSALS).await?;
    let added_ms = extension.added_ms.quantile(0.99);
    table.push(Row {
        figure: format!("{REFUSALS} answers of 503: added after the response, p99"),
        extension: format!("{added_ms:.2} ms"),
        peer: quantile(peer.as_ref(), |seen| &seen.added_ms, 0.99),
        target: "≤ 1 ms".to_owned(),
        is_met: Some(added_ms <= 1.0),
        ..Row::default()
    });
    let worst_ms = extension.delivered_ms.max();
    table.push(Row {
        figure: "– worst until delivered".to_owned(),
        extension: format!("{worst_ms:.0} ms"),
        peer: quantile(peer.as_ref(), |seen| &seen.delivered_ms, 1.0),
        target: "≤ 500 ms".to_owned(),
        is_met: Some(worst_ms <= 500.0),
        ..Row::default()
    });
    table.push(Row {
        figure: "– traces lost".to_owned(),
        extension: extension.lost.to_string(),
        peer: peer.map(|peer| peer.lost.to_string()).unwrap_or_default(),
        target: "0".to_owned(),
        is_met: Some(extension.lost == 0),
        ..Row::default()
    });
    Ok(())
}

fn until_delivered(traffic: &str, extension: &Seen, peer: Option<&Seen>, target_ms: Option<f64>) -> Row {
    let delivered_ms = extension.delivered_ms.median();
    Row {
        figure: format!("{traffic}: until delivered, p50"),
        extension: format!("{delivered_ms:.1} ms"),
        peer: quantile(peer, |seen| &seen.delivered_ms, 0.5),
        target: target_ms
            .map(|target_ms| format!("≤ {target_ms} ms"))
            .unwrap_or_default(),
        is_met: target_ms.map(|target_ms| delivered_ms <= target_ms),
        ..Row::default()
    }
}

fn quantile(seen: Option<&Seen>, of: fn(&Seen) -> &Samples, share: f64) -> String {
    seen.map(|seen| format!("{:.2} ms", of(seen).quantile(share)))
        .unwrap_or_default()
}

async fn both(plan: &Plan, flush: &str, refusals: usize) -> Outcome<(Seen, Option<Seen>)> {
    let invocations = plan.runs * PER_RUN;
    // The peer asks Lambda to buffer its telemetry for a second, and each invocation waits for it.
    let of_peer = plan.runs;
    let extension = Measured::start(plan, Subject::Extension, flush).await?;
    let extension = extension.observe(invocations, refusals).await?;
    let peer = match &plan.peer {
        Some(_) => {
            let peer = Measured::start(plan, Subject::Peer, flush).await?;
            Some(peer.observe(of_peer, refusals).await?)
        }
        None => None,
    };
    Ok((extension, peer))
}

impl Measured {
    async fn start(plan: &Plan, subject: Subject, flush: &str) -> Outcome<Self> {
        let sink = Sink::start(AWAY).await?;
        let (program, script) = match subject {
            Subject::Extension => (plan.extension.as_path(), subsegments()),
            Subject::Peer => (plan.peer.as_deref().ok_or("no peer to measure")?, spans()),
        };
        let destination = Destination::At(sink.url().to_owned());
        let stage = Stage::start_with(plan, program, destination, &[("FLUOROSCOPE_FLUSH", flush)]).await?;
        let script = script.work_ms(WORK_MS);
        Ok(Self { stage, sink, script })
    }

    /// The function says itself when it is done.
    fn told_done(self) -> Self {
        Self {
            script: self.script.done(),
            ..self
        }
    }

    /// Invokes the function, and ends the environment: what is still held leaves then.
    async fn observe(self, invocations: usize, refusals: usize) -> Outcome<Seen> {
        for _ in 0..WARM_UP {
            self.stage.invoke(&self.script).await?;
        }
        self.sink.refuse(refusals);
        let mut ended = Vec::new();
        for _ in 0..invocations {
            ended.push(self.stage.invoke(&self.script).await?);
        }
        let Self { stage, sink, .. } = self;
        stage.stop().await;
        let mut seen = Seen::default();
        for invocation in &ended {
            seen.note(invocation, &sink);
        }
        Ok(seen)
    }
}

impl Seen {
    fn note(&mut self, invocation: &Ended, sink: &Sink) {
        let millis = |to: Instant| to.saturating_duration_since(invocation.done).as_secs_f64() * 1e3;
        // An extension that asked for the next event before the end adds nothing.
        self.added_ms
            .push(invocation.next.map(millis).unwrap_or_default());
        if let (Some(delivered), Some(next)) = (invocation.delivered, invocation.next) {
            let own = next.saturating_duration_since(delivered);
            self.own_ms.push(own.as_secs_f64() * 1e3);
        }
        let trace = TraceHeader::parse(&invocation.header).trace_id();
        match trace.and_then(|trace| sink.first_of(trace)) {
            Some(at) => self.delivered_ms.push(millis(at)),
            None => self.lost += 1,
        }
    }
}
