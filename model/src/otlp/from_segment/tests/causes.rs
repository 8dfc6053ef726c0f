//! Failures: status, flags, exceptions, stacks.

use serde_json::{Value as Json, json};

use super::*;

#[test]
fn a_failure_is_an_error_unless_it_is_the_callers() {
    let cause = json!({ "exceptions": [{ "id": "a1b2c3d4e5f60718", "message": "m" }] });
    for (document, code) in [
        (segment(json!({ "fault": true })), StatusCode::Error),
        (segment(json!({ "error": true })), StatusCode::Unset),
        (
            segment(json!({ "error": true, "throttle": true })),
            StatusCode::Unset,
        ),
        (
            segment(json!({ "error": true, "cause": cause })),
            StatusCode::Error,
        ),
        (subsegment(json!({ "error": true })), StatusCode::Error),
        (subsegment(json!({ "throttle": true })), StatusCode::Error),
        (segment(json!({ "fault": false })), StatusCode::Unset),
    ] {
        let made = made(&document, &Given::default());
        assert_eq!(
            decode::span(&made.spans[0]).unwrap().status.code,
            code,
            "{document}"
        );
    }
}

#[test]
fn flags_that_do_not_follow_from_the_status_are_kept() {
    let with = |status: u16, flags: Json| {
        let mut members = json!({ "http": { "response": { "status": status } } });
        merge(&mut members, flags);
        told(&subsegment(members), &Given::default()).0["aws.xray.document"].clone()
    };
    assert_eq!(with(429, json!({ "error": true, "throttle": true })), Json::Null);
    assert_eq!(with(404, json!({ "error": true })), Json::Null);
    assert_eq!(with(500, json!({ "fault": true })), Json::Null);
    assert_eq!(
        with(400, json!({ "error": true, "throttle": true })),
        r#"{"throttle":true}"#
    );
    assert_eq!(with(404, json!({})), r#"{"error":false}"#);
    assert_eq!(with(200, json!({ "fault": true })), Json::Null);
    assert_eq!(
        with(200, json!({ "throttle": true })),
        r#"{"throttle":true,"fault":false}"#
    );
}

fn events(document: &Json) -> (Vec<Json>, String) {
    let made = made(document, &Given::default());
    let span = decode::span(&made.spans[0]).unwrap();
    let events = span.events.iter().map(|event| {
        assert_eq!(event.name, "exception");
        attributes(&event.attributes)
    });
    (events.collect(), span.status.message.into_owned())
}

#[test]
fn exceptions_are_events_in_their_order() {
    let cause = json!({ "working_directory": "/var/task", "exceptions": [
        { "id": "a1b2c3d4e5f60718", "type": "A", "message": "a", "remote": true, "truncated": 2, "skipped": 1,
          "cause": "b1b2c3d4e5f60719", "stack": [{ "path": "a.py", "line": 4, "label": "f" }] },
        { "id": "b1b2c3d4e5f60719", "type": "B", "message": "b" }] });
    let document = segment(json!({ "fault": true, "cause": cause }));
    let (found, _) = events(&document);
    assert_eq!(
        found,
        [
            json!({ "exception.type": "A", "exception.message": "a", "exception.stacktrace": "A: a\n\tat f(a.py:4)",
                "aws.xray.exception.id": "a1b2c3d4e5f60718", "aws.xray.exception.remote": true,
                "aws.xray.exception.truncated": 2, "aws.xray.exception.skipped": 1,
                "aws.xray.exception.cause": "b1b2c3d4e5f60719" }),
            json!({ "exception.type": "B", "exception.message": "b", "aws.xray.exception.id": "b1b2c3d4e5f60719" }),
        ]
    );
    let (attributes, _) = told(&document, &Given::default());
    assert_eq!(
        attributes["aws.xray.document"],
        r#"{"cause":{"working_directory":"/var/task"}}"#
    );
}

#[test]
fn an_exception_of_unusual_parts_is_kept_as_it_is_too() {
    for exception in [
        json!({ "id": "a1b2c3d4e5f60718", "message": { "text": "m" } }),
        json!({ "id": "a1b2c3d4e5f60718", "message": 5 }),
        json!({ "id": "a1b2c3d4e5f60718", "remote": "yes" }),
        json!({ "id": "a1b2c3d4e5f60718", "stack": [7] }),
        json!({ "id": "a1b2c3d4e5f60718", "stack": [{ "line": 7 }] }),
    ] {
        let cause = json!({ "exceptions": [exception] });
        let document = segment(json!({ "fault": true, "cause": cause }));
        let (attributes, _) = told(&document, &Given::default());
        let kept: Json = serde_json::from_str(attributes["aws.xray.document"].as_str().unwrap()).unwrap();
        assert_eq!(kept["cause"], cause);
        assert_eq!(events(&document).0.len(), 1);
    }
}

#[test]
fn the_id_of_another_segments_exception_is_the_status_message() {
    let document = segment(json!({ "fault": true, "cause": "79e91ec17f820b84" }));
    assert_eq!(events(&document), (vec![], "79e91ec17f820b84".to_owned()));
    let (attributes, _) = told(&document, &Given::default());
    assert_eq!(attributes["aws.xray.document"], r#"{"cause":"79e91ec17f820b84"}"#);
}

#[test]
fn stacks_are_in_the_form_of_their_language() {
    let frames = json!([{ "path": "in.x", "line": 2, "label": "inner" }, { "path": "out.x", "line": 1, "label": "outer" }]);
    for (sdk, stack) in [
        ("X-Ray for Java", "E: m\n\tat inner(in.x:2)\n\tat outer(out.x:1)"),
        (
            "X-Ray for Node.js",
            "E: m\n    at inner (in.x:2)\n    at outer (out.x:1)",
        ),
        (
            "X-Ray for .NET",
            "E: m\n   at inner in in.x:line 2\n   at outer in out.x:line 1",
        ),
        (
            "X-Ray for Go",
            "goroutine 1 [running]:\ninner\n\tin.x:2\nouter\n\tout.x:1",
        ),
        (
            "X-Ray for Ruby",
            "in.x:2:in `inner': m (E)\n\tfrom out.x:1:in `outer'",
        ),
        // X-Ray's SDK for Python lists the outermost call first.
        (
            "X-Ray for Python",
            "Traceback (most recent call last):\n  File \"in.x\", line 2, in inner\n  File \"out.x\", line 1, in outer\nE: m",
        ),
        (
            "opentelemetry for python",
            "Traceback (most recent call last):\n  File \"out.x\", line 1, in outer\n  File \"in.x\", line 2, in inner\nE: m",
        ),
        ("something", "E: m\n\tat inner(in.x:2)\n\tat outer(out.x:1)"),
    ] {
        let exception = json!({ "id": "a1b2c3d4e5f60718", "type": "E", "message": "m", "stack": frames });
        let document =
            segment(json!({ "aws": { "xray": { "sdk": sdk } }, "cause": { "exceptions": [exception] } }));
        assert_eq!(events(&document).0[0]["exception.stacktrace"], stack, "{sdk}");
    }
}
