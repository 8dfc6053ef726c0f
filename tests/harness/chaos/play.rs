//! Plays a plan: the environment, the extension, the scripted function, and a destination that fails by plan.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use emulator::{Config, Entry, Environment, Faults, FunctionCommand, IdStyle, InitAt, Request, What};
use tokio::task::JoinHandle;

use super::evidence::{Answer, Evidence};
use super::kernel::{Kernel, alive};
use super::plan::{Call, Plan};
use super::random::Random;
use super::slot::Slot;
use crate::destination::{Destination, Door};
use crate::lab::binary;
use crate::wrapped::proxied_on;

/// How often the kernel's counters are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// After SHUTDOWN was handed out, nothing stands still later than this: the rest of its time is the extension's.
const ENDING_MAX: Duration = Duration::from_millis(800);
/// Longest wait for processes that were ended to be gone.
const GONE_MAX: Duration = Duration::from_secs(2);

/// A sandbox under way.
struct Stage {
    plan: Arc<Plan>,
    environment: Environment,
    destination: Destination,
    slot: Slot,
    is_over: AtomicBool,
}

impl Stage {
    /// What the journal says, without a copy of it.
    async fn look<T: Default>(&self, look: impl Fn(&[Entry]) -> T) -> T {
        let seen = |entries: &[Entry]| Some(look(entries));
        let seen = self.environment.wait_until(seen, Duration::ZERO).await;
        seen.unwrap_or_default()
    }
}

/// Plays it from its first call to the end of its last process.
pub async fn play(plan: Arc<Plan>) -> Evidence {
    let destination = Destination::start().await;
    destination.script(plan.acts.iter().cloned());
    let slot = Slot::take();
    let config = config(&plan, &destination, &slot);
    let environment = Environment::start(config).await.expect("the environment starts");
    let stage = Arc::new(Stage {
        plan,
        environment,
        destination,
        slot,
        is_over: AtomicBool::new(false),
    });
    let kernel = tokio::spawn(ask_kernel(Arc::clone(&stage)));
    let standstills = tokio::spawn(stand_still(Arc::clone(&stage)));
    let doors = tokio::spawn(open_and_close(Arc::clone(&stage)));
    let mut answers = Vec::new();
    for group in &stage.plan.groups {
        let calls: Vec<JoinHandle<Answer>> = group
            .iter()
            .map(|call| tokio::spawn(invoke(Arc::clone(&stage), call.clone())))
            .collect();
        for call in calls {
            answers.push(call.await.expect("a caller does not panic"));
        }
    }
    doors.abort();
    let is_mended = stage.plan.is_mended;
    if is_mended {
        stage.destination.mend();
    }
    let door = if is_mended { Door::Open } else { Door::Closed };
    stage.destination.door(door).await;
    let shutdown = stage.environment.stop(stage.plan.reason).await;
    stage.is_over.store(true, Ordering::SeqCst);
    standstills.await.expect("who orders standstills does not panic");
    let kernel = kernel.await.expect("who asks the kernel does not panic");
    let journal = stage.environment.journal();
    let left_over = gone(&started(&journal)).await;
    Evidence {
        answers,
        lines: stage.environment.logs(),
        received: stage.destination.received(),
        exited: shutdown.processes,
        kernel,
        left_over,
        journal,
    }
}

fn config(plan: &Plan, destination: &Destination, slot: &Slot) -> Config {
    let function = FunctionCommand::new(binary("scripted-function"));
    let mut config = Config::new("chaos", function)
        .with_extension(binary("fluoroscope-extension"))
        .with_variable("FLUOROSCOPE_UDP_ADDRESS", slot.udp_address().to_string())
        .with_variable("AWS_ENDPOINT_URL_XRAY", destination.url())
        .with_timeout(plan.timeout)
        .with_id_style(plan.id_style)
        .with_init_type(plan.init_type)
        .with_init_at(InitAt::FirstInvocation)
        .with_faults(Faults {
            subscription: plan.subscription.clone(),
            mishaps: plan.mishaps.clone(),
            invoke_event_delay: plan.invoke_event_delay,
            ..Faults::default()
        });
    config.killed_as = plan.killed_as;
    if plan.has_proxy {
        proxied_on(&mut config, slot.udp_address().ip());
    }
    let variables = plan.variables.iter();
    variables.fold(config, |config, (name, value)| config.with_variable(*name, value))
}

async fn invoke(stage: Arc<Stage>, call: Call) -> Answer {
    tokio::time::sleep(call.after).await;
    let plan = &stage.plan;
    let request_id = format!("{:08x}-0000-4000-8000-{:012x}", plan.number, call.number);
    let mut request = Request::json(call.script().event()).with_request_id(request_id.clone());
    if plan.id_style == IdStyle::PassThrough {
        request = request.with_trace_header(header(plan, &call));
    }
    let began = Instant::now();
    let invoked = stage.environment.invoke(request).await;
    Answer {
        call: call.number,
        request_id,
        status: invoked.status,
        is_error: invoked.function_error.is_some(),
        text: invoked.text(),
        took: began.elapsed(),
    }
}

/// A caller's decision to trace, with ids of its own.
fn header(plan: &Plan, call: &Call) -> String {
    let mut random = Random::branch(plan.seed ^ plan.number, call.number);
    let seconds = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
    let (high, low) = (random.number() >> 32, random.number());
    let parent = random.number() | 1;
    format!("Root=1-{seconds:08x}-{high:08x}{low:016x};Parent={parent:016x};Sampled=1")
}

/// Brings things to a standstill by plan until the sandbox is over.
async fn stand_still(stage: Arc<Stage>) {
    for spell in stage.plan.standstills.iter().cycle() {
        tokio::time::sleep(spell.after).await;
        if stage.is_over.load(Ordering::SeqCst) {
            return;
        }
        if stage.look(is_late).await {
            continue;
        }
        stage.environment.suspend(spell.what).await;
        tokio::time::sleep(spell.lasts).await;
        stage.environment.resume().await;
    }
}

/// Whether a shutdown is so far on that a standstill could use up the rest of its time.
fn is_late(journal: &[Entry]) -> bool {
    let newest_first = journal.iter().rev();
    let told = newest_first
        .take_while(|entry| !matches!(entry.what, What::Reset { .. } | What::ProcessStarted { .. }))
        .find(|entry| matches!(entry.what, What::ShutdownSent { .. }));
    told.is_some_and(|entry| entry.at.elapsed() > ENDING_MAX)
}

/// Process ids, which are also their groups'.
fn started(journal: &[Entry]) -> Vec<u32> {
    let pids = journal.iter().filter_map(|entry| match &entry.what {
        What::ProcessStarted { pid, .. } => Some(*pid),
        _ => None,
    });
    pids.collect()
}

async fn open_and_close(stage: Arc<Stage>) {
    for spell in &stage.plan.doors {
        tokio::time::sleep(spell.after).await;
        stage.destination.door(spell.what).await;
        tokio::time::sleep(spell.lasts).await;
        stage.destination.door(Door::Open).await;
    }
}

async fn ask_kernel(stage: Arc<Stage>) -> Kernel {
    let mut kernel = Kernel::default();
    while !stage.is_over.load(Ordering::SeqCst) {
        let pids = stage.look(started).await;
        kernel.ask(stage.slot.udp_address(), &pids);
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    kernel
}

/// What is still there of these process groups, after those that end were given the time to.
async fn gone(groups: &[u32]) -> Vec<u32> {
    let deadline = Instant::now() + GONE_MAX;
    loop {
        let left = alive(groups);
        if left.is_empty() || Instant::now() > deadline {
            return left;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}
