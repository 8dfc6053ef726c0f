use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::document_scan::scan;
use super::*;

const TRACE: &str = "1-67881233-ABCDEF012345678812345678";
const ROOT: &str = "00F067AA0BA902B7";

/// A segment with these further members.
fn segment(more: &str) -> String {
    format!(
        r#"{{"name":"shop","id":"{ROOT}","trace_id":"{TRACE}","start_time":1.7369708031E9,"end_time":1736970803.50{more}}}"#
    )
}

fn subsegment(id: u64, more: &str) -> String {
    format!(
        r#"{{"id":"{id:016x}","name":"call","start_time":1736970803.120,"end_time":1.736970803130e9,"namespace":"aws","aws":{{"operation":"Get"}},"http":{{"response":{{"status":200}}}}{more}}}"#
    )
}

/// The parts as JSON, after each was judged as X-Ray would.
#[track_caller]
fn parts(document: &str) -> (Vec<Value>, BTreeMap<Trimmed, u64>) {
    let cut = cut(document.as_bytes()).unwrap();
    let parts = cut.parts.iter().map(|part| {
        let head = scan(part).unwrap_or_else(|refusal| panic!("{refusal}"));
        assert_eq!(head.trace_id.to_string(), TRACE.to_ascii_lowercase());
        serde_json::from_slice(part).unwrap()
    });
    (parts.collect(), cut.trimmed)
}

/// Every subsegment's parent by its id, over all parts.
fn parents(parts: &[Value]) -> BTreeMap<String, String> {
    let mut parents = BTreeMap::new();
    let mut work: Vec<(&Value, Option<&str>)> = parts.iter().map(|part| (part, None)).collect();
    while let Some((segment, above)) = work.pop() {
        let id = segment["id"].as_str().unwrap();
        let parent = above.or(segment["parent_id"].as_str()).unwrap_or("nobody");
        let before = parents.insert(id.to_owned(), parent.to_owned());
        assert_eq!(before, None, "{id} is told twice");
        let nested = segment["subsegments"].as_array().into_iter().flatten();
        work.extend(nested.map(|nested| (nested, Some(id))));
    }
    parents
}

#[test]
fn the_largest_subsegments_leave_and_the_small_ones_stay() {
    let large = |id| {
        subsegment(
            id,
            &format!(r#","metadata":{{"d":{{"k":"{}"}}}}"#, "m".repeat(40_000)),
        )
    };
    let nested = subsegment(
        4,
        &format!(r#","subsegments":[{},{}]"#, subsegment(5, ""), large(6)),
    );
    let document = segment(&format!(
        r#","in_progress":false,"future":1.50,"subsegments":[{},{},{},{nested}]"#,
        subsegment(1, ""),
        large(2),
        large(3),
    ));
    let (parts, trimmed) = parts(&document);
    assert_eq!(trimmed, BTreeMap::new());
    assert_eq!(parts.len(), 3, "two leave, the third fits");
    assert_eq!(parts[0]["subsegments"].as_array().unwrap().len(), 2);
    assert_eq!(
        parts[0]["metadata"],
        json!({ "fluoroscope": { "cut": { "subsegments_moved": 2, "bytes": {} } } })
    );
    assert_eq!(parts[1]["type"], "subsegment");
    assert_eq!(parts[1]["parent_id"], ROOT, "as it is spelled");
    let ids = parents(&parts);
    assert_eq!(ids.len(), 7);
    assert_eq!(ids["0000000000000006"], "0000000000000004");
    let root = String::from_utf8(cut(document.as_bytes()).unwrap().parts[0].to_vec()).unwrap();
    assert!(
        root.contains(r#""start_time":1.7369708031E9,"end_time":1736970803.50,"#)
            && root.contains(r#""future":1.50"#)
    );
}

#[test]
fn a_subsegment_that_is_too_large_itself_is_taken_apart() {
    let leaf = |id| {
        subsegment(
            id,
            &format!(r#","metadata":{{"d":{{"k":"{}"}}}}"#, "m".repeat(50_000)),
        )
    };
    let middle = subsegment(
        1,
        &format!(r#","in_progress":true,"subsegments":[{},{}]"#, leaf(2), leaf(3)),
    );
    let (parts, trimmed) = parts(&segment(&format!(r#","subsegments":[{middle}]"#)));
    assert_eq!((parts.len(), trimmed.len()), (3, 0));
    let ids = parents(&parts);
    assert_eq!(ids["0000000000000001"], ROOT);
    assert_eq!(ids["0000000000000002"], "0000000000000001");
    assert_eq!(parts[1]["in_progress"], true);
}

#[test]
fn metadata_goes_by_its_largest_entries_and_is_named() {
    let document = segment(&format!(
        r#","annotations":{{"a":1}},"metadata":{{"small":{{"k":1}},"default":{{"rows":"{}","b":2.50}},"odd":7}}"#,
        "m".repeat(70_000)
    ));
    let (parts, trimmed) = parts(&document);
    assert_eq!(parts.len(), 1);
    let metadata = &parts[0]["metadata"];
    assert_eq!(
        (&metadata["small"]["k"], &metadata["default"]),
        (&json!(1), &json!({ "b": 2.5 }))
    );
    assert_eq!(
        metadata["fluoroscope"]["cut"]["bytes"]["metadata.default.rows"],
        70_010
    );
    assert_eq!(parts[0]["annotations"], json!({ "a": 1 }));
    assert_eq!(trimmed[&Trimmed::Metadata], 70_010);
}

#[test]
fn long_queries_stacks_and_messages_lose_their_ends() {
    let frames = vec![json!({ "path": "app/orders.py", "line": 7, "label": "place" }); 2_000];
    let document = segment(&format!(
        r#","sql":{{"sanitized_query":"{}","user":"me"}},"cause":{},"aws":{{"x":1}},"annotations":{{"t":"{}"}}"#,
        r"\u00e9".repeat(9_000),
        json!({ "working_directory": "/var/task", "exceptions": [{ "id": "a1b2c3d4e5f60718", "type": "E",
            "message": "é".repeat(20_000), "truncated": 3, "stack": frames }] }),
        "t".repeat(2_000),
    ));
    let (parts, trimmed) = parts(&document);
    let part = &parts[0];
    assert_eq!(part["sql"]["user"], "me");
    assert_eq!(part["sql"]["sanitized_query"].as_str().unwrap(), "é".repeat(166));
    let exception = &part["cause"]["exceptions"][0];
    assert_eq!(exception["stack"].as_array().unwrap().len(), 32);
    assert_eq!(exception["truncated"], 3 + 2_000 - 32);
    assert_eq!(exception["message"].as_str().unwrap().chars().count(), 500);
    assert_eq!(part["aws"]["x"], 1);
    assert_eq!(
        part["annotations"]["t"].as_str().unwrap().len(),
        2_000,
        "it fits by now"
    );
    assert!(
        trimmed[&Trimmed::Sql] > 50_000 && trimmed[&Trimmed::Cause] > 100_000,
        "{trimmed:?}"
    );
}

#[test]
fn annotations_are_kept_to_what_xray_indexes() {
    let many: BTreeMap<String, String> = (0..100)
        .map(|n| (format!("k{n:03}"), "v".repeat(1_500)))
        .collect();
    let (parts, _) = parts(&segment(&format!(r#","annotations":{}"#, json!(many))));
    let annotations = parts[0]["annotations"].as_object().unwrap();
    assert_eq!(annotations.len(), CUT_ANNOTATIONS);
    assert!(
        annotations
            .values()
            .all(|value| value.as_str().unwrap().len() == 1_000)
    );
}

const CUT_ANNOTATIONS: usize = crate::limits::CUT_ANNOTATIONS_KEPT;

#[test]
fn a_giant_member_nobody_knows_goes_and_what_is_required_stays() {
    let document = segment(&format!(
        r#","giant":"{}","small":1.0,"http":{{"request":{{"url":"{}","method":"GET"}}}},"fault":true"#,
        "x".repeat(200_000),
        "u".repeat(66_000)
    ));
    let (parts, trimmed) = parts(&document);
    let part = &parts[0];
    assert_eq!((&part["giant"], &part["fault"]), (&Value::Null, &json!(true)));
    assert_eq!(part["http"]["request"]["method"], "GET");
    assert_eq!(part["http"]["request"]["url"].as_str().unwrap().len(), 1_000);
    assert!(trimmed[&Trimmed::Members] > 265_000, "{trimmed:?}");
}

#[test]
fn subsegments_that_cannot_be_documents_are_given_up_counted() {
    let nameless = format!(
        r#"{{"id":"00000000000000aa","metadata":{{"d":{{"k":"{}"}}}}}}"#,
        "m".repeat(70_000)
    );
    let (parts, trimmed) = parts(&segment(&format!(
        r#","subsegments":[{},{nameless}]"#,
        subsegment(1, "")
    )));
    assert_eq!(parents(&parts).len(), 2, "the whole one left to make room for it");
    assert_eq!(
        trimmed[&Trimmed::Subsegments],
        u64::try_from(nameless.len()).unwrap()
    );
}

#[test]
fn what_cannot_be_taken_has_its_reason() {
    let padded = |length: usize| {
        let empty = segment(r#","x":"""#).len();
        segment(&format!(r#","x":"{}""#, "x".repeat(length - empty)))
    };
    assert!(cut(padded(OVERSIZE_MAX_BYTES).as_bytes()).is_ok());
    assert_eq!(
        cut(padded(OVERSIZE_MAX_BYTES + 1).as_bytes()),
        Err(Refusal::TooLarge)
    );
    assert_eq!(cut(&vec![b'['; 100_000]), Err(Refusal::NotJson));
    let endless = segment("").replace("1736970803.50", &format!("1736970803.{}", "0".repeat(70_000)));
    assert_eq!(cut(endless.as_bytes()), Err(Refusal::TooLarge));
}

#[test]
fn a_tree_deeper_than_the_limit_costs_its_depths_alone() {
    let leaf = subsegment(
        999,
        &format!(r#","metadata":{{"d":{{"k":"{}"}}}}"#, "m".repeat(66_000)),
    );
    let deep = |levels: u64| {
        (1..=levels).fold(leaf.clone(), |inner, id| {
            subsegment(id, &format!(r#","subsegments":[{inner}]"#))
        })
    };
    let limit = u64::try_from(CUT_DEPTH_MAX).unwrap();
    let (whole, trimmed) = parts(&segment(&format!(r#","subsegments":[{}]"#, deep(limit - 1))));
    assert_eq!(parents(&whole).len(), CUT_DEPTH_MAX + 1);
    assert!(!trimmed.contains_key(&Trimmed::Subsegments));
    let (whole, trimmed) = parts(&segment(&format!(r#","subsegments":[{}]"#, deep(limit))));
    assert_eq!(parents(&whole).len(), CUT_DEPTH_MAX + 1);
    assert!(trimmed.contains_key(&Trimmed::Subsegments));
}

#[test]
fn a_mark_is_never_larger_than_its_room() {
    let names = (0..500).map(|n| format!(r#""{}{n}":"{}""#, r"\u0022é".repeat(60), "v".repeat(1_000)));
    let names: Vec<String> = names.collect();
    for document in [
        segment(&format!(r#","metadata":{{"default":{{{}}}}}"#, names.join(","))),
        segment(&format!(",{}", names.join(","))),
    ] {
        parts(&document);
    }
}

/// A subsegment tree: what one carries, and what hangs under it.
#[derive(Debug, Clone)]
struct Tree {
    filler: usize,
    more: String,
    nested: Vec<Tree>,
}

fn tree() -> impl Strategy<Value = Tree> {
    let filler = prop_oneof![5 => 0usize..300, 2 => 5_000usize..30_000, 1 => 60_000usize..70_000];
    let more = prop_oneof![
        Just(String::new()),
        Just(r#","in_progress":true,"x":1.000"#.to_owned()),
        Just(r#","trace_id":"stale","parent_id":null,"type":"subsegment""#.to_owned()),
        Just(format!(
            r#","sql":{{"sanitized_query":"{}"}}"#,
            "q\\n".repeat(9_000)
        )),
    ];
    let node = (filler, more);
    let leaf = node.clone().prop_map(|(filler, more)| Tree {
        filler,
        more,
        nested: Vec::new(),
    });
    leaf.prop_recursive(5, 30, 6, move |inner| {
        (node.clone(), proptest::collection::vec(inner, 0..6)).prop_map(|((filler, more), nested)| Tree {
            filler,
            more,
            nested,
        })
    })
}

/// The tree as JSON, with ids in order of writing; their parents go into the map.
fn write(tree: &Tree, parent: &str, ids: &mut BTreeMap<String, String>) -> String {
    let number = u64::try_from(ids.len()).unwrap();
    let id = format!("{number:016x}");
    ids.insert(id.clone(), parent.to_owned());
    let nested: Vec<String> = tree.nested.iter().map(|nested| write(nested, &id, ids)).collect();
    subsegment(
        number,
        &format!(
            r#"{},"metadata":{{"d":{{"k":"{}"}}}},"subsegments":[{}]"#,
            tree.more,
            "m".repeat(tree.filler),
            nested.join(", ")
        ),
    )
}

proptest! {
    #[test]
    fn the_parts_of_any_tree_are_taken_and_hold_every_subsegment_under_its_parent(
        trees in proptest::collection::vec(tree(), 0..4),
        filler in 0usize..80_000,
    ) {
        let mut ids = BTreeMap::from([(ROOT.to_owned(), "nobody".to_owned())]);
        let nested: Vec<String> = trees.iter().map(|tree| write(tree, ROOT, &mut ids)).collect();
        let document = segment(&format!(
            r#","metadata":{{"d":{{"k":"{}"}}}},"subsegments":[{}]"#, "m".repeat(filler), nested.join(",")
        ));
        prop_assume!(document.len() <= OVERSIZE_MAX_BYTES);
        let (parts, trimmed) = parts(&document);
        prop_assert_eq!(parents(&parts), ids);
        prop_assert!(!trimmed.contains_key(&Trimmed::Subsegments));
        for part in &parts[1..] {
            prop_assert_eq!(&part["namespace"], "aws");
            prop_assert_eq!(&part["http"]["response"]["status"], 200);
        }
        if document.len() <= SEGMENT_DOCUMENT_MAX_BYTES - CUT_MARK_MAX_BYTES {
            prop_assert_eq!(parts.len(), 1);
        }
    }

    #[test]
    fn no_bytes_make_the_cutter_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = cut(&bytes);
    }

    #[test]
    fn no_mutation_of_a_document_makes_the_cutter_panic(at in 0usize..600, byte in any::<u8>(), filler in 0usize..70_000) {
        let nested = subsegment(1, &format!(r#","subsegments":[{}]"#, subsegment(2, "")));
        let mut document = segment(&format!(
            r#","subsegments":[{nested}],"cause":{{"exceptions":[{{"stack":[1]}}]}},"metadata":{{"d":{{"k":"{}"}}}}"#,
            "m".repeat(filler)
        ))
        .into_bytes();
        if let Some(target) = document.get_mut(at) {
            *target = byte;
        }
        if let Ok(cut) = cut(&document) {
            for part in cut.parts {
                prop_assert!(scan(&part).is_ok());
            }
        }
    }

    #[test]
    fn a_text_is_cut_between_its_characters(
        text in proptest::collection::vec(prop_oneof!["[a-zé\u{1f600}]", Just("\\n".to_owned()), Just(r"\u00e9".to_owned()), Just(r"\ud83d\ude00".to_owned())], 0..40),
        at_most in 0usize..60,
    ) {
        let text = text.concat();
        let short = trim::shorten(&text, at_most);
        prop_assert!(short.len() <= at_most && text.starts_with(short));
        let quoted = format!("\"{short}\"");
        prop_assert!(serde_json::from_str::<String>(&quoted).is_ok());
        prop_assert!(short.len() == text.len() || short.len() + 12 > at_most);
    }
}
