//! Puts every function before every rule.

use std::process::ExitCode;

use super::arguments::Arguments;
use super::finding::{Finding, Level};
use super::function::Function;
use super::input::{self, Input};
use super::layer_zip::LayerZip;
use super::report::{self, Answer, Answers};
use super::rules::list::{NOT_ATTACHED, RULES};
use super::rules::subject::Subject;
use super::settings;

/// Exit status where something could not be read.
const UNREADABLE: u8 = 2;

/// Looks at what was asked for, and tells.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let input = match input::read(arguments) {
        Ok(input) => input,
        Err(error) => {
            eprintln!("fluoroscope: {error}");
            return ExitCode::from(UNREADABLE);
        }
    };
    let answers = examine(&input);
    let printed = report::print(&answers, arguments.level, arguments.json);
    let is_bad = answers.count(Level::Error) > 0 || arguments.strict && answers.count(Level::Warning) > 0;
    if is_bad || printed.is_err() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// What there is to say of every function.
pub(super) fn examine(input: &Input) -> Answers {
    let mut answers = Answers::default();
    for (source, functions) in &input.files {
        let is_any_meant = functions.iter().any(Function::is_meant);
        for function in functions {
            let is_alone = functions.len() == 1;
            let findings = if function.is_meant() || is_alone {
                findings(function, input.zip.as_ref())
            } else {
                vec![(NOT_ATTACHED, not_attached(function, is_any_meant))]
            };
            answers.functions.push(Answer {
                source: source.clone(),
                function: function.name.clone(),
                findings,
            });
        }
    }
    answers
}

/// Of several functions one may be left out on purpose, but not all.
fn not_attached(function: &Function, is_any_meant: bool) -> Finding {
    let level = match is_any_meant {
        true => Level::Note,
        false => Level::Error,
    };
    Finding::new(
        level,
        &function.place,
        "nothing of Fluoroscope is attached to this function",
    )
    .why("it is not traced by it")
    .mend("if it is to be: attach the layer and its wrapper (docs/deploy.md)")
}

/// What every rule finds.
pub(super) fn findings(function: &Function, zip: Option<&LayerZip>) -> Vec<(&'static str, Finding)> {
    let (settings, problems) = settings::read(function);
    let subject = Subject {
        function,
        settings: &settings,
        problems: &problems,
        zip,
    };
    let found = RULES.iter().flat_map(|rule| {
        (rule.check)(&subject)
            .into_iter()
            .map(|finding| (rule.name, finding))
    });
    let mut found: Vec<_> = found.collect();
    found.sort_by_key(|(_, finding)| std::cmp::Reverse(finding.level));
    found
}
