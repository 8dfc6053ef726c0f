//! Stacks of each language, as its runtimes print them.

use serde_json::{Value as Json, json};

use super::made;

/// The exceptions of a span with one event: `kind|message|path:line label,…|truncated` each.
#[track_caller]
fn check(language: &str, stack: &str, wanted: &[&str]) {
    let document = document(language, stack);
    let exceptions = document["cause"]["exceptions"].as_array().unwrap();
    let told: Vec<String> = exceptions.iter().map(told).collect();
    assert_eq!(told, wanted, "{language}: {stack}");
    for pair in exceptions.windows(2) {
        assert_eq!(pair[0]["cause"], pair[1]["id"], "{document:#}");
    }
    assert_eq!(
        document["metadata"]["exception.stacktrace"],
        Json::Null,
        "{document:#}"
    );
}

fn document(language: &str, stack: &str) -> Json {
    made(&json!({
        "kind": "server", "parent": false, "resource": {"telemetry.sdk.language": language},
        "events": [{"attributes": {"exception.type": "T", "exception.message": "m", "exception.stacktrace": stack}}],
    }))
}

fn told(exception: &Json) -> String {
    let text = |name: &str| exception[name].as_str().unwrap_or_default();
    let frames = exception["stack"].as_array().into_iter().flatten().map(|frame| {
        let part = |name: &str| frame[name].as_str().unwrap_or_default();
        format!(
            "{}:{} {}",
            part("path"),
            frame["line"].as_u64().unwrap_or_default(),
            part("label")
        )
    });
    let frames = frames.collect::<Vec<_>>().join(",");
    let truncated = exception["truncated"]
        .as_u64()
        .map(|count| format!("|{count}"))
        .unwrap_or_default();
    format!("{}|{}|{frames}{truncated}", text("type"), text("message"))
}

#[test]
fn javas_causes_stand_below_and_what_was_suppressed_is_passed_over() {
    check(
        "java",
        "T: m\nof two lines\n\tat java.base/a.B.c(B.java:7)\n\tat a.D.e(Native Method)\r\n\tSuppressed: S: s\n\t\tat s.S.s(S.java:1)\n\tCaused by: not mine\nCaused by: x.Y: because: of\n that\n\tat x.Y.z(Y.java)\n\t... 12 more\nCaused by: x.Z",
        &[
            "T|m|B.java:7 a.B.c,Native Method:0 a.D.e",
            "x.Y|because: of\n that|Y.java:0 x.Y.z|12",
            "x.Z||",
        ],
    );
}

#[test]
fn pythons_causes_stand_above_and_the_innermost_frame_last() {
    check(
        "python",
        "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n    g(x,\n      y)\n    ^^^^\n  File \"b, c.py\", line 2, in g\nKeyError: 'k: v'\n\nThe above exception was the direct cause of the following exception:\n\nTraceback (most recent call last):\n  File \"a.py\", line 3, in <module>\n    f()\nValueError\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"m.py\", line 9, in main\n    run()\nT: m\n",
        &[
            "T|m|m.py:9 main",
            "ValueError||a.py:3 <module>",
            "KeyError|'k: v'|b, c.py:2 g,a.py:1 f",
        ],
    );
}

#[test]
fn dotnets_causes_come_first_and_end_at_a_mark() {
    check(
        "dotnet",
        "T: m\n ---> X.Y: why\n ---> X.Z: really\n   at X.Z.Run(String s) in C:\\in here\\Z.cs:line 3\n   --- End of inner exception stack trace ---\n   at X.Y.Do()\n   --- End of inner exception stack trace ---\n   at A.B.Main() in /src/B.cs:line 21\n--- End of stack trace from previous location ---\n   at A.B.Later()",
        &[
            "T|m|/src/B.cs:21 A.B.Main(),:0 A.B.Later()",
            "X.Y|why|:0 X.Y.Do()",
            "X.Z|really|C:\\in here\\Z.cs:3 X.Z.Run(String s)",
        ],
    );
    check(
        "dotnet",
        "T: m ---> X.Y: why\n   at X.Y.Do()",
        &["T|m|", "X.Y|why|:0 X.Y.Do()"],
    );
}

#[test]
fn a_line_is_a_frame_in_javascript_and_ruby() {
    let stack = "T: m\n    at async f (file:///a/b.js:1:2)\n    at new C (/a (x)/c.js:3:4)\n    at node:internal/main:23:47\n    at Array.map (<anonymous>)\n    at native\nh@https://x.example/h.js:5:6";
    let frames = "T|m|file:///a/b.js:1 async f,/a (x)/c.js:3 new C,node:internal/main:23 ,<anonymous>:0 Array.map,native:0 ,https://x.example/h.js:5 h";
    for language in ["nodejs", "webjs", "javascript"] {
        check(language, stack, &[frames]);
    }
    check(
        "ruby",
        "app.rb:4:in `charge': m (T)\n\tfrom app.rb:9:in 'Cart#pay'\n\tfrom app.rb:12",
        &["T|m|app.rb:4 charge,app.rb:9 Cart#pay,app.rb:12 "],
    );
}

#[test]
fn gos_frames_are_two_lines() {
    check(
        "go",
        "goroutine 19 [running]:\nshop/cart.reserve(0x0, 0x0)\n\tshop/cart.go:323 +0x9b\ncreated by main.main in goroutine 1\n\t/srv/main.go:17\nexit status 2",
        &[
            "T|m|shop/cart.go:323 shop/cart.reserve(0x0, 0x0),/srv/main.go:17 created by main.main in goroutine 1",
        ],
    );
}

#[test]
fn rusts_frames_are_two_lines_or_one() {
    check(
        "rust",
        "stack backtrace:\n   0: shop::reserve\n             at ./src/cart.rs:41:9\n   1: core::ops::call\n  12: main\n             at ./src/main.rs:3:5",
        &["T|m|./src/cart.rs:41 shop::reserve,:0 core::ops::call,./src/main.rs:3 main"],
    );
}

#[test]
fn a_stack_that_is_not_understood_stays_whole() {
    for (language, stack, frames) in [
        ("erlang", "shop:reserve/2 (shop.erl, line 3)", "T|m|"),
        (
            "",
            "   0: shop::reserve\n             at ./src/cart.rs:41:9",
            "T|m|./src/cart.rs:41 ",
        ),
        ("python", "somewhere", "T|m|"),
        ("", "  File \"a.py\", line 1, in f", "T|m|a.py:1 f"),
    ] {
        let document = document(language, stack);
        let exception = &document["cause"]["exceptions"][0];
        assert_eq!(told(exception), frames, "{language}");
        let id = exception["id"].as_str().unwrap();
        assert_eq!(
            document["metadata"]["exception.stacktrace"][id], stack,
            "{language}"
        );
    }
    check("", "T: m\n\tat a.B.c(B.java:7)", &["T|m|B.java:7 a.B.c"]); // Java's form is everybody's
}

#[test]
fn exceptions_keep_their_ids_and_what_is_said_of_them() {
    let event = json!({"attributes": {"exception.type": "T", "aws.xray.exception.id": "00000000000000aa",
        "aws.xray.exception.cause": "00000000000000bb", "aws.xray.exception.remote": false,
        "aws.xray.exception.truncated": 3, "aws.xray.exception.skipped": 1}});
    let document = made(&json!({"kind": "client", "events": [event, {"attributes": {}}, {"name": "other"}]}));
    super::check_has(
        &document["cause"],
        &json!({"exceptions": [
            {"id": "00000000000000aa", "type": "T", "cause": "00000000000000bb", "remote": null, "truncated": 3, "skipped": 1},
            {"remote": true, "type": null, "message": null, "stack": null},
        ]}),
    );
}

#[test]
fn an_attempt_that_failed_is_an_exception_of_an_aws_call_alone() {
    let events = json!([{"name": "HTTP request failure", "attributes": {"http.response.status_code": 503,
        "aws.http.error_message": "busy"}}]);
    let aws = made(&json!({"kind": "client", "attributes": {"rpc.system": "aws-api"}, "events": events}));
    super::check_has(
        &aws["cause"],
        &json!({"exceptions": [{"type": "aws.http.error.event", "message": "503@1700000000.500000@busy", "remote": true}]}),
    );
    let other = made(&json!({"kind": "client", "events": events}));
    assert_eq!(other["cause"], Json::Null);
}

#[test]
fn without_an_exception_the_status_tells_why() {
    for (story, message) in [
        (json!({"status": "error", "message": "m"}), json!("m")),
        (
            json!({"status": "error", "attributes": {"http.status_text": "t"}}),
            json!("t"),
        ),
        (
            json!({"status": "error", "message": "m", "attributes": {"http.status_text": "t"}}),
            json!("m"),
        ),
        (json!({"status": "ok", "message": "m"}), Json::Null),
        (json!({"status": "error"}), Json::Null),
    ] {
        let mut story = story;
        story["kind"] = json!("internal");
        assert_eq!(
            made(&story)["cause"]["exceptions"][0]["message"],
            message,
            "{story}"
        );
    }
}
