//! Files stay readable from the top.

use super::source::Source;

const MAX_LINES: usize = 500;

/// Files that are too long.
pub(crate) fn breaches(sources: &[Source]) -> Vec<String> {
    sources
        .iter()
        .filter(|source| source.is_rust())
        .map(|source| (source, source.lines_without_tests().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(source, lines)| format!("{} has {lines} lines", source.path.display()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_at_the_end_of_a_file_do_not_count() {
        let long = "//! A line.\n".repeat(MAX_LINES);
        let with_tests = format!("{long}#[cfg(test)]\nmod tests {{\n}}\n");
        assert!(breaches(&[Source::made_up("a.rs", &with_tests)]).is_empty());
        let over = format!("{long}fn one_more() {{}}\n");
        assert_eq!(
            breaches(&[Source::made_up("a.rs", &over)]),
            ["a.rs has 501 lines"]
        );
    }
}
