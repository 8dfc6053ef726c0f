//! The documents of another translator, the crate `opentelemetry-aws`, for spans of every sort: ours are the same but
//! for [`DIFFERENCES`].

mod stories;
mod translator;

use std::collections::{BTreeMap, BTreeSet};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::Value as Json;

use super::super::Options;
use super::{made_with, told};
use stories::story;
use translator::theirs;

/// A difference that is meant.
struct Difference {
    /// `+` is in ours alone, `-` in theirs alone, `!` in both and not the same; then where.
    what: &'static str,
    /// Of which spans.
    of: fn(&Json) -> bool,
    why: &'static str,
}

const fn difference(what: &'static str, of: fn(&Json) -> bool, why: &'static str) -> Difference {
    Difference { what, of, why }
}

fn every(_: &Json) -> bool {
    true
}

const DIFFERENCES: &[Difference] = &[
    difference(
        "+: there is no document",
        is_root_call,
        "a span without a parent is a segment",
    ),
    difference(
        "+: there is no document",
        is_handled,
        "an exception that was handled does not cost the span",
    ),
    difference(
        "+/metadata/default/",
        every,
        "what no member tells is kept; theirs drops it unless it is told not to",
    ),
    difference("+/links/", every, "theirs tells no links"),
    difference(
        "+/type",
        is_handler,
        "a handler in Lambda is a subsegment of its function's segment",
    ),
    difference(
        "-/http/request/x_forwarded_for",
        is_handler,
        "a handler in Lambda is a subsegment of its function's segment",
    ),
    difference(
        "-/origin",
        is_handler,
        "a handler in Lambda is a subsegment of its function's segment",
    ),
    difference(
        "+/origin",
        |told| !has(told, "cloud.provider"),
        "a platform of AWS says which cloud it is",
    ),
    difference(
        "!/name: ",
        |told| is_handler(told) || any_of(told, &["db.namespace", "rpc.service", "server.address"]),
        "whoever is called has a name, other than a service of AWS too",
    ),
    difference(
        "!/namespace",
        |told| has(told, "aws.service") && has(told, "peer.service"),
        "it is not named for a service of AWS",
    ),
    difference(
        "-/namespace",
        |told| has(told, "aws.service") && has(told, "peer.service"),
        "it is not named for a service of AWS",
    ),
    difference(
        "+/error",
        |told| told["status"] != "error",
        "flags follow HTTP's status, whatever the span's is",
    ),
    difference(
        "+/throttle",
        |told| told["status"] != "error",
        "flags follow HTTP's status, whatever the span's is",
    ),
    difference(
        "+/fault",
        |told| told["status"] != "error",
        "flags follow HTTP's status, whatever the span's is",
    ),
    difference(
        "+/error",
        has_two_codes,
        "today's attribute of the status comes first",
    ),
    difference(
        "+/throttle",
        has_two_codes,
        "today's attribute of the status comes first",
    ),
    difference(
        "-/fault",
        has_two_codes,
        "today's attribute of the status comes first",
    ),
    difference(
        "!/http/response/status",
        has_two_codes,
        "today's attribute of the status comes first",
    ),
    difference("!/cause/exceptions/0/id", every, "each makes its own ids"),
    difference(
        "+/cause/exceptions/0/",
        |told| told["message"] == "m" && told["events"][0]["attributes"].is_null(),
        "without an exception the status tells why",
    ),
    difference(
        "+/cause/exceptions/0/stack/",
        |told| !has(told, "telemetry.sdk.language"),
        "places are found in stacks of unknown languages",
    ),
    difference(
        "+/metadata/exception.stacktrace/",
        |told| !has(told, "telemetry.sdk.language"),
        "a stack of an unknown language is kept whole",
    ),
    difference(
        "!/http/request/url",
        |told| !has(told, "url.path"),
        "a URL has a path",
    ),
    difference(
        "+/http/request/url",
        |told| told["kind"] != "server" && has(told, "server.address"),
        "the request goes to the server",
    ),
    difference(
        "-/http/request/url",
        |told| told["kind"] != "server" && has(told, "client.address"),
        "the request does not go to the client",
    ),
    difference(
        "!/http/request/url",
        |told| told["kind"] != "server" && has(told, "client.address"),
        "the request does not go to the client",
    ),
    difference(
        "-/http/request/url",
        |told| has(told, "server.address") && !tells_of_http(told),
        "not every server speaks HTTP",
    ),
    difference(
        "+/http/response/content_length",
        |told| has(told, "http.response.body.size"),
        "a body has a size whatever the kind of message",
    ),
    difference(
        "+/user",
        |told| told["kind"] != "server",
        "subsegments have users too",
    ),
    difference(
        "+/service/version",
        |told| told["kind"] != "server",
        "subsegments have a service too, as the collector tells it",
    ),
    difference("+/aws/cloudwatch_logs/", every, "where X-Ray looks for it"),
    difference("-/cloudwatch_logs/", every, "X-Ray does not look there"),
    difference(
        "!/aws/xray/sdk",
        |told| !has(told, "telemetry.sdk.language"),
        "no language is told that is not known",
    ),
    difference(
        "-/aws/xray/sdk: ",
        |told| !has(told, "telemetry.sdk.name"),
        "no SDK is told that is not known",
    ),
    difference(
        "-/aws/",
        |told| is(told, "cloud.provider", "gcp"),
        "another cloud is not AWS",
    ),
    difference(
        "-/aws/ec2/",
        |told| !is(told, "cloud.platform", "aws_ec2"),
        "facts of another platform",
    ),
    difference(
        "-/aws/ecs/",
        |told| !is(told, "cloud.platform", "aws_ecs"),
        "facts of another platform",
    ),
    difference(
        "-/aws/eks/",
        |told| !is(told, "cloud.platform", "aws_eks"),
        "facts of another platform",
    ),
    difference(
        "-/aws/elastic_beanstalk/",
        |told| !is(told, "cloud.platform", "aws_elastic_beanstalk"),
        "facts of another platform",
    ),
    difference("+/aws/ecs/availability_zone", every, "a container has a zone too"),
    difference(
        "+/aws/eks/container_id",
        |told| has(told, "container.id"),
        "the container's id, not the pod's",
    ),
    difference(
        "!/aws/eks/container_id",
        |told| has(told, "container.id"),
        "the container's id, not the pod's",
    ),
    difference(
        "-/aws/eks/container_id",
        |told| !has(told, "container.id"),
        "the container's id, not the pod's",
    ),
    difference(
        "+/aws/",
        |told| told["kind"] == "server",
        "segments tell of calls too, as the collector has it",
    ),
    difference(
        "-/aws/operation",
        |told| !is_aws_call(told),
        "a method of somebody else's is no operation of AWS",
    ),
    difference(
        "-/aws/region",
        |told| !has(told, "aws.region"),
        "where a process runs is not where it calls",
    ),
    difference("-/aws/table_name: ", has_two_tables, "two tables are not one"),
    difference(
        "!/aws/table_name: ",
        |told| has(told, "aws.dynamodb.table_names"),
        "today's attribute comes first",
    ),
    difference(
        "-/aws/table_names/0",
        |told| !has_two_tables(told),
        "one table is told as table_name",
    ),
    difference(
        "-/sql/",
        |told| !is_sql(told),
        "other databases are not asked in SQL",
    ),
    difference(
        "+/sql/",
        |told| told["kind"] == "server",
        "segments tell of SQL too, as the collector has it",
    ),
    difference(
        "+/sql/",
        |told| told["kind"] != "server",
        "a connection string is a URL, and localhost where there is none, as the collector has it",
    ),
    difference(
        "!/sql/connection_string",
        |told| has(told, "db.namespace"),
        "the database's name belongs to it",
    ),
    difference(
        "!/sql/url",
        |told| has(told, "server.address"),
        "a URL has a scheme",
    ),
];

fn has(told: &Json, key: &str) -> bool {
    !told["attributes"][key].is_null() || !told["resource"][key].is_null()
}

fn is(told: &Json, key: &str, value: &str) -> bool {
    told["attributes"][key] == value || told["resource"][key] == value
}

fn any_of(told: &Json, keys: &[&str]) -> bool {
    keys.iter().any(|key| has(told, key))
}

fn is_root_call(told: &Json) -> bool {
    told["kind"] != "server" && told["parent"] == false
}

fn is_handler(told: &Json) -> bool {
    let is_lambda = is(told, "cloud.platform", "aws_lambda");
    is_lambda && told["kind"] == "server" && told["parent"] == true
}

/// An exception is told, and nothing says that the span failed.
fn is_handled(told: &Json) -> bool {
    told["status"] != "error" && told["events"][0]["attributes"].is_object()
}

fn has_two_codes(told: &Json) -> bool {
    has(told, "http.response.status_code") && has(told, "http.status_code")
}

fn has_two_tables(told: &Json) -> bool {
    told["attributes"]["aws.dynamodb.table_names"]
        .as_array()
        .is_some_and(|tables| tables.len() == 2)
}

fn is_aws_call(told: &Json) -> bool {
    has(told, "aws.operation") || has(told, "aws.service") || is(told, "rpc.system", "aws-api")
}

fn is_sql(told: &Json) -> bool {
    has(told, "db.system.name") || is(told, "db.system", "mysql")
}

fn tells_of_http(told: &Json) -> bool {
    let attributes = told["attributes"].as_object();
    let mut keys = attributes.into_iter().flat_map(|attributes| attributes.keys());
    keys.any(|key| {
        key.starts_with("http.")
            || key.starts_with("url.")
            || key.starts_with("user_agent.")
            || key.starts_with("client.")
    })
}

#[test]
fn documents_are_those_of_another_translator_but_for_known_differences() {
    let mut used = BTreeSet::new();
    let mut unknown: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let mut runner = TestRunner::deterministic();
    for _ in 0..STORIES {
        let story = story().new_tree(&mut runner).unwrap().current();
        let told = told(&story);
        let ours = made_with(&told, &Options::default()).remove(0);
        for found in differences(&ours, &theirs(&told)) {
            let known = DIFFERENCES
                .iter()
                .position(|known| found.starts_with(known.what) && (known.of)(&story));
            match known {
                Some(place) => drop(used.insert(place)),
                None => {
                    let (what, _) = found.split_once(": ").unwrap_or((&found, ""));
                    let entry = unknown
                        .entry(what.to_owned())
                        .or_insert((0, format!("{found}\n    {story}")));
                    entry.0 += 1;
                }
            }
        }
    }
    let unknown: Vec<String> = unknown
        .values()
        .map(|(count, first)| format!("{count} × {first}"))
        .collect();
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
    for (place, Difference { what, why, .. }) in DIFFERENCES.iter().enumerate() {
        assert!(used.contains(&place), "difference is gone: {what} ({why})");
    }
}

const STORIES: usize = 1500;

fn differences(ours: &Json, theirs: &Json) -> Vec<String> {
    if theirs.is_null() {
        return vec!["+: there is no document of theirs".to_owned()];
    }
    let (mut ours, mut theirs) = (flat(ours), flat(theirs));
    let mut found = Vec::new();
    for (place, value) in &ours {
        match theirs.remove(place) {
            None => found.push(format!("+{place}: {value}")),
            Some(other) if !is_same(value, &other) => found.push(format!("!{place}: {value}, not {other}")),
            Some(_) => {}
        }
    }
    theirs.retain(|place, _| !ours.contains_key(place));
    ours.clear();
    found.extend(theirs.iter().map(|(place, value)| format!("-{place}: {value}")));
    found
}

fn is_same(ours: &Json, theirs: &Json) -> bool {
    match (ours.as_f64(), theirs.as_f64()) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() < 2e-6,
        _ => ours == theirs,
    }
}

/// Every value of a document by its place.
fn flat(document: &Json) -> BTreeMap<String, Json> {
    let mut flat = BTreeMap::new();
    let mut rest = vec![(String::new(), document)];
    while let Some((place, value)) = rest.pop() {
        match value {
            Json::Object(members) => {
                rest.extend(
                    members
                        .iter()
                        .map(|(name, value)| (format!("{place}/{name}"), value)),
                );
            }
            Json::Array(elements) => {
                let elements = elements.iter().enumerate();
                rest.extend(elements.map(|(index, value)| (format!("{place}/{index}"), value)));
            }
            value => drop(flat.insert(place, value.clone())),
        }
    }
    flat
}
