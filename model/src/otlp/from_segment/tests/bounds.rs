//! Trees, defects and bounds.

use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::platform::platform;
use super::*;

#[test]
fn nested_subsegments_are_children_under_one_resource() {
    let document = segment(json!({ "subsegments": [
        { "name": "a", "id": "0000000000000001", "start_time": 1.0, "end_time": 2.0, "namespace": "aws", "subsegments": [
            { "name": "b", "id": "0000000000000002", "start_time": 1.0, "in_progress": true }] },
        { "name": "c", "id": "0000000000000003", "start_time": 1.0, "end_time": 2.0 }] }));
    let made = made(&document, &Given::default());
    let spans: Vec<_> = made
        .spans
        .iter()
        .map(|bytes| decode::span(bytes).unwrap())
        .collect();
    let tree: Vec<_> = spans
        .iter()
        .map(|span| (&*span.name, span.parent.map(|id| id.to_string())))
        .collect();
    assert_eq!(
        tree,
        [
            ("checkout", None),
            ("a", Some("00f067aa0ba902b7".to_owned())),
            ("b", Some("0000000000000001".to_owned())),
            ("c", Some("00f067aa0ba902b7".to_owned())),
        ]
    );
    assert_eq!(made.open, 1);
}

#[test]
fn a_bad_subsegment_costs_itself_alone() {
    let document = segment(json!({ "subsegments": [
        7,
        { "name": "no id", "start_time": 1.0, "subsegments": [{ "name": "a", "id": "0000000000000001", "start_time": 1.0 }] },
        { "id": "0000000000000002", "start_time": 1.0, "subsegments": [{ "name": "b", "id": "0000000000000003", "start_time": 1.0 }] },
        { "name": "no start", "id": "0000000000000004", "subsegments": {} },
        { "name": "c", "id": "0000000000000005", "start_time": 1.0 }] }));
    let made = made(&document, &Given::default());
    let names: Vec<_> = made
        .spans
        .iter()
        .map(|bytes| decode::span(bytes).unwrap().name.into_owned())
        .collect();
    assert_eq!(names, ["checkout", "a", "b", "c"]);
    let parent = |place: usize| {
        decode::span(&made.spans[place])
            .unwrap()
            .parent
            .unwrap()
            .to_string()
    };
    assert_eq!(
        (parent(1), parent(2)),
        ("00f067aa0ba902b7".to_owned(), "0000000000000002".to_owned())
    );
    use Reject::{BadId, BadName, BadStartTime, NotArray, NotObject};
    assert_eq!(made.rejects, [NotObject, BadId, BadName, BadStartTime, NotArray]);
}

#[test]
fn each_defect_of_a_document_has_its_reason() {
    for (bytes, reject) in [
        (&b"\xff"[..], Reject::NotUtf8),
        (b"[]", Reject::NotObject),
        (b"{", Reject::NotObject),
        (b"{}", Reject::BadTraceId),
        (
            br#"{"trace_id":"1-00000000-000000000000000000000000"}"#,
            Reject::BadTraceId,
        ),
    ] {
        let made = spans(bytes, &Given::default());
        assert_eq!((made.spans.len(), made.rejects), (0, vec![reject]));
    }
    let with = |member: &str| {
        let mut document = segment(json!({}));
        document.as_object_mut().unwrap().remove(member);
        made(&document, &Given::default()).rejects
    };
    assert_eq!(with("id"), [Reject::BadId]);
    assert_eq!(with("name"), [Reject::BadName]);
    assert_eq!(with("start_time"), [Reject::BadStartTime]);
    assert_eq!(with("end_time"), []);
}

#[test]
fn a_document_is_read_up_to_64_kilobytes() {
    let frame = segment(json!({ "metadata": { "d": { "k": "" } } })).to_string();
    let sized = |length: usize| {
        frame.replace(
            r#""k":"""#,
            &format!(r#""k":"{}""#, "m".repeat(length - frame.len())),
        )
    };
    assert_eq!(
        spans(sized(SEGMENT_DOCUMENT_MAX_BYTES).as_bytes(), &Given::default())
            .spans
            .len(),
        1
    );
    let over = spans(
        sized(SEGMENT_DOCUMENT_MAX_BYTES + 1).as_bytes(),
        &Given::default(),
    );
    assert_eq!((over.spans.len(), over.rejects), (0, vec![Reject::TooLarge]));
}

#[test]
fn subsegments_are_read_to_a_bounded_depth() {
    let mut document = json!({ "name": "deepest", "id": "00f067aa0ba902b7", "start_time": 1.0 });
    for _ in 0..SUBSEGMENT_DEPTH_MAX {
        document = segment(json!({ "subsegments": [document] }));
    }
    let at_the_bound = made(&document, &Given::default());
    assert_eq!(
        (at_the_bound.spans.len(), at_the_bound.rejects),
        (SUBSEGMENT_DEPTH_MAX + 1, vec![])
    );
    let deeper = made(&segment(json!({ "subsegments": [document] })), &Given::default());
    assert_eq!(
        (deeper.spans.len(), deeper.rejects),
        (SUBSEGMENT_DEPTH_MAX + 1, vec![Reject::TooDeep])
    );
}

#[test]
fn annotations_beyond_the_bound_survive_as_json() {
    use crate::limits::ATTRIBUTES_PER_SPAN_MAX;
    let keys: Map<String, Json> = (0..=ATTRIBUTES_PER_SPAN_MAX)
        .map(|key| (format!("k{key:04}"), 1.into()))
        .collect();
    let (attributes, _) = told(&segment(json!({ "annotations": keys })), &Given::default());
    assert_eq!(
        attributes["aws.xray.annotations"].as_array().unwrap().len(),
        ATTRIBUTES_PER_SPAN_MAX
    );
    let kept = format!(r#"{{"annotations":{{"k{ATTRIBUTES_PER_SPAN_MAX:04}":1}}}}"#);
    assert_eq!(attributes["aws.xray.document"], kept);
}

proptest! {
    #[test]
    fn no_bytes_make_the_translation_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = spans(&bytes, &Given::default());
    }

    #[test]
    fn no_mutation_of_a_document_makes_the_translation_panic(at in 0usize..2000, byte in any::<u8>(), older_names in any::<bool>()) {
        let mut bytes = segment(json!({ "subsegments": [platform(FRONT_END), subsegment(json!({
            "http": { "request": { "url": "https://a:1/b?c" } }, "sql": { "url": "jdbc:x://a:1/b", "database_type": "MySQL" },
            "cause": { "exceptions": [{ "stack": [{ "path": "a", "line": 1 }] }] }, "links": [], "annotations": { "a": 1 } }))] }))
            .to_string()
            .into_bytes();
        if let Some(target) = bytes.get_mut(at) {
            *target = byte;
        }
        let made = spans(&bytes, &Given { older_names, ..Given::default() });
        for span in &made.spans {
            prop_assert!(decode::span(span).is_ok());
        }
        prop_assert!(decode::resource(&made.resource).is_ok());
    }

    #[test]
    fn every_subsegment_is_a_span_or_a_reject(good in proptest::collection::vec(any::<bool>(), 0..20)) {
        let children: Vec<Json> = good.iter().map(|good| match good {
            true => json!({ "name": "x", "id": "00f067aa0ba902b7", "start_time": 1.0 }),
            false => json!({ "name": "x" }),
        }).collect();
        let made = made(&segment(json!({ "subsegments": children })), &Given::default());
        let bad = good.iter().filter(|good| !**good).count();
        prop_assert_eq!((made.spans.len(), made.rejects.len()), (1 + good.len() - bad, bad));
    }
}
