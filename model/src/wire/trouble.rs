//! Whether a document tells of trouble at any depth, by a look at its text alone.
//!
//! Made for every document with nested subsegments, so it must cost next to nothing: it looks for the members
//! `fault`, `error` and `throttle` that are `true`, wherever they stand. A member of that name inside metadata
//! is taken for one as well: the answer decides what is kept longest when room runs out, and nothing else.

const MEMBERS: [&[u8]; 3] = [br#"fault""#, br#"error""#, br#"throttle""#];

/// Whether a member `fault`, `error` or `throttle` is true somewhere in the document.
pub fn tells_of_trouble(document: &[u8]) -> bool {
    let mut rest = document;
    while let Some(quote) = rest.iter().position(|&byte| byte == b'"') {
        rest = rest.get(quote + 1..).unwrap_or_default();
        let behind = MEMBERS.iter().find_map(|member| rest.strip_prefix(*member));
        if behind.is_some_and(is_true) {
            return true;
        }
    }
    false
}

/// Whether what stands behind a member's name is `: true`.
fn is_true(behind: &[u8]) -> bool {
    let value = behind.trim_ascii_start().strip_prefix(b":");
    value.is_some_and(|value| value.trim_ascii_start().starts_with(b"true"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn trouble_is_seen_at_any_depth_and_however_it_is_spaced() {
        for (document, expected) in [
            (r#"{"subsegments":[{"id":"1","fault":true}]}"#, true),
            (r#"{"subsegments":[{"subsegments":[{"error" : true}]}]}"#, true),
            ("{\"throttle\":\n  true}", true),
            (r#"{"subsegments":[{"fault":false,"error":null}]}"#, false),
            (r#"{"name":"fault","note":"\"error\":true"}"#, false),
            (r#"{"default":true,"errors":true}"#, false),
            (r#"{"fault":"#, false),
            ("", false),
        ] {
            assert_eq!(tells_of_trouble(document.as_bytes()), expected, "{document}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            tells_of_trouble(&bytes);
        }
    }
}
