//! CHANGELOG.md keeps the form of Keep a Changelog: what is not released first, then versions with their dates, and known kinds of changes.

use super::source::Source;
use crate::release::is_date;

const FILE: &str = "CHANGELOG.md";
const UNRELEASED: &str = "[Unreleased]";
const KINDS: [&str; 6] = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"];

/// Headings that the form does not know.
pub(crate) fn breaches(sources: &[Source]) -> Vec<String> {
    let is_it = |source: &&Source| source.path.to_str() == Some(FILE);
    let Some(changelog) = sources.iter().find(is_it) else {
        return vec![format!("there is no {FILE}")];
    };
    let mut breaches = Vec::new();
    let mut kinds: Vec<&str> = Vec::new();
    let mut is_first = true;
    for (number, line) in changelog.text.lines().enumerate() {
        let mut tell = |what: &str| breaches.push(format!("{FILE}:{}: {what}: {line}", number + 1));
        if let Some(version) = line.strip_prefix("## ") {
            if is_first != (version == UNRELEASED) {
                tell("`[Unreleased]` comes first, and once");
            } else if !is_first && !is_release(version) {
                tell("a version is written `[X.Y.Z] - YYYY-MM-DD`");
            }
            is_first = false;
            kinds.clear();
        } else if let Some(kind) = line.strip_prefix("### ") {
            if !KINDS.contains(&kind) {
                tell("no kind of change");
            } else if kinds.contains(&kind) {
                tell("this kind of change was there before");
            }
            kinds.push(kind);
        }
    }
    breaches
}

/// `[X.Y.Z] - YYYY-MM-DD`.
fn is_release(heading: &str) -> bool {
    let parts = heading.strip_prefix('[').and_then(|rest| rest.split_once("] - "));
    parts.is_some_and(|(version, date)| {
        is_date(date)
            && version.split('.').count() == 3
            && version.split('.').all(|part| part.parse::<u32>().is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        breaches(&[Source::made_up(FILE, text)]).len()
    }

    #[test]
    fn headings_of_another_form_are_breaches() {
        let good = "## [Unreleased]\n### Added\n### Fixed\n## [1.0.0] - 2026-01-02\n### Added\n";
        assert_eq!(found(good), 0);
        assert_eq!(found(&good.replace("[Unreleased]", "[0.1.0] - 2026-01-02")), 1);
        assert_eq!(found(&good.replace("2026-01-02", "today")), 1);
        assert_eq!(found(&good.replace("[1.0.0]", "[1.0]")), 1);
        assert_eq!(found(&good.replace("Fixed", "New")), 1);
        assert_eq!(found(&good.replace("Fixed", "Added")), 1);
        assert_eq!(breaches(&[]).len(), 1);
    }
}
