//! Texts from outside, made fit for a message.
//!
//! Pure.

use super::limits::QUOTE_MAX_CHARS;

/// A text from outside on one line, bounded.
///
/// AWS repeats the canonical request when a signature does not match, and a proxy may repeat the request:
/// such a text ends before the first header that grants access.
pub fn quote(text: &str) -> String {
    const MARKS: [&str; 4] = ["x-amz-security-token", "authorization", "canonical", "aws4-hmac"];
    let lower = text.to_ascii_lowercase();
    let end = MARKS
        .iter()
        .filter_map(|mark| lower.find(mark))
        .min()
        .unwrap_or(text.len());
    let shown = text.get(..end).unwrap_or_default();
    let one_line = shown
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter });
    let mut quoted: String = one_line.take(QUOTE_MAX_CHARS).collect();
    if quoted.chars().count() < text.chars().count() {
        quoted.push('…');
    }
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_quoted_text_is_one_bounded_line() {
        assert_eq!(quote("a\nb\tc"), "a b c");
        assert_eq!(quote(&"x".repeat(QUOTE_MAX_CHARS)), "x".repeat(QUOTE_MAX_CHARS));
        assert_eq!(
            quote(&"é".repeat(QUOTE_MAX_CHARS + 1)),
            format!("{}…", "é".repeat(QUOTE_MAX_CHARS))
        );
        assert_eq!(quote("sent X-Amz-Security-Token: abc"), "sent …");
        assert_eq!(quote("The Canonical String was 'POST"), "The …");
    }

    proptest! {
        #[test]
        fn no_quote_holds_what_follows_a_header_that_grants_access(before in ".{0,40}", mark in prop_oneof![Just("X-Amz-Security-Token"), Just("AUTHORIZATION"), Just("canonical")], secret in "s3cr3t") {
            let quoted = quote(&format!("{before}{mark}: {secret}"));
            prop_assert!(!quoted.contains(&secret));
            prop_assert!(quoted.chars().count() <= QUOTE_MAX_CHARS + 1);
        }
    }
}
