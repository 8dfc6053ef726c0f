//! Spans of every sort: any kind, any few of the attributes that mean something.

use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

/// Attributes of a span, several values of one key among them.
fn of_spans() -> Vec<(&'static str, Json)> {
    vec![
        ("http.request.method", json!("GET")),
        ("http.method", json!("GET")),
        ("url.full", json!("https://a.example/b?c")),
        ("url.scheme", json!("https")),
        ("url.path", json!("/p")),
        ("url.query", json!("q=1")),
        ("server.address", json!("s.example")),
        ("server.port", json!(443)),
        ("server.port", json!(8443)),
        ("client.address", json!("192.0.2.1")),
        ("user_agent.original", json!("curl/8")),
        ("http.response.status_code", json!(200)),
        ("http.response.status_code", json!(404)),
        ("http.response.status_code", json!(429)),
        ("http.status_code", json!(503)),
        ("http.response.body.size", json!(12)),
        ("db.system.name", json!("postgresql")),
        ("db.system", json!("mysql")),
        ("db.system", json!("redis")),
        ("db.namespace", json!("shop")),
        ("db.user", json!("u")),
        ("db.query.text", json!("SELECT 1")),
        ("db.connection_string", json!("mysql://h:3306")),
        ("rpc.system", json!("aws-api")),
        ("rpc.system", json!("grpc")),
        ("rpc.service", json!("DynamoDB")),
        ("rpc.method", json!("GetItem")),
        ("aws.service", json!("S3")),
        ("aws.operation", json!("PutObject")),
        ("aws.region", json!("eu-west-1")),
        ("aws.request_id", json!("r-1")),
        ("aws.sqs.queue.url", json!("https://sqs.example/q")),
        ("aws.queue.url", json!("https://sqs.example/o")),
        ("aws.table.name", json!("t0")),
        ("aws.dynamodb.table_names", json!(["t1"])),
        ("aws.dynamodb.table_names", json!(["t1", "t2"])),
        ("peer.service", json!("peer")),
        ("enduser.id", json!("user-1")),
        ("own", json!("x")),
        ("own.count", json!(3)),
        ("own.list", json!(["a", "b"])),
        ("own.ratio", json!(0.5)),
        ("own.flag", json!(true)),
    ]
}

fn of_resources() -> Vec<(&'static str, Json)> {
    vec![
        ("service.name", json!("shop")),
        ("service.version", json!("1.2")),
        ("cloud.provider", json!("aws")),
        ("cloud.provider", json!("gcp")),
        ("cloud.platform", json!("aws_lambda")),
        ("cloud.platform", json!("aws_ec2")),
        ("cloud.platform", json!("aws_ecs")),
        ("cloud.platform", json!("aws_eks")),
        ("cloud.platform", json!("aws_elastic_beanstalk")),
        ("cloud.platform", json!("aws_app_runner")),
        ("cloud.account.id", json!("111122223333")),
        ("cloud.region", json!("eu-west-1")),
        ("cloud.availability_zone", json!("eu-west-1a")),
        ("host.id", json!("i-1")),
        ("host.type", json!("m5")),
        ("container.name", json!("c")),
        ("container.id", json!("cid")),
        ("aws.ecs.launchtype", json!("fargate")),
        ("aws.ecs.task.arn", json!("arn:task")),
        ("k8s.cluster.name", json!("k")),
        ("k8s.pod.name", json!("pod")),
        ("k8s.pod.uid", json!("uid")),
        ("service.namespace", json!("prod")),
        ("service.instance.id", json!("32")),
        ("telemetry.sdk.name", json!("opentelemetry")),
        ("telemetry.sdk.language", json!("rust")),
        ("telemetry.sdk.version", json!("0.33")),
        ("telemetry.auto.version", json!("1")),
        ("aws.log.group.names", json!(["/aws/x"])),
        ("aws.log.group.arns", json!(["arn:aws:logs:r:a:log-group:g"])),
    ]
}

/// About a quarter of the attributes; the first value of a key.
fn some(pool: Vec<(&'static str, Json)>) -> impl Strategy<Value = Json> {
    proptest::sample::subsequence(pool.clone(), 0..=pool.len() / 3).prop_map(|chosen| {
        let members: Map<String, Json> = chosen
            .into_iter()
            .rev()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        Json::Object(members)
    })
}

/// A span as a test tells it.
pub(super) fn story() -> impl Strategy<Value = Json> {
    let kind = proptest::sample::select(vec!["server", "client", "internal", "producer", "consumer"]);
    let status = proptest::sample::select(vec!["unset", "ok", "error"]);
    let exception = json!({"exception.type": "T", "exception.message": "m",
        "exception.stacktrace": "   0: shop::reserve\n             at ./src/cart.rs:41:9\n"});
    let events = proptest::sample::select(vec![
        json!([]),
        json!([]),
        json!([{"attributes": exception}]),
        json!([{"name": "other"}]),
    ]);
    let links = proptest::sample::select(vec![json!([]), json!([]), json!([{"k": "v"}])]);
    (kind, any::<bool>(), status, "m{0,1}", some(of_spans()), some(of_resources()), events, links).prop_map(
        |(kind, parent, status, message, attributes, resource, events, links)| {
            json!({"kind": kind, "parent": parent, "status": status, "message": message, "attributes": attributes,
                "resource": resource, "events": events, "links": links})
        },
    )
}
