//! Root causes of a trace: where its faults and errors began, and where its time went.
//!
//! AWS's algorithm is not public. Ours: a fault's cause is an entity with the flag below which nothing has
//! it, and the path is the way from the trace's root down to it. The response time's cause is found by
//! going down into the longest child for as long as that covers at least half of its parent.
//!
//! Pure.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::limits::{NESTED_LEVELS_MAX, ROOT_CAUSES_MAX};
use crate::services::{Service, duration_seconds, is_set, subsegments, text};

/// A child is followed while it covers at least this share of its parent.
const FOLLOWED_SHARE: f64 = 0.5;
/// Entities of one path; what lies deeper is not searched.
const PATH_ENTITIES_MAX: usize = 8 * NESTED_LEVELS_MAX;

/// A compiled trace with its calls joined: segments hang under the subsegment that called them.
pub(crate) struct CallTree<'a> {
    root: &'a Value,
    /// Segments by the id of their caller.
    called: BTreeMap<String, Vec<&'a Value>>,
}

/// One entity of a path.
#[derive(Clone, Copy)]
struct Step<'a> {
    entity: &'a Value,
    is_segment: bool,
}

impl<'a> CallTree<'a> {
    pub(crate) fn new(root: &'a Value, entries: &[&'a Value]) -> Self {
        let mut called: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
        for entry in entries.iter().filter(|entry| !std::ptr::eq(**entry, root)) {
            if let Some(parent) = text(entry, "/parent_id") {
                called.entry(parent.to_ascii_lowercase()).or_default().push(entry);
            }
        }
        Self { root, called }
    }

    /// `FaultRootCauses` or `ErrorRootCauses`, by the flag.
    pub(crate) fn of_flag(&self, flag: &str) -> Value {
        let mut paths = Vec::new();
        self.find(flag, &mut vec![self.root_step()], &mut paths);
        let client_impacting = is_set(self.root, flag);
        let cause = |path: &Vec<Step<'_>>| json!({"Services": services(path, &with_exceptions), "ClientImpacting": client_impacting});
        paths.iter().take(ROOT_CAUSES_MAX).map(cause).collect()
    }

    /// `ResponseTimeRootCauses`: one path, or none while the root is in progress.
    pub(crate) fn of_response_time(&self) -> Value {
        let Some(whole) = duration_seconds(self.root).filter(|seconds| *seconds > 0.0) else {
            return json!([]);
        };
        let mut path = vec![self.root_step()];
        while let Some(last) = path.last().filter(|_| path.len() < PATH_ENTITIES_MAX) {
            let enough = duration_seconds(last.entity).unwrap_or(whole) * FOLLOWED_SHARE;
            let timed = self
                .below(*last)
                .filter_map(|step| Some((duration_seconds(step.entity)?, step)));
            let Some((_, longest)) = timed
                .filter(|(seconds, _)| *seconds >= enough)
                .max_by(|a, b| a.0.total_cmp(&b.0))
            else {
                break;
            };
            path.push(longest);
        }
        let with_coverage = |entity: &Value| {
            let coverage = (duration_seconds(entity).unwrap_or_default() / whole).min(1.0);
            json!({"Name": text(entity, "/name"), "Coverage": coverage, "Remote": is_remote(entity)})
        };
        json!([{"Services": services(&path, &with_coverage), "ClientImpacting": true}])
    }

    fn root_step(&self) -> Step<'a> {
        Step {
            entity: self.root,
            is_segment: true,
        }
    }

    /// What hangs directly under an entity: its subsegments, then the segments that it called.
    fn below(&self, step: Step<'a>) -> impl Iterator<Item = Step<'a>> + use<'a, '_> {
        let nested = subsegments(step.entity).map(|entity| Step {
            entity,
            is_segment: false,
        });
        let id = text(step.entity, "/id").unwrap_or_default().to_ascii_lowercase();
        let called = self.called.get(&id).into_iter().flatten();
        nested.chain(called.map(|entity| Step {
            entity,
            is_segment: text(entity, "/type").is_none(),
        }))
    }

    /// Collects the paths to the deepest entities with the flag. Returns whether there were any below.
    fn find(&self, flag: &str, path: &mut Vec<Step<'a>>, paths: &mut Vec<Vec<Step<'a>>>) -> bool {
        let Some(&last) = path.last().filter(|_| path.len() <= PATH_ENTITIES_MAX) else {
            return false;
        };
        let mut found = false;
        for step in self.below(last) {
            path.push(step);
            found |= paths.len() < ROOT_CAUSES_MAX && self.find(flag, path, paths);
            path.pop();
        }
        if !found && is_set(last.entity, flag) {
            paths.push(path.clone());
            found = true;
        }
        found
    }
}

/// The path cut into services: a segment begins one, its subsegments follow in its `EntityPath`.
fn services(path: &[Step<'_>], entity: &dyn Fn(&Value) -> Value) -> Vec<Value> {
    let mut services: Vec<(Service, Vec<Value>)> = Vec::new();
    for step in path {
        match services.last_mut() {
            Some((_, entities)) if !step.is_segment => entities.push(entity(step.entity)),
            _ => services.push((Service::of_segment(step.entity), vec![entity(step.entity)])),
        }
    }
    let to_json = |(service, entities): (Service, Vec<Value>)| {
        let mut json = service.to_json();
        if let Some(members) = json.as_object_mut() {
            // Clients read `Type` without asking whether it is there.
            members.insert("Type".into(), service.kind.unwrap_or_default().into());
            members.insert("EntityPath".into(), entities.into());
            members.insert("Inferred".into(), false.into());
        }
        json
    };
    services.into_iter().map(to_json).collect()
}

fn with_exceptions(entity: &Value) -> Value {
    let exceptions = entity
        .pointer("/cause/exceptions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let exceptions: Vec<Value> = exceptions
        .map(|exception| json!({"Name": text(exception, "/type"), "Message": text(exception, "/message")}))
        .collect();
    json!({"Name": text(entity, "/name"), "Exceptions": exceptions, "Remote": is_remote(entity)})
}

fn is_remote(entity: &Value) -> bool {
    text(entity, "/namespace").is_some_and(|namespace| namespace == "remote" || namespace == "aws")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(cause: &Value) -> Vec<String> {
        let services = cause["Services"].as_array().into_iter().flatten();
        let path = |service: &Value| {
            let entities = service["EntityPath"].as_array().into_iter().flatten();
            let names: Vec<&str> = entities.filter_map(|entity| entity["Name"].as_str()).collect();
            format!(
                "{}: {}",
                service["Name"].as_str().unwrap_or_default(),
                names.join(" > ")
            )
        };
        services.map(path).collect()
    }

    fn call() -> [Value; 2] {
        let shop = json!({"name": "shop", "id": "a1", "fault": true, "start_time": 0, "end_time": 10, "subsegments": [
            {"name": "work", "id": "a2", "start_time": 0, "end_time": 1},
            {"name": "pay.example", "id": "A3", "namespace": "remote", "fault": true, "start_time": 1, "end_time": 10},
        ]});
        let pay = json!({"name": "pay", "id": "b1", "parent_id": "a3", "fault": true, "start_time": 2, "end_time": 9,
            "cause": {"exceptions": [{"type": "DbError", "message": "denied"}]}});
        [shop, pay]
    }

    #[test]
    fn a_faults_cause_is_the_deepest_entity_with_the_flag() {
        let [shop, pay] = call();
        let causes = CallTree::new(&shop, &[&shop, &pay]).of_flag("fault");
        assert_eq!(names(&causes[0]), ["shop: shop > pay.example", "pay: pay"]);
        assert_eq!(causes[0]["ClientImpacting"], true);
        let exceptions = &causes[0]["Services"][1]["EntityPath"][0]["Exceptions"];
        assert_eq!(*exceptions, json!([{"Name": "DbError", "Message": "denied"}]));
        assert_eq!(causes.as_array().unwrap().len(), 1);
    }

    #[test]
    fn a_trace_without_the_flag_has_no_cause() {
        let [shop, pay] = call();
        assert_eq!(CallTree::new(&shop, &[&shop, &pay]).of_flag("error"), json!([]));
    }

    #[test]
    fn a_fault_that_was_handled_does_not_touch_the_client() {
        let [mut shop, pay] = call();
        shop["fault"] = json!(false);
        let causes = CallTree::new(&shop, &[&shop, &pay]).of_flag("fault");
        assert_eq!(causes[0]["ClientImpacting"], false);
    }

    #[test]
    fn the_time_is_followed_into_the_longest_call() {
        let [shop, pay] = call();
        let causes = CallTree::new(&shop, &[&shop, &pay]).of_response_time();
        assert_eq!(names(&causes[0]), ["shop: shop > pay.example", "pay: pay"]);
        assert_eq!(causes[0]["Services"][1]["EntityPath"][0]["Coverage"], 0.7);
        assert_eq!(causes[0]["Services"][1]["Type"], "");
    }

    #[test]
    fn many_causes_are_listed_up_to_the_limit() {
        let child = |n: usize| json!({"name": format!("n{n}"), "id": format!("{n}"), "fault": true});
        let root = json!({"name": "root", "id": "r", "subsegments": (0..50).map(child).collect::<Vec<_>>()});
        let causes = CallTree::new(&root, &[&root]).of_flag("fault");
        assert_eq!(causes.as_array().unwrap().len(), ROOT_CAUSES_MAX);
    }

    #[test]
    fn segments_that_call_each_other_in_a_circle_end() {
        let a = json!({"name": "a", "id": "a1", "parent_id": "b1", "fault": true, "start_time": 0, "end_time": 1});
        let b = json!({"name": "b", "id": "b1", "parent_id": "a1", "fault": true, "start_time": 0, "end_time": 1});
        let tree = CallTree::new(&a, &[&a, &b]);
        assert_eq!(names(&tree.of_flag("fault")[0]), ["a: a", "b: b"]);
        let c = json!({"name": "c", "id": "c1", "parent_id": "c1", "fault": true, "start_time": 0, "end_time": 1});
        assert_eq!(
            CallTree::new(&c, &[&c])
                .of_flag("fault")
                .as_array()
                .unwrap()
                .len(),
            1
        );
    }
}
