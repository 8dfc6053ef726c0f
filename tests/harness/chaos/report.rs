//! What a person needs to understand a sandbox that went wrong.

use std::fmt::Write as _;

use emulator::What;

use super::evidence::Evidence;
use super::judge::Verdict;
use super::plan::Plan;

/// Journal entries shown; the oldest are left out.
const ENTRIES_SHOWN: usize = 600;
/// Lines of the extension shown; likewise.
const LINES_SHOWN: usize = 200;
/// Characters shown of an entry.
const ENTRY_CHARS: usize = 400;

/// The seed, the plan, what is wrong, the calls, the journal and the extension's lines.
pub fn report(plan: &Plan, verdict: &Verdict, evidence: &Evidence) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "plan: {plan:#?}");
    let began = evidence.journal.first().map(|entry| entry.at);
    let since = |at: std::time::Instant| began.map_or(0.0, |began| (at - began).as_secs_f64() * 1e3);
    let _ = writeln!(text, "journal, in milliseconds:");
    let left_out = evidence.journal.len().saturating_sub(ENTRIES_SHOWN);
    let _ = writeln!(text, "  ({left_out} older entries left out)");
    for entry in evidence.journal.iter().skip(left_out) {
        // The same record follows in the delivery.
        if matches!(entry.what, What::Emitted { .. }) {
            continue;
        }
        let what = shortened(&format!("{:?}", entry.what));
        let _ = writeln!(text, "  {:>10.1} {what}", since(entry.at));
    }
    let _ = writeln!(text, "calls to the destination:");
    for (place, call) in evidence.received.calls.iter().enumerate() {
        let taken = call.documents.iter().filter(|document| document.is_taken).count();
        let answered = call
            .acknowledged_at
            .map_or("never".to_owned(), |at| format!("at {:.1}", since(at)));
        let _ = writeln!(
            text,
            "  {place:>4} {:>10.1} {:?}: {taken} of {} documents taken, answered {answered}",
            since(call.at),
            call.act,
            call.documents.len()
        );
    }
    let _ = writeln!(text, "answers:");
    for answer in &evidence.answers {
        let _ = writeln!(text, "  {}", shortened(&format!("{answer:?}")));
    }
    let _ = writeln!(text, "the extension's lines:");
    let lines: Vec<&emulator::LogLine> = evidence.extension_lines().collect();
    for line in lines.iter().skip(lines.len().saturating_sub(LINES_SHOWN)) {
        let _ = writeln!(text, "  {}", line.text);
    }
    let _ = writeln!(text, "seed {}, sandbox {}:", plan.seed, plan.number);
    for problem in &verdict.problems {
        let _ = writeln!(text, "  - {problem}");
    }
    text
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(ENTRY_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
