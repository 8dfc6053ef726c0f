//! The README's settings table and the code name the same settings.

use std::collections::BTreeMap;

use super::source::Source;

const PREFIX: &str = "FLUOROSCOPE_";
const FOLDER: &str = "extension/src/settings";
/// Read by debug builds only, for the tests.
const HIDDEN: &str = "FLUOROSCOPE_INJECT_DEFECT";

/// The settings that the code reads, hidden ones left out.
pub(super) fn names_read(sources: &[Source]) -> Vec<String> {
    let mut names = all_read(sources);
    names.retain(|name| name != HIDDEN);
    names.sort();
    names.dedup();
    names
}

fn all_read(sources: &[Source]) -> Vec<String> {
    sources
        .iter()
        .filter(|source| source.is_rust() && source.is_in(FOLDER) && !source.is_tests())
        .flat_map(|source| {
            source
                .lines_without_tests()
                .flat_map(|(_, line)| quoted(line))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Settings without a row, with two, and rows without a setting.
pub(crate) fn breaches(sources: &[Source]) -> Vec<String> {
    let read = all_read(sources);
    let mut rows: BTreeMap<String, usize> = BTreeMap::new();
    let readme = sources
        .iter()
        .filter(|source| source.path == std::path::Path::new("README.md"));
    for line in readme.flat_map(|source| source.text.lines()) {
        let first_cell = line.strip_prefix('|').and_then(|row| row.split('|').next());
        for name in first_cell.map(names).unwrap_or_default() {
            *rows.entry(name).or_default() += 1;
        }
    }
    let mut breaches: Vec<String> = rows
        .iter()
        .filter(|(name, _)| !read.contains(name))
        .map(|(name, _)| format!("README.md has a row for {name}, which {FOLDER} does not read"))
        .collect();
    for name in names_read(sources) {
        match rows.get(&name) {
            Some(1) => {}
            Some(several) => breaches.push(format!("README.md has {several} rows for {name}")),
            None => breaches.push(format!("README.md has no row for {name}")),
        }
    }
    breaches
}

/// Whole names in string literals; a bare prefix is not a setting.
fn quoted(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or(line);
    code.split('"')
        .skip(1)
        .step_by(2)
        .filter(|text| names(text).first().is_some_and(|name| name == text))
        .map(str::to_owned)
        .collect()
}

fn names(text: &str) -> Vec<String> {
    let mut names: Vec<String> = text
        .split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'))
        .filter(|word| word.len() > PREFIX.len() && word.starts_with(PREFIX))
        .map(str::to_owned)
        .collect();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_one_row_and_every_row_a_setting() {
        let code = "const PREFIX: &str = \"FLUOROSCOPE_\";\nread(\"FLUOROSCOPE_ONE\");\nread(\"FLUOROSCOPE_TWO\");\n";
        let table = "| `FLUOROSCOPE_ONE` | a | b |\n| `FLUOROSCOPE_THREE` | see `FLUOROSCOPE_TWO` |\n";
        let breaches = breaches(&[
            Source::made_up("extension/src/settings/read.rs", code),
            Source::made_up(
                "extension/src/settings/tests.rs",
                "read(\"FLUOROSCOPE_MISSPELT\");\n",
            ),
            Source::made_up("README.md", table),
        ]);
        assert_eq!(
            breaches,
            [
                "README.md has a row for FLUOROSCOPE_THREE, which extension/src/settings does not read",
                "README.md has no row for FLUOROSCOPE_TWO",
            ]
        );
    }
}
