//! The walk over the table: every member that attributes tell.

use core::net::IpAddr;

use super::super::mapping::{ROWS, Row, Rule, Shape, When};
use super::super::span::Value;
use super::json::Json;
use super::known::{Known, whole};
use super::rules;
use super::shape::Aspect;

const CONNECTION: &str = "db.connection_string";

/// Writes the members, and takes the attributes that they tell.
pub(super) fn write(known: &mut Known<'_>, json: &mut Json) {
    let mut written = "";
    for row in ROWS {
        if row.member != written && holds(row.when, known) && member(row, known, json) {
            written = row.member;
        }
    }
}

/// Writes a row's member, if something tells it.
fn member(row: &Row, known: &mut Known<'_>, json: &mut Json) -> bool {
    let start = json.len();
    let leads = row.rule.is_some_and(rules::leads);
    let is_found = (leads && rules::write(row, known, json))
        || of_span(row, known, json)
        || of_resource(row, known, json)
        || (!leads && rules::write(row, known, json));
    if is_found {
        take_parts(row.parts, known, json.since(start));
    }
    is_found
}

/// By an attribute of the span. Others that say the same are told as well.
fn of_span(row: &Row, known: &mut Known<'_>, json: &mut Json) -> bool {
    // The call's attributes are told by the other document.
    if known.aspect == Aspect::Service {
        return false;
    }
    let mut told = None;
    for key in row.span {
        let Some((place, value)) = known.find(key).filter(|(_, value)| fits(row, value)) else {
            continue;
        };
        if told.is_none() {
            put(row, value, json);
            told = Some(value);
        }
        if told == Some(value) && !row.stays {
            known.take(place);
        }
    }
    told.is_some()
}

fn of_resource(row: &Row, known: &Known<'_>, json: &mut Json) -> bool {
    let mut values = row.resource.iter().filter_map(|key| known.resource_value(key));
    let value = values.find(|value| fits(row, value));
    value.is_some_and(|value| {
        put(row, value, json);
        true
    })
}

/// Takes the attributes that are found in what a rule wrote. A password is in none, and is told by nobody.
fn take_parts(parts: &[&str], known: &mut Known<'_>, told: &str) {
    for key in parts {
        let Some((place, value)) = known.find(key) else {
            continue;
        };
        let is_told = match (value, whole(value)) {
            (_, Some(number)) => {
                let is_own = [("https:", 443), ("http:", 80)]
                    .iter()
                    .any(|(scheme, port)| number == *port && told.contains(scheme));
                is_own || told.contains(&format!(":{number}"))
            }
            (Value::Text(text), _) => told.contains(text.as_ref()) || *key == CONNECTION,
            _ => false,
        };
        if is_told {
            known.take(place);
        }
    }
}

fn holds(when: When, known: &Known<'_>) -> bool {
    let is_on = |platform| known.is_aws_cloud && known.platform == Some(platform);
    let is_with = |key| {
        let is_segment = known.is_aws_cloud && known.aspect.is_segment();
        is_segment && known.of_resource(key).is_some()
    };
    match when {
        When::Always => true,
        When::Segment => known.aspect.has_resource(),
        When::Http => known.is_http,
        When::Sql => known.is_sql && known.aspect != Aspect::Service,
        When::Aws => known.is_aws_cloud,
        When::AwsCall => known.is_aws_cloud && (known.is_aws_call || known.text("aws.service").is_some()),
        When::Ec2 => is_on("aws_ec2") || is_with("host.id"),
        When::Ecs => is_on("aws_ecs"),
        When::Eks => is_on("aws_eks") || is_with("k8s.cluster.name"),
        When::Beanstalk => is_on("aws_elastic_beanstalk"),
        When::Lambda => known.aspect.has_resource() && known.is_lambda,
    }
}

/// Whether a value can be what a member holds.
fn fits(row: &Row, value: &Value<'_>) -> bool {
    match (row.shape, value) {
        (Shape::Address, Value::Text(text)) => text.parse::<IpAddr>().is_ok(),
        (Shape::Text, Value::Text(_) | Value::Integer(_) | Value::Flag(_))
        | (Shape::Flag, Value::Flag(_)) => true,
        (Shape::Integer, value) => whole(value).is_some(),
        (Shape::Texts, Value::List(values)) => {
            let fewest = if row.rule == Some(Rule::SeveralTables) {
                2
            } else {
                1
            };
            values.len() >= fewest && values.iter().all(is_text)
        }
        (Shape::LogGroups, Value::Text(text)) => !text.is_empty(),
        (Shape::LogGroups, Value::List(values)) => values.iter().any(is_text),
        _ => false,
    }
}

fn is_text(value: &Value<'_>) -> bool {
    matches!(value, Value::Text(_))
}

/// Writes a member. An empty text and a truth that is none are left out.
fn put(row: &Row, value: &Value<'_>, json: &mut Json) {
    match (row.shape, value) {
        (_, Value::Text(text)) if text.is_empty() => {}
        (Shape::Flag, Value::Flag(false)) => {}
        (Shape::Integer, value) => {
            json.member(row.member);
            json.whole(whole(value).unwrap_or_default());
        }
        (Shape::Text, Value::Flag(_) | Value::Integer(_)) => {
            json.member(row.member);
            json.raw("\"");
            json.value(value);
            json.raw("\"");
        }
        (Shape::LogGroups, value) => {
            json.member(row.member);
            log_groups(value, json);
        }
        _ => {
            json.member(row.member);
            json.value(value);
        }
    }
}

/// Names or ARNs: a list of texts, or a text with `&` between them.
fn log_groups(value: &Value<'_>, json: &mut Json) {
    json.raw("[");
    match value {
        Value::List(values) => values
            .iter()
            .filter_map(Value::as_text)
            .for_each(|text| log_group(text, json)),
        Value::Text(text) => text.split('&').for_each(|text| log_group(text, json)),
        _ => {}
    }
    json.raw("]");
}

fn log_group(text: &str, json: &mut Json) {
    /// Of `arn:aws:logs:region:account:log-group:name`.
    const NAME_IN_ARN: usize = 6;
    if text.is_empty() {
        return;
    }
    let is_arn = text.starts_with("arn:");
    let name = text.split(':').nth(NAME_IN_ARN).filter(|_| is_arn);
    json.comma();
    json.raw("{");
    json.key("log_group");
    json.string(name.unwrap_or(text));
    if is_arn {
        json.key("arn");
        json.string(text);
    }
    json.raw("}");
}
