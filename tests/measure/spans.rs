//! Spans of OpenTelemetry: how many a second are taken, what each costs on its way in and on to either destination, what a
//! document costs that leaves as a span, and what one held takes.

use std::time::Duration;

use model::ids::{SegmentId, TraceId};
use tests::script::Script;

use crate::exporter::{Spans, Way};
use crate::load::{self, Cost};
use crate::plan::Plan;
use crate::process::Memory;
use crate::samples::Samples;
use crate::sink::Sink;
use crate::stage::{self, Destination, Stage};
use crate::table::{self, Row, Table};
use crate::udp::{self, Pace};
use crate::{Failure, Outcome};

/// Of one invocation: as many as the documents of a burst, in whole calls and datagrams of any of these sizes.
const SPANS: u32 = 5_120;
/// The function works longer than they take to send.
const WORK_MS: u64 = 300;
/// What an extension holds before memory is looked at for the first time: everything it needs once is there then.
const HELD_BEFORE: u32 = 512;

/// How SDKs send: batches of their default size and of a small one, and what AWS's distributions put into a datagram in Lambda.
const WAYS: [(&str, Way, u32); 3] = [
    ("OTLP/HTTP, 512 in a call", Way::Http, 512),
    ("OTLP/HTTP, 50 in a call", Way::Http, 50),
    ("T1S datagrams of 10", Way::Datagrams, 10),
];

/// What else goes which way: documents if not spans, to X-Ray if not to an OTLP backend.
const ONWARD: [(&str, Sent, To); 3] = [
    (
        "CPU per span sent on over OTLP, 50 in a call",
        Sent::Spans,
        To::Otlp,
    ),
    (
        "CPU per document of 1 KB sent on over OTLP",
        Sent::Documents,
        To::Otlp,
    ),
    (
        "CPU per document of 1 KB sent to X-Ray",
        Sent::Documents,
        To::Xray,
    ),
];

#[derive(Clone, Copy)]
enum Sent {
    Spans,
    Documents,
}

#[derive(Clone, Copy)]
enum To {
    Otlp,
    Xray,
}

/// What was seen of one way.
#[derive(Default)]
struct Seen {
    per_second: Samples,
    arrived_percent: Samples,
    cpu_in: Samples,
    cpu_through: Samples,
    unsent: u64,
}

/// What was seen of memory.
#[derive(Default)]
struct Held {
    span: Samples,
    document: Samples,
}

/// Spans a second, CPU per span, and bytes held per span.
pub(crate) fn measure(plan: &Plan, table: &mut Table) -> Outcome {
    let (ways, onward, held) = stage::block_on(interleave(plan))?;
    for ((name, way, _), seen) in WAYS.iter().zip(&ways) {
        let pace = table::pace(seen.per_second.median());
        row(
            table,
            format!("spans by {name}"),
            match way {
                Way::Http => pace,
                Way::Datagrams => format!("{} of {pace}", seen.arrived_percent.spread(1, "%")),
            },
        );
        row(
            table,
            "– CPU per span taken in".to_owned(),
            seen.cpu_in.spread(2, "µs"),
        );
        row(
            table,
            "– CPU per span taken in, translated and sent to X-Ray".to_owned(),
            seen.cpu_through.spread(2, "µs"),
        );
        seen.note(name, table);
    }
    for ((figure, ..), seen) in ONWARD.iter().zip(&onward) {
        row(table, (*figure).to_owned(), seen.cpu_through.spread(2, "µs"));
        seen.note(figure, table);
    }
    row(
        table,
        format!("memory per span held, {} bytes each", spans(1, 1)?.span_bytes()),
        held.span.spread(0, "bytes"),
    );
    row(
        table,
        format!("memory per document held, {} bytes each", udp::DOCUMENT_BYTES),
        held.document.spread(0, "bytes"),
    );
    Ok(())
}

fn row(table: &mut Table, figure: String, extension: String) {
    table.push(Row {
        figure,
        extension,
        ..Row::default()
    });
}

fn spans(first_id: u32, at_once: u32) -> Outcome<Spans> {
    let trace: TraceId = load::TRACE.parse().map_err(|_| Failure::from("no trace id"))?;
    let parent: SegmentId = load::PARENT.parse().map_err(|_| Failure::from("no span id"))?;
    Ok(Spans {
        trace,
        parent,
        first_id,
        spans: SPANS,
        at_once,
    })
}

async fn interleave(plan: &Plan) -> Outcome<([Seen; WAYS.len()], [Seen; ONWARD.len()], Held)> {
    let mut ways = <[Seen; WAYS.len()]>::default();
    let mut onward = <[Seen; ONWARD.len()]>::default();
    let mut held = Held::default();
    for _ in 0..plan.runs {
        // One for each run: it keeps what it took.
        let sink = Sink::start(Duration::ZERO).await?;
        let up = || Destination::At(sink.url().to_owned());
        for ((_, way, at_once), seen) in WAYS.iter().zip(&mut ways) {
            let (way, spans) = (*way, spans(1, *at_once)?);
            // With the destination down, receiving is what is measured.
            let stage = Stage::start(plan, plan.extension.as_path(), Destination::Down).await?;
            let cost = load::cost(stage, WORK_MS, SPANS, move |to| spans.send(way, to)).await?;
            seen.taken(&cost);
            let stage = Stage::start(plan, plan.extension.as_path(), up()).await?;
            let cost = load::cost(stage, WORK_MS, SPANS, move |to| spans.send(way, to)).await?;
            seen.sent(&cost);
        }
        for ((_, sent, to), seen) in ONWARD.iter().zip(&mut onward) {
            seen.sent(&send_on(plan, &sink, *sent, *to).await?);
        }
        held.span.push(span_bytes(plan).await?);
        held.document.push(document_bytes(plan).await?);
    }
    Ok((ways, onward, held))
}

async fn send_on(plan: &Plan, sink: &Sink, sent: Sent, to: To) -> Outcome<Cost> {
    let mut variables = vec![("FLUOROSCOPE_FLUSH", "end")];
    if let To::Otlp = to {
        variables.push(("FLUOROSCOPE_OUTBOUND", "otlp"));
        variables.push(("FLUOROSCOPE_OTLP_ENDPOINT", sink.url()));
    }
    let destination = Destination::At(sink.url().to_owned());
    let stage = Stage::start_with(plan, plan.extension.as_path(), destination, &variables).await?;
    let spans = spans(1, 50)?;
    match sent {
        Sent::Spans => load::cost(stage, WORK_MS, SPANS, move |to| spans.send(Way::Http, to)).await,
        Sent::Documents => {
            let flood = |[udp, _]: load::To| udp::flood(udp, load::TRACE, SPANS, Pace::Promised);
            load::cost(stage, WORK_MS, SPANS, flood).await
        }
    }
}

impl Seen {
    fn taken(&mut self, cost: &Cost) {
        self.per_second.push(cost.sent_per_second);
        self.arrived_percent.push(cost.arrived_percent);
        self.cpu_in.push(cost.cpu_micros);
    }

    fn sent(&mut self, cost: &Cost) {
        self.cpu_through.push(cost.cpu_micros);
        self.unsent += cost.unsent;
    }

    fn note(&self, name: &str, table: &mut Table) {
        if self.unsent > 0 {
            table.note(format!(
                "{name}: {} spans and documents were not sent",
                self.unsent
            ));
        }
    }
}

/// Memory that grows with each span held, while nothing can be sent.
async fn span_bytes(plan: &Plan) -> Outcome<f64> {
    let few = Spans {
        spans: HELD_BEFORE,
        ..spans(1, HELD_BEFORE)?
    };
    let many = spans(1 + HELD_BEFORE, HELD_BEFORE)?;
    held_bytes(
        plan,
        move |to| few.send(Way::Http, to),
        move |to| many.send(Way::Http, to),
    )
    .await
}

/// The same with documents, at the pace that is promised.
async fn document_bytes(plan: &Plan) -> Outcome<f64> {
    const ANOTHER_TRACE: &str = "1-6553f100-76543210fedcba9876543210";
    held_bytes(
        plan,
        |[udp, _]| udp::flood(udp, ANOTHER_TRACE, HELD_BEFORE, Pace::Promised),
        |[udp, _]| udp::flood(udp, load::TRACE, SPANS, Pace::Promised),
    )
    .await
}

async fn held_bytes(
    plan: &Plan,
    few: impl FnOnce(load::To) -> Outcome<f64> + Send + 'static,
    many: impl FnOnce(load::To) -> Outcome<f64> + Send + 'static,
) -> Outcome<f64> {
    let stage = Stage::start(plan, plan.extension.as_path(), Destination::Down).await?;
    stage.invoke(&Script::new()).await?;
    let pid = stage.pid()?;
    load::invoke_and(&stage, WORK_MS, few).await?;
    let before = Memory::settled(pid)?;
    load::invoke_and(&stage, WORK_MS, many).await?;
    let after = Memory::settled(pid)?;
    stage.stop().await;
    Ok((after.anonymous_kb - before.anonymous_kb) * 1024.0 / f64::from(SPANS))
}
