//! Work that is put off is written down as an issue, not as a comment.

use super::source::Source;

/// In two pieces, so that this file does not break its own rule.
const MARKS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];

/// Marks that name no issue, such as `(#12)`.
pub(crate) fn breaches(sources: &[Source]) -> Vec<String> {
    let mut breaches = Vec::new();
    for source in sources
        .iter()
        .filter(|source| !source.path.ends_with("CONTRIBUTING.md"))
    {
        for (index, line) in source.text.lines().enumerate() {
            for mark in MARKS {
                let unnamed = line.match_indices(mark).any(|(at, _)| {
                    !line
                        .get(at + mark.len()..)
                        .is_some_and(|rest| rest.starts_with("(#"))
                });
                if unnamed {
                    breaches.push(format!("{} has a {mark} without an issue", source.at(index + 1)));
                }
            }
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_needs_the_number_of_an_issue() {
        let text = format!("// {0}: later\n// {0}(#12): later\n", MARKS[0]);
        assert_eq!(
            breaches(&[Source::made_up("a.rs", &text)]),
            [format!("a.rs:1 has a {} without an issue", MARKS[0])]
        );
    }
}
