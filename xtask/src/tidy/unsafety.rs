//! Unsafe code has one place, which is reviewed as a whole.

use super::source::Source;

const ALLOWED: &str = "extension/src/memory/heap.rs";
/// In two pieces, so that this file does not break its own rule.
const WORDS: &[&str] = &[concat!("uns", "afe "), concat!("uns", "afe_code")];

/// Lines of Rust with unsafe code, or that allow it, anywhere else. Tests are no exception.
pub(crate) fn breaches(sources: &[Source]) -> Vec<String> {
    let others = sources
        .iter()
        .filter(|source| source.is_rust() && !source.is_in(ALLOWED));
    let mut breaches = Vec::new();
    for source in others {
        for (index, line) in source.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or(line);
            if WORDS.iter().any(|word| code.contains(word)) {
                breaches.push(format!("{} is unsafe", source.at(index + 1)));
            }
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_alone_may_be_so() {
        let text = format!("// {0}words\nfn f() {{\n    {0}{{ g() }}\n}}\n", WORDS[0]);
        let allowed = Source::made_up(ALLOWED, &text);
        let other = Source::made_up("model/src/ids.rs", &text);
        assert_eq!(breaches(&[allowed, other]), ["model/src/ids.rs:3 is unsafe"]);
    }
}
