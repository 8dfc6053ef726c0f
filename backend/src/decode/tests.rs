use proptest::prelude::*;
use serde_json::json;

use super::*;

const MAX_BYTES: usize = 64 * 1024;
const TRACE: &str = "1-67881233-abcdef012345678812345678";

fn segment() -> Value {
    json!({
        "name": "checkout", "id": "00f067aa0ba902b7", "trace_id": TRACE,
        "start_time": 1736970803.120, "end_time": 1736970803.164,
    })
}

fn with(member: &str, value: Value) -> Value {
    let mut document = segment();
    document[member] = value;
    document
}

fn without(member: &str) -> Value {
    let mut document = segment();
    document.as_object_mut().unwrap().remove(member);
    document
}

fn describe(text: &str) -> Vec<String> {
    let one = |outcome: Result<Document, Refusal>| match outcome {
        Ok(document) => format!("{} of {} nodes", document.id, document.nodes.len()),
        Err(refusal) => format!("{} {}", refusal.code.as_str(), refusal.id.unwrap_or("-".into())),
    };
    decode(text, MAX_BYTES).into_iter().map(one).collect()
}

#[track_caller]
fn check(document: &Value, expected: &str) {
    assert_eq!(describe(&document.to_string()), [expected]);
}

#[test]
fn a_good_document_is_taken_in_every_form() {
    check(&segment(), "00f067aa0ba902b7 of 1 nodes");
    check(
        &with("trace_id", json!("67881233abcdef012345678812345678")),
        "00f067aa0ba902b7 of 1 nodes",
    );
    check(
        &with("id", json!("00F067AA0BA902B7")),
        "00F067AA0BA902B7 of 1 nodes",
    );
    check(&with("subsegments", Value::Null), "00f067aa0ba902b7 of 1 nodes");
    check(&with("in_progress", json!(false)), "00f067aa0ba902b7 of 1 nodes");
    let mut open = without("end_time");
    open["in_progress"] = json!(true);
    check(&open, "00f067aa0ba902b7 of 1 nodes");
    let child = json!({"name": "inner", "id": "00f067aa0ba902b8", "start_time": 1, "end_time": 2});
    check(
        &with("subsegments", json!([child])),
        "00f067aa0ba902b7 of 2 nodes",
    );
}

#[test]
fn each_fault_has_its_code_and_the_id_at_the_top() {
    check(&json!([]), "MissingId -");
    check(&json!(17), "JSONFormatError -");
    check(&without("id"), "MissingId -");
    check(&with("id", json!("00f067aa0ba902b")), "InvalidId 00f067aa0ba902b");
    check(&without("trace_id"), "InvalidTraceId 00f067aa0ba902b7");
    check(
        &with("trace_id", json!("1-67881233-abcdef")),
        "InvalidTraceId 00f067aa0ba902b7",
    );
    check(&without("name"), "InvalidName 00f067aa0ba902b7");
    check(&with("name", json!("")), "InvalidName 00f067aa0ba902b7");
    check(&with("name", json!("what?")), "InvalidName 00f067aa0ba902b7");
    check(&without("start_time"), "MissingStartTime 00f067aa0ba902b7");
    check(
        &with("start_time", json!(1e300)),
        "MissingStartTime 00f067aa0ba902b7",
    );
    check(&without("end_time"), "MissingEndTime 00f067aa0ba902b7");
    check(
        &with("type", json!("subsegment")),
        "MissingParentId 00f067aa0ba902b7",
    );
    check(
        &with("subsegments", json!([7])),
        "JSONFormatError 00f067aa0ba902b7",
    );
    assert_eq!(describe("{\"id\":"), ["JSONFormatError -"]);
}

#[test]
fn a_fault_of_a_nested_subsegment_costs_the_whole_document() {
    let child = |extra: Value| {
        let mut child = json!({"name": "inner", "id": "00f067aa0ba902b8", "start_time": 1});
        child
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        with(
            "subsegments",
            json!([{
                "name": "middle", "id": "00f067aa0ba902b9", "start_time": 1, "end_time": 2, "subsegments": [child],
            }]),
        )
    };
    check(&child(json!({})), "MissingEndTime 00f067aa0ba902b7");
    check(
        &child(json!({"end_time": 2, "name": "what?"})),
        "InvalidName 00f067aa0ba902b7",
    );
    check(
        &child(json!({"end_time": 2, "id": null})),
        "MissingId 00f067aa0ba902b7",
    );
    let refused = decode(&child(json!({})).to_string(), MAX_BYTES)
        .remove(0)
        .unwrap_err();
    assert_eq!(
        refused.message,
        "Invalid subsegment. ErrorCode: MissingEndTime, Cause: null"
    );
}

#[test]
fn names_are_taken_up_to_two_hundred_characters() {
    check(
        &with("name", json!("é".repeat(200))),
        "00f067aa0ba902b7 of 1 nodes",
    );
    check(
        &with("name", json!("é".repeat(201))),
        "InvalidName 00f067aa0ba902b7",
    );
    check(
        &with("name", json!("日本 a_.:/%&#=+\\-@1")),
        "00f067aa0ba902b7 of 1 nodes",
    );
}

#[test]
fn a_document_is_taken_up_to_its_limit_to_the_byte() {
    let mut document = with("metadata", json!({"default": {"pad": ""}}));
    let room = MAX_BYTES - document.to_string().len();
    document["metadata"]["default"]["pad"] = json!("x".repeat(room));
    check(&document, "00f067aa0ba902b7 of 1 nodes");
    document["metadata"]["default"]["pad"] = json!("x".repeat(room + 1));
    check(&document, "InvalidSegment 00f067aa0ba902b7");
}

#[test]
fn one_bad_element_of_an_array_does_not_cost_its_neighbours() {
    let array = json!([
        segment(),
        7,
        without("name"),
        with("id", json!("00f067aa0ba902b8"))
    ]);
    let expected = [
        "00f067aa0ba902b7 of 1 nodes",
        "JSONFormatError -",
        "InvalidName 00f067aa0ba902b7",
        "00f067aa0ba902b8 of 1 nodes",
    ];
    assert_eq!(describe(&array.to_string()), expected);
}

#[test]
fn pythons_nan_becomes_null_and_text_that_says_nan_stays() {
    let text = segment().to_string();
    let text = text.replacen(
        '{',
        r#"{"metadata":{"default":{"a":NaN,"b":[-Infinity,1],"c":"NaN \" NaN"}},"#,
        1,
    );
    let document = decode(&text, MAX_BYTES).remove(0).unwrap();
    let expected = json!({"default": {"a": null, "b": [null, 1], "c": "NaN \" NaN"}});
    assert_eq!(document.nodes[0].members["metadata"], expected);
}

#[test]
fn documents_that_nest_without_end_are_refused_instead_of_exhausting_the_stack() {
    let text = "[".repeat(30_000);
    assert_eq!(describe(&text), ["JSONFormatError -"]);
}

proptest! {
    #[test]
    fn no_text_makes_the_decoder_panic(text in ".*") {
        let _ = decode(&text, MAX_BYTES);
    }

    #[test]
    fn no_damage_to_a_document_makes_the_decoder_panic(at in 0usize..180, byte in any::<u8>()) {
        let mut bytes = with("subsegments", json!([segment()])).to_string().into_bytes();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        let _ = decode(&String::from_utf8_lossy(&bytes), MAX_BYTES);
    }

    #[test]
    fn replacing_nan_keeps_every_other_text(text in "[a-zA-Z\"\\\\ {}é]*") {
        prop_assume!(!text.contains("NaN") && !text.contains("Infinity"));
        let padded = format!("NaN{text}");
        prop_assert_eq!(without_nan(&padded), format!("null{text}"));
    }
}
