//! Finds out which documents X-Ray did not take, from an answer that names them by id alone.
//!
//! X-Ray gives the id of the document's top segment, or none where it could not read one. The same id may
//! stand in a batch twice (in progress and complete). What cannot be attributed is said to be so.
//!
//! Invariants
//! - No document is named twice, and there are never more items than documents.
//! - Where one of several documents of one id is meant and may be taken later, all of them are named:
//!   X-Ray merges a document it gets twice, but one that is not sent again is lost.
//!
//! Pure.

use model::ids::SegmentId;
use model::wire::document_scan::scan;
use model::wire::xray_api::UnprocessedTraceSegment;

use super::codes::is_retriable;
use super::limits::CODE_MAX_CHARS;
use super::quote::quote;
use crate::pipeline::outcome::Unprocessed;

/// One [`Unprocessed`] for each document that `items` speak of, then those that fit no document.
pub fn settle(items: Vec<UnprocessedTraceSegment>, documents: &[impl AsRef<[u8]>]) -> Vec<Unprocessed> {
    if items.is_empty() {
        return Vec::new();
    }
    let ids = documents
        .iter()
        .map(|document| scan(document.as_ref()).ok().map(|head| head.id))
        .collect();
    let mut batch = Batch {
        ids,
        named: vec![false; documents.len()],
    };
    // A missing id means an unreadable document: clear only if there are as many of the one as of the other.
    let nameless = items.iter().filter(|item| id_of(item).is_none()).count();
    let unreadable = batch.ids.iter().filter(|id| id.is_none()).count();
    let nameless_are_unreadable = nameless == unreadable;

    let mut settled = Vec::new();
    let mut unattributed = Vec::new();
    let counted = count_by_id(&items);
    for item in items {
        let id = id_of(&item);
        let mut verdict = verdict(item);
        let candidates = match id {
            None if !nameless_are_unreadable => Vec::new(),
            None => batch.next_with(None, 1),
            Some(id) => {
                let is_ambiguous =
                    counted.iter().filter(|other| **other == id).count() < batch.count_with(id);
                let wanted = if is_ambiguous && verdict.retriable {
                    usize::MAX
                } else {
                    1
                };
                batch.next_with(Some(id), wanted)
            }
        };
        if candidates.is_empty() {
            unattributed.push(verdict);
            continue;
        }
        for place in candidates {
            verdict.document = Some(place);
            settled.push(verdict.clone());
        }
    }
    unattributed.truncate(documents.len().saturating_sub(settled.len()));
    settled.append(&mut unattributed);
    settled
}

struct Batch {
    ids: Vec<Option<SegmentId>>,
    named: Vec<bool>,
}

impl Batch {
    fn count_with(&self, id: SegmentId) -> usize {
        self.ids.iter().filter(|other| **other == Some(id)).count()
    }

    /// Takes up to `wanted` documents with that id that no item has named yet.
    fn next_with(&mut self, id: Option<SegmentId>, wanted: usize) -> Vec<usize> {
        let fitting = self.ids.iter().zip(&mut self.named).enumerate();
        fitting
            .filter(|(_, (other, named))| **other == id && !**named)
            .take(wanted)
            .map(|(place, (_, named))| {
                *named = true;
                place
            })
            .collect()
    }
}

fn id_of(item: &UnprocessedTraceSegment) -> Option<SegmentId> {
    item.id.as_deref().and_then(|id| id.trim().parse().ok())
}

fn count_by_id(items: &[UnprocessedTraceSegment]) -> Vec<SegmentId> {
    items.iter().filter_map(id_of).collect()
}

fn verdict(item: UnprocessedTraceSegment) -> Unprocessed {
    let code = item.error_code.unwrap_or_default();
    Unprocessed {
        document: None,
        retriable: is_retriable(&code),
        code: code.chars().take(CODE_MAX_CHARS).collect(),
        message: quote(&item.message.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn document(id: &str) -> String {
        format!(
            r#"{{"name":"a","id":"{id}","trace_id":"1-67881233-abcdef012345678812345678","start_time":1,"end_time":2}}"#
        )
    }

    fn item(id: Option<&str>, code: &str) -> UnprocessedTraceSegment {
        UnprocessedTraceSegment {
            id: id.map(str::to_owned),
            error_code: Some(code.to_owned()),
            message: None,
        }
    }

    const A: &str = "00000000000000aa";
    const B: &str = "00000000000000bb";

    #[track_caller]
    fn check(
        items: &[UnprocessedTraceSegment],
        documents: &[String],
        expected: &[(Option<usize>, &str, bool)],
    ) {
        let settled = settle(items.to_vec(), documents);
        let seen: Vec<_> = settled
            .iter()
            .map(|one| (one.document, one.code.as_str(), one.retriable))
            .collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn items_are_matched_by_id_in_either_case() {
        let documents = [document(A), document(B)];
        check(
            &[item(Some("00000000000000BB"), "InvalidName")],
            &documents,
            &[(Some(1), "InvalidName", false)],
        );
    }

    #[test]
    fn an_item_without_id_means_the_document_that_nobody_can_read() {
        let documents = [document(A), "[]".to_owned()];
        check(
            &[item(None, "MissingId")],
            &documents,
            &[(Some(1), "MissingId", false)],
        );
        check(
            &[item(Some(""), "MissingId")],
            &documents,
            &[(Some(1), "MissingId", false)],
        );
    }

    #[test]
    fn an_item_that_fits_no_document_or_too_many_says_so() {
        check(
            &[item(None, "MissingId")],
            &[document(A)],
            &[(None, "MissingId", false)],
        );
        check(
            &[item(Some(B), "InvalidName")],
            &[document(A)],
            &[(None, "InvalidName", false)],
        );
        let unreadable = ["[]".to_owned(), "[]".to_owned()];
        check(
            &[item(None, "MissingId")],
            &unreadable,
            &[(None, "MissingId", false)],
        );
    }

    #[test]
    fn one_of_two_documents_of_one_id_is_rejected_in_order_but_both_are_sent_again() {
        let documents = [document(A), document(B), document(A)];
        check(
            &[item(Some(A), "InvalidName")],
            &documents,
            &[(Some(0), "InvalidName", false)],
        );
        check(
            &[item(Some(A), "ThrottledException")],
            &documents,
            &[
                (Some(0), "ThrottledException", true),
                (Some(2), "ThrottledException", true),
            ],
        );
        check(
            &[item(Some(A), "InvalidName"), item(Some(A), "ThrottledException")],
            &documents,
            &[
                (Some(0), "InvalidName", false),
                (Some(2), "ThrottledException", true),
            ],
        );
    }

    #[test]
    fn items_beyond_the_documents_of_their_id_are_not_attributed_and_never_outnumber_the_batch() {
        let twice = [
            item(Some(A), "InvalidName"),
            item(Some(A), "InvalidName"),
            item(Some(A), "InvalidName"),
        ];
        let documents = [document(A), document(B)];
        check(
            &twice,
            &documents,
            &[(Some(0), "InvalidName", false), (None, "InvalidName", false)],
        );
    }

    #[test]
    fn texts_are_bounded() {
        let long = UnprocessedTraceSegment {
            id: Some(A.into()),
            error_code: Some("x".repeat(500)),
            message: Some("y\n".repeat(5000)),
        };
        let settled = settle(vec![long], &[document(A)]);
        assert_eq!(settled[0].code.len(), CODE_MAX_CHARS);
        assert!(settled[0].message.chars().count() <= super::super::limits::QUOTE_MAX_CHARS + 1);
        assert!(!settled[0].message.contains('\n'));
    }

    proptest! {
        #[test]
        fn no_document_is_named_twice_and_items_never_outnumber_documents(
            of in proptest::collection::vec(prop_oneof![Just(document(A)), Just(document(B)), Just("[]".to_owned())], 0..6),
            items in proptest::collection::vec((prop_oneof![Just(Some(A)), Just(Some(B)), Just(None), Just(Some("x"))], prop_oneof![Just("InvalidName"), Just("InternalFailure")]), 0..9),
        ) {
            let items = items.into_iter().map(|(id, code)| item(id, code)).collect();
            let settled = settle(items, &of);
            prop_assert!(settled.len() <= of.len());
            let mut named: Vec<_> = settled.iter().filter_map(|one| one.document).collect();
            prop_assert!(named.iter().all(|place| *place < of.len()));
            named.sort_unstable();
            let count = named.len();
            named.dedup();
            prop_assert_eq!(named.len(), count);
        }
    }
}
