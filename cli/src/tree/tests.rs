use proptest::prelude::*;
use serde_json::json;

use super::*;

const PLAIN: Options = Options {
    width: 84,
    colour: false,
    annotations: false,
};

#[track_caller]
fn check(documents: &[Value], options: Options, expected: &[&str]) {
    let drawn = render(documents, options);
    assert_eq!(drawn.lines().collect::<Vec<_>>(), expected, "\n{drawn}");
}

fn lambda_trace() -> [Value; 2] {
    let service = json!({
        "name": "selfies", "id": "000000000000000a", "trace_id": "1-67881233-abcdef012345678812345678",
        "origin": "AWS::Lambda", "start_time": 100.0, "end_time": 100.412,
    });
    let function = json!({
        "name": "selfies", "id": "000000000000000b", "parent_id": "000000000000000A",
        "origin": "AWS::Lambda::Function", "start_time": 100.096, "end_time": 100.406, "fault": true,
        "cause": {"exceptions": [{"type": "ValueError", "message": "no\nface"}]},
        "subsegments": [
            {"name": "Invocation", "id": "000000000000000d", "start_time": 100.097, "end_time": 100.395,
             "fault": true, "annotations": {"tenant": "acme", "count": 3, "beta": true}, "subsegments": [
                {"name": "DynamoDB", "id": "000000000000000e", "start_time": 100.1, "end_time": 100.1082,
                 "namespace": "aws", "aws": {"operation": "GetItem"}, "http": {"response": {"status": 429}},
                 "error": true, "throttle": true},
                {"name": "later", "id": "000000000000000f", "start_time": 100.3, "in_progress": true},
            ]},
            {"name": "Initialization", "id": "000000000000000c", "start_time": 100.0, "end_time": 100.094},
        ],
    });
    [function, service]
}

#[test]
fn a_trace_is_drawn_from_its_root_down_in_order_of_start() {
    check(
        &lambda_trace(),
        PLAIN,
        &[
            "trace 1-67881233-abcdef012345678812345678  412 ms  fault  in progress",
            "AWS::Lambda             selfies       0 ms █████████████████ 412 ms",
            "  AWS::Lambda::Function selfies      96 ms     ████████████▊ 310 ms  fault",
            "    ! ValueError: no face",
            "    Initialization                    0 ms ███▉               94 ms",
            "    Invocation                       97 ms     ████████████▎ 298 ms  fault",
            "      DynamoDB          GetItem 429 100 ms     ▍             8.2 ms  error  throttle",
            "      later                         300 ms             ▐░░░░      ?  in progress",
        ],
    );
}

#[test]
fn annotations_are_shown_when_they_are_asked_for() {
    let drawn = render(
        &lambda_trace(),
        Options {
            annotations: true,
            ..PLAIN
        },
    );
    assert!(
        drawn.contains("\n      @ beta=true count=3 tenant=acme\n"),
        "{drawn}"
    );
}

#[test]
fn colours_are_there_only_when_wanted_and_change_nothing_else() {
    let coloured = render(
        &lambda_trace(),
        Options {
            colour: true,
            ..PLAIN
        },
    );
    assert!(coloured.contains("\x1b[31mfault\x1b[0m"), "{coloured}");
    let mut plain = String::new();
    for (index, piece) in coloured.split('\x1b').enumerate() {
        plain.push_str(if index == 0 {
            piece
        } else {
            piece.split_once('m').unwrap().1
        });
    }
    let trim = |text: &str| {
        text.lines()
            .map(|line| line.trim_end().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(trim(&plain), trim(&render(&lambda_trace(), PLAIN)));
}

fn span(name: &str, id: &str) -> Value {
    json!({"name": name, "id": id, "start_time": 1, "end_time": 2})
}

#[test]
fn wide_and_long_names_keep_the_columns_aligned() {
    let documents = [
        span("日本語", "a"),
        span("e\u{301}te\u{301}", "b"),
        span(&"long".repeat(20), "c"),
    ];
    let drawn = render(&documents, PLAIN);
    let columns: Vec<usize> = drawn
        .lines()
        .skip(1)
        .map(|line| cells::width(line.split('█').next().unwrap()))
        .collect();
    assert_eq!(columns, [columns[0]; 3], "\n{drawn}");
    assert!(drawn.contains("longlon…"), "\n{drawn}");
}

#[test]
fn a_line_keeps_to_the_width_of_the_terminal_where_its_bar_can_give_way() {
    for width in [80, 100, 110] {
        let drawn = render(&lambda_trace(), Options { width, ..PLAIN });
        let widest = drawn.lines().map(cells::width).max().unwrap();
        assert!(widest <= width, "{width}: {widest}\n{drawn}");
    }
    let widest = render(&lambda_trace(), Options { width: 100, ..PLAIN });
    assert!(widest.contains(&"█".repeat(25)), "\n{widest}");
}

#[test]
fn a_call_says_what_was_called_and_what_came_back() {
    let mut get = span("pay.example.net", "a");
    get["namespace"] = json!("remote");
    get["http"] = json!({"request": {"method": "get"}, "response": {"status": 503}});
    let drawn = render(&[get], PLAIN);
    assert!(drawn.contains("pay.example.net GET 503 "), "\n{drawn}");
}

#[test]
fn the_header_has_the_marks_of_segments_and_of_whatever_is_open() {
    let mut faulted = span("inner", "b");
    faulted["fault"] = json!(true);
    faulted["type"] = json!("subsegment");
    faulted["parent_id"] = json!("a");
    let header = |documents: &[Value]| render(documents, PLAIN).lines().next().unwrap().to_owned();
    assert_eq!(header(&[span("root", "a"), faulted.clone()]), "trace ?  1.00 s");
    let mut called = span("called", "c");
    called["parent_id"] = json!("a");
    for mark in ["fault", "error", "throttle"] {
        called[mark] = json!(true);
    }
    assert_eq!(
        header(&[span("root", "a"), called]),
        "trace ?  1.00 s  fault  error  throttle"
    );
    faulted.as_object_mut().unwrap().remove("end_time");
    faulted["in_progress"] = json!(true);
    assert_eq!(
        header(&[span("root", "a"), faulted]),
        "trace ?  1.00 s  in progress"
    );
}

#[test]
fn what_has_ended_is_not_in_progress_whatever_it_says() {
    let mut document = span("done", "a");
    document["in_progress"] = json!(true);
    assert!(!render(&[document], PLAIN).contains("in progress"));
}

#[test]
fn nodes_are_moved_in_only_so_far() {
    let documents: Vec<Value> = (1..=20u32)
        .map(|level| {
            let mut document = span("node", &format!("n{level}"));
            document["parent_id"] = json!(format!("n{}", level - 1));
            document
        })
        .collect();
    let drawn = render(&documents, PLAIN);
    let indents: Vec<usize> = drawn
        .lines()
        .skip(1)
        .map(|line| line.len() - line.trim_start().len())
        .collect();
    assert_eq!(indents[..4], [0, 2, 4, 6]);
    assert_eq!(indents[12..], [24; 8]);
}

#[test]
fn an_entry_whose_parent_is_unknown_is_drawn_at_the_top() {
    let mut orphan = span("orphan", "b");
    orphan["parent_id"] = json!("ff");
    orphan["type"] = json!("subsegment");
    let drawn = render(&[span("root", "a"), orphan], PLAIN);
    assert!(
        drawn.contains("\nroot ") && drawn.contains("\norphan "),
        "\n{drawn}"
    );
}

#[test]
fn entries_in_a_circle_are_drawn_once() {
    let parent = |name: &str, id: &str, parent: &str| {
        let mut entry = span(name, id);
        entry["parent_id"] = json!(parent);
        entry
    };
    let circle = [
        parent("one", "a", "b"),
        parent("two", "b", "a"),
        parent("self", "c", "c"),
    ];
    let drawn = render(&circle, PLAIN);
    for name in ["one", "two", "self"] {
        assert_eq!(drawn.matches(name).count(), 1, "\n{drawn}");
    }
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let mut document = span("a\x1b[31m\r\nb", "a");
    document["trace_id"] = json!("\x1b]0;title\x07");
    document["annotations"] = json!({"k\x1b": "v\x1b"});
    document["cause"] = json!({"exceptions": [{"type": "T\x1b", "message": "m\u{9b}31m"}]});
    let drawn = render(
        &[document],
        Options {
            annotations: true,
            ..PLAIN
        },
    );
    assert!(!drawn.chars().any(|c| c.is_control() && c != '\n'), "{drawn:?}");
    assert_eq!(drawn.lines().count(), 4);
}

#[test]
fn strange_documents_are_drawn_as_far_as_they_go() {
    let strange = [
        json!(null),
        json!(7),
        json!([1]),
        json!({}),
        json!({"name": 1, "id": [], "start_time": "soon", "end_time": {}, "subsegments": {"a": 1}}),
        json!({"name": "x", "start_time": 1e308, "end_time": -1e308, "subsegments": [null, [], {"id": null}]}),
        json!({"name": "y", "start_time": 5, "end_time": 1, "cause": "1234567890123456", "annotations": []}),
    ];
    assert_eq!(render(&strange, PLAIN).lines().count(), 1 + strange.len() + 3);
    assert_eq!(render(&[], PLAIN), "trace ?\n");
}

#[test]
fn documents_that_nest_very_deep_do_not_exhaust_the_stack() {
    let mut document = span("leaf", "0");
    for level in 1..2_000 {
        let mut outer = span("node", &level.to_string());
        outer["subsegments"] = Value::Array(vec![document]);
        document = outer;
    }
    assert_eq!(render(&[document], PLAIN).lines().count(), 2_001);
}

#[test]
fn durations_are_written_as_people_read_them() {
    for (seconds, expected) in [
        (0.0, "0 ms"),
        (0.00004, "0 ms"),
        (0.0004, "0.4 ms"),
        (0.00994, "9.9 ms"),
        (0.00996, "10 ms"),
        (0.4121, "412 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (62.345, "62.34 s"),
    ] {
        assert_eq!(rows::duration(seconds), expected, "{seconds}");
    }
}

/// JSON of any shape, with the members that matter among its keys.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0u8..4).prop_map(|id| Value::from(id.to_string())),
        ".{0,12}".prop_map(Value::from),
    ];
    let keys = [
        "id",
        "parent_id",
        "name",
        "start_time",
        "end_time",
        "subsegments",
        "cause",
        "exceptions",
        "annotations",
        "in_progress",
        "fault",
        "http",
        "aws",
        "type",
        "origin",
        "trace_id",
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(keys.to_vec()), inner), 0..8).prop_map(|members| {
                members
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_document_makes_the_drawing_panic(
        documents in prop::collection::vec(any_json(), 0..6), width in 0usize..200, colour in any::<bool>()
    ) {
        let options = Options { width, colour, annotations: true };
        prop_assert!(render(&documents, options).lines().count() > documents.len());
    }
}
