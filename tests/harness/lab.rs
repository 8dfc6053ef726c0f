//! One environment, one extension, one backend.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use backend::{Limits, Running};
use emulator::{Config, Entry, Environment, Exit, FunctionCommand, Invoked, Reason, Request, Source, What};
use model::ids::TraceId;
use model::trace_header::TraceHeader;
use model::wire::xray_api::TelemetryRecord;
use serde_json::Value;

use crate::script::Script;
use crate::tree::Tree;

/// Longest wait for something that has to happen; reached only when it does not.
pub const BOUND: Duration = Duration::from_secs(20);

/// A scenario's set-up.
pub struct Lab {
    /// The local Lambda environment.
    pub environment: Environment,
    /// The X-Ray backend that the extension sends to.
    pub xray: Running,
}

/// What is left after SHUTDOWN.
pub struct Finished {
    /// The extension's account of every document.
    pub tally: Value,
    /// Every other line the extension logged, of all its processes.
    pub lines: Vec<Value>,
    /// Tallies of extension processes before the last one.
    pub earlier_tallies: Vec<Value>,
    /// Every segment the backend holds, compiled.
    pub tree: Tree,
    /// Telemetry records that X-Ray was told.
    pub told: usize,
    /// Those records.
    pub records: Vec<TelemetryRecord>,
}

impl Lab {
    /// The scripted function with the extension attached, everything as on Lambda.
    pub async fn start() -> Self {
        Self::with(|_| ()).await
    }

    /// The same with changes.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let xray = backend::serve(any_port, Limits::default())
            .await
            .expect("loopback has a free port");
        let udp = own_udp_address();
        let mut config = Config::new("orders", FunctionCommand::new(binary("scripted-function")))
            .with_extension(binary("fluoroscope-extension"))
            .with_variable("FLUOROSCOPE_UDP_ADDRESS", udp.to_string())
            .with_variable("FLUOROSCOPE_OTLP_ADDRESS", otlp_address(udp).to_string())
            .with_variable("AWS_ENDPOINT_URL_XRAY", xray.url());
        change(&mut config);
        let environment = Environment::start(config).await.expect("the environment starts");
        Self { environment, xray }
    }

    /// Invokes the function with a new trace.
    pub async fn invoke(&self, script: &Script) -> Invoked {
        self.environment.invoke(Request::json(script.event())).await
    }

    /// Invokes the function with this trace header.
    pub async fn invoke_with(&self, script: &Script, header: &str) -> Invoked {
        self.environment
            .invoke(Request::json(script.event()).with_trace_header(header))
            .await
    }

    /// Invokes the function, which has to succeed.
    pub async fn succeed(&self, script: &Script) -> Invoked {
        let invoked = self.invoke(script).await;
        let outcome = (invoked.status, invoked.function_error);
        assert_eq!(outcome, (200, None), "{}\n{}", invoked.text(), self.log());
        invoked
    }

    /// Waits until the backend holds this many documents.
    pub async fn documents(&self, count: u64) {
        let mut changes = self.xray.store().changes();
        let enough = changes.wait_for(|_| self.xray.store().received_documents() >= count);
        let is_there = tokio::time::timeout(BOUND, enough).await.is_ok();
        let received = self.xray.store().received_documents();
        assert!(
            is_there,
            "{received} of {count} documents arrived\n{}",
            self.log()
        );
    }

    /// Waits until something happened.
    pub async fn wait_for<T>(&self, what: &str, seen: impl Fn(&[Entry]) -> Option<T>) -> T {
        match self.environment.wait_until(seen, BOUND).await {
            Ok(value) => value,
            Err(_) => panic!("{what} did not happen\n{}", self.log()),
        }
    }

    /// Waits until no invocation is under way: the caller has its response before the extension is done.
    pub async fn idle(&self) {
        self.wait_for("the end of every invocation", |entries| {
            // The journal forgets the oldest: an end may have lost its start.
            let mut open = BTreeSet::new();
            for entry in entries {
                match &entry.what {
                    What::InvocationStarted { request_id } => open.insert(request_id),
                    What::InvocationEnded { request_id, .. } => open.remove(request_id),
                    _ => continue,
                };
            }
            open.is_empty().then_some(())
        })
        .await;
    }

    /// Everything every process wrote.
    pub fn log(&self) -> String {
        self.environment
            .logs()
            .iter()
            .map(|line| format!("{}: {}\n", line.source, line.text))
            .collect()
    }

    /// The extension's log lines so far.
    pub fn lines(&self) -> Vec<Value> {
        let logs = self.environment.logs();
        let own = logs
            .iter()
            .filter(|line| matches!(line.source, Source::Extension(_)));
        own.filter_map(|line| serde_json::from_str(&line.text).ok())
            .collect()
    }

    /// The account after an invocation that reset the environment: its processes have ended already.
    pub async fn finish_after_reset(self) -> Finished {
        self.wait_for("the reset", |entries| {
            entries
                .iter()
                .any(|entry| matches!(entry.what, What::Reset { .. }))
                .then_some(())
        })
        .await;
        self.finish().await
    }

    /// Ends the sandbox as Lambda does. The extension has to leave by itself with every document accounted for.
    pub async fn finish(self) -> Finished {
        self.finish_with(Reason::Spindown).await
    }

    /// The same for another reason.
    pub async fn finish_with(self, reason: Reason) -> Finished {
        self.idle().await;
        let shutdown = self.environment.stop(reason).await;
        let extension = shutdown
            .processes
            .iter()
            .find(|process| &*process.name != "runtime");
        if let Some(extension) = extension {
            let left = (extension.by_itself, extension.exit);
            assert_eq!(left, (true, Exit::Code(0)), "{extension:?}\n{}", self.log());
        }
        let mut lines = self.lines();
        let mut tallies: Vec<Value> = lines.extract_if(.., |line| line["message"] == "tally").collect();
        tallies.iter().for_each(assert_balanced);
        let tally = tallies
            .pop()
            .unwrap_or_else(|| panic!("no tally\n{}", self.log()));
        let traces = self.xray.store().traces();
        let segments = traces
            .iter()
            .flat_map(|trace| &trace.segments)
            .map(|segment| &segment.document);
        Finished {
            tally,
            lines,
            earlier_tallies: tallies,
            tree: Tree::of(segments),
            told: self.xray.store().telemetry().len(),
            records: self.xray.store().telemetry(),
        }
    }

    /// Ends it where the extension is inert: that has no account to give, and still leaves by itself.
    pub async fn finish_inert(self) {
        let ended = self.environment.stop(Reason::Spindown).await.processes;
        assert!(ended.iter().all(|process| process.by_itself), "{ended:?}");
    }
}

impl Finished {
    /// A count of the tally by its JSON pointer; 0 where it has none.
    pub fn count(&self, pointer: &str) -> u64 {
        count(&self.tally, pointer)
    }

    /// The messages of the extension's lines.
    pub fn messages(&self) -> Vec<&str> {
        self.lines
            .iter()
            .filter_map(|line| line["message"].as_str())
            .collect()
    }

    /// Everything that came in was taken: nothing shed, rejected or left over.
    #[track_caller]
    pub fn assert_all_sent(&self) {
        assert_eq!(
            self.count("/received/total"),
            self.count("/sent"),
            "{}",
            self.tally
        );
    }

    /// Every datagram that the function sent was received, or is among those that the system dropped.
    #[track_caller]
    pub fn assert_heard_of(&self, sent: u64) {
        let heard_of = self.count("/received/udp") + self.count("/udp_dropped_by_system");
        assert_eq!(heard_of, sent, "{}", self.tally);
    }
}

fn count(tally: &Value, pointer: &str) -> u64 {
    tally.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}

/// Received = sent + shed + rejected + repeated + superseded + held, for each outbound where there are several.
pub fn assert_balanced(tally: &Value) {
    match tally["outbounds"].as_object() {
        Some(outbounds) => outbounds.values().for_each(assert_sum),
        None => assert_sum(tally),
    }
}

fn assert_sum(tally: &Value) {
    let of = |pointer| count(tally, pointer);
    let settled = of("/sent")
        + of("/shed/total")
        + of("/rejected/total")
        + of("/repeated")
        + of("/superseded")
        + of("/held");
    assert_eq!(of("/received/total"), settled, "{tally}");
}

/// The trace of an invocation.
pub fn trace_of(invoked: &Invoked) -> TraceId {
    let header = invoked.trace_header.as_deref().map(TraceHeader::parse);
    header
        .and_then(|header| header.trace_id())
        .expect("an actively traced invocation has a trace")
}

/// Whether an entry says that a record of this kind was generated.
pub fn emitted(entry: &Entry, wanted: &str) -> bool {
    matches!(&entry.what, What::Emitted { kind, .. } if *kind == wanted)
}

/// The release build of the extension that scenarios are to play with, if somebody named one: what a debug build is
/// too large or too slow for.
pub fn released_extension() -> Option<PathBuf> {
    std::env::var_os("FLUOROSCOPE_RELEASED_EXTENSION").map(PathBuf::from)
}

/// A program that the tests build, as `cargo xtask test` does.
///
/// # Panics
/// It was not built.
pub fn binary(name: &str) -> PathBuf {
    if let Some(released) = released_extension().filter(|_| name == "fluoroscope-extension") {
        return released;
    }
    let running = std::env::current_exe().expect("a running program knows its file");
    // Tests are in <target>/<profile>/deps, programs beside what they start.
    let folders = running.ancestors().skip(1).take(2);
    let paths: Vec<PathBuf> = folders.map(|folder| folder.join(name)).collect();
    let path = paths.iter().find(|path| path.exists());
    path.unwrap_or_else(|| panic!("{paths:?} are missing: run `cargo xtask test`, which builds it"))
        .clone()
}

/// A loopback address that no other test of this machine uses: port 2000 on an address of its own.
///
/// # Panics
/// One test program has started more labs than the address has room for.
pub fn own_udp_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let lab = NEXT.fetch_add(1, Ordering::Relaxed);
    // Its last number is 1 to 254, and the second one's highest bit begins the numbers anew.
    let page = lab / 254;
    assert!(page <= 1, "508 labs in one program: spread them over two");
    let last = u8::try_from(lab % 254 + 1).expect("254 at most");
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let second = high & 0x3f | 0x40 | if page == 1 { 0x80 } else { 0 };
    // 127.0.x.y is left to everybody else.
    SocketAddr::from((Ipv4Addr::new(127, second, low, last), 2000))
}

/// Where spans are received beside this address of datagrams.
pub fn otlp_address(udp: SocketAddr) -> SocketAddr {
    SocketAddr::new(udp.ip(), 4318)
}

/// Addresses that are free now, for programs that take no port 0 which they would tell.
pub fn free_tcp_addresses<const N: usize>() -> [SocketAddr; N] {
    let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    // All are held until the last is known, so that none comes twice.
    let listeners: [TcpListener; N] = std::array::from_fn(|_| free());
    listeners.map(|listener| listener.local_addr().expect("a bound socket has an address"))
}
