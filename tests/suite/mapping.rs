//! `docs/mapping.md`, written from the tables: it cannot say anything else than the code.

use std::fmt::Write as _;
use std::path::Path;

use model::otlp::losses::{LOSSES, Way};
use model::otlp::mapping::{COMPUTED, ROWS, Row, When};

/// Set to write the file instead of comparing it.
const WRITE: &str = "FLUOROSCOPE_WRITE_MAPPING";

#[test]
fn the_page_on_the_mapping_says_what_the_tables_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/mapping.md");
    let page = page();
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, &page).expect("docs/mapping.md cannot be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == page,
        "docs/mapping.md is stale: {WRITE}=1 cargo test -p tests --test suite mapping::"
    );
}

/// What a document tells that no row holds, as attributes.
const TOLD: &[(&str, &str)] = &[
    (
        "`name`",
        "the span's name; of a segment `service.name` as well, of a call `peer.service` (`rpc.service` if it is of AWS)",
    ),
    (
        "`id`, `trace_id`, `parent_id`",
        "the span's ids, the trace's without `1-` and `-`; nested subsegments hang under the one they are in",
    ),
    (
        "`start_time`, `end_time`",
        "the span's times; none while it is `in_progress` (`aws.xray.inprogress`)",
    ),
    (
        "`type`, `namespace`",
        "a segment is of kind SERVER, a subsegment of `aws` (with `rpc.system` `aws-api`) or `remote` CLIENT, any other INTERNAL",
    ),
    (
        "`error`, `throttle`, `fault`",
        "status Error; of a segment only if it failed itself: an `error` of the caller's leaves it Unset",
    ),
    (
        "`cause`",
        "an event `exception` for each exception, its stack in the form of `telemetry.sdk.language`; the id of an exception told elsewhere is the status' message",
    ),
    (
        "`annotations`",
        "an attribute each, listed in `aws.xray.annotations`",
    ),
    (
        "`metadata`",
        "`aws.xray.metadata.<namespace>`, as JSON; where the document was a span before, `default` is attributes again",
    ),
    ("`links`", "links"),
    (
        "`origin`",
        "`cloud.platform` too; with it, or any member of `aws` in a segment, `cloud.provider` is `aws`",
    ),
    (
        "`http.request.url`",
        "of a segment also `url.scheme`, `url.path`, `url.query`; `server.address` and `server.port`",
    ),
    (
        "`sql.url`",
        "also `db.namespace`, `server.address` and `server.port`",
    ),
    (
        "`aws.xray.sdk`",
        "`telemetry.sdk.name`, and the language it tells as `telemetry.sdk.language`",
    ),
    (
        "segments of origin `AWS::Lambda` and `AWS::Lambda::Function`",
        "also `faas.name`, `faas.invocation_id` (`aws.request_id`), `faas.coldstart` (`annotations.cold_start`), `faas.max_memory` (`metadata.lambda.memory_size_mb`), `cloud.resource_id`, `cloud.region` and `cloud.account.id` (their ARN)",
    ),
    (
        "anything else, and whatever would not come back from its attribute",
        "`aws.xray.document`, as JSON, nested as in the document; on the way back it is laid over what the other attributes say",
    ),
];

fn page() -> String {
    let mut page = String::from(INTRODUCTION);
    page.push_str("\n## Members and their attributes\n\n");
    page.push_str("Each row holds in both directions. The first attribute is the one that is written; the others are read as well, in this order.\n\n");
    page.push_str("| member | attributes of the span | attributes of the resource | when |\n| --- | --- | --- | --- |\n");
    for row in ROWS {
        line(
            &mut page,
            &[
                &format!("`{}`", row.member),
                &span(row),
                &names(row.resource),
                when(row.when),
            ],
        );
    }
    page.push_str(
        "\n## Span to segment: what is no matter of a row\n\n| member | how it is found |\n| --- | --- |\n",
    );
    for (member, how) in COMPUTED {
        line(&mut page, &[&format!("`{member}`"), how]);
    }
    page.push_str(
        "\n## Segment to span: what is no matter of a row\n\n| member | what it becomes |\n| --- | --- |\n",
    );
    for (member, becomes) in TOLD {
        line(&mut page, &[member, becomes]);
    }
    for (way, title) in [
        (
            Way::ThroughSpans,
            "What a document loses on the way through spans",
        ),
        (
            Way::ThroughSegments,
            "What a span loses on the way through segments",
        ),
    ] {
        let _ = write!(
            page,
            "\n## {title}\n\nNothing else; a test holds each row to an example.\n\n| what | instead |\n| --- | --- |\n"
        );
        for loss in LOSSES.iter().filter(|loss| loss.way == way) {
            line(&mut page, &[loss.what, loss.instead]);
        }
    }
    page
}

const INTRODUCTION: &str = "\
# Segments and spans

How X-Ray's segment documents and OpenTelemetry's spans are told in each other's form. A test writes this page from the
tables in `model/src/otlp` and fails where it differs: change those, not this.

A segment is a span of kind SERVER, a subsegment one of kind CLIENT or INTERNAL; ids and times are the same on both sides.
Names of attributes are those of OpenTelemetry's semantic conventions as they are stable today. Names of the older HTTP and
database conventions are read, and written beside today's where that is asked for (`Given::older_names`).

AWS's own mapping of telemetry records to spans gives an invocation one span of kind SERVER, its id the `spanId` and its
parent the Parent of the trace header. Here that is AWS::Lambda::Function's; AWS::Lambda, of kind SERVER as well, stands between
it and that parent. Where the parent is a segment of Lambda's own front end, which goes to X-Ray alone, AWS::Lambda's span is a root,
so that no span is an orphan; on X-Ray's own OTLP endpoint it keeps the parent.
";

fn span(row: &Row) -> String {
    let mut told = names(row.span);
    if let Some(rule) = row.rule {
        let between = if told.is_empty() { "" } else { "; else " };
        let _ = write!(told, "{between}{}", rule.text());
    }
    told
}

fn when(when: When) -> &'static str {
    match when {
        When::Always => "",
        When::Segment => "in segments",
        When::Http => "the span tells of HTTP",
        When::Sql => "the database is asked in SQL",
        When::Aws => "the cloud is AWS, or not named",
        When::AwsCall => "in calls to AWS",
        When::Ec2 => "in segments on EC2",
        When::Ecs => "in segments on ECS",
        When::Eks => "in segments on Kubernetes",
        When::Beanstalk => "in segments on Elastic Beanstalk",
        When::Lambda => "in segments in Lambda",
    }
}

fn names(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

fn line(page: &mut String, cells: &[&str]) {
    for cell in cells {
        let _ = write!(page, "| {} ", cell.replace('|', "\\|"));
    }
    page.push_str("|\n");
}
