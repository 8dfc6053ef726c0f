//! Segments and spans of one trace: the same tree, whatever came as what.

use std::collections::BTreeSet;

use model::otlp::from_segment::{Given, spans};
use model::otlp::request::{Group, Writer};

use super::*;

/// AWS::Lambda and its function's segment, as the extension makes them.
fn platform() -> [Value; 2] {
    const ARN: &str = "arn:aws:lambda:eu-west-1:111122223333:function:orders";
    let request_id = "7f6a8d2c-0d9e-4c57-9f0e-6a1f0a4f2b11";
    let lambda = json!({"name": "orders", "id": "0000000000000002", "trace_id": TRACE, "parent_id": "53995c3f42cd8ad8",
        "start_time": 1_736_970_802.9, "end_time": 1_736_970_803.2, "origin": "AWS::Lambda", "resource_arn": ARN,
        "aws": { "request_id": request_id }, "http": { "response": { "status": 200 } }, "fault": true,
        "metadata": { "lambda": { "parent": "front-end" } }});
    let subsegment = |number: u8, name: &str, start: f64, end: f64| {
        json!({"name": name, "id": format!("{number:016x}"), "start_time": start, "end_time": end,
               "aws": { "function_arn": ARN }})
    };
    let mut invocation = subsegment(0x11, "Invocation", 1_736_970_803.1, 1_736_970_803.163_5);
    invocation["fault"] = json!(true);
    let function = json!({"name": "orders", "id": "0000000000000003", "trace_id": TRACE, "parent_id": "0000000000000002",
    "start_time": 1_736_970_803.1, "end_time": 1_736_970_803.2, "origin": "AWS::Lambda::Function", "fault": true,
    "aws": { "request_id": request_id, "function_arn": ARN, "account_id": "111122223333", "resource_names": ["orders"],
             "cloudwatch_logs": [{ "log_group": "/aws/lambda/orders" }] },
    "annotations": { "cold_start": true },
    "metadata": { "lambda": { "cold_start": true, "memory_size_mb": 256, "init_type": "on-demand", "produced_bytes": 17 } },
    "cause": { "exceptions": [{ "id": "00000000000000e1", "type": "Runtime.ExitError", "message": "exit status 1" }] },
    "subsegments": [
        subsegment(0x10, "Initialization", 1_736_970_802.9, 1_736_970_803.1),
        invocation,
        subsegment(0x12, "Overhead", 1_736_970_803.163_5, 1_736_970_803.2),
    ]});
    [lambda, function]
}

#[tokio::test]
async fn segments_of_the_platform_and_spans_of_the_function_are_one_tree() {
    let whole = "AWS::Lambda::Function(Initialization Invocation handler(price) Overhead)";
    for spans_first in [false, true] {
        let backend = running(ageless()).await;
        for is_spans in [spans_first, !spans_first] {
            if is_spans {
                let heard = export(&backend, &[PROTOBUF], request(&lambda(), &handled(3))).await;
                assert_eq!((heard.status, heard.text().as_str()), (200, ""));
            } else {
                put(&backend, &platform()).await;
            }
        }
        assert_eq!(shape(&backend), ["AWS::Lambda", whole], "{spans_first}");
    }
}

#[tokio::test]
async fn the_platforms_segments_as_spans_are_the_same_trace_as_the_segments_themselves() {
    let as_segments = running(Limits::default()).await;
    put(&as_segments, &platform()).await;
    let late = json!({"type": "subsegment", "name": "ExtensionOverhead", "id": "0000000000000013", "trace_id": TRACE,
        "parent_id": "0000000000000003", "start_time": 1_736_970_803.2, "end_time": 1_736_970_803.25,
        "annotations": { "memory_full": true }, "metadata": { "lambda": { "billed_duration_ms": 250.0 } }});
    put(&as_segments, std::slice::from_ref(&late)).await;
    let resource = lambda();
    for has_front_end in [false, true] {
        let given = Given {
            resource: &resource,
            older_names: true,
            has_front_end,
            ..Given::default()
        };
        let as_spans = running(ageless()).await;
        let mut writer = Writer::default();
        let mut count = 0;
        for document in platform().iter().chain([&late]) {
            let made = spans(document.to_string().as_bytes(), &given);
            assert_eq!(made.rejects, []);
            let mut group = Group::default();
            group.resource = &made.resource;
            writer.begin(&group);
            made.spans.iter().for_each(|span| writer.span(span));
            count += made.spans.len();
        }
        let heard = export(&as_spans, &[PROTOBUF], writer.finish()).await;
        assert_eq!((heard.status, heard.text().as_str(), count), (200, "", 6));
        let [segments, spans] = [&as_segments, &as_spans].map(|backend| backend.store().traces().remove(0));
        assert_eq!(spans.duration_seconds, segments.duration_seconds);
        let [segments, spans] = [segments, spans].map(|trace| -> Vec<Value> {
            let documents = trace.segments.into_iter().map(|one| one.document);
            documents.collect()
        });
        let mut added = BTreeSet::new();
        differences(&json!(segments), &json!(spans), String::new(), &mut added);
        // Nothing is lost or changed. What OpenTelemetry has names for and segments do not say in a member is metadata,
        // and each segment tells of the account and the function that its resource is of.
        added.retain(|place| !place.contains("/metadata/default"));
        let told = ["/0/aws/account_id", "/0/aws/function_arn"].map(str::to_owned);
        let of_subsegments = (0..3).map(|place| format!("/1/subsegments/{place}/aws/account_id"));
        assert_eq!(
            added,
            told.into_iter().chain(of_subsegments).collect(),
            "{has_front_end}"
        );
    }
}

/// Places that `after` has and `before` has not; fails where anything else differs.
#[track_caller]
fn differences(before: &Value, after: &Value, place: String, added: &mut BTreeSet<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (name, value) in before {
                let after = after.get(name).unwrap_or(&Value::Null);
                differences(value, after, format!("{place}/{name}"), added);
            }
            let new = after.keys().filter(|name| !before.contains_key(*name));
            added.extend(new.map(|name| format!("{place}/{name}")));
        }
        (Value::Array(before), Value::Array(after)) => {
            assert_eq!(before.len(), after.len(), "{place}");
            for (number, (before, after)) in before.iter().zip(after).enumerate() {
                differences(before, after, format!("{place}/{number}"), added);
            }
        }
        _ => assert_eq!(before, after, "{place}"),
    }
}
