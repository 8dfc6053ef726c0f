//! Datagrams sent as fast as one sender can: how many arrive.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use emulator::ExtensionProgram;
use model::trace_header::TraceHeader;
use tests::script::Script;

use crate::Outcome;
use crate::plan::Plan;
use crate::samples::Samples;
use crate::stage::{self, Destination, Stage};
use crate::table::{Row, Table};

/// Documents of one run: far more than any buffer holds.
const DOCUMENTS: u32 = 20_000;
const DOCUMENT_BYTES: usize = 1024;
/// The floor is done when nothing came for this long.
const SILENCE: Duration = Duration::from_millis(50);

/// Sender's documents a second, and the share of them that was counted, in percent.
#[derive(Default)]
struct Seen {
    sent_per_second: Samples,
    arrived_percent: Samples,
}

/// Documents a second, and how many of them were counted.
pub(crate) fn measure(plan: &Plan, table: &mut Table) -> Outcome {
    let can_refuse = can_refuse_buffers();
    let (as_is, default_buffer, floor) = stage::block_on(interleave(plan, can_refuse))?;
    push(
        table,
        "datagrams at full speed, buffer as the extension asks",
        &as_is,
        None,
    );
    if can_refuse {
        push(
            table,
            "datagrams at full speed, default buffer",
            &default_buffer,
            Some(&floor),
        );
    } else {
        table.note("datagrams with the default buffer were left out: strace, which refuses the larger one, is missing");
    }
    Ok(())
}

fn push(table: &mut Table, figure: &str, extension: &Seen, floor: Option<&Seen>) {
    let says = |seen: &Seen| {
        let (rate, arrived) = (seen.sent_per_second.median() / 1e3, &seen.arrived_percent);
        format!(
            "{rate:.0},000/s sent, {:.1} % ({:.1} to {:.1}) arrived",
            arrived.median(),
            arrived.quantile(0.0),
            arrived.max()
        )
    };
    let is_whole = extension.arrived_percent.median() >= 100.0;
    table.push(Row {
        figure: figure.to_owned(),
        extension: says(extension),
        floor: floor.map(says).unwrap_or_default(),
        target: "≥ 200,000/s, 100 %".to_owned(),
        is_met: Some(is_whole && extension.sent_per_second.median() >= 200e3),
        ..Row::default()
    });
}

async fn interleave(plan: &Plan, can_refuse: bool) -> Outcome<(Seen, Seen, Seen)> {
    let mut seen = (Seen::default(), Seen::default(), Seen::default());
    for _ in 0..plan.runs {
        seen.0.observe(plan, plan.extension.as_path().into()).await?;
        if can_refuse {
            seen.1.observe(plan, without_buffer(plan)).await?;
        }
        seen.2.push(receive_only()?);
    }
    Ok(seen)
}

impl Seen {
    /// The destination is down: receiving is what is measured here, not sending on.
    async fn observe(&mut self, plan: &Plan, extension: ExtensionProgram) -> Outcome {
        let stage = Stage::start(plan, extension, Destination::Down).await?;
        let header = TraceHeader::parse(&stage.invoke(&Script::new()).await?.header);
        let root = header.root.map(|root| root.to_string()).unwrap_or_default();
        let to = stage.udp;
        let rate = tokio::task::spawn_blocking(move || flood(to, &root)).await??;
        // The end of an invocation empties the socket.
        stage.invoke(&Script::new()).await?;
        let tally = stage.tally().await?;
        let received = tally["received"]["udp"].as_u64().unwrap_or_default();
        self.push((rate, u32::try_from(received)?));
        Ok(())
    }

    fn push(&mut self, (sent_per_second, received): (f64, u32)) {
        self.sent_per_second.push(sent_per_second);
        self.arrived_percent
            .push(f64::from(received) / f64::from(DOCUMENTS) * 100.0);
    }
}

/// The floor: a loop that only receives, with the system's default buffer.
fn receive_only() -> Outcome<(f64, u32)> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(SILENCE))?;
    let to = socket.local_addr()?;
    let sender = thread::spawn(move || flood(to, "1-00000000-000000000000000000000000"));
    let (mut scratch, mut received) = (vec![0; DOCUMENT_BYTES * 2], 0);
    loop {
        match socket.recv(&mut scratch) {
            Ok(_) => received += 1,
            Err(error) if error.kind() == ErrorKind::WouldBlock && !sender.is_finished() => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error.into()),
        }
    }
    let rate = sender.join().map_err(|_| "the sender panicked")??;
    Ok((rate, received))
}

/// Sends as fast as it can. Returns documents a second.
fn flood(to: SocketAddr, trace_id: &str) -> Outcome<f64> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(to)?;
    let head = "{\"format\":\"json\",\"version\":1}\n{\"id\":\"";
    let tail = format!(
        "\",\"name\":\"flood\",\"type\":\"subsegment\",\"trace_id\":\"{trace_id}\",\"parent_id\":\"00000000000000b1\",\
         \"start_time\":1700000000.0,\"end_time\":1700000000.1,\"metadata\":{{\"default\":{{\"filler\":\""
    );
    let end = "\"}}}";
    let filler = "m".repeat(DOCUMENT_BYTES.saturating_sub(head.len() + 16 + tail.len() + end.len()));
    let mut datagram = format!("{head}{:016x}{tail}{filler}{end}", 0).into_bytes();
    let id = head.len()..head.len() + 16;
    let began = Instant::now();
    for number in 1..=DOCUMENTS {
        if let Some(place) = datagram.get_mut(id.clone()) {
            place.copy_from_slice(format!("{number:016x}").as_bytes());
        }
        socket.send(&datagram)?;
    }
    Ok(f64::from(DOCUMENTS) / began.elapsed().as_secs_f64())
}

/// The extension, with its first two wishes for a larger buffer refused. Only that call is looked at, the rest runs
/// at full speed.
fn without_buffer(plan: &Plan) -> ExtensionProgram {
    let mut program = ExtensionProgram::new("strace");
    for argument in REFUSE {
        program = program.arg(argument);
    }
    let name = plan
        .extension
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    program.arg(plan.extension.to_string_lossy()).named(name)
}

const REFUSE: [&str; 8] = [
    "-f",
    "--seccomp-bpf",
    "-o",
    "/dev/null",
    "-e",
    "trace=setsockopt",
    "-e",
    "inject=setsockopt:error=EPERM:when=1..2",
];

fn can_refuse_buffers() -> bool {
    let tried = Command::new("strace")
        .args(REFUSE)
        .arg("true")
        .stderr(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success())
}
