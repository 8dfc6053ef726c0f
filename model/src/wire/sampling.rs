//! What samplers and X-Ray say to each other, as far as somebody in between has to read it.
//!
//! Rules and quotas themselves pass as they are: what they mean is the sampler's business.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::time::Timestamp;

/// Path of GetSamplingRules.
pub const GET_SAMPLING_RULES_PATH: &str = "/GetSamplingRules";
/// Path of GetSamplingTargets.
pub const GET_SAMPLING_TARGETS_PATH: &str = "/SamplingTargets";

/// Members of all questions and answers together; most texts have one or two of them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Members<'a> {
    next_token: Option<String>,
    #[serde(borrow)]
    sampling_rule_records: Option<&'a RawValue>,
    #[serde(borrow)]
    sampling_target_documents: Option<&'a RawValue>,
    #[serde(borrow)]
    last_rule_modification: Option<&'a RawValue>,
}

impl<'a> Members<'a> {
    /// None if this is no JSON object with members of their kinds.
    fn of(text: &'a [u8]) -> Option<Self> {
        let text = text.trim_ascii();
        // An array would be read as a list of members.
        let is_object = text.starts_with(b"{");
        serde_json::from_slice(text).ok().filter(|_| is_object)
    }
}

/// The page that a request of GetSamplingRules asks for, empty for the first one. Clients that ask for it may send no
/// body at all. None if it cannot be read.
pub fn next_token(request: &[u8]) -> Option<String> {
    if request.trim_ascii().is_empty() {
        return Some(String::new());
    }
    Members::of(request).map(|members| members.next_token.unwrap_or_default())
}

/// Whether this is an answer of GetSamplingRules.
pub fn is_rules(answer: &[u8]) -> bool {
    Members::of(answer).is_some_and(|members| members.sampling_rule_records.is_some())
}

/// Whether this is an answer of GetSamplingTargets.
pub fn is_targets(answer: &[u8]) -> bool {
    Members::of(answer).is_some_and(|members| members.sampling_target_documents.is_some())
}

/// When rules were last modified, as an answer of GetSamplingTargets tells, to the second.
pub fn last_modification(answer: &[u8]) -> Option<Timestamp> {
    let seconds = Members::of(answer)?.last_rule_modification?;
    Timestamp::from_seconds(seconds.get().parse().ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_page_is_asked_for_in_many_ways() {
        for first in [
            "",
            "  \r\n",
            "{}",
            " {} ",
            r#"{"NextToken":null}"#,
            r#"{"NextToken":""}"#,
            r#"{"Other":[1]}"#,
        ] {
            assert_eq!(next_token(first.as_bytes()).as_deref(), Some(""), "{first}");
        }
        assert_eq!(next_token(br#"{"NextToken":"a\u0062"}"#).as_deref(), Some("ab"));
    }

    #[test]
    fn what_is_no_question_is_not_taken_for_one() {
        for other in [
            "[]",
            r#"["a"]"#,
            "null",
            "7",
            "{",
            r#"{"NextToken":7}"#,
            "{} {}",
            "<html>",
        ] {
            assert_eq!(next_token(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn answers_are_known_by_their_lists() {
        let rules = br#"{"SamplingRuleRecords":[],"NextToken":null}"#;
        let targets = br#"{"SamplingTargetDocuments":[],"LastRuleModification":1530920505.0,"UnprocessedStatistics":[]}"#;
        assert!(is_rules(rules) && !is_targets(rules));
        assert!(is_targets(targets) && !is_rules(targets));
        assert_eq!(
            last_modification(targets),
            Some(Timestamp::from_millis(1_530_920_505_000))
        );
        let other_time = br#"{"SamplingTargetDocuments":[],"LastRuleModification":"2026-05-21T12:00:00Z"}"#;
        assert!(is_targets(other_time) && last_modification(other_time).is_none());
        for other in [
            &b"{}"[..],
            b"",
            b"<html>",
            br#"{"SamplingRuleRecords":null}"#,
            br#"{"SamplingTargetDocuments":null}"#,
        ] {
            assert!(!is_rules(other) && !is_targets(other));
            assert_eq!(last_modification(other), None);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_readers_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in "[{}\\[\\]\":,a-zA-Z0-9.]{0,80}") {
            for text in [&bytes[..], text.as_bytes()] {
                let _ = (next_token(text), is_rules(text), is_targets(text), last_modification(text));
            }
        }
    }
}
