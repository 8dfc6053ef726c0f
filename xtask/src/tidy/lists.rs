//! `lib.rs` and `mod.rs` are tables of contents.

use super::source::Source;

const MAY_BEGIN_WITH: &[&str] = &[
    "//",
    "#!",
    "#[",
    "mod ",
    "pub mod ",
    "pub(crate) mod ",
    "pub(super) mod ",
];
const MAY_REEXPORT: &[&str] = &["pub use ", "pub(crate) use "];

/// Lists that hold something else.
pub(crate) fn breaches(sources: &[Source]) -> Vec<String> {
    let lists = sources.iter().filter(|source| {
        source
            .path
            .file_name()
            .is_some_and(|name| name == "lib.rs" || name == "mod.rs")
    });
    lists.filter_map(breach_of).collect()
}

/// The first line that is no entry: where one is, more follow.
fn breach_of(list: &Source) -> Option<String> {
    let mut inside_reexport = false;
    for (number, line) in list.lines_without_tests() {
        let begins_reexport = MAY_REEXPORT.iter().any(|start| line.starts_with(start));
        let entry = line.is_empty() || MAY_BEGIN_WITH.iter().any(|start| line.starts_with(start));
        if !(entry || begins_reexport || inside_reexport) {
            return Some(format!("{} is not an entry of a list: {line}", list.at(number)));
        }
        inside_reexport = (begins_reexport || inside_reexport) && !line.ends_with(';');
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_and_reexports_are_entries_and_code_is_not() {
        let list = "//! What is here.\n\nmod one;\npub use one::{\n    Two,\n};\n\nfn code() {}\n";
        assert_eq!(
            breaches(&[
                Source::made_up("x/src/lib.rs", list),
                Source::made_up("x/src/one.rs", list)
            ]),
            ["x/src/lib.rs:8 is not an entry of a list: fn code() {}"]
        );
    }
}
