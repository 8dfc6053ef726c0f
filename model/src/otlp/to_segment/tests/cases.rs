//! Cases by hand, by what they are about.

use serde_json::json;

use super::super::{LambdaHandler, Options, TraceTime};
use super::{check, check_has, documents, made_with, told};
use crate::otlp::span::{Resource, Scope};
use crate::otlp::to_segment::Group;
use crate::time::Timestamp;

#[test]
fn a_span_is_a_segment_if_it_answers_or_has_no_parent_and_else_a_subsegment() {
    let subsegment = json!({"type": "subsegment", "parent_id": "0303030303030303"});
    let segment = json!({"type": null, "parent_id": "0303030303030303"});
    for (kind, wanted) in [
        ("server", &segment),
        ("internal", &subsegment),
        ("client", &subsegment),
        ("producer", &subsegment),
        ("consumer", &subsegment),
        ("", &subsegment),
    ] {
        check(json!({"kind": kind}), wanted.clone());
        check(
            json!({"kind": kind, "parent": false}),
            json!({"type": null, "parent_id": null}),
        );
    }
}

#[test]
fn a_handler_in_lambda_hangs_under_the_function_as_the_options_say() {
    let story = json!({
        "kind": "server", "name": "app.handler", "attributes": {"faas.invocation_id": "r"},
        "resource": {"cloud.platform": "aws_lambda", "service.name": "orders", "cloud.resource_id": "arn:aws:lambda:x"},
    });
    let documents = made_with(&told(&story), &Options::default());
    check_has(
        &json!(documents),
        &json!([{
            "type": "subsegment", "name": "app.handler", "origin": null, "namespace": null,
            "aws": {"function_arn": "arn:aws:lambda:x"},
            "metadata": {"default": {"faas.invocation_id": "r", "otel.resource.service.name": "orders"}},
        }]),
    );
    for url in ["url.full", "http.url"] {
        let named = |name| {
            let attributes = json!({url: "https://u:p@pay.example:8443/x?y", "http.method": "GET"});
            json!({"kind": "client", "name": name, "attributes": attributes})
        };
        check(named("GET"), json!({"name": "pay.example"}));
        check(named("pay"), json!({"name": "pay"}));
    }
    for invocation in ["faas.invocation_id", "faas.execution"] {
        let by_hand =
            json!({"kind": "server", "name": "orders", "attributes": {invocation: "r"}, "resource": {}});
        check(by_hand, json!({"type": "subsegment", "name": "orders"}));
        let elsewhere =
            json!({"kind": "server", "attributes": {invocation: "r"}, "resource": {"cloud.provider": "gcp"}});
        check(elsewhere, json!({"type": null}));
    }
    let options = Options {
        lambda_handler: LambdaHandler::Segment,
        ..Options::default()
    };
    check_has(
        &json!(made_with(&told(&story), &options)),
        &json!([{"type": null, "name": "orders", "origin": "AWS::Lambda::Function"}]),
    );
    let root = json!({"kind": "server", "parent": false, "resource": {"faas.name": "orders", "service.name": "orders"}});
    check(
        root,
        json!({"type": null, "name": "orders", "origin": "AWS::Lambda::Function"}),
    );
    let elsewhere = json!({"kind": "server", "resource": {"faas.name": "orders", "cloud.provider": "gcp"}});
    check(elsewhere, json!({"type": null, "origin": null}));
}

#[test]
fn a_local_root_that_calls_out_is_a_call_under_its_service() {
    let story = json!({
        "kind": "producer", "links": [{}], "status": "error",
        "attributes": {"aws.span.kind": "LOCAL_ROOT", "aws.local.service": "shop", "aws.remote.service": "queue",
            "http.request.method": "POST", "aws.xray.annotations": ["tenant"], "tenant": "acme"},
        "resource": {"service.version": "7"},
    });
    let documents = made_with(&told(&story), &Options::default());
    let service = documents[1]["id"].clone();
    check_has(
        &json!(documents),
        &json!([
            {"name": "queue", "id": "0202020202020202", "parent_id": service, "type": "subsegment",
             "namespace": "remote", "http": {"request": {"method": "POST"}}, "links": [{}], "fault": true,
             "annotations": {"tenant": "acme"}},
            {"name": "shop", "parent_id": "0303030303030303", "type": null, "namespace": null, "http": null,
             "links": null, "fault": true, "annotations": {"tenant": "acme"},
             "metadata": {"default": {"otel.resource.service.version": "7", "tenant": null}}},
        ]),
    );
}

#[test]
fn a_name_is_that_of_the_service_that_is_known_best() {
    for (kind, attributes, name) in [
        (
            "server",
            json!({"aws.local.service": "a", "peer.service": "b"}),
            "a",
        ),
        (
            "client",
            json!({"aws.local.service": "a", "peer.service": "b"}),
            "b",
        ),
        (
            "client",
            json!({"aws.remote.service": "AWS::S3", "rpc.system": "aws-api"}),
            "S3",
        ),
        (
            "client",
            json!({"aws.remote.service": "AWS.SDK.S3", "rpc.system.name": "aws-api"}),
            "S3",
        ),
        ("client", json!({"aws.remote.service": "AWS::S3"}), "AWS::S3"),
        (
            "client",
            json!({"service.peer.name": "b", "aws.service": "c"}),
            "b",
        ),
        ("client", json!({"aws.service": "c", "db.name": "d"}), "c"),
        (
            "client",
            json!({"db.name": "d", "db.connection_string": "jdbc:mysql://u:p@[::1]:3306/x"}),
            "d@::1",
        ),
        (
            "client",
            json!({"db.name": "d", "db.connection_string": "Server=db"}),
            "d",
        ),
        (
            "client",
            json!({"db.namespace": "d", "server.address": "h"}),
            "d@h",
        ),
        ("server", json!({"rpc.service": "e"}), "shop"),
        ("client", json!({"rpc.service": "e", "http.host": "f"}), "e"),
        ("client", json!({"http.host": "f", "net.peer.name": "g"}), "f"),
        (
            "client",
            json!({"net.peer.name": "g", "server.address": "h"}),
            "g",
        ),
        ("client", json!({"server.address": "h"}), "h"),
        ("internal", json!({"server.address": "h"}), "work"),
        ("client", json!({"peer.service": ""}), "work"),
    ] {
        let story = json!({"kind": kind, "attributes": attributes, "resource": {"service.name": "shop"}});
        check(story, json!({"name": name}));
    }
}

#[test]
fn a_name_has_only_what_x_ray_takes() {
    for (name, cleaned) in [
        ("GET /größe/{id}?x=1", "GET /größe/idx=1".to_owned()),
        ("注文 42", "注文 42".to_owned()),
        ("<>", "span".to_owned()),
        ("", "span".to_owned()),
        (&"é".repeat(200), "é".repeat(200)),
        (&"é".repeat(201), "é".repeat(200)),
        (&format!("({}", "x".repeat(200)), "x".repeat(200)),
    ] {
        check(
            json!({"kind": "internal", "name": name}),
            json!({"name": cleaned}),
        );
    }
}

#[test]
fn a_namespace_says_what_is_called() {
    for (kind, attributes, namespace) in [
        ("client", json!({}), json!("remote")),
        ("client", json!({"rpc.system": "aws-api"}), json!("aws")),
        ("client", json!({"aws.service": "S3"}), json!("aws")),
        ("internal", json!({"rpc.system": "aws-api"}), json!("aws")),
        ("server", json!({"rpc.system": "aws-api"}), json!(null)),
        ("internal", json!({}), json!(null)),
        ("producer", json!({}), json!(null)),
        ("producer", json!({"aws.remote.service": "q"}), json!("remote")),
        ("consumer", json!({"aws.remote.service": "q"}), json!("remote")),
        ("server", json!({}), json!(null)),
    ] {
        check(
            json!({"kind": kind, "attributes": attributes}),
            json!({"namespace": namespace}),
        );
    }
}

#[test]
fn flags_follow_http_and_else_the_status() {
    for (status, code, flags) in [
        ("unset", json!(200), [false, false, false]),
        ("unset", json!(404), [true, false, false]),
        ("error", json!(429), [true, true, false]),
        ("unset", json!("500"), [false, false, true]),
        ("error", json!(200), [false, false, true]),
        ("error", json!(null), [false, false, true]),
        ("ok", json!(null), [false, false, false]),
        ("error", json!("none"), [false, false, true]),
    ] {
        let flag = |is: bool| if is { json!(true) } else { json!(null) };
        let wanted = json!({"error": flag(flags[0]), "throttle": flag(flags[1]), "fault": flag(flags[2])});
        for key in ["http.status_code", "http.response.status_code"] {
            check(
                json!({"kind": "client", "status": status, "attributes": {key: code}}),
                wanted.clone(),
            );
        }
    }
}

#[test]
fn annotations_are_what_the_span_or_the_options_name() {
    let story = json!({"kind": "internal",
        "attributes": {"a-b": "x", "a_b": "y", "n.1": 1, "f": true, "d": 0.5, "list": [1], "http.request.method": "GET",
            "aws.xray.annotations": ["a-b", "a_b", "n.1", "f", "d", "list", "gone", "http.request.method"]}});
    check(
        story.clone(),
        json!({"annotations": {"a_b": "x", "n.1": 1, "f": true, "d": 0.5, "http.request.method": "GET"},
            "http": {"request": {"method": "GET"}},
            "metadata": {"default": {"a_b": "y", "list": [1], "aws.xray.annotations": null}}}),
    );
    let options = Options {
        allow_dot: false,
        ..Options::default()
    };
    check_has(
        &json!(made_with(&told(&story), &options)),
        &json!([{"annotations": {"n_1": 1, "n.1": null}}]),
    );
    let unnamed = json!({"kind": "server", "attributes": {"a": "x", "http.request.method": "GET", "list": [1], "e": null},
        "resource": {"k": "v"}});
    let options = Options {
        index_all: true,
        ..Options::default()
    };
    check_has(
        &json!(made_with(&told(&unnamed), &options)),
        &json!([{"annotations": {"a": "x", "otel.resource.k": "v", "http.request.method": null},
            "metadata": {"default": {"list": [1], "otel.resource.k": null, "e": null}}}]),
    );
    let options = Options {
        indexed: vec!["a".into(), "otel.resource.k".into()],
        ..Options::default()
    };
    check_has(
        &json!(made_with(&told(&unnamed), &options)),
        &json!([{"annotations": {"a": "x", "otel.resource.k": "v"}}]),
    );
}

#[test]
fn metadata_keeps_its_namespaces() {
    let attributes = json!({"k": 1, "aws.xray.metadata.default": "{\"k\":2,\"l\":3}", "aws.xray.metadata.own": " {\"m\": [1] }",
        "aws.xray.metadata.none": "text", "nan": "x"});
    check(
        json!({"kind": "internal", "attributes": attributes}),
        json!({"metadata": {"default": {"k": 1, "l": 3, "aws.xray.metadata.none": "text", "aws.xray.metadata.own": null},
            "own": {"m": [1]}}}),
    );
}

#[test]
fn what_is_still_open_has_no_end() {
    check(
        json!({"kind": "server", "end": 0}),
        json!({"in_progress": true, "end_time": null}),
    );
    let attributes = json!({"aws.xray.inprogress": true});
    check(
        json!({"kind": "server", "attributes": attributes}),
        json!({"in_progress": true, "end_time": null, "metadata": null}),
    );
    check(
        json!({"kind": "server", "end": 1}),
        json!({"in_progress": null, "end_time": 1_700_000_000.123_456}),
    );
}

#[test]
fn what_no_attribute_could_say_is_laid_over_the_document() {
    let attributes = json!({"http.request.method": "GET", "http.response.status_code": 404, "aws.xray.document":
        "{\"name\":\"n\",\"error\":false,\"aws\":{\"limit\":3},\"http\":{\"request\":{\"odd\":[1]}},\"own\":{}}"});
    check(
        json!({"kind": "client", "attributes": attributes}),
        json!({"name": "n", "error": false, "aws": {"limit": 3}, "own": {}, "metadata": null,
            "http": {"request": {"method": "GET", "odd": [1]}, "response": {"status": 404}}}),
    );
    let another =
        json!({"aws.xray.document": "{\"id\":\"00000000000000ff\",\"trace_id\":1,\"parent_id\":\"aa\"}"});
    check(
        json!({"kind": "client", "attributes": another}),
        json!({"id": "0202020202020202", "trace_id": "1-01010101-010101010101010101010101", "parent_id": "aa"}),
    );
    check(
        json!({"kind": "client", "attributes": {"aws.xray.document": "[]"}}),
        json!({"name": "work", "metadata": {"default": {"aws.xray.document": "[]"}}}),
    );
}

#[test]
fn a_host_is_told_on_segments_and_the_sdk_everywhere() {
    let resource = json!({"cloud.platform": "aws_ecs", "aws.ecs.launchtype": "EC2", "container.name": "c", "host.id": "i-1",
        "aws.log.group.names": ["/aws/x"], "process.runtime.name": "CPython", "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.language": "python", "telemetry.distro.name": "aws"});
    let xray = json!({"sdk": "opentelemetry for python", "auto_instrumentation": true});
    check(
        json!({"kind": "server", "resource": resource}),
        json!({"origin": "AWS::ECS::EC2", "service": {"runtime": "CPython"},
            "aws": {"ecs": {"container": "c"}, "ec2": {"instance_id": "i-1"}, "xray": xray,
                "cloudwatch_logs": [{"log_group": "/aws/x"}]}}),
    );
    check(
        json!({"kind": "client", "resource": resource}),
        json!({"origin": null, "service": null, "metadata": null, "aws": {"ecs": null, "ec2": null, "xray": xray}}),
    );
}

#[test]
fn a_trace_of_another_time_is_refused_only_if_that_is_asked_for() {
    let group = Group {
        resource: &Resource::default(),
        scope: &Scope::default(),
    };
    let began = 0x0101_0101;
    for (seconds, taken) in [
        (began - 300, true),
        (began - 301, false),
        (began + 28 * 86_400, true),
        (began + 28 * 86_400 + 1, false),
    ] {
        let now = Timestamp::from_millis(seconds * 1_000);
        let options = Options {
            recent_as_of: Some(now),
            ..Options::default()
        };
        let made = documents(&told(&json!({"kind": "server"})).span, group, &options);
        assert_eq!(
            made.map(|_| ()),
            if taken { Ok(()) } else { Err(TraceTime) },
            "{seconds}"
        );
    }
}
