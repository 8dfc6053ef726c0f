use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::decode::decode;

const TRACE: &str = "1-67881233-abcdef012345678812345678";
const MAX_BYTES: usize = 64 * 1024;

/// A document in one line: `id`, or `id<parent` for a subsegment of its own; `~` in front while in progress.
/// The number is the id, the start and part of the end.
fn document(line: &str) -> Value {
    let (open, line) = line.strip_prefix('~').map_or((false, line), |line| (true, line));
    let (line, note) = line.split_once('=').unwrap_or((line, ""));
    let (id, parent) = line
        .split_once('<')
        .map_or((line, None), |(id, parent)| (id, Some(parent)));
    let number: u32 = id.parse().unwrap();
    let mut document = json!({"name": format!("n{id}"), "id": hex(id), "start_time": number});
    if open {
        document["in_progress"] = json!(true);
    } else {
        document["end_time"] = json!(number + 100);
    }
    if !note.is_empty() {
        document["annotations"] = json!({"note": note});
    }
    if let Some(parent) = parent {
        document["type"] = json!("subsegment");
        document["parent_id"] = json!(hex(parent));
    }
    document["trace_id"] = json!(TRACE);
    document
}

fn hex(id: &str) -> String {
    format!("{id:0>16}")
}

/// `outer[inner,inner]`: nested documents, lines as above.
fn nested(outer: &str, inner: &[Value]) -> Value {
    let mut document = document(outer);
    document["subsegments"] = json!(inner);
    document
}

fn trace_of(documents: &[Value]) -> Trace {
    let mut trace = Trace::new(TRACE.parse().unwrap());
    for document in documents {
        for read in decode(&document.to_string(), MAX_BYTES) {
            trace.absorb(read.unwrap().nodes);
        }
    }
    trace
}

fn outline(value: &Value) -> String {
    let name = value["name"].as_str().unwrap();
    let open = if value["in_progress"] == true { "~" } else { "" };
    let note = value["annotations"]["note"]
        .as_str()
        .map(|note| format!("={note}"))
        .unwrap_or_default();
    let children: Vec<String> = value["subsegments"]
        .as_array()
        .into_iter()
        .flatten()
        .map(outline)
        .collect();
    let children = if children.is_empty() {
        String::new()
    } else {
        format!("[{}]", children.join(" "))
    };
    format!("{open}{name}{note}{children}")
}

fn outlines(trace: &Trace) -> String {
    let entries: Vec<String> = trace
        .compile()
        .iter()
        .map(|entry| outline(&entry.document))
        .collect();
    entries.join(" ")
}

#[track_caller]
fn check(documents: &[Value], expected: &str) {
    assert_eq!(outlines(&trace_of(documents)), expected);
}

#[test]
fn a_complete_document_takes_the_place_of_the_open_one_in_either_order() {
    check(&[document("~1=open"), document("1=done")], "n1=done");
    check(&[document("1=done"), document("~1=open")], "n1=done");
    check(
        &[document("1"), document("~2<1=open"), document("2<1=done")],
        "n1[n2=done]",
    );
    check(
        &[document("1"), document("2<1=done"), document("~2<1=open")],
        "n1[n2=done]",
    );
}

#[test]
fn of_two_documents_of_one_kind_the_later_stays() {
    check(&[document("1=first"), document("1=b")], "n1=b");
    check(&[document("~1=first"), document("~1=b")], "~n1=b");
    check(
        &[document("1"), document("2<1=first"), document("2<1=b")],
        "n1[n2=b]",
    );
}

#[test]
fn a_newer_copy_of_a_parent_keeps_the_subsegments_of_the_older() {
    let first = nested("1", &[document("2"), document("3=a")]);
    let second = nested("1", &[document("3=b"), document("4")]);
    check(&[first.clone(), second], "n1[n2 n3=b n4]");
    check(&[document("1"), document("5<1"), first], "n1[n2 n3=a n5]");
    check(&[nested("~1", &[document("~2")]), document("1")], "n1[~n2]");
}

#[test]
fn a_subsegment_alone_finds_its_parent_wherever_it_is() {
    check(&[document("1"), document("2<1")], "n1[n2]");
    check(&[document("2<1"), document("1")], "n1[n2]");
    check(&[document("3<2"), document("2<1"), document("1")], "n1[n2[n3]]");
    check(
        &[nested("1", &[nested("2", &[document("3")])]), document("4<3")],
        "n1[n2[n3[n4]]]",
    );
    check(
        &[document("4<3"), nested("1", &[nested("2", &[document("3")])])],
        "n1[n2[n3[n4]]]",
    );
}

#[test]
fn of_a_nested_copy_and_one_alone_the_longer_stays() {
    let parent = nested("1", &[document("2=short")]);
    check(
        &[parent.clone(), document("2<1=rather_long")],
        "n1[n2=rather_long]",
    );
    check(
        &[document("2<1=rather_long"), parent.clone()],
        "n1[n2=rather_long]",
    );
    check(&[document("~2<1=rather_long"), parent], "n1[n2=short]");
}

#[test]
fn a_subsegment_without_its_parent_is_listed_beside_the_segments() {
    let trace = trace_of(&[document("1"), document("3<9"), document("4<3")]);
    assert_eq!(outlines(&trace), "n1 n3[n4]");
    let orphan = &trace.compile()[1].document;
    assert_eq!(orphan["type"], "subsegment");
    assert_eq!(orphan["parent_id"], "0000000000000009");
    assert_eq!(orphan["trace_id"], TRACE);
}

#[test]
fn a_nested_subsegment_does_not_repeat_where_it_hangs() {
    let trace = trace_of(&[document("1"), document("2<1")]);
    let nested = trace.compile()[0].document["subsegments"][0].clone();
    assert_eq!(
        nested,
        json!({"name": "n2", "id": "0000000000000002", "start_time": 2, "end_time": 102})
    );
}

#[test]
fn a_segment_keeps_its_place_although_a_subsegment_has_its_id() {
    check(
        &[document("1"), document("1<1=me_too"), document("2<1")],
        "n1[n2]",
    );
    check(
        &[document("1<1=me_too"), document("2<1"), document("1")],
        "n1[n2]",
    );
}

#[test]
fn subsegments_in_a_circle_are_listed_once() {
    check(&[document("1<1")], "n1");
    check(&[document("1<3"), document("2<1"), document("3<2")], "n1[n2[n3]]");
}

#[test]
fn what_is_nested_deeper_than_the_limit_is_listed_beside_it() {
    let chain = |length: usize| {
        let mut documents = vec![document("1")];
        documents.extend((2..=length).map(|id| document(&format!("{id}<{}", id - 1))));
        trace_of(&documents).compile()
    };
    assert_eq!(chain(NESTED_LEVELS_MAX + 1).len(), 1);
    let compiled = chain(NESTED_LEVELS_MAX + 2);
    assert_eq!(compiled.len(), 2);
    assert_eq!(
        compiled[1].document["parent_id"],
        hex(&(NESTED_LEVELS_MAX + 1).to_string())
    );
    assert_eq!(chain(10 * NESTED_LEVELS_MAX + 1).len(), 10);
}

#[test]
fn a_repeat_changes_nothing_and_costs_nothing() {
    let parent = nested("1", &[document("2")]);
    let mut trace = trace_of(&[parent.clone(), document("3<2")]);
    let bytes = trace.bytes();
    for repeat in [parent, document("3<2"), document("~1=late")] {
        let nodes = decode(&repeat.to_string(), MAX_BYTES).remove(0).unwrap().nodes;
        assert!(!trace.absorb(nodes), "{repeat}");
    }
    assert_eq!(trace.bytes(), bytes);
}

#[test]
fn a_trace_lasts_as_long_as_its_segments_whatever_their_subsegments_say() {
    let early = nested("50", &[document("2"), document("90")]);
    let trace = trace_of(&[early, document("60")]);
    let seconds = |time: Option<Timestamp>| time.map(Timestamp::as_seconds);
    assert_eq!(
        (seconds(trace.start()), seconds(trace.end())),
        (Some(50.0), Some(160.0))
    );
    let circle = trace_of(&[document("3<4"), document("4<3")]);
    assert_eq!(
        (seconds(circle.start()), seconds(circle.end())),
        (Some(3.0), None)
    );
}

#[test]
fn the_cost_foretold_is_the_cost_charged() {
    let mut trace = trace_of(&[document("1")]);
    let nodes = decode(&nested("4", &[document("5")]).to_string(), MAX_BYTES)
        .remove(0)
        .unwrap()
        .nodes;
    let foretold = trace.bytes_with(&nodes);
    trace.absorb(nodes);
    assert_eq!(trace.bytes(), foretold);
}

/// A trace of up to 12 nodes: each hangs under an earlier one; some came nested, some alone, some both,
/// some in progress first.
fn documents() -> impl Strategy<Value = Vec<Value>> {
    let node = (any::<prop::sample::Index>(), any::<[bool; 3]>());
    prop::collection::vec(node, 1..12).prop_map(|nodes| {
        let mut lines = vec!["1".to_owned()];
        let mut documents = vec![document("1=root"), document("~1")];
        for (number, (parent, [open_first, also_nested, never_closed])) in (2..).zip(nodes) {
            let parent = parent.index(lines.len());
            let line = format!("{number}<{}", parent + 1);
            if open_first || never_closed {
                documents.push(document(&format!("~{line}")));
            }
            if !never_closed {
                documents.push(document(&format!("{line}=closed{number}")));
            }
            if also_nested && !never_closed {
                documents.push(nested(
                    &format!("~{}", lines[parent]),
                    &[document(&format!("{number}=short"))],
                ));
            }
            lines.push(line);
        }
        documents
    })
}

proptest! {
    #[test]
    fn any_order_and_any_repeats_compile_to_the_same_trace(
        (straight, shuffled) in documents().prop_flat_map(|documents| {
            let twice = [documents.clone(), documents.clone()].concat();
            (Just(documents), Just(twice).prop_shuffle())
        })
    ) {
        let expected = trace_of(&straight);
        let found = trace_of(&shuffled);
        prop_assert_eq!(found.compile(), expected.compile());
        prop_assert_eq!(found.bytes(), expected.bytes());
    }

    #[test]
    fn every_node_is_listed_exactly_once(edges in prop::collection::vec((1u32..15, 1u32..15, any::<bool>()), 0..30)) {
        let line = |(id, parent, segment): &(u32, u32, bool)| {
            if *segment { id.to_string() } else { format!("{id}<{parent}") }
        };
        let documents: Vec<Value> = edges.iter().map(|edge| document(&line(edge))).collect();
        let trace = trace_of(&documents);
        let mut listed = names(&outlines(&trace));
        listed.sort();
        let mut sent: Vec<String> = edges.iter().map(|(id, ..)| format!("n{id}")).collect();
        sent.sort();
        sent.dedup();
        prop_assert_eq!(listed, sent);
    }
}

fn names(outline: &str) -> Vec<String> {
    let words = outline
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}
