use model::otlp::datagram;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::samples::{TRACE, request, span};

fn segment() -> String {
    json!({"name": "checkout", "id": "00f067aa0ba902b7", "trace_id": TRACE, "start_time": 1, "end_time": 2})
        .to_string()
}

fn describe(delivery: &Delivery) -> Vec<String> {
    let one = |outcome: &Result<Document, Refusal>| match outcome {
        Ok(document) => document.id.clone(),
        Err(refusal) => refusal.message.clone(),
    };
    delivery.documents.iter().map(one).collect()
}

fn brought(texts: &[&str]) -> Delivery {
    Delivery::of_documents(texts.iter().copied(), &Limits::default())
}

fn sampled(numbers: &[u8]) -> String {
    let spans: Vec<_> = numbers.iter().map(|number| span(*number, "work", None)).collect();
    datagram::write(&request(&[], &spans))
}

#[test]
fn spans_come_among_documents_alone_and_in_a_row() {
    let row = format!("{}{}", sampled(&[1, 2]), sampled(&[3]));
    let delivery = brought(&[&segment(), &format!(" {row}"), &sampled(&[4])]);
    assert_eq!(
        describe(&delivery),
        [
            "00f067aa0ba902b7",
            "0000000000000001",
            "0000000000000002",
            "0000000000000003",
            "0000000000000004",
        ]
    );
    assert_eq!((delivery.spans, delivery.unsampled_spans), (4, 0));
}

#[test]
fn what_was_not_sampled_is_counted_and_not_shown() {
    let unsampled = sampled(&[1, 2]).replacen("T1S", "T1U", 1);
    let delivery = brought(&[&unsampled, &sampled(&[3])]);
    assert_eq!(describe(&delivery), ["0000000000000003"]);
    assert_eq!((delivery.spans, delivery.unsampled_spans), (1, 2));
}

#[test]
fn an_element_that_cannot_be_read_costs_itself_and_says_why() {
    let cut = datagram::write(request(&[], &[span(1, "work", None)]).split_last().unwrap().1);
    let bad_span = sampled(&[0, 5]);
    let texts = ["T1S!", &cut, &bad_span, "T1UCgE=", &segment()];
    let delivery = brought(&texts);
    let refused = |cause| format!("Invalid span. ErrorCode: {cause}");
    let damaged = "OTLPFormatError, Cause: not an OTLP request in protobuf, or one cut short";
    assert_eq!(
        describe(&delivery),
        [
            refused("OTLPFormatError, Cause: not base64"),
            refused(damaged),
            refused("InvalidId, Cause: missing or invalid span_id"),
            "0000000000000005".to_owned(),
            refused(damaged),
            "00f067aa0ba902b7".to_owned(),
        ]
    );
}

#[test]
fn an_element_of_spans_is_taken_up_to_the_size_of_a_document() {
    let text = sampled(&[1, 2]);
    for (max_bytes, expected) in [(text.len(), 2), (text.len() - 1, 0)] {
        let limits = Limits {
            document_max_bytes: max_bytes,
            ..Limits::default()
        };
        let delivery = Delivery::of_documents([text.as_str()], &limits);
        assert_eq!(delivery.documents.iter().flatten().count(), expected);
        assert_eq!(delivery.spans, u64::try_from(expected).unwrap());
    }
}

proptest! {
    #[test]
    fn no_text_behind_the_prefix_makes_it_panic(text in "[A-Za-z0-9+/=T1SU]{0,60}") {
        let text = format!("T1S{text}");
        prop_assert!(brought(&[&text, &segment()]).documents.last().is_some_and(Result::is_ok));
    }

    #[test]
    fn no_bytes_in_base64_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let text = datagram::write(&bytes);
        prop_assert!(brought(&[&text, &segment()]).documents.last().is_some_and(Result::is_ok));
    }
}
