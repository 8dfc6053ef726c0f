//! The rows of the table: read its form in [`mapping`](super::mapping).

use super::mapping::{Row, Rule, Shape, When};

const fn row(member: &'static str, shape: Shape, when: When) -> Row {
    Row {
        member,
        shape,
        span: &[],
        resource: &[],
        when,
        rule: None,
        parts: &[],
        stays: false,
    }
}

const fn text(member: &'static str) -> Row {
    row(member, Shape::Text, When::Always)
}

const fn http(member: &'static str) -> Row {
    row(member, Shape::Text, When::Http)
}

const fn aws(member: &'static str) -> Row {
    row(member, Shape::Text, When::Aws)
}

const fn sql(member: &'static str) -> Row {
    row(member, Shape::Text, When::Sql)
}

impl Row {
    const fn span(self, span: &'static [&'static str]) -> Self {
        Self { span, ..self }
    }

    const fn resource(self, resource: &'static [&'static str]) -> Self {
        Self { resource, ..self }
    }

    const fn when(self, when: When) -> Self {
        Self { when, ..self }
    }

    const fn of(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }

    const fn rule(self, rule: Rule) -> Self {
        Self {
            rule: Some(rule),
            ..self
        }
    }

    const fn parts(self, parts: &'static [&'static str]) -> Self {
        Self { parts, ..self }
    }

    const fn stays(self) -> Self {
        Self { stays: true, ..self }
    }
}

/// The table. Rows of one object stand together.
pub const ROWS: &[Row] = &[
    text("error").of(Shape::Flag).rule(Rule::Error),
    text("throttle").of(Shape::Flag).rule(Rule::Throttle),
    text("fault").of(Shape::Flag).rule(Rule::Fault),
    text("origin").span(&["aws.xray.origin"]).rule(Rule::Origin),
    text("resource_arn").span(&["aws.xray.resource_arn"]),
    text("user").span(&["enduser.id", "user.id"]),
    text("precursor_ids")
        .of(Shape::Texts)
        .span(&["aws.xray.precursor_ids"]),
    http("http.request.method").span(&["http.request.method", "http.method"]),
    http("http.request.url")
        .span(&["url.full", "http.url"])
        .rule(Rule::Url)
        .parts(&[
            "url.scheme",
            "url.path",
            "url.query",
            "http.scheme",
            "http.target",
            "http.host",
            "http.server_name",
            "server.address",
            "server.port",
            "net.host.name",
            "net.host.port",
            "net.peer.name",
            "net.peer.port",
            "net.peer.ip",
            "host.name",
        ]),
    http("http.request.user_agent").span(&["user_agent.original", "http.user_agent"]),
    http("http.request.client_ip").of(Shape::Address).span(&[
        "client.address",
        "http.client_ip",
        "network.peer.address",
        "net.sock.peer.addr",
        "net.peer.ip",
    ]),
    http("http.request.x_forwarded_for")
        .of(Shape::Flag)
        .span(&["aws.xray.x_forwarded_for"])
        .rule(Rule::Forwarded),
    http("http.request.traced")
        .of(Shape::Flag)
        .span(&["aws.xray.traced", "aws.http.traced"]),
    http("http.response.status")
        .of(Shape::Integer)
        .span(&["http.response.status_code", "http.status_code"]),
    http("http.response.content_length")
        .of(Shape::Integer)
        .span(&["http.response.body.size", "http.response_content_length"])
        .rule(Rule::Size),
    aws("aws.operation").span(&["aws.operation"]),
    aws("aws.operation").span(&["rpc.method"]).when(When::AwsCall),
    aws("aws.account_id")
        .span(&["aws.account_id"])
        .resource(&["cloud.account.id"]),
    aws("aws.region").span(&["aws.region"]),
    aws("aws.request_id").span(&["aws.request_id", "aws.requestId"]),
    aws("aws.id_2").span(&["aws.extended_request_id"]),
    aws("aws.retries").of(Shape::Integer).span(&["aws.xray.retries"]),
    aws("aws.queue_url").span(&[
        "aws.sqs.queue.url",
        "messaging.url",
        "aws.queue_url",
        "aws.queue.url",
    ]),
    aws("aws.topic_arn").span(&["aws.sns.topic.arn"]),
    aws("aws.bucket_name").span(&["aws.s3.bucket"]),
    aws("aws.key").span(&["aws.s3.key"]),
    aws("aws.table_name")
        .span(&["aws.table_name", "aws.table.name"])
        .rule(Rule::OneTable),
    aws("aws.table_names")
        .of(Shape::Texts)
        .span(&["aws.dynamodb.table_names"])
        .rule(Rule::SeveralTables)
        .stays(),
    aws("aws.function_arn").span(&["aws.lambda.invoked_arn"]),
    aws("aws.function_arn")
        .resource(&["cloud.resource_id", "faas.id"])
        .when(When::Lambda),
    aws("aws.ec2.instance_id").resource(&["host.id"]).when(When::Ec2),
    aws("aws.ec2.availability_zone")
        .resource(&["cloud.availability_zone"])
        .when(When::Ec2),
    aws("aws.ec2.instance_size")
        .resource(&["host.type"])
        .when(When::Ec2),
    aws("aws.ec2.ami_id").resource(&["host.image.id"]).when(When::Ec2),
    aws("aws.ecs.container")
        .resource(&["container.name"])
        .when(When::Ecs),
    aws("aws.ecs.container_id")
        .resource(&["container.id"])
        .when(When::Ecs),
    aws("aws.ecs.availability_zone")
        .resource(&["cloud.availability_zone"])
        .when(When::Ecs),
    aws("aws.ecs.container_arn")
        .resource(&["aws.ecs.container.arn"])
        .when(When::Ecs),
    aws("aws.ecs.cluster_arn")
        .resource(&["aws.ecs.cluster.arn"])
        .when(When::Ecs),
    aws("aws.ecs.task_arn")
        .resource(&["aws.ecs.task.arn"])
        .when(When::Ecs),
    aws("aws.ecs.task_family")
        .resource(&["aws.ecs.task.family"])
        .when(When::Ecs),
    aws("aws.ecs.launch_type")
        .resource(&["aws.ecs.launchtype"])
        .when(When::Ecs),
    aws("aws.eks.cluster_name")
        .resource(&["k8s.cluster.name"])
        .when(When::Eks),
    aws("aws.eks.pod").resource(&["k8s.pod.name"]).when(When::Eks),
    aws("aws.eks.container_id")
        .resource(&["container.id"])
        .when(When::Eks),
    aws("aws.elastic_beanstalk.environment_name")
        .resource(&["service.namespace"])
        .when(When::Beanstalk),
    aws("aws.elastic_beanstalk.deployment_id")
        .of(Shape::Integer)
        .resource(&["service.instance.id"])
        .when(When::Beanstalk),
    aws("aws.elastic_beanstalk.version_label")
        .resource(&["service.version"])
        .when(When::Beanstalk),
    aws("aws.cloudwatch_logs")
        .of(Shape::LogGroups)
        .resource(&["aws.log.group.arns", "aws.log.group.names"])
        .when(When::Segment),
    aws("aws.xray.sdk")
        .resource(&["telemetry.sdk.name"])
        .rule(Rule::Sdk),
    aws("aws.xray.sdk_version").resource(&["telemetry.sdk.version"]),
    aws("aws.xray.auto_instrumentation")
        .of(Shape::Flag)
        .rule(Rule::Auto),
    aws("aws.xray.sampling_rule_name").span(&["aws.xray.sampling_rule_name"]),
    text("service.version").resource(&["service.version", "container.image.tag"]),
    text("service.runtime")
        .resource(&["process.runtime.name"])
        .when(When::Segment),
    text("service.runtime_version")
        .resource(&["process.runtime.version"])
        .when(When::Segment),
    sql("sql.url")
        .span(&["aws.xray.sql.url"])
        .rule(Rule::DatabaseUrl)
        .parts(&[
            "server.address",
            "server.port",
            "net.peer.name",
            "net.peer.port",
            "net.peer.ip",
            "db.namespace",
            "db.name",
        ]),
    sql("sql.connection_string").rule(Rule::Connection).parts(&[
        "db.connection_string",
        "db.namespace",
        "db.name",
    ]),
    sql("sql.database_type").span(&["db.system.name", "db.system"]),
    sql("sql.database_version").span(&["aws.xray.sql.database_version"]),
    sql("sql.driver_version").span(&["aws.xray.sql.driver_version"]),
    sql("sql.user").span(&["db.user"]),
    sql("sql.preparation").span(&["aws.xray.sql.preparation"]),
    sql("sql.sanitized_query").span(&["db.query.text", "db.statement"]),
];
