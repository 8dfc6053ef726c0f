//! Every document: sent by the function or made of records, and either at the destination or in a counted loss.
//!
//! The extension's word (its tallies) is held against what the function sent and what the destination took:
//! - each tally balances, and each process left one;
//! - received datagrams = those that the function sent less those that the kernel dropped;
//! - sent = documents of calls whose answer was heard;
//! - documents missing at the destination = losses that the tallies tell.

use std::collections::{BTreeMap, BTreeSet};

use emulator::What;
use serde_json::Value;

use super::files;
use super::heard::{Bounds, Heard, heard};
use super::outbounds;
use super::verdict::Verdict;
use crate::chaos::draw::{is_own, large_of};
use crate::chaos::evidence::Evidence;
use crate::chaos::plan::{Call as Invocation, End, Plan};
use crate::destination::Document;

/// Rejections that are the input's own fault, by the tally's names.
const INPUT_REASONS: [&str; 9] = [
    "no_header",
    "bad_header",
    "no_body",
    "not_utf8",
    "not_json",
    "not_object",
    "bad_trace_id",
    "bad_id",
    "bad_name",
];

/// A document as the destination knows it: its id, and whether it is still open.
type Key = (String, bool);

/// Counts of all processes together.
#[derive(Debug, Default)]
struct Totals {
    udp: u64,
    tcp: u64,
    part: u64,
    sent: u64,
    repeated: u64,
    /// Open ones that were left out for what came of them: their complete form, or the evidence of a failure.
    superseded: u64,
    shed: u64,
    /// Of these, datagrams that nobody looked at.
    overrun: u64,
    rejected: u64,
    input_rejected: u64,
    /// Held at the end of a process and not read by the next one.
    left: i128,
}

pub(super) fn judge(plan: &Plan, evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict::default();
    let tallies = evidence.tallies();
    check_tallies(evidence, &tallies, &mut verdict.problems);
    verdict.problems.extend(outbounds::check(evidence));
    let totals = Totals::of(&tallies);
    let sent = Sent::of(plan, evidence);
    verdict.documents = u64::try_from(sent.surely.len()).expect("a plan is small");
    check_received(&totals, &sent, evidence, &mut verdict.problems);
    check_calls(plan, &totals, evidence, &mut verdict);
    check_missing(&totals, &sent, evidence, &mut verdict);
    verdict.problems.extend(files::check(plan, evidence, &tallies));
    verdict
}

/// Each process of the extension leaves one tally, and each tally balances.
fn check_tallies(evidence: &Evidence, tallies: &[Value], problems: &mut Vec<String>) {
    let is_start = |what: &What| matches!(what, What::ProcessStarted { name, .. } if &**name != "runtime");
    let started = evidence
        .journal
        .iter()
        .filter(|entry| is_start(&entry.what))
        .count();
    if tallies.len() != started {
        problems.push(format!(
            "{} tallies of {started} processes of the extension",
            tallies.len()
        ));
    }
    let unbalanced = tallies.iter().filter(|tally| !balances(tally));
    problems.extend(unbalanced.map(|tally| format!("a tally does not balance: {tally}")));
}

/// Whether an outbound's sum is one.
pub(super) fn balances(tally: &Value) -> bool {
    let settled: u64 = [
        "/sent",
        "/shed/total",
        "/rejected/total",
        "/repeated",
        "/superseded",
        "/held",
    ]
    .iter()
    .map(|pointer| count(tally, pointer))
    .sum();
    settled == count(tally, "/received/total")
}

impl Totals {
    fn of(tallies: &[Value]) -> Self {
        let sum = |pointer: &str| tallies.iter().map(|tally| count(tally, pointer)).sum::<u64>();
        let input_rejected = INPUT_REASONS
            .iter()
            .map(|reason| sum(&format!("/rejected/{reason}")))
            .sum();
        let recovered = sum("/received/recovered");
        Self {
            udp: sum("/received/udp"),
            tcp: sum("/received/tcp"),
            part: sum("/received/part"),
            sent: sum("/sent"),
            repeated: sum("/repeated"),
            superseded: sum("/superseded") + sum("/evidence"),
            shed: sum("/shed/total"),
            overrun: sum("/shed/overrun"),
            rejected: sum("/rejected/total"),
            input_rejected,
            left: i128::from(sum("/held")) - i128::from(recovered),
        }
    }

    /// Documents that are nowhere any more, as far as the extension says.
    fn lost(&self) -> i128 {
        i128::from(self.shed + self.rejected - self.input_rejected) + self.left
    }
}

/// What the function sent.
struct Sent {
    /// Documents that were sent for certain.
    surely: BTreeSet<Key>,
    /// Documents of invocations that were ended by force, which may not have got so far.
    maybe: BTreeSet<Key>,
    /// How often each is sent, where it is not once.
    times: BTreeMap<Key, u64>,
    /// Datagrams that the extension counts: at least, at most.
    datagrams: (u64, u64),
    /// Those of them without a document.
    bad: (u64, u64),
    /// Documents that came by TCP: at least, at most.
    posted: (u64, u64),
    /// Documents that cutting the large ones of them makes: at least, at most.
    parts: (u64, u64),
    /// Datagrams with nothing in them: not counted, unless they were shed before anybody looked.
    empty: u64,
}

impl Sent {
    fn of(plan: &Plan, evidence: &Evidence) -> Self {
        let mut sent = Self {
            surely: BTreeSet::new(),
            maybe: BTreeSet::new(),
            times: BTreeMap::new(),
            datagrams: (0, 0),
            bad: (0, 0),
            posted: (0, 0),
            parts: (0, 0),
            empty: 0,
        };
        for invocation in plan.groups.iter().flatten() {
            sent.add(invocation, evidence);
            sent.add_posted(invocation, evidence);
            sent.add_large(invocation, evidence);
        }
        sent
    }

    fn add(&mut self, invocation: &Invocation, evidence: &Evidence) {
        let keys = invocation.documents().into_iter();
        let keys = keys.map(|(id, is_open)| (format!("{id:016x}"), is_open));
        let datagrams = invocation.counted_datagrams();
        let bad = u64::try_from(invocation.counted_bad()).expect("a plan is small");
        for id in &invocation.repeated {
            self.times.insert((format!("{id:016x}"), false), 2);
        }
        let empty = invocation.bad.len() - invocation.counted_bad();
        self.empty += u64::try_from(empty).expect("a plan is small");
        self.datagrams.1 += datagrams;
        self.bad.1 += bad;
        if has_sent(invocation, evidence) {
            self.surely.extend(keys);
            self.datagrams.0 += datagrams;
            self.bad.0 += bad;
        } else {
            self.maybe.extend(keys);
        }
    }

    /// Of a request without its answer nobody knows whether it was taken.
    fn add_posted(&mut self, invocation: &Invocation, evidence: &Evidence) {
        let keys = invocation.posted.iter().map(|id| (format!("{id:016x}"), false));
        let posted = u64::try_from(invocation.posted.len()).expect("a plan is small");
        self.posted.1 += posted;
        if evidence.function_said(&invocation.word_of_posted()) {
            self.surely.extend(keys);
            self.posted.0 += posted;
        } else {
            self.maybe.extend(keys);
        }
    }

    /// Of the children of a large one at most one stays with it.
    fn add_large(&mut self, invocation: &Invocation, evidence: &Evidence) {
        let was_taken = evidence.function_said(&invocation.word_of_large());
        for large in &invocation.large {
            let keys = large.ids().map(|id| (format!("{id:016x}"), false));
            self.posted.1 += 1;
            self.parts.1 += large.children;
            if was_taken {
                self.surely.extend(keys);
                self.posted.0 += 1;
                self.parts.0 += large.children - 1;
            } else {
                self.maybe.extend(keys);
            }
        }
    }
}

/// Whether the function got as far as its word. Of a runtime that ended, the last line may be lost.
fn has_sent(invocation: &Invocation, evidence: &Evidence) -> bool {
    let answered = |answer: &crate::chaos::evidence::Answer| {
        let has_ended = match invocation.end {
            End::Answers => answer.text.contains(&invocation.answer()),
            End::Raises => answer.text.contains("it went wrong"),
            End::Exits | End::IsKilled | End::RunsOut | End::TimesOut => false,
        };
        answer.call == invocation.number && has_ended
    };
    evidence.answers.iter().any(answered) || evidence.function_said(&invocation.word())
}

fn check_received(totals: &Totals, sent: &Sent, evidence: &Evidence, problems: &mut Vec<String>) {
    let (least, most) = sent.datagrams;
    let most = most + sent.empty.min(totals.overrun);
    let least = least.saturating_sub(evidence.kernel.drops());
    if !(least..=most).contains(&totals.udp) {
        problems.push(format!(
            "{} datagrams were received, of {least} to {most} that were sent; the kernel dropped {}",
            totals.udp,
            evidence.kernel.drops()
        ));
    }
    let (least, most) = sent.posted;
    if !(least..=most).contains(&totals.tcp) {
        problems.push(format!(
            "{} documents were received by TCP, of {least} to {most} that were posted",
            totals.tcp
        ));
    }
    let (least, most) = sent.parts;
    if !(least..=most).contains(&totals.part) {
        problems.push(format!(
            "{} parts were made of documents that are too large, of {least} to {most} that they have",
            totals.part
        ));
    }
    let (least, most) = sent.bad;
    let least = least.saturating_sub(evidence.kernel.drops() + totals.shed);
    if !(least..=most).contains(&totals.input_rejected) {
        problems.push(format!(
            "{} datagrams were rejected as bad input, of {least} to {most} bad ones",
            totals.input_rejected
        ));
    }
}

/// What was said to be sent was, and nothing is sent again after its answer was heard.
fn check_calls(plan: &Plan, totals: &Totals, evidence: &Evidence, verdict: &mut Verdict) {
    let bounds = Bounds::of(plan, evidence);
    let (mut surely, mut maybe) = (0, 0);
    let mut taken: BTreeMap<Key, u64> = BTreeMap::new();
    let mut acknowledged: BTreeMap<Key, (u64, usize)> = BTreeMap::new();
    for (place, call) in evidence.received.calls.iter().enumerate() {
        let heard = heard(call, evidence, &bounds);
        verdict
            .met
            .note("answers in doubt", u64::from(heard == Heard::Maybe));
        verdict
            .met
            .note("answers heard", u64::from(heard == Heard::Surely));
        for document in call.documents.iter().filter(|document| document.is_taken) {
            *taken.entry(key_of(document)).or_default() += 1;
            match heard {
                Heard::Surely => {
                    surely += 1;
                    for key in keys_in(document) {
                        acknowledged.entry(key).or_insert((0, place)).0 += 1;
                    }
                }
                Heard::Maybe => maybe += 1,
                Heard::Not => {}
            }
        }
    }
    if totals.sent < surely || totals.sent > surely + maybe {
        verdict.problems.push(format!(
            "{} documents were told as sent; the destination took {surely} in calls whose answer was heard, and {maybe} \
             in calls whose answer may have been",
            totals.sent
        ));
    }
    let twice = acknowledged
        .iter()
        .filter(|(key, (times, _))| *times > allowed(key));
    for (key, (times, place)) in twice {
        verdict.problems.push(format!(
            "document {key:?} was taken {times} times in calls whose answers were heard, the first of them call {place}"
        ));
    }
    verdict.forced_repeats = taken.values().map(|times| times - 1).sum();
}

/// How often a document may be taken: those that the function sends twice are the plan's last.
fn allowed(key: &Key) -> u64 {
    let id = number(&key.0).unwrap_or_default();
    if is_own(id) && id & 0xf_fff8 == 0xf_0008 {
        2
    } else {
        1
    }
}

/// A document's id, and whether it is still open.
fn key_of(document: &Document) -> Key {
    (
        document.id.clone(),
        document.text.contains("\"in_progress\":true"),
    )
}

/// The same with those of the plan's subsegments that it has in it.
fn keys_in(document: &Document) -> Vec<Key> {
    let mut keys = vec![key_of(document)];
    if number(&document.id).is_some_and(is_own) && document.text.contains("\"subsegments\"") {
        let document: Value = serde_json::from_str(&document.text).unwrap_or_default();
        let children = document["subsegments"].as_array().into_iter().flatten();
        let ids = children.filter_map(|child| child["id"].as_str());
        keys.extend(ids.map(|id| (id.to_owned(), false)));
    }
    keys
}

fn number(id: &str) -> Option<u64> {
    u64::from_str_radix(id, 16).ok()
}

/// How many documents have to be lost for these to be missing: a large one goes with one child at most.
fn losses(missing: &[&Key]) -> u64 {
    let mut of_large: BTreeMap<u64, u64> = BTreeMap::new();
    let mut losses = 0;
    for (id, _) in missing {
        match number(id).and_then(large_of) {
            Some(large) => *of_large.entry(large).or_default() += 1,
            None => losses += 1,
        }
    }
    losses + of_large.values().map(|missing| missing.div_ceil(2)).sum::<u64>()
}

/// Documents that are nowhere at the destination are counted losses, and nothing came that nobody sent.
fn check_missing(totals: &Totals, sent: &Sent, evidence: &Evidence, verdict: &mut Verdict) {
    let documents = evidence.received.calls.iter().flat_map(|call| &call.documents);
    let taken: BTreeSet<Key> = documents
        .filter(|document| document.is_taken)
        .flat_map(keys_in)
        .collect();
    let missing: Vec<&Key> = sent.surely.difference(&taken).collect();
    let lost = totals.lost();
    verdict.lost = u64::try_from(lost.max(0)).unwrap_or(u64::MAX);
    // An open subsegment, and no other, may be left out for its complete form.
    let dropped = verdict.lost + evidence.kernel.drops();
    let excused = dropped + totals.superseded;
    let complete: Vec<&Key> = missing.iter().copied().filter(|(_, is_open)| !is_open).collect();
    if losses(&missing) > excused || losses(&complete) > dropped {
        verdict.problems.push(format!(
            "{} documents never came to the destination, {} lost by the extension's account: {:?}",
            missing.len(),
            excused,
            missing.iter().take(8).collect::<Vec<_>>()
        ));
    }
    if lost < 0 {
        verdict.problems.push(format!(
            "more was recovered than was left behind: {}",
            totals.left
        ));
    }
    let is_planned = |key: &&Key| sent.surely.contains(*key) || sent.maybe.contains(*key);
    let own = taken.iter().filter(|key| number(&key.0).is_some_and(is_own));
    let unplanned: Vec<&Key> = own.filter(|key| !is_planned(key)).collect();
    if !unplanned.is_empty() {
        verdict
            .problems
            .push(format!("nobody sent what came: {unplanned:?}"));
    }
    let repeats = sent.times.values().map(|times| times - 1).sum::<u64>();
    if totals.repeated > repeats + verdict.forced_repeats {
        verdict.problems.push(format!(
            "{} documents were dropped as repeats, of {repeats} that were",
            totals.repeated
        ));
    }
}

pub(super) fn count(tally: &Value, pointer: &str) -> u64 {
    tally.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}
