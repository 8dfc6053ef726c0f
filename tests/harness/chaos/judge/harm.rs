//! Whether the function was left alone: every answer right, nothing held longer than promised, no process in the way.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use emulator::{Exit, What};
use extension::limits::FLUSH_MAX;

use super::holds::{self, Hold};
use crate::chaos::evidence::{Answer, Evidence, delivered};
use crate::chaos::plan::{Call, End, Plan};

/// Longest wait for the first record ever, in an environment that promises records and delivers none.
const PROOF_MAX: Duration = Duration::from_millis(1000);
/// What a handler may take beyond its own work.
const HANDLER_SLACK: Duration = Duration::from_millis(1500);
/// What it may take more for each that runs at the same time.
const NEIGHBOUR_SLACK: Duration = Duration::from_millis(40);
/// A deadline this near to a standstill may be missed because of it.
const MARGIN: Duration = Duration::from_millis(400);
/// Processes that waited so long for a processor may miss a deadline: the extension leaves 100 ms for everything.
const STARVED: Duration = Duration::from_millis(50);

/// What the journal tells of one request.
#[derive(Debug, Default, Clone)]
struct Course {
    released: Option<Instant>,
    responded: Option<Instant>,
    /// When the extension was told that the runtime is done.
    told: Option<Instant>,
    ended: Option<(Instant, &'static str)>,
}

/// Callers that got the wrong answer, and invocations that were held or ended otherwise than planned.
pub(super) fn invocations(plan: &Plan, evidence: &Evidence) -> Vec<String> {
    let courses = courses(evidence);
    let (mut problems, mut holds) = (Vec::new(), Vec::new());
    for call in plan.groups.iter().flatten() {
        let Some(answer) = evidence.answers.iter().find(|answer| answer.call == call.number) else {
            problems.push(format!("call {} got no answer", call.number));
            continue;
        };
        let course = courses
            .get(answer.request_id.as_str())
            .cloned()
            .unwrap_or_default();
        if is_excused(plan, evidence, &course) {
            continue;
        }
        if !is_right(call, answer) {
            problems.push(format!("call {} ({:?}) got {answer:?}", call.number, call.end));
        }
        problems.extend(held(plan, evidence, call, &course));
        holds.extend(course.hold(call.number));
    }
    // Nobody waits for the extension of a managed instance.
    if !plan.init_type.is_managed() {
        problems.extend(holds::check(evidence, holds));
    }
    problems
}

impl Course {
    /// From its end, as the extension heard of it, to the extension's next; nothing if that was asked for before.
    fn hold(&self, call: u64) -> Option<Hold> {
        let (until, _) = self.ended?;
        let from = self.told?.max(self.responded?);
        (from < until).then_some(Hold { call, from, until })
    }
}

fn is_right(call: &Call, answer: &Answer) -> bool {
    let (is_error, text) = match call.end {
        End::Answers => (false, call.answer()),
        End::Raises => (true, "it went wrong".to_owned()),
        End::Exits => (true, "Runtime exited with error: exit status 3".to_owned()),
        End::IsKilled => (true, "Runtime exited with error: signal: killed".to_owned()),
        End::RunsOut => (true, "Runtime.OutOfMemory".to_owned()),
        End::TimesOut => (true, "Task timed out".to_owned()),
    };
    answer.status == 200 && answer.is_error == is_error && answer.text.contains(&text)
}

/// How an invocation ends where nobody but the function has a say.
fn expected_status(plan: &Plan, call: &Call) -> &'static str {
    match call.end {
        End::Raises if plan.init_type.is_managed() => "error",
        End::Answers | End::Raises => "success",
        End::Exits | End::IsKilled | End::RunsOut => "error",
        End::TimesOut => "timeout",
    }
}

fn held(plan: &Plan, evidence: &Evidence, call: &Call, course: &Course) -> Vec<String> {
    let mut problems = Vec::new();
    let (Some(released), Some((ended, status))) = (course.released, course.ended) else {
        return vec![format!("call {} never ran to its end", call.number)];
    };
    if status != expected_status(plan, call) {
        problems.push(format!(
            "call {} ({:?}) ended with {status} after {:?}",
            call.number,
            call.end,
            ended - released
        ));
    }
    let Some(responded) = course.responded else {
        return problems;
    };
    // A busy machine lets processes wait, and those that wait for each other twice.
    let stood_still =
        |from, until| evidence.stood_still(from, until) + 2 * evidence.kernel.waited(from, until);
    let handled = (responded - released).saturating_sub(stood_still(released, responded));
    let neighbours = u32::try_from(plan.groups.iter().map(Vec::len).max().unwrap_or(1)).unwrap_or(u32::MAX);
    if handled > call.works + HANDLER_SLACK + NEIGHBOUR_SLACK * neighbours {
        problems.push(format!(
            "the handler of call {} took {handled:?}, of which its work is {:?}",
            call.number, call.works
        ));
    }
    let held = ended.saturating_duration_since(responded);
    let patience = plan.timeout.max(PROOF_MAX) + FLUSH_MAX;
    if course.told.is_none() && held.saturating_sub(stood_still(responded, ended)) > patience {
        problems.push(format!(
            "call {} was held for {held:?} after its response; nobody told its end",
            call.number
        ));
    }
    problems
}

/// Whether a standstill, or the want of a processor, kept the sandbox from meeting the deadline.
fn is_excused(plan: &Plan, evidence: &Evidence, course: &Course) -> bool {
    let (Some(released), Some((ended, "timeout"))) = (course.released, course.ended) else {
        return false;
    };
    let deadline = released + plan.timeout;
    let last = (deadline - MARGIN, ended.max(deadline));
    evidence.stood_still(last.0, last.1) > Duration::ZERO || evidence.kernel.waited(last.0, last.1) > STARVED
}

fn courses(evidence: &Evidence) -> BTreeMap<String, Course> {
    let mut courses: BTreeMap<String, Course> = BTreeMap::new();
    for entry in &evidence.journal {
        match &entry.what {
            What::Released { to, request_id } if &**to == "runtime" => {
                courses.entry(request_id.to_string()).or_default().released = Some(entry.at);
            }
            What::Responded { request_id, .. } => {
                courses.entry(request_id.to_string()).or_default().responded = Some(entry.at);
            }
            What::InvocationEnded { request_id, status } => {
                courses.entry(request_id.to_string()).or_default().ended = Some((entry.at, status));
            }
            What::Delivered { body, .. } => {
                for request_id in delivered(body, &["platform.runtimeDone"]) {
                    let course = courses.entry(request_id).or_default();
                    course.told.get_or_insert(entry.at);
                }
            }
            _ => {}
        }
    }
    courses
}

/// Extensions that did not leave by themselves, lines that are none of ours, processes that are still there.
pub(super) fn processes(evidence: &Evidence) -> Vec<String> {
    let mut problems = Vec::new();
    for entry in &evidence.journal {
        if let What::ProcessExited { name, exit } = &entry.what
            && &**name != "runtime"
            && *exit != Exit::Code(0)
        {
            problems.push(format!("{name} ended with {exit}"));
        }
    }
    for exited in evidence.exited.iter().filter(|exited| &*exited.name != "runtime") {
        if !exited.by_itself {
            problems.push(format!(
                "{} had to be killed after {:?}",
                exited.name, exited.within
            ));
        }
    }
    for line in evidence.extension_lines() {
        let is_json = serde_json::from_str::<serde_json::Value>(&line.text).is_ok();
        if !is_json || line.text.contains("a defect in fluoroscope") || line.text.contains("panicked") {
            problems.push(format!("the extension wrote: {}", line.text));
        }
    }
    if !evidence.left_over.is_empty() {
        problems.push(format!("processes are left over: {:?}", evidence.left_over));
    }
    problems
}
