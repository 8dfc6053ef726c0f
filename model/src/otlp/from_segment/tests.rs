//! Documents, written by hand, and their spans.

mod bounds;
mod causes;
mod platform;

use serde_json::{Map, Value as Json, json};

use super::*;
use crate::otlp::decode;
use crate::otlp::span::{Kind, StatusCode, Value};

const TRACE: &str = "1-67881233-abcdef012345678812345678";

/// What an attribute holds, for people.
fn plain(value: &Value<'_>) -> Json {
    match value {
        Value::Text(text) => text.clone().into(),
        Value::Flag(flag) => (*flag).into(),
        Value::Integer(number) => (*number).into(),
        Value::Double(number) => (*number).into(),
        Value::Bytes(bytes) => json!({ "bytes": bytes.len() }),
        Value::List(values) => values.iter().map(plain).collect(),
        Value::Map(entries) => attributes(entries),
        Value::Empty => Json::Null,
    }
}

fn attributes(attributes: &[Attribute<'_>]) -> Json {
    let mut object = Map::new();
    for attribute in attributes {
        let before = object.insert(attribute.key.to_string(), plain(&attribute.value));
        assert_eq!(before, None, "{} comes twice", attribute.key);
    }
    Json::Object(object)
}

/// A whole document with these members, too.
fn segment(members: Json) -> Json {
    let mut document = json!({ "name": "checkout", "id": "00f067aa0ba902b7", "trace_id": TRACE,
        "start_time": 1736970803.125, "end_time": 1736970803.25 });
    merge(&mut document, members);
    document
}

fn subsegment(members: Json) -> Json {
    let mut document = segment(json!({ "type": "subsegment", "parent_id": "53995c3f42cd8ad8" }));
    merge(&mut document, members);
    document
}

fn merge(document: &mut Json, members: Json) {
    let members = members.as_object().unwrap().clone();
    document.as_object_mut().unwrap().extend(members);
}

fn made(document: &Json, given: &Given<'_>) -> Spans {
    spans(document.to_string().as_bytes(), given)
}

/// The attributes of a document's own span, and those of its resource.
#[track_caller]
fn told(document: &Json, given: &Given<'_>) -> (Json, Json) {
    let made = made(document, given);
    assert_eq!(made.rejects, []);
    let span = decode::span(&made.spans[0]).unwrap();
    let resource = decode::resource(&made.resource).unwrap();
    (attributes(&span.attributes), attributes(&resource.attributes))
}

#[track_caller]
fn check(members: Json, expected: Json) {
    let (attributes, _) = told(&segment(members), &Given::default());
    assert_eq!(attributes, expected);
}

#[track_caller]
fn check_call(members: Json, expected: Json) {
    let (attributes, _) = told(&subsegment(members), &Given::default());
    assert_eq!(attributes, expected);
}

#[track_caller]
fn check_resource(members: Json, expected: Json) {
    let (_, resource) = told(&segment(members), &Given::default());
    assert_eq!(resource, expected);
}

#[test]
fn a_segment_is_a_server_and_a_call_is_a_client() {
    for (document, kind) in [
        (segment(json!({})), Kind::Server),
        (segment(json!({ "parent_id": "53995c3f42cd8ad8" })), Kind::Server),
        (segment(json!({ "namespace": "remote" })), Kind::Server),
        (subsegment(json!({})), Kind::Internal),
        (subsegment(json!({ "namespace": "local" })), Kind::Internal),
        (subsegment(json!({ "namespace": "remote" })), Kind::Client),
        (subsegment(json!({ "namespace": "aws" })), Kind::Client),
        (subsegment(json!({ "namespace": "moon" })), Kind::Internal),
    ] {
        let made = made(&document, &Given::default());
        assert_eq!(decode::span(&made.spans[0]).unwrap().kind, kind, "{document}");
    }
}

#[test]
fn ids_times_and_names_are_the_documents() {
    let document = segment(json!({ "parent_id": "53995C3F42CD8AD8" }));
    let made = made(&document, &Given::default());
    let span = decode::span(&made.spans[0]).unwrap();
    assert_eq!(span.trace_id.to_string(), TRACE);
    assert_eq!(span.span_id.to_string(), "00f067aa0ba902b7");
    assert_eq!(span.parent.unwrap().to_string(), "53995c3f42cd8ad8");
    assert_eq!(span.name, "checkout");
    assert_eq!(span.start_unix_nano, 1_736_970_803_125_000_000);
    assert_eq!(span.end_unix_nano, 1_736_970_803_250_000_000);
    assert_eq!(span.flags, 0x301); // recorded, under a remote parent
    assert_eq!((made.open, made.rejects), (0, vec![]));
}

#[test]
fn an_open_segment_has_no_end_and_is_counted() {
    let open = segment(json!({ "in_progress": true }));
    let made = made(&open, &Given::default());
    let span = decode::span(&made.spans[0]).unwrap();
    assert_eq!((span.end_unix_nano, made.open), (0, 1));
    assert_eq!(
        attributes(&span.attributes),
        json!({ "aws.xray.inprogress": true })
    );
    check(json!({ "in_progress": false }), json!({}));
}

#[test]
fn an_end_before_the_start_is_the_start() {
    let made = made(&segment(json!({ "end_time": 1.0 })), &Given::default());
    let span = decode::span(&made.spans[0]).unwrap();
    assert_eq!(span.end_unix_nano, span.start_unix_nano);
}

#[test]
fn http_has_todays_names() {
    let request = json!({ "method": "GET", "url": "https://shop.example:8443/cart?x=1", "user_agent": "curl/8.5",
        "client_ip": "203.0.113.9", "x_forwarded_for": true });
    let http = json!({ "http": { "request": request, "response": { "status": 200, "content_length": 12 } } });
    let new = json!({
        "http.request.method": "GET", "url.full": "https://shop.example:8443/cart?x=1", "url.scheme": "https",
        "url.path": "/cart", "url.query": "x=1", "server.address": "shop.example", "server.port": 8443,
        "user_agent.original": "curl/8.5", "client.address": "203.0.113.9", "aws.xray.x_forwarded_for": true,
        "http.response.status_code": 200, "http.response.body.size": 12,
    });
    check(http.clone(), new.clone());
    let given = Given {
        older_names: true,
        ..Given::default()
    };
    let (both, _) = told(&segment(http), &given);
    let mut expected = new;
    merge(
        &mut expected,
        json!({ "http.method": "GET", "http.url": "https://shop.example:8443/cart?x=1", "http.user_agent": "curl/8.5",
            "http.client_ip": "203.0.113.9", "http.status_code": 200, "http.response_content_length": 12 }),
    );
    assert_eq!(both, expected);
}

#[test]
fn a_call_to_aws_is_an_rpc_of_its_service() {
    check_call(
        json!({ "name": "DynamoDB", "namespace": "aws", "http": { "response": { "status": 200 } },
            "aws": { "operation": "GetItem", "region": "eu-west-1", "table_name": "orders", "retries": 0, "request_id": "R2",
                "account_id": "111122223333", "id_2": "x2" } }),
        json!({ "rpc.system": "aws-api", "rpc.service": "DynamoDB", "rpc.method": "GetItem", "aws.region": "eu-west-1",
            "aws.dynamodb.table_names": ["orders"], "aws.xray.retries": 0, "aws.request_id": "R2",
            "aws.account_id": "111122223333", "aws.extended_request_id": "x2", "http.response.status_code": 200 }),
    );
    check_call(
        json!({ "name": "SQS", "namespace": "aws", "aws": { "queue_url": "https://q", "queue_name": "q" } }),
        json!({ "rpc.system": "aws-api", "rpc.service": "SQS", "aws.sqs.queue.url": "https://q",
            "aws.xray.document": r#"{"aws":{"queue_name":"q"}}"# }),
    );
}

#[test]
fn the_account_that_is_called_is_not_the_resources() {
    let (_, resource) = told(
        &subsegment(json!({ "namespace": "aws", "aws": { "account_id": "111122223333" } })),
        &Given::default(),
    );
    assert_eq!(resource, json!({ "service.name": "checkout" }));
    check_resource(
        json!({ "aws": { "account_id": "111122223333" } }),
        json!({ "service.name": "checkout", "cloud.provider": "aws", "cloud.account.id": "111122223333" }),
    );
}

#[test]
fn a_query_tells_its_database() {
    check_call(
        json!({ "name": "ebdb@db.example", "namespace": "remote", "sql": {
            "url": "jdbc:postgresql://db.example:5432/ebdb?x=y", "database_type": "PostgreSQL", "user": "me",
            "sanitized_query": "SELECT 1", "preparation": "statement" } }),
        json!({ "peer.service": "ebdb@db.example", "db.system.name": "postgresql", "db.namespace": "ebdb",
            "db.query.text": "SELECT 1", "db.user": "me", "server.address": "db.example", "server.port": 5432,
            "aws.xray.sql.url": "jdbc:postgresql://db.example:5432/ebdb?x=y", "aws.xray.sql.preparation": "statement",
            "aws.xray.document": r#"{"sql":{"database_type":"PostgreSQL"}}"# }),
    );
    // Not one that is read back as SQL: everything is kept.
    check_call(
        json!({ "sql": { "database_type": "Neptune", "sanitized_query": "g.V()" } }),
        json!({ "db.system.name": "neptune", "db.query.text": "g.V()",
            "aws.xray.document": r#"{"sql":{"database_type":"Neptune","sanitized_query":"g.V()"}}"# }),
    );
}

#[test]
fn where_a_segment_ran_is_its_resource() {
    check_resource(
        json!({ "origin": "AWS::EC2::Instance", "service": { "version": "7" }, "aws": {
            "ec2": { "instance_id": "i-1", "availability_zone": "eu-west-1a", "instance_size": "m5", "ami_id": "ami-1" },
            "xray": { "sdk": "X-Ray for Node.js", "sdk_version": "3.2" } } }),
        json!({ "service.name": "checkout", "service.version": "7", "cloud.provider": "aws", "cloud.platform": "aws_ec2",
            "host.id": "i-1", "cloud.availability_zone": "eu-west-1a", "host.type": "m5", "host.image.id": "ami-1",
            "telemetry.sdk.name": "X-Ray for Node.js", "telemetry.sdk.version": "3.2",
            "telemetry.sdk.language": "nodejs" }),
    );
    check_resource(
        json!({ "aws": { "ecs": { "container": "c", "task_arn": "t" }, "eks": { "pod": "p", "container_id": "id" } } }),
        json!({ "service.name": "checkout", "cloud.provider": "aws", "cloud.platform": "aws_eks", "container.name": "c",
            "aws.ecs.task.arn": "t", "k8s.pod.name": "p", "container.id": "id" }),
    );
    check_resource(
        json!({ "aws": { "elastic_beanstalk": { "deployment_id": 32, "environment_name": "e", "version_label": "v" } } }),
        json!({ "service.name": "checkout", "cloud.provider": "aws", "cloud.platform": "aws_elastic_beanstalk",
            "service.instance.id": "32", "service.namespace": "e", "service.version": "v" }),
    );
    check_resource(
        json!({ "aws": { "cloudwatch_logs": [{ "log_group": "a", "arn": "arn:a" }, { "log_group": "b" }] } }),
        json!({ "service.name": "checkout", "cloud.provider": "aws", "aws.log.group.names": ["a", "b"],
            "aws.log.group.arns": ["arn:a"] }),
    );
}

#[test]
fn facts_of_two_platforms_are_kept_beside_the_resource() {
    let (attributes, resource) = told(
        &segment(
            json!({ "aws": { "ec2": { "availability_zone": "1a", "instance_id": "i-1" },
            "ecs": { "availability_zone": "1a", "container": "c" } } }),
        ),
        &Given::default(),
    );
    assert_eq!(resource["cloud.platform"], "aws_ecs");
    assert_eq!(resource["host.id"], "i-1");
    let kept: Json = serde_json::from_str(attributes["aws.xray.document"].as_str().unwrap()).unwrap();
    assert_eq!(
        kept["aws"],
        json!({ "ec2": { "availability_zone": "1a", "instance_id": "i-1" }, "ecs": { "availability_zone": "1a" } })
    );
}

#[test]
fn a_subsegments_service_is_the_one_that_was_given() {
    let sandbox = Sandbox {
        function: "orders",
        version: Some("7"),
        region: Some("eu-west-1"),
        log_group: Some("/aws/lambda/orders"),
        log_stream: Some("2026/05/21/[7]abc"),
        memory_mb: Some(128),
        runtime: Some("python3.13"),
        ..Sandbox::default()
    };
    let resource = lambda_resource(&sandbox);
    let given = Given {
        resource: &resource,
        ..Given::default()
    };
    let (_, found) = told(&subsegment(json!({ "namespace": "aws" })), &given);
    let function = json!({ "service.name": "orders", "cloud.provider": "aws", "cloud.platform": "aws_lambda",
        "faas.name": "orders", "faas.version": "7", "cloud.region": "eu-west-1",
        "aws.log.group.names": ["/aws/lambda/orders"], "faas.instance": "2026/05/21/[7]abc", "faas.max_memory": 134_217_728,
        "telemetry.sdk.language": "python" });
    assert_eq!(found, function);
    // A service of another place keeps its own.
    let (_, found) = told(&segment(json!({ "origin": "AWS::EC2::Instance" })), &given);
    assert_eq!(
        found,
        json!({ "service.name": "checkout", "cloud.provider": "aws", "cloud.platform": "aws_ec2" })
    );
    let (attributes, found) = told(&segment(json!({ "origin": "AWS::Lambda::Function" })), &given);
    assert_eq!(
        (&found["service.name"], &found["faas.name"]),
        (&json!("orders"), &json!("checkout"))
    );
    assert_eq!(attributes["aws.xray.document"], r#"{"name":"checkout"}"#);
}

#[test]
fn annotations_are_attributes_and_listed() {
    check(
        json!({ "annotations": { "tenant": "acme", "items": 3, "beta": true, "ratio": 0.5, "a.b": "c" } }),
        json!({ "tenant": "acme", "items": 3, "beta": true, "ratio": 0.5, "a.b": "c",
            "aws.xray.annotations": ["a.b", "beta", "items", "ratio", "tenant"] }),
    );
    // What would be read back otherwise, or not at all, is kept as well.
    check(
        json!({ "user": "u", "annotations": { "enduser.id": "x", "aws:api": "y", "list": [1], "aws.xray.origin": "z" } }),
        json!({ "enduser.id": "u", "aws:api": "y",
            "aws.xray.document": r#"{"annotations":{"aws.xray.origin":"z","aws:api":"y","enduser.id":"x","list":[1]}}"# }),
    );
    check(
        json!({ "annotations": 5 }),
        json!({ "aws.xray.document": r#"{"annotations":5}"# }),
    );
}

#[test]
fn metadata_is_json_by_namespace() {
    check(
        json!({ "metadata": { "default": { "cart": [1, 2] }, "odd": "text" } }),
        json!({ "aws.xray.metadata.default": r#"{"cart":[1,2]}"#,
            "aws.xray.document": r#"{"metadata":{"odd":"text"}}"# }),
    );
}

#[test]
fn what_came_from_a_span_is_attributes_again() {
    let (attributes, resource) = told(
        &subsegment(
            json!({ "namespace": "remote", "aws": { "xray": { "sdk": "opentelemetry for rust" } },
            "metadata": { "default": { "custom": [1, { "a": true }], "otel.resource.service.name": "orders" },
                "other": { "k": "v" } } }),
        ),
        &Given::default(),
    );
    assert_eq!(
        attributes,
        json!({ "custom": [1, { "a": true }], "aws.xray.metadata.other": r#"{"k":"v"}"# })
    );
    assert_eq!(
        resource,
        json!({ "telemetry.sdk.name": "opentelemetry", "telemetry.sdk.language": "rust", "service.name": "orders" })
    );
}

#[test]
fn links_are_links() {
    let links = json!([{ "trace_id": TRACE, "id": "53995c3f42cd8ad8", "attributes": { "a": 1 } }]);
    let made = made(&segment(json!({ "links": links })), &Given::default());
    let span = decode::span(&made.spans[0]).unwrap();
    assert_eq!(span.links.len(), 1);
    assert_eq!(span.links[0].span_id.to_string(), "53995c3f42cd8ad8");
    assert_eq!(attributes(&span.links[0].attributes), json!({ "a": 1 }));
    check(
        json!({ "links": [{ "trace_id": "x" }] }),
        json!({ "aws.xray.document": r#"{"links":[{"trace_id":"x"}]}"# }),
    );
}

#[test]
fn unknown_members_survive_as_json() {
    check(
        json!({ "Dummy": false, "service": { "compiler": "gc" }, "aws": { "x": null, "ec2": { "y": 1 } }, "aws.region": "z",
            "inferred": true, "precursor_ids": ["53995c3f42cd8ad8"], "resource_arn": "arn" }),
        json!({ "aws.xray.precursor_ids": ["53995c3f42cd8ad8"], "aws.xray.resource_arn": "arn",
            "aws.xray.document":
            r#"{"Dummy":false,"aws":{"ec2":{"y":1},"x":null},"aws.region":"z","inferred":true,"service":{"compiler":"gc"}}"# }),
    );
    // A member of another kind than the table's is unknown, too.
    check(
        json!({ "user": { "id": 7 }, "http": { "response": { "status": "fine" } }, "namespace": "moon" }),
        json!({ "aws.xray.document":
            r#"{"http":{"response":{"status":"fine"}},"namespace":"moon","user":{"id":7}}"# }),
    );
}

#[test]
fn what_is_open_ends_when_it_was_last_heard_of_if_that_is_given() {
    let until = Timestamp::from_millis(1_736_970_900_000);
    let given = Given {
        open_until: Some(until),
        ..Given::default()
    };
    for end in [json!({ "in_progress": true }), json!({})] {
        let mut document = segment(end);
        document.as_object_mut().unwrap().remove("end_time");
        let made = made(&document, &given);
        let span = decode::span(&made.spans[0]).unwrap();
        assert_eq!((span.end_unix_nano, made.open), (nanos(until), 1), "{document}");
        assert_eq!(attributes(&span.attributes)[IN_PROGRESS], true, "{document}");
    }
    let begins_later = segment(json!({ "in_progress": true, "start_time": 1_736_970_999 }));
    let span = made(&begins_later, &given);
    let span = decode::span(&span.spans[0]).unwrap();
    assert_eq!(span.end_unix_nano, span.start_unix_nano);
}
