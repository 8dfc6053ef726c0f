//! Lambda's platform segments.

use serde_json::{Value as Json, json};

use super::*;

const ARN: &str = "arn:aws:lambda:eu-west-1:111122223333:function:orders";

pub(super) fn platform(parent: &str) -> Json {
    segment(
        json!({ "name": "orders", "parent_id": "53995c3f42cd8ad8", "origin": "AWS::Lambda", "resource_arn": ARN,
        "aws": { "request_id": "R" }, "http": { "response": { "status": 200 } }, "fault": true,
        "metadata": { "lambda": { "parent": parent } } }),
    )
}

#[test]
fn the_platforms_segments_have_the_attributes_of_faas() {
    let (attributes, resource) = told(&platform("caller"), &Given::default());
    let arn = json!({ "service.name": "orders", "cloud.provider": "aws", "cloud.platform": "aws_lambda", "faas.name": "orders",
        "cloud.region": "eu-west-1", "cloud.account.id": "111122223333", "cloud.resource_id": ARN });
    assert_eq!(resource, arn);
    assert_eq!(
        attributes,
        json!({ "aws.xray.origin": "AWS::Lambda", "aws.xray.resource_arn": ARN, "aws.request_id": "R",
            "faas.invocation_id": "R", "http.response.status_code": 200,
            "aws.xray.metadata.lambda": r#"{"parent":"caller"}"# })
    );
    let function = segment(
        json!({ "name": "orders", "parent_id": "53995c3f42cd8ad8", "origin": "AWS::Lambda::Function",
        "aws": { "request_id": "R", "function_arn": ARN, "account_id": "111122223333", "resource_names": ["orders"],
            "cloudwatch_logs": [{ "log_group": "/aws/lambda/orders" }] },
        "annotations": { "cold_start": true },
        "metadata": { "lambda": { "cold_start": true, "memory_size_mb": 128 } } }),
    );
    let (attributes, resource) = told(&function, &Given::default());
    let mut expected = arn;
    merge(
        &mut expected,
        json!({ "aws.log.group.names": ["/aws/lambda/orders"], "faas.max_memory": 134_217_728 }),
    );
    assert_eq!(resource, expected);
    assert_eq!(
        attributes,
        json!({ "aws.xray.origin": "AWS::Lambda::Function", "aws.lambda.invoked_arn": ARN, "aws.request_id": "R",
            "aws.account_id": "111122223333", "faas.invocation_id": "R", "faas.coldstart": true, "cold_start": true,
            "aws.xray.annotations": ["cold_start"],
            "aws.xray.metadata.lambda": r#"{"cold_start":true,"memory_size_mb":128}"#,
            "aws.xray.document": r#"{"aws":{"resource_names":["orders"]}}"# })
    );
}

#[test]
fn the_platforms_segment_is_a_root_where_its_parent_is_unknown() {
    let parent = |parent: &str, has_front_end| {
        let given = Given {
            has_front_end,
            ..Given::default()
        };
        let made = made(&platform(parent), &given);
        let span = decode::span(&made.spans[0]).unwrap();
        let kept: Json = match attributes(&span.attributes)["aws.xray.document"].as_str() {
            Some(kept) => serde_json::from_str(kept).unwrap(),
            None => Json::Null,
        };
        (span.parent.map(|id| id.to_string()), kept["parent_id"].clone())
    };
    let id = || Some("53995c3f42cd8ad8".to_owned());
    assert_eq!(parent(FRONT_END, false), (None, "53995c3f42cd8ad8".into()));
    assert_eq!(parent(FRONT_END, true), (id(), Json::Null));
    assert_eq!(parent("caller", false), (id(), Json::Null));
}
