//! Datagrams from a sender that waits for nothing: how many arrive.

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
use crate::table::{self, Row, Table};

/// Documents of one run: far more than any buffer holds.
const DOCUMENTS: u32 = 20_000;
pub(crate) const DOCUMENT_BYTES: usize = 1024;
/// Documents a second that have to arrive whole.
const PROMISED_PER_SECOND: f64 = 200e3;
/// The floor is done when nothing came for this long.
const SILENCE: Duration = Duration::from_millis(50);

/// How fast documents are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// As fast as one thread can.
    Full,
    /// At what is promised.
    Promised,
}

/// Sender's documents a second, and the share of them that was counted, in percent.
#[derive(Default)]
struct Seen {
    sent_per_second: Samples,
    arrived_percent: Samples,
}

/// What was seen of one socket buffer.
#[derive(Default)]
struct Buffer {
    full: Seen,
    promised: Seen,
}

/// Documents a second, and how many of them were counted.
pub(crate) fn measure(plan: &Plan, table: &mut Table) -> Outcome {
    let can_refuse = can_refuse_buffers();
    let (as_asked, default_sized, floor) = stage::block_on(interleave(plan, can_refuse))?;
    push(table, "buffer as the extension asks", &as_asked, None);
    if can_refuse {
        push(table, "default buffer", &default_sized, Some(&floor));
    } else {
        table.leave_out("datagrams with the default buffer were left out: strace, which refuses the larger one, is missing");
    }
    Ok(())
}

fn push(table: &mut Table, buffer: &str, extension: &Buffer, floor: Option<&Buffer>) {
    let arrived = &extension.promised.arrived_percent;
    table.push(Row {
        figure: format!("datagrams at 200,000/s, {buffer}"),
        extension: arrived.spread(1, "%"),
        floor: floor
            .map(|floor| floor.promised.arrived_percent.spread(1, "%"))
            .unwrap_or_default(),
        target: "100 %".to_owned(),
        is_met: Some(arrived.median() >= 100.0),
        ..Row::default()
    });
    table.push(Row {
        figure: format!("– as fast as the sender can, {buffer}"),
        extension: extension.full.text(),
        floor: floor.map(|floor| floor.full.text()).unwrap_or_default(),
        ..Row::default()
    });
}

async fn interleave(plan: &Plan, can_refuse: bool) -> Outcome<(Buffer, Buffer, Buffer)> {
    let (mut as_asked, mut default_sized, mut floor) =
        (Buffer::default(), Buffer::default(), Buffer::default());
    for _ in 0..plan.runs {
        for pace in [Pace::Full, Pace::Promised] {
            as_asked
                .at(pace)
                .observe(plan, plan.extension.as_path().into(), pace)
                .await?;
            if can_refuse {
                default_sized
                    .at(pace)
                    .observe(plan, without_buffer(plan), pace)
                    .await?;
            }
            floor.at(pace).push(receive_only(pace)?);
        }
    }
    Ok((as_asked, default_sized, floor))
}

impl Buffer {
    fn at(&mut self, pace: Pace) -> &mut Seen {
        match pace {
            Pace::Full => &mut self.full,
            Pace::Promised => &mut self.promised,
        }
    }
}

impl Seen {
    fn text(&self) -> String {
        let pace = table::pace(self.sent_per_second.median());
        format!("{} of {pace}", self.arrived_percent.spread(1, "%"))
    }

    /// The destination is down: receiving is what is measured here, not sending on.
    async fn observe(&mut self, plan: &Plan, extension: ExtensionProgram, pace: Pace) -> Outcome {
        let stage = Stage::start(plan, extension, Destination::Down).await?;
        let header = TraceHeader::parse(&stage.invoke(&Script::new()).await?.header);
        let root = header.root.map(|root| root.to_string()).unwrap_or_default();
        let to = stage.udp;
        let rate = tokio::task::spawn_blocking(move || flood(to, &root, DOCUMENTS, pace)).await??;
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
fn receive_only(pace: Pace) -> Outcome<(f64, u32)> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(SILENCE))?;
    let to = socket.local_addr()?;
    let sender = thread::spawn(move || flood(to, "1-00000000-000000000000000000000000", DOCUMENTS, pace));
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

/// Sends documents of this trace. Returns how many a second.
pub(crate) fn flood(to: SocketAddr, trace_id: &str, documents: u32, pace: Pace) -> Outcome<f64> {
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
    for number in 1..=documents {
        if let Some(place) = datagram.get_mut(id.clone()) {
            place.copy_from_slice(format!("{number:016x}").as_bytes());
        }
        if let Pace::Promised = pace {
            // Sleeping is too coarse for steps of 5 µs.
            let due = Duration::from_secs_f64(f64::from(number) / PROMISED_PER_SECOND);
            while began.elapsed() < due {
                std::hint::spin_loop();
            }
        }
        socket.send(&datagram)?;
    }
    Ok(f64::from(documents) / began.elapsed().as_secs_f64())
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
