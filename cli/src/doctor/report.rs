//! Findings for people and for programs.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::finding::{Finding, Level};

/// What there is to say of one function, the worst first.
pub(super) struct Answer {
    pub(super) source: String,
    pub(super) function: String,
    pub(super) findings: Vec<(&'static str, Finding)>,
}

/// What there is to say.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) functions: Vec<Answer>,
}

impl Answers {
    /// How many findings are of this level.
    pub(super) fn count(&self, level: Level) -> usize {
        let findings = self.functions.iter().flat_map(|answer| &answer.findings);
        findings.filter(|(_, finding)| finding.level == level).count()
    }
}

/// A reader that stops listening (`head`) is a failure without a message.
pub(super) fn print(answers: &Answers, least: Level, is_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let text = match is_json {
        true => format!("{:#}\n", json_of(answers, least)),
        false => text_of(answers, least),
    };
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn text_of(answers: &Answers, least: Level) -> String {
    let mut text = String::new();
    for answer in &answers.functions {
        let shown: Vec<_> = shown(answer, least).collect();
        if shown.is_empty() {
            text.push_str(&format!(
                "{}: {}: nothing to mend\n\n",
                answer.source, answer.function
            ));
            continue;
        }
        text.push_str(&format!("{}: {}\n", answer.source, answer.function));
        for (rule, finding) in shown {
            let place = match (finding.place.path.as_str(), finding.place.line) {
                ("", None) => String::new(),
                (path, Some(line)) => format!("\n           at    {path}, line {line}"),
                (path, None) => format!("\n           at    {path}"),
            };
            text.push_str(&format!(
                "  {:<8} {}  [{rule}]{place}\n           why   {}\n           mend  {}\n",
                finding.level.word(),
                finding.what,
                finding.why,
                finding.mend
            ));
        }
        text.push('\n');
    }
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    text.push_str(&format!(
        "{}: {}, {}, {}\n",
        plural(answers.functions.len(), "function"),
        plural(answers.count(Level::Error), "error"),
        plural(answers.count(Level::Warning), "warning"),
        plural(answers.count(Level::Note), "note"),
    ));
    text
}

fn shown(answer: &Answer, least: Level) -> impl Iterator<Item = &(&'static str, Finding)> {
    answer
        .findings
        .iter()
        .filter(move |(_, finding)| finding.level >= least)
}

fn json_of(answers: &Answers, least: Level) -> Value {
    let functions = answers.functions.iter().map(|answer| {
        let findings = shown(answer, least).map(|(rule, finding)| {
            json!({
                "rule": rule,
                "level": finding.level.word(),
                "path": finding.place.path,
                "line": finding.place.line,
                "finding": finding.what,
                "why": finding.why,
                "mend": finding.mend,
            })
        });
        json!({
            "source": answer.source,
            "function": answer.function,
            "findings": findings.collect::<Vec<_>>(),
        })
    });
    json!({
        "functions": functions.collect::<Vec<_>>(),
        "errors": answers.count(Level::Error),
        "warnings": answers.count(Level::Warning),
        "notes": answers.count(Level::Note),
    })
}
