//! ONE table of what a span's attributes are in a segment document, and back.
//!
//! Both directions walk [`ROWS`]: `to_segment` from the attributes to the member, `from_segment` from the member to the
//! attribute that the row [writes](Row::written). What is no matter of a table (names, flags, exceptions, annotations) is
//! told in [`COMPUTED`]. `docs/mapping.md` is generated from both.
//!
//! Invariants
//! - Rows whose members share an object stand together: documents are written in one go.
//! - A row reads what it writes.

use super::rows;

pub use rows::ROWS;

/// A member of a segment document and the attributes that it is made of.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The member's place from the top of the document, `.` between levels.
    pub member: &'static str,
    /// What the member holds.
    pub shape: Shape,
    /// Attributes of the span that hold it, in the order in which they are asked.
    pub span: &'static [&'static str],
    /// Attributes of the resource that hold it, asked after the span's.
    pub resource: &'static [&'static str],
    /// When the row holds; otherwise its attributes are like any other.
    pub when: When,
    /// How the member is found where no attribute holds it as it is.
    pub rule: Option<Rule>,
    /// Attributes of the span that the rule uses up.
    pub parts: &'static [&'static str],
    /// The attribute stays among the metadata although the member says it.
    pub stays: bool,
}

impl Row {
    /// The attribute that stands for the member in a span: the first of the span's.
    pub const fn written(&self) -> Option<&'static str> {
        self.span.first().copied()
    }

    /// The attribute that stands for the member in a resource: the first of the resource's.
    pub const fn written_to_resource(&self) -> Option<&'static str> {
        self.resource.first().copied()
    }
}

/// What a member holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A text; whole numbers and truths are written out.
    Text,
    /// A whole number; a text of digits is read as one.
    Integer,
    /// A truth that is only written if it is one.
    Flag,
    /// A list of texts.
    Texts,
    /// A text that is an IP address.
    Address,
    /// A list of log groups: objects of `log_group` and `arn`.
    LogGroups,
}

/// When a row holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// In every document.
    Always,
    /// In segments, not in subsegments: facts of the host and the process.
    Segment,
    /// The span tells of HTTP: an attribute begins with `http.` or `url.`, or is the first of such a row.
    Http,
    /// `db.system.name` or `db.system` is one of [`SQL_SYSTEMS`].
    Sql,
    /// `cloud.provider` is `aws` or missing.
    Aws,
    /// The call goes to AWS: namespace `aws`.
    AwsCall,
    /// A segment on EC2: `cloud.platform` is `aws_ec2`, or there is a `host.id`.
    Ec2,
    /// A segment on ECS: `cloud.platform` is `aws_ecs`.
    Ecs,
    /// A segment on Kubernetes: `cloud.platform` is `aws_eks`, or there is a `k8s.cluster.name`.
    Eks,
    /// A segment on Elastic Beanstalk: `cloud.platform` is `aws_elastic_beanstalk`.
    Beanstalk,
    /// A segment in Lambda: `cloud.platform` is `aws_lambda`, or there is a `faas.name`.
    Lambda,
}

/// How a member is found where no attribute holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// HTTP's status is the caller's mistake.
    Error,
    /// HTTP's status says that there were too many requests.
    Throttle,
    /// HTTP's status is the service's failure; without one, the span's own is an error.
    Fault,
    /// By the platform's name.
    Origin,
    /// Put together from scheme, host, port and path.
    Url,
    /// The client's address is not the peer's.
    Forwarded,
    /// The size of the message received.
    Size,
    /// Of a list of one table its name; of more tables none.
    OneTable,
    /// The list if it names two tables or more.
    SeveralTables,
    /// Name of the OpenTelemetry SDK and its language.
    Sdk,
    /// Whether an agent instrumented the process.
    Auto,
    /// The database's address, with its name.
    DatabaseUrl,
    /// The connection string, with the database's name.
    Connection,
}

impl Rule {
    /// The rule, for people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Error => "HTTP's status is 4xx",
            Self::Throttle => "HTTP's status is 429",
            Self::Fault => "HTTP's status is 5xx; neither 4xx nor 5xx, and the span's status is Error",
            Self::Origin => {
                "by `cloud.platform`: `aws_lambda` (or a `faas.name`) is `AWS::Lambda::Function`, `aws_ec2` `AWS::EC2::Instance`, `aws_ecs` `AWS::ECS::Container` (with `aws.ecs.launchtype` `AWS::ECS::EC2` or `AWS::ECS::Fargate`), `aws_eks` `AWS::EKS::Container`, `aws_elastic_beanstalk` `AWS::ElasticBeanstalk::Environment`, `aws_app_runner` `AWS::AppRunner::Service`; on segments, unless another cloud is named"
            }
            Self::Url => {
                "put together from scheme (`https` of port 443, else `http`), host, port (unless the scheme's own) and path; never without a host"
            }
            Self::Forwarded => {
                "of segments: true if the client's address came from an attribute of the request and no peer's address is known"
            }
            Self::Size => {
                "`messaging.message_payload_size_bytes` where `message.type` is `RECEIVED`, of the span or one of its events"
            }
            Self::OneTable => "the name in `aws.dynamodb.table_names`, if it is one",
            Self::SeveralTables => "`aws.dynamodb.table_names`, if it names two or more",
            Self::Sdk => "`telemetry.sdk.name` and `telemetry.sdk.language`, with ` for ` between them",
            Self::Auto => "true if the resource has `telemetry.auto.version` or `telemetry.distro.name`",
            Self::DatabaseUrl => {
                "`db.connection_string` without `jdbc:`, or system, address and port, then the database's name; never with a password"
            }
            Self::Connection => {
                "`db.connection_string`, or `localhost` if the older attributes name none, then the database's name"
            }
        }
    }
}

/// Databases that are asked in SQL.
pub const SQL_SYSTEMS: &[&str] = &[
    "db2",
    "derby",
    "hive",
    "ibm.db2",
    "mariadb",
    "microsoft.sql_server",
    "mssql",
    "mysql",
    "oracle",
    "oracle.db",
    "other_sql",
    "postgresql",
    "sqlite",
    "teradata",
];

/// The attribute that lists which attributes are annotations.
pub const ANNOTATIONS: &str = "aws.xray.annotations";
/// Attributes of this prefix hold the metadata of a namespace as the text of a JSON object.
pub const METADATA_PREFIX: &str = "aws.xray.metadata.";
/// What the resource's attributes are named among a segment's metadata and annotations.
pub const RESOURCE_PREFIX: &str = "otel.resource.";
/// The namespace of metadata that has none.
pub const DEFAULT_NAMESPACE: &str = "default";
/// The namespace of metadata with the stacks that were not taken apart, by their exception's id.
pub const STACKS_NAMESPACE: &str = "exception.stacktrace";
/// The attribute that holds, as JSON, the members of a document that no other says.
pub const UNSAID: &str = "aws.xray.document";
/// Whether a segment is still open.
pub const IN_PROGRESS: &str = "aws.xray.inprogress";
/// The event that tells of an exception.
pub const EXCEPTION_EVENT: &str = "exception";
/// The event by which AWS's SDKs tell of an attempt that failed.
pub const HTTP_FAILURE_EVENT: &str = "HTTP request failure";
/// The type of the exception that such an event becomes.
pub const HTTP_FAILURE_TYPE: &str = "aws.http.error.event";
/// An exception's own id.
pub const EXCEPTION_ID: &str = "aws.xray.exception.id";
/// The id of the exception that caused it.
pub const EXCEPTION_CAUSE: &str = "aws.xray.exception.cause";
/// Whether a downstream service returned it.
pub const EXCEPTION_REMOTE: &str = "aws.xray.exception.remote";
/// Frames left out of its stack.
pub const EXCEPTION_TRUNCATED: &str = "aws.xray.exception.truncated";
/// Exceptions left out between it and its cause.
pub const EXCEPTION_SKIPPED: &str = "aws.xray.exception.skipped";

/// Members that no row holds, and how they are found.
pub const COMPUTED: &[(&str, &str)] = &[
    (
        "name",
        "the first of `aws.local.service` (SERVER, or INTERNAL that is LOCAL_ROOT), `aws.remote.service` (CLIENT, PRODUCER, CONSUMER; of an AWS call without `AWS.SDK.` or `AWS::`), `peer.service`, `service.peer.name`, `aws.service`, the database's name with `@` and its host, the resource's `service.name` (a segment of kind SERVER), `rpc.service`, `http.host`, `net.peer.name`, `server.address` or, if the span is named by its HTTP method, the host of `url.full` or `http.url` (CLIENT, PRODUCER, CONSUMER), the span's name; without the characters that X-Ray refuses, at most 200, `span` if nothing is left",
    ),
    (
        "id",
        "the span's id; of the service segment of a LOCAL_ROOT one derived from it",
    ),
    (
        "trace_id",
        "the trace's id, `1-` in front and `-` behind the first 8 digits",
    ),
    ("parent_id", "the parent's id"),
    (
        "type",
        "`subsegment` if the span has a parent and is not of kind SERVER, or is the handler of a Lambda function that hangs under the platform's segment; else missing",
    ),
    (
        "start_time, end_time",
        "seconds, to the microsecond; an end before the start is the start",
    ),
    (
        "in_progress",
        "true if the span has no end, or `aws.xray.inprogress` is true; then there is no `end_time`",
    ),
    (
        "namespace",
        "of subsegments: `aws` if `rpc.system` (`rpc.system.name`) is `aws-api` or the name came from `aws.service`; else `remote` for CLIENT, and for PRODUCER and CONSUMER with `aws.remote.service`",
    ),
    (
        "cause.exceptions",
        "an event `exception` each (its stack taken apart by `telemetry.sdk.language`, what caused it linked by `cause`), an event `HTTP request failure` of an AWS call each; without such, the message of status Error or `http.status_text`",
    ),
    (
        "annotations",
        "attributes that `aws.xray.annotations` or the settings name, if they are text, number or truth; characters other than letters, digits, `_` and `.` become `_`",
    ),
    (
        "metadata",
        "`aws.xray.metadata.<namespace>`, and in `default` every attribute that no member has taken, the resource's as `otel.resource.<key>` on segments",
    ),
    ("links", "a link each: `trace_id`, `id`, `attributes`"),
];
