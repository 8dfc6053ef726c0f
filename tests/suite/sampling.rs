//! Samplers in the function, which ask X-Ray through the daemon's port: real ones, and what each failure costs.

use std::time::{SystemTime, UNIX_EPOCH};

use emulator::{Config, Invoked, Request};
use serde_json::{Value, json};
use tests::destination::{Destination, Door};
use tests::lab::Lab;
use tests::script::Script;

use super::clients::program::{ANY_KEYS, python};
use super::clients::python::runtime_client;
use super::clients::stage::xray;

const RULES: &str = "/GetSamplingRules";
const TARGETS: &str = "/SamplingTargets";

/// A rule for the requests of one path.
fn rule(name: &str, path: &str, fixed_rate: f64, reservoir: u32) -> Value {
    json!({ "SamplingRule": {
        "RuleName": name, "RuleARN": format!("arn:aws:xray:eu-west-1:123456789012:sampling-rule/{name}"),
        "ResourceARN": "*", "Priority": 100, "FixedRate": fixed_rate, "ReservoirSize": reservoir,
        "ServiceName": "*", "ServiceType": "*", "Host": "*", "HTTPMethod": "*", "URLPath": path,
        "Version": 1, "Attributes": {},
    }, "CreatedAt": 1_700_000_000, "ModifiedAt": 1_700_000_000 })
}

fn rules(records: &[Value]) -> Value {
    json!({ "SamplingRuleRecords": records })
}

/// A quota for one rule, and when rules were last modified.
fn targets(name: &str, quota: u32, modified_at_s: u64) -> Value {
    json!({
        "SamplingTargetDocuments": [{ "RuleName": name, "FixedRate": 0, "ReservoirQuota": quota,
            "ReservoirQuotaTTL": now_s() + 300, "Interval": 1 }],
        "LastRuleModification": modified_at_s,
        "UnprocessedStatistics": [],
    })
}

fn now_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("it is later than 1970").as_secs()
}

fn to(destination: &Destination) -> impl FnOnce(&mut Config) {
    let url = destination.url();
    move |config| {
        config.variables.insert("AWS_ENDPOINT_URL_XRAY".into(), url);
    }
}

/// How many of a burst of requests are sampled in the end, if it is so many as the rules let expect.
async fn burst(lab: &Lab, path: &str, until: [u32; 2]) {
    let event = json!({ "path": path, "burst": 20, "until": until });
    let invoked = lab.environment.invoke(Request::json(event.to_string())).await;
    assert_eq!(
        invoked.function_error,
        None,
        "{path}: {}\n{}",
        invoked.text(),
        lab.log()
    );
}

fn asked_for(destination: &Destination, path: &str) -> Vec<Value> {
    let asked = destination.received().asked;
    assert!(
        asked.iter().all(|asked| !asked.key.is_empty()),
        "every question is signed: {asked:?}"
    );
    let bodies = asked.into_iter().filter(|asked| asked.path == path);
    bodies.map(|asked| asked.body).collect()
}

#[tokio::test]
async fn the_sampler_of_awss_opentelemetry_decides_by_the_rules_and_quotas_that_x_ray_gives() {
    let destination = Destination::start().await;
    let health = |fixed_rate| rule("health", "/health", fixed_rate, 0);
    let orders = rule("orders", "/orders", 1.0, 0);
    let baskets = rule("baskets", "/baskets", 0.0, 50);
    let all = [health(0.0), orders.clone(), baskets.clone()];
    destination.answer_samplers(RULES, 200, rules(&all));
    destination.answer_samplers(TARGETS, 200, targets("baskets", 5, 0));
    let lab = Lab::with(|config| {
        to(&destination)(config);
        runtime_client("sampled.opentelemetry").play(config);
    })
    .await;
    burst(&lab, "/orders", [20, 20]).await;
    burst(&lab, "/health", [0, 0]).await;
    // One is borrowed each second until a report is answered; then there is a quota, which each answer begins anew.
    burst(&lab, "/baskets", [2, 6]).await;
    let reports = asked_for(&destination, TARGETS);
    let requests =
        |report: &Value| report["SamplingStatisticsDocuments"][0]["RequestCount"].as_u64() > Some(0);
    assert!(!reports.is_empty() && reports.iter().all(requests), "{reports:?}");
    assert_eq!(asked_for(&destination, RULES).len(), 1);
    // Rules are modified, the next report's answer says so, and the sampler asks anew at once.
    let changed = [health(1.0), orders, baskets];
    destination.answer_samplers(RULES, 200, rules(&changed));
    destination.answer_samplers(TARGETS, 200, targets("baskets", 5, now_s() + 3600));
    burst(&lab, "/health", [20, 20]).await;
    let finished = lab.finish().await;
    let rules_asked = asked_for(&destination, RULES).len();
    assert!(rules_asked >= 2, "{rules_asked}");
    // The last one may have been under way at the end.
    let forwarded = finished.count("/sampling_forwarded");
    assert!(forwarded >= 3, "{}", finished.tally);
}

#[tokio::test]
async fn the_sampler_of_x_rays_own_sdk_decides_by_the_rules_that_x_ray_gives() {
    let destination = Destination::start().await;
    let all = [
        rule("health", "/health", 0.0, 0),
        rule("orders", "/orders", 1.0, 0),
    ];
    destination.answer_samplers(RULES, 200, rules(&all));
    let lab = Lab::with(|config| {
        to(&destination)(config);
        runtime_client("sampled.xray_sdk").play(config);
    })
    .await;
    burst(&lab, "/orders", [20, 20]).await;
    burst(&lab, "/health", [0, 0]).await;
    assert_eq!(asked_for(&destination, RULES).len(), 1);
    let finished = lab.finish().await;
    assert_eq!(finished.count("/sampling_forwarded"), 1, "{}", finished.tally);
}

#[tokio::test]
async fn samplers_find_the_default_rule_in_the_local_backend() {
    let backend = xray().await;
    let read = python("read_rules.py", &[], &backend.url(), ANY_KEYS).await;
    let names: Vec<&Value> = read["rules"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|rule| &rule["RuleName"])
        .collect();
    assert_eq!(names, ["Default"]);
    let target = &read["targets"]["SamplingTargetDocuments"][0];
    assert_eq!(
        (&target["RuleName"], &target["ReservoirQuota"]),
        (&json!("Default"), &json!(1))
    );
    assert_eq!(read["targets"]["UnprocessedStatistics"][0]["RuleName"], "cats");

    let lab = Lab::start().await;
    let rules = ask(&lab, RULES).await;
    assert_eq!(rules["status"], 200, "{rules}");
    assert_eq!(
        rules["content"]["SamplingRuleRecords"][0]["SamplingRule"]["RuleName"],
        "Default"
    );
    let finished = lab.finish().await;
    assert_eq!(finished.count("/sampling_forwarded"), 1, "{}", finished.tally);
}

fn answer(invoked: &Invoked) -> Value {
    serde_json::from_str(&invoked.text()).expect("the function's answer is JSON")
}

async fn ask(lab: &Lab, path: &str) -> Value {
    answer(&lab.succeed(&Script::new().ask(path, "{}")).await)
}

#[tokio::test]
async fn a_missing_permission_is_told_to_the_sampler_and_once_in_the_log_with_its_mend() {
    let destination = Destination::start().await;
    let denied = json!({ "__type": "AccessDeniedException", "Message": "not authorized to perform this" });
    destination.answer_samplers(RULES, 403, denied.clone());
    destination.answer_samplers(TARGETS, 403, denied);
    let lab = Lab::with(to(&destination)).await;
    for path in [RULES, TARGETS, RULES] {
        let answer = ask(&lab, path).await;
        assert_eq!(
            (&answer["status"], &answer["code"]),
            (&json!(403), &json!("AccessDeniedException"))
        );
        assert_eq!(answer["content"]["Message"], "not authorized to perform this");
    }
    let finished = lab.finish().await;
    assert_eq!(destination.received().asked.len(), 2);
    assert_eq!(finished.count("/sampling_failed"), 3, "{}", finished.tally);
    assert_eq!(
        finished.messages(),
        ["X-Ray does not answer the function's sampler"]
    );
    let cause = finished.lines[0]["cause"].as_str().unwrap_or_default();
    assert!(
        cause.contains("allow xray:GetSamplingRules and xray:GetSamplingTargets in the role of the function"),
        "{cause}"
    );
}

#[tokio::test]
async fn an_x_ray_out_of_reach_costs_a_sampler_one_second_once() {
    let destination = Destination::start().await;
    let lab = Lab::with(to(&destination)).await;
    destination.door(Door::Silent).await;
    let first = ask(&lab, RULES).await;
    assert_eq!(
        (&first["status"], &first["code"]),
        (&json!(503), &json!("ServiceUnavailableException"))
    );
    let waited_ms = |answer: &Value| answer["waited_ms"].as_u64().expect("a time");
    assert!((1000..5000).contains(&waited_ms(&first)), "{first}");
    let second = ask(&lab, TARGETS).await;
    assert_eq!(second["status"], 503);
    assert!(waited_ms(&second) < 500, "{second}");
    destination.door(Door::Open).await;
    lab.finish().await;
}

/// Asks at its start, which is before the snapshot.
#[tokio::test]
async fn what_a_sampler_learned_before_a_snapshot_is_not_known_after_it() {
    let destination = Destination::start().await;
    destination.give_out(["ONE", "TWO"]);
    destination.answer_samplers(RULES, 200, rules(&[]));
    let restored = destination.of_restored_function();
    let lab = Lab::with(|config| {
        runtime_client("sampled.by_itself").play(config);
        restored(config);
    })
    .await;
    // The restore is told by a record, which may come after the handler has asked: the second one has to wait for it.
    lab.succeed(&Script::new()).await;
    lab.idle().await;
    let answer = answer(&lab.succeed(&Script::new()).await);
    assert_eq!(answer, json!({ "asked": [200, 200, 200] }));
    let keys: Vec<String> = destination
        .received()
        .asked
        .into_iter()
        .map(|asked| asked.key)
        .collect();
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert_ne!(keys[0], keys[1], "credentials were fetched anew");
    let finished = lab.finish().await;
    assert_eq!(finished.count("/sampling_cached"), 2, "{}", finished.tally);
}
