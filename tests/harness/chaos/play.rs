//! Plays a plan: the environment, the extension, the scripted function, and a destination that fails by plan.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use emulator::{IdStyle, Request};
use tokio::task::JoinHandle;

use super::evidence::{Answer, Evidence};
use super::files::{self, Records};
use super::kernel::{Kernel, alive};
use super::plan::{Call, Plan};
use super::random::Random;
use super::stage::{Stage, started};

/// How often the kernel's counters are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Longest wait for processes that were ended to be gone.
const GONE_MAX: Duration = Duration::from_secs(2);

/// Plays it from its first call to the end of its last process.
pub async fn play(plan: Arc<Plan>) -> Evidence {
    let stage = Arc::new(Stage::set(plan).await);
    let is_over = Arc::new(AtomicBool::new(false));
    let kernel = tokio::spawn(ask_kernel(Arc::clone(&stage), Arc::clone(&is_over)));
    let standstills = tokio::spawn(stand_still(Arc::clone(&stage), Arc::clone(&is_over)));
    let rows = 0..stage.plan.troubles.len();
    let troubles: Vec<JoinHandle<()>> = rows
        .map(|row| {
            let stage = Arc::clone(&stage);
            tokio::spawn(async move { stage.play_row(&stage.plan.troubles[row]).await })
        })
        .collect();
    let answers = invoke_all(&stage).await;
    stage.end_troubles();
    for row in troubles {
        row.await.expect("who makes trouble does not panic");
    }
    stage.settle().await;
    let shutdown = stage.environment.stop(stage.plan.reason).await;
    is_over.store(true, Ordering::SeqCst);
    standstills.await.expect("who orders standstills does not panic");
    let kernel = kernel.await.expect("who asks the kernel does not panic");
    let journal = stage.environment.journal();
    let left_over = gone(&started(&journal)).await;
    let scratch = stage.environment.scratch();
    Evidence {
        answers,
        lines: stage.environment.logs(),
        received: stage.destination.received(),
        exited: shutdown.processes,
        kernel,
        left_over,
        harmed: stage.harmed(),
        left_in_files: Records::of(scratch).waiting,
        strayed: files::strayed(scratch),
        filled: stage.filled(),
        questions: stage.questions(),
        journal,
    }
}

/// Group after group.
async fn invoke_all(stage: &Arc<Stage>) -> Vec<Answer> {
    let mut answers = Vec::new();
    for group in &stage.plan.groups {
        for damage in group.iter().filter_map(|call| call.damage) {
            stage.damage(damage).await;
        }
        let calls: Vec<JoinHandle<Answer>> = group
            .iter()
            .map(|call| tokio::spawn(invoke(Arc::clone(stage), call.clone())))
            .collect();
        for call in calls {
            answers.push(call.await.expect("a caller does not panic"));
        }
    }
    answers
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

/// A caller's decision to trace with ids of its own, or its trace alone.
fn header(plan: &Plan, call: &Call) -> String {
    let mut random = Random::branch(plan.seed ^ plan.number, call.number);
    let seconds = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
    let (high, low) = (random.number() >> 32, random.number());
    let root = format!("Root=1-{seconds:08x}-{high:08x}{low:016x}");
    if plan.is_undecided {
        return root;
    }
    let parent = random.number() | 1;
    format!("{root};Parent={parent:016x};Sampled=1")
}

/// Brings things to a standstill by plan until the sandbox is over.
async fn stand_still(stage: Arc<Stage>, is_over: Arc<AtomicBool>) {
    for spell in stage.plan.standstills.iter().cycle() {
        tokio::time::sleep(spell.after).await;
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        stage.stand_still(spell.what, spell.lasts, async {}).await;
    }
}

async fn ask_kernel(stage: Arc<Stage>, is_over: Arc<AtomicBool>) -> Kernel {
    let mut kernel = Kernel::default();
    while !is_over.load(Ordering::SeqCst) {
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
