//! One line about a trace: the `TraceSummary` of GetTraceSummaries.
//!
//! Every member of the API is there where the trace has it; `ResponseTime` is left out while the root is
//! in progress. `ServiceIds` lists called services that sent no segment of their own by what their
//! caller's subsegment says. Groups and insights have no member here.
//!
//! Pure.

use std::collections::BTreeSet;

use model::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::assemble::Trace;
use crate::causes::CallTree;
use crate::services::{Service, duration_seconds, entities, is_set, text};

/// Where an `Http` member of the summary comes from.
const HTTP_MEMBERS: [(&str, &str); 5] = [
    ("HttpURL", "/http/request/url"),
    ("HttpMethod", "/http/request/method"),
    ("UserAgent", "/http/request/user_agent"),
    ("ClientIp", "/http/request/client_ip"),
    ("HttpStatus", "/http/response/status"),
];

/// The summary of a trace. `matched` is the event that put it into the asked time range.
pub fn summarize(trace: &Trace, revision: u64, matched: Timestamp) -> Value {
    let compiled = trace.compile();
    let entries: Vec<&Value> = compiled.iter().map(|entry| &entry.document).collect();
    let mut summary = json!({
        "Id": trace.id().to_string(),
        "Duration": trace_duration_seconds(trace),
        "IsPartial": trace.is_partial(),
        "HasThrottle": entries.iter().flat_map(|entry| entities(entry)).any(|entity| is_set(entity, "throttle")),
        "Annotations": annotations(&entries),
        "Users": users(&entries),
        "ServiceIds": services(&entries),
        "ResourceARNs": distinct(&entries, &["/resource_arn", "/aws/function_arn"], "ARN"),
        "InstanceIds": distinct(&entries, &["/aws/ec2/instance_id"], "Id"),
        "AvailabilityZones": distinct(&entries, &["/aws/ec2/availability_zone"], "Name"),
        "Revision": revision,
        "MatchedEventTime": matched,
    });
    let members = of_root(&entries)
        .into_iter()
        .chain(trace.start().map(|start| ("StartTime", json!(start))));
    if let Value::Object(summary) = &mut summary {
        summary.extend(members.map(|(name, value)| (name.to_owned(), value)));
    }
    summary
}

/// Seconds from the earliest start to the latest end.
pub fn trace_duration_seconds(trace: &Trace) -> f64 {
    match (trace.start(), trace.end()) {
        (Some(start), Some(end)) => end.since(start).as_secs_f64(),
        _ => 0.0,
    }
}

/// What the summary says of the entry point alone.
fn of_root(entries: &[&Value]) -> Vec<(&'static str, Value)> {
    let Some(root) = root(entries) else {
        return Vec::new();
    };
    let calls = CallTree::new(root, entries);
    let http: Map<String, Value> = HTTP_MEMBERS
        .into_iter()
        .filter_map(|(member, pointer)| Some((member.to_owned(), root.pointer(pointer)?.clone())))
        .filter(|(member, value)| {
            if member == "HttpStatus" {
                value.is_i64()
            } else {
                value.is_string()
            }
        })
        .collect();
    let mut members = vec![
        ("HasFault", is_set(root, "fault").into()),
        ("HasError", is_set(root, "error").into()),
        ("Http", http.into()),
        ("EntryPoint", Service::of_segment(root).to_json()),
        ("FaultRootCauses", calls.of_flag("fault")),
        ("ErrorRootCauses", calls.of_flag("error")),
        ("ResponseTimeRootCauses", calls.of_response_time()),
    ];
    members.extend(duration_seconds(root).map(|seconds| ("ResponseTime", seconds.into())));
    members
}

/// The earliest segment without a known parent; the earliest entry where there is none.
fn root<'a>(entries: &[&'a Value]) -> Option<&'a Value> {
    let known: BTreeSet<String> = entries
        .iter()
        .flat_map(|entry| entities(entry))
        .filter_map(id)
        .collect();
    let is_root = |entry: &&&Value| {
        let parent = text(entry, "/parent_id").map(|parent| parent.to_ascii_lowercase());
        !is_subsegment(entry) && parent.is_none_or(|parent| !known.contains(&parent))
    };
    let earliest_segment = || entries.iter().find(|entry| !is_subsegment(entry));
    entries
        .iter()
        .find(is_root)
        .or_else(earliest_segment)
        .or(entries.first())
        .copied()
}

fn id(entity: &Value) -> Option<String> {
    text(entity, "/id").map(|id| id.to_ascii_lowercase())
}

fn is_subsegment(entry: &Value) -> bool {
    text(entry, "/type").as_deref() == Some("subsegment")
}

/// One element for each distinct value of a key, with the services that wrote it.
fn annotations(entries: &[&Value]) -> Value {
    let mut found: Vec<(&String, Value, BTreeSet<Service>)> = Vec::new();
    for entry in entries {
        let service = Service::of_segment(entry);
        for entity in entities(entry) {
            let pairs = entity
                .get("annotations")
                .and_then(Value::as_object)
                .into_iter()
                .flatten();
            for (key, value) in pairs.filter_map(|(key, value)| Some((key, annotation_value(value)?))) {
                match found
                    .iter_mut()
                    .find(|(other, held, _)| *other == key && *held == value)
                {
                    Some((.., services)) => _ = services.insert(service.clone()),
                    None => found.push((key, value, BTreeSet::from([service.clone()]))),
                }
            }
        }
    }
    let mut annotations: Map<String, Value> = Map::new();
    for (key, value, services) in found {
        let element = json!({"AnnotationValue": value, "ServiceIds": to_json(&services)});
        if let Value::Array(values) = annotations.entry(key.clone()).or_insert_with(|| json!([])) {
            values.push(element);
        }
    }
    annotations.into()
}

fn annotation_value(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) => Some(json!({"StringValue": text})),
        Value::Bool(flag) => Some(json!({"BooleanValue": flag})),
        Value::Number(number) => Some(json!({"NumberValue": number})),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn users(entries: &[&Value]) -> Value {
    let mut users: Vec<(String, BTreeSet<Service>)> = Vec::new();
    for entry in entries {
        let Some(user) = text(entry, "/user") else {
            continue;
        };
        let service = Service::of_segment(entry);
        match users.iter_mut().find(|(name, _)| *name == user) {
            Some((_, services)) => _ = services.insert(service),
            None => users.push((user, BTreeSet::from([service]))),
        }
    }
    users
        .iter()
        .map(|(user, services)| json!({"UserName": user, "ServiceIds": to_json(services)}))
        .collect()
}

/// The services that sent segments, then those that were called and sent none.
fn services(entries: &[&Value]) -> Value {
    let mut services: Vec<Service> = Vec::new();
    let mut add = |service: Service| {
        if !services.contains(&service) {
            services.push(service);
        }
    };
    entries
        .iter()
        .filter(|entry| !is_subsegment(entry))
        .for_each(|entry| add(Service::of_segment(entry)));
    let callers: BTreeSet<String> = entries
        .iter()
        .filter_map(|entry| text(entry, "/parent_id").filter(|_| !is_subsegment(entry)))
        .map(|parent| parent.to_ascii_lowercase())
        .collect();
    let silent = |entity: &&Value| id(entity).is_none_or(|id| !callers.contains(&id));
    let called = entries.iter().flat_map(|entry| entities(entry)).filter(silent);
    called.filter_map(Service::called_by).for_each(add);
    services.iter().map(Service::to_json).collect()
}

fn distinct(entries: &[&Value], pointers: &[&str], member: &str) -> Value {
    let values: BTreeSet<String> = entries
        .iter()
        .flat_map(|entry| pointers.iter().filter_map(|pointer| text(entry, pointer)))
        .collect();
    values.into_iter().map(|value| json!({member: value})).collect()
}

fn to_json(services: &BTreeSet<Service>) -> Value {
    services.iter().map(Service::to_json).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::decode;

    const TRACE: &str = "1-67881233-abcdef012345678812345678";

    fn summary_of(documents: &[Value]) -> Value {
        let mut trace = Trace::new(TRACE.parse().unwrap());
        for document in documents {
            let mut document = document.clone();
            document["trace_id"] = TRACE.into();
            for read in decode(&document.to_string(), 64 * 1024) {
                trace.absorb(read.unwrap().nodes);
            }
        }
        summarize(&trace, 7, Timestamp::from_micros(5_000_000))
    }

    fn shop() -> Value {
        json!({
            "name": "shop", "id": "000000000000000a", "start_time": 1, "end_time": 3.5, "fault": true,
            "origin": "AWS::EC2::Instance", "user": "u-1", "resource_arn": "arn:aws:ec2:1",
            "http": {"request": {"method": "GET", "url": "/cart", "user_agent": "curl", "client_ip": "203.0.113.9"},
                     "response": {"status": 500}},
            "aws": {"ec2": {"instance_id": "i-1", "availability_zone": "eu-west-1a"}},
            "annotations": {"tenant": "acme", "age": 35, "list": [1]},
            "subsegments": [
                {"name": "DynamoDB", "id": "000000000000000b", "start_time": 1, "end_time": 2, "throttle": true,
                 "namespace": "aws", "aws": {"table_name": "orders"}, "annotations": {"tenant": "globex"}},
                {"name": "pay.example", "id": "000000000000000c", "start_time": 1, "end_time": 2,
                 "namespace": "remote"},
            ],
        })
    }

    fn pay() -> Value {
        json!({"name": "pay", "id": "000000000000000d", "parent_id": "000000000000000C", "start_time": 1.5,
               "end_time": 4, "error": true, "user": "u-1", "annotations": {"tenant": "acme"}})
    }

    #[test]
    fn flags_and_response_time_are_the_roots_and_duration_is_the_traces() {
        let summary = summary_of(&[pay(), shop()]);
        assert_eq!(summary["Id"], TRACE);
        assert_eq!(
            (&summary["StartTime"], &summary["Duration"]),
            (&json!(1.0), &json!(3.0))
        );
        assert_eq!(summary["ResponseTime"], 2.5);
        assert_eq!(
            (&summary["HasFault"], &summary["HasError"]),
            (&json!(true), &json!(false))
        );
        assert_eq!(summary["HasThrottle"], true);
        assert_eq!(summary["IsPartial"], false);
        assert_eq!(
            (&summary["Revision"], &summary["MatchedEventTime"]),
            (&json!(7), &json!(5.0))
        );
        let http = json!({"HttpURL": "/cart", "HttpMethod": "GET", "UserAgent": "curl", "ClientIp": "203.0.113.9",
                          "HttpStatus": 500});
        assert_eq!(summary["Http"], http);
        assert_eq!(summary["EntryPoint"]["Name"], "shop");
    }

    #[test]
    fn annotations_are_listed_once_a_value_with_their_services() {
        let summary = summary_of(&[shop(), pay()]);
        let tenant = summary["Annotations"]["tenant"].as_array().unwrap();
        assert_eq!(tenant[0]["AnnotationValue"], json!({"StringValue": "acme"}));
        assert_eq!(tenant[0]["ServiceIds"].as_array().unwrap().len(), 2);
        assert_eq!(tenant[1]["AnnotationValue"], json!({"StringValue": "globex"}));
        assert_eq!(tenant[1]["ServiceIds"].as_array().unwrap().len(), 1);
        assert_eq!(
            summary["Annotations"]["age"][0]["AnnotationValue"],
            json!({"NumberValue": 35})
        );
        assert_eq!(summary["Annotations"].get("list"), None);
    }

    #[test]
    fn services_are_those_that_sent_and_those_that_were_called_in_vain() {
        let summary = summary_of(&[shop(), pay()]);
        let services = summary["ServiceIds"].as_array().unwrap();
        let names: Vec<&str> = services
            .iter()
            .filter_map(|service| service["Name"].as_str())
            .collect();
        assert_eq!(names, ["shop", "pay", "orders"]);
        assert_eq!(services[2]["Type"], "AWS::DynamoDB::Table");
        assert_eq!(services[1].get("Type"), None);
        assert_eq!(summary["Users"].as_array().unwrap().len(), 1);
        assert_eq!(summary["Users"][0]["ServiceIds"].as_array().unwrap().len(), 2);
        assert_eq!(summary["ResourceARNs"], json!([{"ARN": "arn:aws:ec2:1"}]));
        assert_eq!(summary["InstanceIds"], json!([{"Id": "i-1"}]));
        assert_eq!(summary["AvailabilityZones"], json!([{"Name": "eu-west-1a"}]));
    }

    #[test]
    fn an_open_root_has_no_response_time_and_an_http_all_the_same() {
        let summary = summary_of(&[
            json!({"name": "a", "id": "000000000000000a", "start_time": 1, "in_progress": true}),
        ]);
        assert_eq!(summary["IsPartial"], true);
        assert_eq!(summary.get("ResponseTime"), None);
        assert_eq!(summary["Http"], json!({}));
        assert_eq!(summary["Duration"], 0.0);
        assert_eq!(summary["ResponseTimeRootCauses"], json!([]));
    }

    #[test]
    fn a_segment_is_the_entry_point_although_an_orphan_started_before_it() {
        let orphan = json!({"name": "inner", "id": "000000000000000e", "type": "subsegment",
                            "parent_id": "00000000000000ff", "start_time": 0, "end_time": 2});
        assert_eq!(summary_of(&[orphan, shop()])["EntryPoint"]["Name"], "shop");
    }

    #[test]
    fn a_trace_of_orphans_still_has_an_entry_point() {
        let orphan = json!({"name": "inner", "id": "000000000000000b", "type": "subsegment",
                            "parent_id": "00000000000000ff", "start_time": 1, "end_time": 2});
        assert_eq!(summary_of(&[orphan])["EntryPoint"]["Name"], "inner");
    }
}
