//! Batches with spans among them.

use crate::outbound::segments::tests::{both, span};
use crate::pipeline::document::Document;

use super::*;

/// Spans of two documents each, more than one call takes.
fn batch() -> Vec<Document> {
    (1..=30).map(|id| span(id, both)).collect()
}

async fn outcome_of(script: impl IntoIterator<Item = Act>) -> (Outcome, usize) {
    let stage = Stage::open(script).await;
    let outcome = sender_to(&stage).send_batch(&batch(), noon(), LONG).await;
    (outcome, stage.seen().len())
}

#[tokio::test]
async fn a_batch_of_many_texts_leaves_in_several_calls() {
    let (outcome, calls) = outcome_of([]).await;
    let expected = Answered {
        documents: 30,
        ..Answered::default()
    };
    assert_eq!((outcome, calls), (Outcome::Answered(expected), 2));
}

#[tokio::test]
async fn what_a_failed_call_had_is_given_back_and_what_was_taken_before_is_not() {
    let (outcome, calls) = outcome_of([all_taken(), answer(503, "")]).await;
    let Outcome::Answered(answered) = outcome else {
        panic!("{outcome:?}");
    };
    let back: Vec<_> = answered
        .unprocessed
        .iter()
        .map(|item| (item.document, item.retriable))
        .collect();
    let expected: Vec<_> = (25..30).map(|place| (Some(place), true)).collect();
    assert_eq!((back, calls), (expected, 2));
}

#[tokio::test]
async fn a_failure_of_the_first_call_is_one_of_the_batch() {
    let (outcome, calls) = outcome_of([answer(503, "")]).await;
    assert_eq!(calls, 1);
    assert!(matches!(
        failed(outcome).kind,
        FailureKind::Unavailable { status: 503, .. }
    ));
}

#[tokio::test]
async fn what_xray_says_of_a_text_is_heard_for_its_span() {
    let refused =
        r#"{"UnprocessedTraceSegments":[{"Id":"0202020202020202","ErrorCode":"InvalidName","Message":"m"}]}"#;
    let (outcome, _) = outcome_of([answer(200, refused)]).await;
    let Outcome::Answered(answered) = outcome else {
        panic!("{outcome:?}");
    };
    let [item] = answered.unprocessed.as_slice() else {
        panic!("{answered:?}");
    };
    assert_eq!(
        (item.document, item.code.as_str(), item.retriable),
        (Some(1), "InvalidName", false)
    );
}
