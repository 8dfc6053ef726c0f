//! The judge of the randomised whole-system test bites: evidence of a sandbox that went well, doctored one way at a
//! time, is found wanting for that reason.

use std::sync::Arc;
use std::time::Duration;

use emulator::{Part, What};
use serde_json::{Value, json};
use tests::chaos::evidence::Evidence;
use tests::chaos::judge::judge;
use tests::chaos::kernel::Kernel;
use tests::chaos::plan::{Large, Plan};
use tests::chaos::play::play;

/// An id of a document that is too large, as plans give them.
const LARGE: u64 = 0xf1f2_0000_000e_0000;
const CHILDREN: u64 = 4;
const MS: Duration = Duration::from_millis(1);

/// A plan where nothing goes wrong, and what came of it.
async fn calm() -> (Plan, Evidence) {
    let mut plan = Plan::of_standstills(1, 0, 4);
    plan.standstills.clear();
    plan.groups[1][0].large = vec![Large {
        id: LARGE,
        children: CHILDREN,
        child_bytes: 40 * 1024,
    }];
    let evidence = play(Arc::new(plan.clone())).await;
    assert_eq!(judge(&plan, &evidence).problems, [""; 0]);
    (plan, evidence)
}

/// One doctored copy after another.
struct Case {
    plan: Plan,
    evidence: Evidence,
}

impl Case {
    /// The judge finds this wrong with what was changed, and nothing before.
    #[track_caller]
    fn finds(&self, wrong: &str, change: impl Fn(&mut Evidence)) {
        let problems = self.problems(change);
        let is_found = problems.iter().any(|problem| problem.contains(wrong));
        assert!(is_found, "{wrong}: {problems:#?}");
    }

    #[track_caller]
    fn excuses(&self, change: impl Fn(&mut Evidence)) {
        assert_eq!(self.problems(change), [""; 0]);
    }

    fn problems(&self, change: impl Fn(&mut Evidence)) -> Vec<String> {
        let mut evidence = self.evidence.clone();
        change(&mut evidence);
        judge(&self.plan, &evidence).problems
    }
}

/// Changes the last tally: these counts grow by so much.
fn retell(evidence: &mut Evidence, counts: &[(&str, i64)]) {
    let tallies = evidence.lines.iter_mut().rev();
    let mut tallies = tallies.filter(|line| line.text.contains(r#""message":"tally""#));
    let line = tallies.next().expect("each process leaves a tally");
    let mut tally: Value = serde_json::from_str(&line.text).expect("a tally is JSON");
    for (pointer, more) in counts {
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer has a slash");
        let count = tally.pointer_mut(parent).expect("the tally has it");
        let now = count[name].as_i64().unwrap_or_default() + more;
        count[name] = json!(now);
    }
    line.text = tally.to_string();
}

/// The destination forgets the documents that contain a text.
fn forget(evidence: &mut Evidence, text: &str) {
    for call in &mut evidence.received.calls {
        call.documents.retain(|document| !document.text.contains(text));
    }
}

/// The last invocation ended so much later than it did, and everything behind it.
fn hold(evidence: &mut Evidence, longer: Duration) {
    // On a busy machine what was played had to wait for a processor, which would excuse some of what is added here.
    evidence.kernel = Kernel::default();
    let ends = |what: &What| matches!(what, What::InvocationEnded { .. });
    let journal = &mut evidence.journal;
    let last = journal.iter().rposition(|entry| ends(&entry.what));
    for entry in &mut journal[last.expect("it has ended")..] {
        entry.at += longer;
    }
}

#[tokio::test]
async fn the_judge_finds_every_document_that_is_missing_or_comes_twice() {
    let (plan, evidence) = calm().await;
    let case = Case { plan, evidence };
    case.finds("never came", |evidence| forget(evidence, "\"flood\""));
    // Open ones that were left out excuse no complete one.
    case.finds("never came", |evidence| {
        forget(evidence, "\"flood\"");
        retell(evidence, &[("/superseded", 99), ("/received/total", 99)]);
    });
    let child = format!("{:016x}", LARGE + CHILDREN);
    case.finds("never came", |evidence| forget(evidence, &child));
    case.finds("parts were made", |evidence| {
        retell(
            evidence,
            &[("/received/part", -2), ("/received/total", -2), ("/sent", -2)],
        );
    });
    case.finds("does not balance", |evidence| retell(evidence, &[("/sent", 1)]));
    case.finds("told as sent", |evidence| {
        retell(evidence, &[("/sent", 1), ("/received/total", 1)]);
    });
    let again = |evidence: &mut Evidence| {
        let call = evidence.received.calls[0].clone();
        evidence.received.calls.push(call);
    };
    case.finds("taken 2 times", again);
    // That it waited in a full queue is an excuse, if the queue was full then.
    let filled_before = |before: Duration| {
        move |evidence: &mut Evidence| {
            again(evidence);
            let at = evidence.received.calls[0].at;
            evidence.filled.push(at - before);
        }
    };
    case.excuses(filled_before(MS));
    case.finds("taken 2 times", filled_before(5000 * MS));
    // That something stood still meanwhile is no excuse.
    case.finds("taken 2 times", |evidence| {
        again(evidence);
        let at = evidence.received.calls[0].at;
        let mut entry = evidence.journal[0].clone();
        for (before, what) in [
            (
                10 * MS,
                What::Suspended {
                    part: Part::Everything,
                },
            ),
            (Duration::ZERO, What::Resumed),
        ] {
            entry.at = at + 10 * MS - before;
            entry.what = what;
            evidence.journal.push(entry.clone());
        }
        evidence.journal.sort_by_key(|entry| entry.at);
    });
    // That nobody knows whether the answer was read is one.
    case.excuses(|evidence| {
        again(evidence);
        for call in &mut evidence.received.calls {
            (call.is_acknowledged, call.is_answered) = (false, true);
        }
    });
}

#[tokio::test]
async fn the_judge_excuses_losses_of_files_up_to_what_was_destroyed_in_them() {
    let (plan, evidence) = calm().await;
    let case = Case { plan, evidence };
    let left = |evidence: &mut Evidence| {
        let more = [("/received/total", 5), ("/held", 5), ("/held_in_file", 5)];
        retell(evidence, &more);
    };
    case.finds("gone from files", left);
    for (harmed, is_enough) in [(4, false), (5, true)] {
        let change = |evidence: &mut Evidence| {
            left(evidence);
            evidence.harmed = harmed;
        };
        assert_eq!(case.problems(change).is_empty(), is_enough, "{harmed}");
    }
    case.excuses(|evidence| {
        left(evidence);
        evidence.left_in_files = 5;
    });
    let damaged = |evidence: &mut Evidence| {
        let more = [
            ("/received/total", 1),
            ("/received/recovered", 1),
            ("/rejected/total", 1),
            ("/rejected/spill_damaged", 1),
        ];
        retell(evidence, &more);
    };
    case.excuses(damaged);
    case.finds("found damaged", |evidence| {
        damaged(evidence);
        retell(evidence, &[("/received/recovered", -1), ("/received/tcp", 1)]);
    });
    case.finds("came out of files", |evidence| {
        retell(
            evidence,
            &[("/received/recovered", 1), ("/received/total", 1), ("/held", 1)],
        );
    });
    case.finds("where a link leads", |evidence| evidence.strayed = 1);
    case.finds("were left in files", |evidence| {
        retell(evidence, &[("/received/total", 2), ("/held", 2)]);
        for line in &mut evidence.lines {
            line.text = line
                .text
                .replace(r#""shutdown":"spindown""#, r#""shutdown":"timeout""#);
        }
    });
}

#[tokio::test]
async fn the_judge_finds_invocations_that_are_held_longer_than_promised_or_answered_wrongly() {
    let (plan, evidence) = calm().await;
    let case = Case { plan, evidence };
    case.finds("spent on waiting", |evidence| hold(evidence, 450 * MS));
    case.finds("was held for", |evidence| hold(evidence, 1300 * MS));
    case.finds("call 2", |evidence| evidence.answers[2].text.clear());
    case.finds("left over", |evidence| evidence.left_over.push(1));
}
