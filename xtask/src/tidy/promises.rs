//! A row of SPECIFICATION.md is a promise, and names the tests that fail once it is broken.

use std::collections::BTreeSet;

use super::source::Source;

/// Rows that name no test, or one that does not exist, and ids that two rows have.
pub(crate) fn breaches(sources: &[Source]) -> Vec<String> {
    let mut breaches = Vec::new();
    for specification in sources
        .iter()
        .filter(|source| source.path.ends_with("SPECIFICATION.md"))
    {
        let mut ids = BTreeSet::new();
        for (number, row) in specification.lines_without_tests() {
            let Some((id, proof)) = promise_of(row) else {
                continue;
            };
            if !ids.insert(id) {
                breaches.push(format!(
                    "{} has the id {id} of another row",
                    specification.at(number)
                ));
            }
            let named: Vec<&str> = tests_in(proof).collect();
            if named.is_empty() {
                breaches.push(format!("{} names no test", specification.at(number)));
            }
            let missing = named.into_iter().filter(|test| !exists(test, sources));
            breaches.extend(
                missing.map(|test| format!("{} names {test}, which is no test", specification.at(number))),
            );
        }
    }
    breaches
}

/// First and last cell of a row of the table, other than its head.
fn promise_of(row: &str) -> Option<(&str, &str)> {
    let cells: Vec<&str> = row
        .strip_prefix('|')?
        .strip_suffix('|')?
        .split('|')
        .map(str::trim)
        .collect();
    let first = cells.first()?;
    let numbered = first.chars().any(|character| character.is_ascii_digit());
    if numbered && cells.len() > 1 {
        Some((first, cells.last()?))
    } else {
        None
    }
}

/// Paths such as `suite::memory::a_flood_stays_within_s3`.
fn tests_in(proof: &str) -> impl Iterator<Item = &str> {
    proof
        .split(|character: char| !(character.is_alphanumeric() || character == '_' || character == ':'))
        .filter(|word| word.contains("::"))
}

fn exists(test: &str, sources: &[Source]) -> bool {
    let mut parts = test.rsplit("::");
    let name = parts.next().unwrap_or(test);
    let module = parts.find(|module| *module != "tests").unwrap_or_default();
    let (plain, braced) = (format!("fn {name}("), format!("mod {module} {{"));
    sources
        .iter()
        .filter(|source| source.is_rust() && source.text.contains(&plain))
        .any(|source| {
            let path = source.path.with_extension("");
            path.iter().any(|part| part == module) || source.text.contains(&braced)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_without_a_live_test_is_a_breach() {
        let specification = "\
| no. | promise | value | test |
| --- | --- | --- | --- |
| S1 | memory | 16 MiB | `suite::memory::a_flood_stays_small` |
| S2 | loss | 0 | `suite::memory::gone` |
| S3 | speed | fast | pending |
| S1 | memory | 17 MiB | `suite::memory::a_flood_stays_small` |
";
        let suite = Source::made_up("tests/suite/memory.rs", "#[test]\nfn a_flood_stays_small() {}\n");
        assert_eq!(
            breaches(&[Source::made_up("SPECIFICATION.md", specification), suite]),
            [
                "SPECIFICATION.md:4 names suite::memory::gone, which is no test",
                "SPECIFICATION.md:5 names no test",
                "SPECIFICATION.md:6 has the id S1 of another row",
            ]
        );
    }
}
