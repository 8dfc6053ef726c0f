//! Which node of the service graph a segment or subsegment stands for.
//!
//! Pure. Names and types of called services are inferred from the caller's subsegment.

use model::time::Timestamp;
use serde_json::{Value, json};

/// A node of the service graph.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) kind: Option<String>,
    pub(crate) account_id: Option<String>,
}

impl Service {
    /// The node a segment reports for.
    pub(crate) fn of_segment(segment: &Value) -> Self {
        Self {
            name: text(segment, "/name").unwrap_or_default(),
            kind: text(segment, "/origin"),
            account_id: text(segment, "/aws/account_id"),
        }
    }

    /// The node a subsegment calls: a remote host or an AWS resource. `None` for local work.
    pub(crate) fn called_by(subsegment: &Value) -> Option<Self> {
        let name = text(subsegment, "/name").unwrap_or_default();
        let (name, kind) = match text(subsegment, "/namespace")?.as_str() {
            "remote" => (name, "remote".to_owned()),
            "aws" => aws_resource(subsegment, name),
            _ => return None,
        };
        Some(Self {
            name,
            kind: Some(kind),
            account_id: text(subsegment, "/aws/account_id"),
        })
    }

    /// The `ServiceId` of the API.
    pub(crate) fn to_json(&self) -> Value {
        let mut service = json!({"Name": self.name, "Names": [self.name]});
        for (member, value) in [("Type", &self.kind), ("AccountId", &self.account_id)] {
            if let (Some(value), Some(service)) = (value, service.as_object_mut()) {
                service.insert(member.into(), value.as_str().into());
            }
        }
        service
    }
}

fn aws_resource(subsegment: &Value, name: String) -> (String, String) {
    let called = |pointer: &str| text(subsegment, pointer);
    match name.to_ascii_lowercase().as_str() {
        "dynamodb" => match called("/aws/table_name") {
            Some(table) => (table, "AWS::DynamoDB::Table".to_owned()),
            None => (name, "AWS::DynamoDB".to_owned()),
        },
        "sqs" => match called("/aws/queue_url") {
            Some(queue) => (queue, "AWS::SQS::Queue".to_owned()),
            None => (name, "AWS::SQS".to_owned()),
        },
        "lambda" => (
            called("/aws/function_name").unwrap_or(name),
            "AWS::Lambda".to_owned(),
        ),
        _ if name.chars().any(char::is_whitespace) => (name, "AWS::Unknown".to_owned()),
        _ => {
            let kind = format!("AWS::{name}");
            (name, kind)
        }
    }
}

/// A text member that is there and not empty.
pub(crate) fn text(value: &Value, pointer: &str) -> Option<String> {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// The subsegments directly inside a segment or subsegment.
pub(crate) fn subsegments(value: &Value) -> impl Iterator<Item = &Value> {
    value
        .get("subsegments")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// A segment or subsegment and everything nested in it, outermost first.
pub(crate) fn entities(value: &Value) -> Vec<&Value> {
    let mut found = vec![value];
    let mut waiting: Vec<&Value> = subsegments(value).collect();
    waiting.reverse();
    while let Some(next) = waiting.pop() {
        found.push(next);
        let inner: Vec<&Value> = subsegments(next).collect();
        waiting.extend(inner.into_iter().rev());
    }
    found
}

/// A flag (`fault`, `error`, `throttle`, `in_progress`) that is set.
pub(crate) fn is_set(value: &Value, flag: &str) -> bool {
    value.get(flag).and_then(Value::as_bool) == Some(true)
}

/// Seconds from its start to its end in whole microseconds, not below zero. `None` while in progress.
pub(crate) fn duration_seconds(value: &Value) -> Option<f64> {
    let time = |member| {
        value
            .get(member)
            .and_then(Value::as_f64)
            .and_then(Timestamp::from_seconds)
    };
    Some(time("end_time")?.since(time("start_time")?).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(subsegment: Value, name: &str, kind: &str) {
        let service = Service::called_by(&subsegment).unwrap();
        assert_eq!(
            (service.name.as_str(), service.kind.as_deref()),
            (name, Some(kind))
        );
    }

    #[test]
    fn a_called_service_is_named_by_its_resource() {
        let call = |name: &str, aws: Value| json!({"name": name, "namespace": "aws", "aws": aws});
        check(
            call("DynamoDB", json!({"table_name": "orders"})),
            "orders",
            "AWS::DynamoDB::Table",
        );
        check(
            call("DynamoDB", json!({"operation": "ListTables"})),
            "DynamoDB",
            "AWS::DynamoDB",
        );
        check(
            call("SQS", json!({"queue_url": "http://q/1"})),
            "http://q/1",
            "AWS::SQS::Queue",
        );
        check(
            call("Lambda", json!({"function_name": "next"})),
            "next",
            "AWS::Lambda",
        );
        check(call("S3", json!({"bucket_name": "b"})), "S3", "AWS::S3");
        check(
            call("Secrets Manager", json!({})),
            "Secrets Manager",
            "AWS::Unknown",
        );
        check(
            json!({"name": "pay.example.net", "namespace": "remote"}),
            "pay.example.net",
            "remote",
        );
        assert_eq!(
            Service::called_by(&json!({"name": "work", "namespace": "local"})),
            None
        );
        assert_eq!(Service::called_by(&json!({"name": "work"})), None);
    }

    #[test]
    fn a_duration_is_exact_to_the_microsecond_and_never_negative() {
        let lasts = |start: f64, end: f64| duration_seconds(&json!({"start_time": start, "end_time": end}));
        assert_eq!(lasts(1795367747.017, 1795367747.034), Some(0.017));
        assert_eq!(lasts(5.0, 4.0), Some(0.0));
        assert_eq!(
            duration_seconds(&json!({"start_time": 1, "in_progress": true})),
            None
        );
    }

    #[test]
    fn entities_are_listed_outermost_first_in_their_order() {
        let tree = json!({"name": "a", "subsegments": [
            {"name": "b", "subsegments": [{"name": "c"}]}, {"name": "d"},
        ]});
        let names: Vec<&str> = entities(&tree)
            .iter()
            .filter_map(|entity| entity["name"].as_str())
            .collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
    }
}
