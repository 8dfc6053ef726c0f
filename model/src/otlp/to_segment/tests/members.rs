//! Members that the table tells, by what they are about.

use serde_json::json;

use super::{check, check_has};

#[test]
fn a_url_is_put_together_from_what_is_known_and_never_without_a_host() {
    for (kind, attributes, url) in [
        (
            "client",
            json!({"url.full": "https://a/b", "http.url": "x"}),
            json!("https://a/b"),
        ),
        ("client", json!({"http.url": "https://a/b"}), json!("https://a/b")),
        (
            "server",
            json!({"url.scheme": "https", "server.address": "a", "server.port": 443, "url.path": "/b", "url.query": "c=d"}),
            json!("https://a/b?c=d"),
        ),
        (
            "server",
            json!({"http.scheme": "https", "net.host.name": "a", "net.host.port": "8443", "http.target": "/b?c"}),
            json!("https://a:8443/b?c"),
        ),
        (
            "server",
            json!({"http.method": "GET", "server.address": "a", "server.port": 443}),
            json!("https://a/"),
        ),
        (
            "server",
            json!({"http.host": "a:81", "net.host.port": 81, "http.scheme": "http"}),
            json!("http://a:81/"),
        ),
        (
            "client",
            json!({"http.method": "GET", "net.peer.ip": "::1", "net.peer.port": 80}),
            json!("http://[::1]/"),
        ),
        (
            "client",
            json!({"url.scheme": "https", "url.path": "/b"}),
            json!(null),
        ),
        (
            "client",
            json!({"server.address": "a", "server.port": 5432}),
            json!(null),
        ),
    ] {
        let http = if url.is_null() {
            json!({"http": {"request": {"url": null}}})
        } else {
            json!({"http": {"request": {"url": url}}})
        };
        let made = super::made(&json!({"kind": kind, "attributes": attributes}));
        match made.get("http").and_then(|http| http.get("request")) {
            Some(_) => check_has(&made, &http),
            None => assert!(url.is_null(), "{made}"),
        }
    }
}

#[test]
fn http_is_told_by_both_conventions() {
    let wanted = json!({"http": {
        "request": {"method": "PUT", "user_agent": "curl", "client_ip": "192.0.2.1", "x_forwarded_for": true},
        "response": {"status": 201, "content_length": 5},
    }});
    let new = json!({"http.request.method": "PUT", "user_agent.original": "curl", "client.address": "192.0.2.1",
        "http.response.status_code": 201, "http.response.body.size": 5});
    let old = json!({"http.method": "PUT", "http.user_agent": "curl", "http.client_ip": "192.0.2.1",
        "http.status_code": 201, "http.response_content_length": 5});
    for attributes in [new, old] {
        check(
            json!({"kind": "server", "attributes": attributes}),
            wanted.clone(),
        );
    }
    let peer = json!({"http.method": "PUT", "client.address": "host", "network.peer.address": "2001:db8::1"});
    check(
        json!({"kind": "server", "attributes": peer}),
        json!({"http": {"request": {"client_ip": "2001:db8::1", "x_forwarded_for": null}},
            "metadata": {"default": {"client.address": "host"}}}),
    );
}

#[test]
fn a_database_is_told_by_both_conventions_and_without_passwords() {
    let new = json!({"db.system.name": "postgresql", "db.namespace": "shop", "server.address": "db", "server.port": 5432,
        "db.query.text": "SELECT 1"});
    check(
        json!({"kind": "client", "attributes": new}),
        json!({"name": "shop@db", "namespace": "remote", "metadata": null, "sql": {
            "url": "postgresql://db:5432/shop", "connection_string": null, "database_type": "postgresql",
            "sanitized_query": "SELECT 1"}}),
    );
    for (connection, told) in [
        ("jdbc:mysql://u:secret@db:3306", "jdbc:mysql://u@db:3306/shop"),
        ("mysql://u@db:3306/", "mysql://u@db:3306/shop"),
        (
            "Server=db;Password=secret;Port=1",
            "Server=db;Password=;Port=1/shop",
        ),
        ("mysql://db?password=secret&x=1", "mysql://db?password=&x=1/shop"),
    ] {
        let old = json!({"db.system": "MySQL", "db.name": "shop", "db.connection_string": connection, "db.user": "u"});
        let made = super::made(&json!({"kind": "client", "attributes": old}));
        check_has(
            &made,
            &json!({"sql": {"connection_string": told, "user": "u", "database_type": "MySQL"}}),
        );
        assert!(!made.to_string().contains("secret"), "{made}");
    }
    check(
        json!({"kind": "client", "attributes": {"db.system.name": "redis", "db.query.text": "GET k"}}),
        json!({"sql": null, "metadata": {"default": {"db.query.text": "GET k"}}}),
    );
}

#[test]
fn calls_of_aws_are_told_by_every_name_they_have() {
    for (attributes, aws) in [
        (
            json!({"rpc.system": "aws-api", "rpc.method": "GetItem"}),
            json!({"operation": "GetItem"}),
        ),
        (
            json!({"aws.service": "DynamoDB", "aws.operation": "GetItem", "rpc.method": "x"}),
            json!({"operation": "GetItem"}),
        ),
        (
            json!({"aws.requestId": "r", "aws.extended_request_id": "e"}),
            json!({"request_id": "r", "id_2": "e"}),
        ),
        (json!({"aws.sqs.queue.url": "u"}), json!({"queue_url": "u"})),
        (
            json!({"messaging.url": "u", "aws.queue_url": "v"}),
            json!({"queue_url": "u"}),
        ),
        (
            json!({"aws.sns.topic.arn": "t", "aws.s3.bucket": "b", "aws.s3.key": "k"}),
            json!({"topic_arn": "t", "bucket_name": "b", "key": "k"}),
        ),
        (
            json!({"aws.dynamodb.table_names": ["t"]}),
            json!({"table_name": "t", "table_names": null}),
        ),
        (
            json!({"aws.dynamodb.table_names": ["t", "u"]}),
            json!({"table_name": null, "table_names": ["t", "u"]}),
        ),
        (
            json!({"aws.table.name": "t", "aws.xray.retries": "2"}),
            json!({"table_name": "t", "retries": 2}),
        ),
        (
            json!({"aws.account_id": 111122223333_i64}),
            json!({"account_id": "111122223333"}),
        ),
    ] {
        check(
            json!({"kind": "client", "attributes": attributes}),
            json!({"aws": aws}),
        );
    }
    let grpc = json!({"rpc.system": "grpc", "rpc.service": "shop.Cart", "rpc.method": "Add"});
    check(
        json!({"kind": "client", "attributes": grpc}),
        json!({"name": "shop.Cart", "aws": null, "metadata": {"default": {"rpc.method": "Add"}}}),
    );
}

#[test]
fn what_one_member_cannot_tell_of_two_attributes_stays() {
    let attributes = json!({"http.request.method": "GET", "http.method": "POST", "http.status_code": "soon"});
    check(
        json!({"kind": "client", "attributes": attributes}),
        json!({"http": {"request": {"method": "GET"}, "response": null},
            "metadata": {"default": {"http.method": "POST", "http.status_code": "soon", "http.request.method": null}}}),
    );
}
