//! A decision is referred to by its number, so no two have the same.

use std::collections::BTreeMap;

use super::source::Source;

/// Records in `docs/decisions` whose number another one has.
pub(crate) fn breaches(sources: &[Source]) -> Vec<String> {
    let mut by_number: BTreeMap<&str, &Source> = BTreeMap::new();
    let mut breaches = Vec::new();
    for source in sources.iter().filter(|source| source.is_in("docs/decisions")) {
        let name = source.path.file_name().and_then(|name| name.to_str());
        let Some((number, _)) = name.and_then(|name| name.split_once('-')) else {
            continue;
        };
        if let Some(other) = by_number.insert(number, source) {
            breaches.push(format!(
                "{} has the number of {}",
                source.path.display(),
                other.path.display()
            ));
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_decisions_of_one_number_are_a_breach() {
        let names = ["0001-a.md", "0002-b.md", "0001-c.md"];
        let sources = names.map(|name| Source::made_up(&format!("docs/decisions/{name}"), ""));
        assert_eq!(
            breaches(&sources),
            ["docs/decisions/0001-c.md has the number of docs/decisions/0001-a.md"]
        );
    }
}
