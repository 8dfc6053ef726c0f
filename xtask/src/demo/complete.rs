//! Whether a trace of the demo is complete. Pure: each unmet condition becomes one line.

use std::collections::BTreeSet;

use serde_json::Value;

use super::sdk::Sdk;
use super::session::Invoked;

/// The subsegment that the function records itself.
const CUSTOM: &str = "take selfie";
const SERVICE: &str = "AWS::Lambda";
const FUNCTION: &str = "AWS::Lambda::Function";

/// What an invocation's trace must show.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub(super) sdk: Sdk,
    pub(super) name: &'static str,
    pub(super) is_cold: bool,
    pub(super) raises: bool,
}

/// Collects what is unmet, each line with the name of its invocation.
struct Unmet {
    name: &'static str,
    lines: Vec<String>,
}

impl Unmet {
    fn require(&mut self, is_met: bool, what: impl Into<String>) {
        if !is_met {
            self.lines
                .push(format!("{} invocation: {}", self.name, what.into()));
        }
    }
}

/// What the trace lacks.
pub(super) fn unmet(documents: &[Value], expected: &Expected) -> Vec<String> {
    let mut unmet = Unmet {
        name: expected.name,
        lines: Vec::new(),
    };
    let of_origin = |origin: &str| {
        let found: Vec<&Value> = documents
            .iter()
            .filter(|document| text(document, "/origin") == origin)
            .collect();
        found
    };
    let (services, functions) = (of_origin(SERVICE), of_origin(FUNCTION));
    unmet.require(
        services.len() == 1,
        format!("{} segments of {SERVICE} instead of one", services.len()),
    );
    unmet.require(
        functions.len() == 1,
        format!("{} segments of {FUNCTION} instead of one", functions.len()),
    );
    for entry in documents {
        let is_root = services.iter().any(|service| std::ptr::eq(*service, entry));
        let is_joined = is_root || parents(documents).contains(text(entry, "/parent_id"));
        unmet.require(
            is_joined,
            format!("{} is not connected to the root", text(entry, "/name")),
        );
    }
    if let ([service], [function]) = (services.as_slice(), functions.as_slice()) {
        let is_child = text(function, "/parent_id") == text(service, "/id");
        unmet.require(is_child, format!("{FUNCTION} does not hang under {SERVICE}"));
        of_function(function, expected, &mut unmet);
    }
    let open = documents
        .iter()
        .flat_map(entities)
        .filter(|entity| is_set(entity, "in_progress"));
    for entity in open {
        unmet.require(false, format!("{} is still in progress", text(entity, "/name")));
    }
    unmet.lines
}

fn of_function(function: &Value, expected: &Expected, unmet: &mut Unmet) {
    let inside = entities(function);
    let named = |name: &str| {
        inside
            .iter()
            .filter(|entity| text(entity, "/name") == name)
            .count()
    };
    let initializations = usize::from(expected.is_cold);
    unmet.require(
        named("Initialization") == initializations,
        format!(
            "{} Initialization subsegments instead of {initializations}",
            named("Initialization")
        ),
    );
    unmet.require(
        named("Invocation") == 1,
        format!("{} Invocation subsegments instead of one", named("Invocation")),
    );
    let fault_wanted = if expected.raises { "a fault" } else { "no fault" };
    unmet.require(
        is_set(function, "fault") == expected.raises,
        format!("{FUNCTION} must have {fault_wanted}"),
    );
    let custom = inside.iter().find(|entity| text(entity, "/name") == CUSTOM);
    unmet.require(
        custom.is_some(),
        format!("the function's own subsegment {CUSTOM:?} is missing"),
    );
    if let Some(custom) = custom {
        of_custom(custom, expected, unmet);
    }
}

/// The function's own subsegment, and what it called.
fn of_custom(custom: &Value, expected: &Expected, unmet: &mut Unmet) {
    let fault_wanted = if expected.raises { "a fault" } else { "no fault" };
    unmet.require(
        is_set(custom, "fault") == expected.raises,
        format!("{CUSTOM:?} must have {fault_wanted}"),
    );
    let has_cause = custom.pointer("/cause/exceptions/0/type").is_some();
    unmet.require(
        has_cause == expected.raises,
        format!("{CUSTOM:?} must have an exception if, and only if, it raises"),
    );
    unmet.require(
        custom.pointer("/annotations/person").is_some(),
        format!("{CUSTOM:?} has no annotation"),
    );
    unmet.require(
        custom.pointer(expected.sdk.camera()).is_some(),
        format!("{CUSTOM:?} has no metadata"),
    );
    let calls = entities(custom);
    let failed = |call: &Value| is_set(call, "error") || is_set(call, "fault");
    let dynamodb: Vec<bool> = calls
        .iter()
        .filter(|call| text(call, "/aws/operation") == "PutItem")
        .map(|call| failed(call))
        .collect();
    unmet.require(
        dynamodb == [false, true],
        format!("{CUSTOM:?} must have a DynamoDB call that succeeds, then one that fails, not {dynamodb:?}"),
    );
    let is_fetch = |call: &&&Value| text(call, "/namespace") == "remote";
    let fetched: Vec<Option<i64>> = calls
        .iter()
        .filter(is_fetch)
        .map(|call| call.pointer("/http/response/status").and_then(Value::as_i64))
        .collect();
    unmet.require(
        fetched == [Some(200)],
        format!("{CUSTOM:?} must have one HTTP call of status 200, not {fetched:?}"),
    );
}

/// What the answer lacks: only the raising invocation fails.
pub(super) fn unmet_by_answer(invoked: &Invoked, expected: &Expected) -> Vec<String> {
    let mut unmet = Unmet {
        name: expected.name,
        lines: Vec::new(),
    };
    let wanted = if expected.raises { "an error" } else { "no error" };
    let is_met = invoked.function_error.is_some() == expected.raises;
    unmet.require(
        is_met,
        format!("the function must answer with {wanted}: {}", invoked.answer),
    );
    unmet.lines
}

/// What the extension's tally lacks: everything received was sent.
pub(super) fn unmet_by_tally(tally: Option<&Value>) -> Vec<String> {
    let Some(tally) = tally else {
        return vec!["the extension printed no tally at SHUTDOWN".to_owned()];
    };
    let count = |name: &str| {
        let count = tally.get(name)?;
        count.get("total").unwrap_or(count).as_u64()
    };
    let mut unmet = Vec::new();
    let Some([received, sent, shed, rejected, held]) = (|| {
        Some([
            count("received")?,
            count("sent")?,
            count("shed")?,
            count("rejected")?,
            count("held")?,
        ])
    })() else {
        return vec![format!("the tally lacks a count: {tally}")];
    };
    // Neither is a loss: another form of the document was sent.
    let dropped = count("repeated").unwrap_or(0) + count("superseded").unwrap_or(0);
    if received == 0 || received != sent + shed + rejected + dropped + held {
        unmet.push(format!(
            "tally: {received} received are not {sent} sent + {shed} shed + {rejected} rejected + {held} held"
        ));
    }
    for (name, count) in [("shed", shed), ("rejected", rejected), ("held", held)] {
        if count > 0 {
            unmet.push(format!("tally: {count} documents were {name}"));
        }
    }
    unmet
}

/// Ids that something may hang under.
fn parents(documents: &[Value]) -> BTreeSet<&str> {
    documents
        .iter()
        .flat_map(entities)
        .map(|entity| text(entity, "/id"))
        .collect()
}

/// An entry and everything nested in it.
fn entities(entry: &Value) -> Vec<&Value> {
    let mut found = vec![entry];
    let mut next = 0;
    while let Some(entity) = found.get(next).copied() {
        found.extend(
            entity
                .get("subsegments")
                .and_then(Value::as_array)
                .into_iter()
                .flatten(),
        );
        next += 1;
    }
    found
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn is_set(value: &Value, flag: &str) -> bool {
    value.get(flag).and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLD: Expected = Expected {
        sdk: Sdk::Xray,
        name: "cold",
        is_cold: true,
        raises: false,
    };

    fn trace() -> Value {
        json!([
            {"origin": "AWS::Lambda", "id": "a", "name": "selfies"},
            {"origin": "AWS::Lambda::Function", "id": "b", "parent_id": "a", "name": "selfies", "subsegments": [
                {"name": "Initialization", "id": "c"},
                {"name": "Invocation", "id": "d", "subsegments": [
                    {"name": "take selfie", "id": "e", "annotations": {"person": "ada"},
                     "metadata": {"selfies": {"camera": {}}}, "subsegments": [
                        {"name": "127.0.0.1", "id": "f", "namespace": "remote", "http": {"response": {"status": 200}}},
                        {"name": "dynamodb", "id": "g", "namespace": "aws", "aws": {"operation": "PutItem"}},
                        {"name": "dynamodb", "id": "h", "namespace": "aws", "aws": {"operation": "PutItem"},
                         "error": true},
                    ]},
                ]},
            ]},
        ])
    }

    /// What is unmet after the trace was changed at one place; null takes the place away.
    #[track_caller]
    fn check(pointer: &str, value: Value, expected: &Expected, lines: &[&str]) {
        let mut trace = trace();
        let (outer, member) = pointer.rsplit_once('/').unwrap();
        match trace.pointer_mut(outer).unwrap() {
            Value::Array(elements) => {
                let index: usize = member.parse().unwrap();
                elements.remove(index);
            }
            entity => entity[member] = value,
        }
        let found = unmet(trace.as_array().unwrap(), expected);
        let found: Vec<&str> = found
            .iter()
            .filter_map(|line| Some(line.split_once(" invocation: ")?.1))
            .collect();
        assert_eq!(found, lines, "{pointer}");
    }

    const FUNCTION_AT: &str = "/1";
    const CUSTOM_AT: &str = "/1/subsegments/1/subsegments/0";

    #[test]
    fn a_complete_trace_lacks_nothing() {
        assert_eq!(unmet(trace().as_array().unwrap(), &COLD), Vec::<String>::new());
    }

    #[test]
    fn each_missing_part_is_one_line() {
        check(
            "/0",
            Value::Null,
            &COLD,
            &[
                "0 segments of AWS::Lambda instead of one",
                "selfies is not connected to the root",
            ],
        );
        check(
            "/1",
            Value::Null,
            &COLD,
            &["0 segments of AWS::Lambda::Function instead of one"],
        );
        check(
            "/1/subsegments/0",
            Value::Null,
            &COLD,
            &["0 Initialization subsegments instead of 1"],
        );
        check(
            &format!("{FUNCTION_AT}/parent_id"),
            json!("e"),
            &COLD,
            &["AWS::Lambda::Function does not hang under AWS::Lambda"],
        );
        check(
            &format!("{FUNCTION_AT}/fault"),
            json!(true),
            &COLD,
            &["AWS::Lambda::Function must have no fault"],
        );
        check(
            &format!("{CUSTOM_AT}/in_progress"),
            json!(true),
            &COLD,
            &["take selfie is still in progress"],
        );
        check(
            &format!("{CUSTOM_AT}/annotations"),
            json!({}),
            &COLD,
            &["\"take selfie\" has no annotation"],
        );
        check(
            &format!("{CUSTOM_AT}/metadata"),
            json!({}),
            &COLD,
            &["\"take selfie\" has no metadata"],
        );
        check(
            &format!("{CUSTOM_AT}/subsegments/0"),
            Value::Null,
            &COLD,
            &["\"take selfie\" must have one HTTP call of status 200, not []"],
        );
        check(
            &format!("{CUSTOM_AT}/subsegments/2"),
            Value::Null,
            &COLD,
            &["\"take selfie\" must have a DynamoDB call that succeeds, then one that fails, not [false]"],
        );
        check(
            CUSTOM_AT,
            Value::Null,
            &COLD,
            &["the function's own subsegment \"take selfie\" is missing"],
        );
    }

    #[test]
    fn an_entry_without_a_known_parent_is_named() {
        let mut trace = trace();
        trace
            .as_array_mut()
            .unwrap()
            .push(json!({"type": "subsegment", "name": "lost", "id": "z", "parent_id": "y"}));
        assert_eq!(
            unmet(trace.as_array().unwrap(), &COLD),
            ["cold invocation: lost is not connected to the root"]
        );
    }

    #[test]
    fn a_warm_invocation_has_no_initialization_and_a_raising_one_has_its_faults() {
        let warm = Expected {
            is_cold: false,
            ..COLD
        };
        check(
            &format!("{FUNCTION_AT}/user"),
            json!("u"),
            &warm,
            &["1 Initialization subsegments instead of 0"],
        );
        let raising = Expected { raises: true, ..COLD };
        check(
            &format!("{FUNCTION_AT}/user"),
            json!("u"),
            &raising,
            &[
                "AWS::Lambda::Function must have a fault",
                "\"take selfie\" must have a fault",
                "\"take selfie\" must have an exception if, and only if, it raises",
            ],
        );
    }

    #[test]
    fn only_the_raising_invocation_answers_with_an_error() {
        let invoked = |function_error: Option<&str>| Invoked {
            answer: "{}".to_owned(),
            function_error: function_error.map(str::to_owned),
            trace_id: String::new(),
        };
        let raising = Expected { raises: true, ..COLD };
        assert_eq!(unmet_by_answer(&invoked(None), &COLD).len(), 0);
        assert_eq!(unmet_by_answer(&invoked(Some("Unhandled")), &COLD).len(), 1);
        assert_eq!(unmet_by_answer(&invoked(Some("Unhandled")), &raising).len(), 0);
        assert_eq!(unmet_by_answer(&invoked(None), &raising).len(), 1);
    }

    #[test]
    fn a_tally_must_add_up_and_lose_nothing() {
        let tally = |received: u64, sent: u64, shed: u64, held: u64| {
            unmet_by_tally(Some(&json!({
                "received": {"total": received, "udp": 1}, "sent": sent, "shed": {"total": shed},
                "rejected": {"total": 0}, "held": held,
            })))
        };
        assert_eq!(tally(5, 5, 0, 0), Vec::<String>::new());
        assert_eq!(
            tally(5, 4, 0, 0),
            ["tally: 5 received are not 4 sent + 0 shed + 0 rejected + 0 held"]
        );
        assert_eq!(
            tally(5, 3, 1, 1),
            ["tally: 1 documents were shed", "tally: 1 documents were held"]
        );
        assert_eq!(tally(0, 0, 0, 0).len(), 1);
        assert_eq!(
            unmet_by_tally(None),
            ["the extension printed no tally at SHUTDOWN"]
        );
        assert_eq!(unmet_by_tally(Some(&json!({"received": 1}))).len(), 1);
    }
}
