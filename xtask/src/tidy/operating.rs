//! docs/operate.md tells of every log line, of every setting and of every rule of the doctor, and of none that is gone.

use std::collections::BTreeMap;
use std::path::Path;

use super::source::Source;

const GUIDE: &str = "docs/operate.md";
/// Errors in these become log lines, or causes in them.
const ERRORS_IN: &[&str] = &[
    "extension/src/outbound",
    "extension/src/lambda",
    "extension/src/spill",
];
const PROBLEMS: &str = "extension/src/settings/problem.rs";
const DOCTOR: &str = "cli/src/doctor/rules/list.rs";

/// Log lines without a row, and rows without a log line.
pub(crate) fn log_lines(sources: &[Source]) -> Vec<String> {
    let mut lines = BTreeMap::new();
    let shipped = sources
        .iter()
        .filter(|source| source.is_rust() && source.is_in("extension/src") && !is_of_tests(source));
    for source in shipped {
        let code: Vec<&str> = source.lines_without_tests().map(|(_, line)| line).collect();
        let code = code.join("\n");
        let mut markers = vec![("Line::new(", true)];
        if ERRORS_IN.iter().any(|folder| source.is_in(folder)) {
            markers.push(("#[error(", false));
        }
        if source.path == Path::new(PROBLEMS) {
            markers.push(("write!(", true));
        }
        for (marker, is_second) in markers {
            for text in literals_behind(&code, marker, is_second) {
                lines.insert(text, source.path.display().to_string());
            }
        }
    }
    compare("log lines", &lines, sources)
}

/// Settings without a row, and rows without a setting.
pub(crate) fn settings(sources: &[Source]) -> Vec<String> {
    let read = super::settings::names_read(sources);
    let named = read.into_iter().map(|name| (name, "a setting".to_owned()));
    compare("settings", &named.collect(), sources)
}

/// Rules of the doctor without a row, and rows without a rule.
pub(crate) fn doctor_rules(sources: &[Source]) -> Vec<String> {
    let lists = sources.iter().filter(|source| source.path == Path::new(DOCTOR));
    let names = lists.flat_map(|source| literals_behind(&source.text, " rule(", false));
    let named = names.map(|name| (name, DOCTOR.to_owned()));
    compare("doctor rules", &named.collect(), sources)
}

/// The table between the marks of `what` against what there is, by name with its place.
fn compare(what: &str, there: &BTreeMap<String, String>, sources: &[Source]) -> Vec<String> {
    let guide = sources.iter().find(|source| source.path == Path::new(GUIDE));
    let text = guide.map_or("", |source| source.text.as_str());
    let (begin, end) = (format!("<!-- {what}: begin -->"), format!("<!-- {what}: end -->"));
    let table = text
        .split_once(&begin)
        .and_then(|(_, rest)| rest.split_once(&end));
    let Some((table, _)) = table else {
        return vec![format!("{GUIDE} has no table between {begin} and {end}")];
    };
    let mut rows: BTreeMap<String, usize> = BTreeMap::new();
    for row in table.lines().filter_map(first_cell) {
        *rows.entry(row).or_default() += 1;
    }
    let mut breaches = Vec::new();
    for (row, count) in &rows {
        if !there.contains_key(row) {
            breaches.push(format!(
                "{GUIDE} has a row for `{row}` among its {what}, which is nowhere"
            ));
        }
        if *count > 1 {
            breaches.push(format!("{GUIDE} has {count} rows for `{row}`"));
        }
    }
    let missing = there.iter().filter(|(name, _)| !rows.contains_key(*name));
    breaches.extend(
        missing.map(|(name, place)| format!("{GUIDE} has no row for `{name}` ({place}) among its {what}")),
    );
    breaches
}

/// The code in a row's first cell; the table's head has none.
fn first_cell(row: &str) -> Option<String> {
    let cell = row.strip_prefix("| `")?.split("` |").next()?;
    Some(cell.trim_matches('`').trim().to_owned())
}

fn is_of_tests(source: &Source) -> bool {
    source.is_tests() || source.path.components().any(|part| part.as_os_str() == "tests")
}

/// The string literals that are the first or second argument behind each `marker`, as the guide writes them. Arguments
/// that are no literals are somebody else's text.
fn literals_behind(code: &str, marker: &str, is_second: bool) -> Vec<String> {
    let behind = code.split(marker).skip(1).filter_map(|rest| {
        let argument = match is_second {
            true => rest.split_once(',')?.1,
            false => rest,
        };
        literal(argument.trim_start())
    });
    behind.collect()
}

/// The literal at the beginning of `code`, with `…` for each placeholder.
fn literal(code: &str) -> Option<String> {
    let mut characters = code.strip_prefix('"')?.chars().peekable();
    let mut text = String::new();
    while let Some(character) = characters.next() {
        match character {
            '"' => return Some(text),
            '\\' => match characters.next()? {
                '\n' => while characters.next_if(|next| next.is_whitespace()).is_some() {},
                escaped => text.push(escaped),
            },
            '{' => {
                while characters.next()? != '}' {}
                // Several at once, such as a text and its mend, are one in the guide.
                if !text.ends_with('…') {
                    text.push('…');
                }
            }
            character => text.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "\
log.write(Line::new(Level::Warn, \"the port is taken\"));
Line::new(
    Level::Warn,
    \"two \\
     lines\",
);
Line::new(level, failure.message);
#[cfg(test)]
mod tests {
    fn t() { Line::new(Level::Warn, \"made up\"); }
}
";

    fn guide(rows: &str) -> Source {
        Source::made_up(
            GUIDE,
            &format!("<!-- log lines: begin -->\n| line |\n| --- |\n{rows}<!-- log lines: end -->\n"),
        )
    }

    #[test]
    fn every_log_line_has_a_row_and_every_row_a_log_line() {
        let code = Source::made_up("extension/src/start.rs", CODE);
        let errors = Source::made_up(
            "extension/src/outbound/error.rs",
            "#[error(\"no answer from {endpoint} within {waited_ms} ms\")]\n#[error(transparent)]\n",
        );
        let whole = guide(
            "| `the port is taken` | a |\n| `two lines` | b |\n| `no answer from … within … ms` | c |\n",
        );
        let sources = [code, errors, whole];
        assert_eq!(log_lines(&sources), [""; 0]);
        let [code, errors, _] = sources;
        let holes = guide(
            "| `the port is taken` | a |\n| `the port is taken` | a |\n| `gone` | b |\n| `no answer from … within … ms` | c |\n",
        );
        assert_eq!(
            log_lines(&[code, errors, holes]),
            [
                "docs/operate.md has a row for `gone` among its log lines, which is nowhere",
                "docs/operate.md has 2 rows for `the port is taken`",
                "docs/operate.md has no row for `two lines` (extension/src/start.rs) among its log lines",
            ]
        );
    }

    #[test]
    fn lines_of_tests_and_errors_that_nobody_logs_need_no_row() {
        let tests = Source::made_up(
            "extension/src/app/tests.rs",
            "Line::new(Level::Warn, \"made up\")",
        );
        let inbound = Source::made_up("extension/src/inbound/http.rs", "#[error(\"half a request\")]");
        assert_eq!(log_lines(&[tests, inbound, guide("")]), [""; 0]);
    }

    #[test]
    fn every_rule_of_the_doctor_has_a_row() {
        let list = Source::made_up(DOCTOR, "    rule(\"layer-missing\", layers::missing),\n");
        let text = "<!-- doctor rules: begin -->\n| `other` | x |\n<!-- doctor rules: end -->\n";
        assert_eq!(
            doctor_rules(&[list, Source::made_up(GUIDE, text)]),
            [
                "docs/operate.md has a row for `other` among its doctor rules, which is nowhere",
                "docs/operate.md has no row for `layer-missing` (cli/src/doctor/rules/list.rs) among its doctor rules",
            ]
        );
    }

    #[test]
    fn a_guide_without_its_table_is_a_breach() {
        assert_eq!(settings(&[]).len(), 1);
    }
}
