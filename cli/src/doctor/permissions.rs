//! What the execution role may do, as far as its policies are known.

use super::node::{Node, Place, Value};

/// Policies of AWS's own that function roles have, and what they allow of X-Ray.
const MANAGED: &[(&str, &[&str])] = &[
    ("AWSXRayDaemonWriteAccess", &WRITE),
    ("AWSXrayWriteOnlyAccess", &WRITE),
    ("AWSXrayFullAccess", &["xray:*"]),
    ("AdministratorAccess", &["*"]),
    ("PowerUserAccess", &["*"]),
    (
        "CloudWatchLambdaApplicationSignalsExecutionRolePolicy",
        &["xray:PutTraceSegments"],
    ),
    ("AWSXrayReadOnlyAccess", &[]),
    ("CloudWatchLambdaInsightsExecutionRolePolicy", &[]),
];
const WRITE: [&str; 5] = [
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:GetSamplingStatisticSummaries",
];
/// Beginnings of other names of AWS's that allow nothing of X-Ray.
const WITHOUT_XRAY: &[&str] = &["AWSLambda", "Amazon"];

/// Whether something is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is.
    Allowed,
    /// A statement denies it, whatever others allow.
    Denied(Place),
    /// It is allowed for something else than `*`, which X-Ray does not know.
    Narrow(Place),
    /// No policy speaks of it.
    Missing(Place),
    /// A policy that is not known may.
    Unknown(String),
}

#[derive(Debug, Clone)]
struct Statement {
    place: Place,
    is_allow: bool,
    is_conditional: bool,
    is_everywhere: bool,
    actions: Vec<String>,
    /// All but these.
    except: Option<Vec<String>>,
}

/// The policies of a role.
#[derive(Debug, Clone, Default)]
pub(super) struct Permissions {
    statements: Vec<Statement>,
    unknown: Vec<String>,
    /// Where policies are, or would be; none if nobody told of any.
    told: Option<Place>,
}

impl Permissions {
    /// Policies are told of at `place`, perhaps none.
    pub(super) fn told_at(place: &Place) -> Self {
        Self {
            told: Some(place.clone()),
            ..Self::default()
        }
    }

    /// The same with another one's policies.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.statements.extend(other.statements);
        self.unknown.extend(other.unknown);
        self.told = self.told.or(other.told);
        self
    }

    /// A policy in any of the forms that commands and templates have for it.
    pub(super) fn add(&mut self, policy: &Node) {
        self.told.get_or_insert_with(|| policy.place.clone());
        if let Value::List(policies) = &policy.value {
            return policies.iter().for_each(|policy| self.add(policy));
        }
        if let Some(name) = policy.known() {
            return match serde_json::from_str(name) {
                // get-policy-version of some tools gives the document as a text.
                Ok(document @ serde_json::Value::Object(_)) => {
                    self.add(&Node::from_json(policy.place.path.clone(), &document));
                }
                _ => self.add_named(&policy.place, name),
            };
        }
        // Where the documents lie in what commands print, and in `Policies` of a role.
        let wrapped = [
            "PolicyDocument",
            "Document",
            "PolicyVersion",
            "AttachedPolicies",
            "PolicyArn",
        ];
        if let Some(inner) = wrapped.iter().find_map(|key| policy.member(key)) {
            return self.add(inner);
        }
        if let Some(statements) = policy.member("Statement") {
            let read = statements.elements().iter().map(Statement::read);
            return self.statements.extend(read);
        }
        if policy.is_intrinsic() {
            let hint = policy.hint();
            match MANAGED.iter().find(|(name, _)| hint.contains(name)) {
                Some((name, _)) => self.add_named(&policy.place, name),
                None => self.unknown.push(hint),
            }
        }
        // Else a policy template of SAM, `DynamoDBReadPolicy: {…}`: none of them has anything of X-Ray.
    }

    fn add_named(&mut self, place: &Place, name: &str) {
        let short = name.rsplit('/').next().unwrap_or(name);
        let is_own = name.starts_with("arn:") && !name.contains(":iam::aws:");
        match MANAGED.iter().find(|(known, _)| *known == short && !is_own) {
            Some((_, actions)) => self.statements.push(Statement {
                place: place.clone(),
                is_allow: true,
                is_conditional: false,
                is_everywhere: true,
                actions: actions.iter().map(|action| (*action).to_owned()).collect(),
                except: None,
            }),
            None if !is_own && WITHOUT_XRAY.iter().any(|start| short.starts_with(start)) => {}
            None => self.unknown.push(name.to_owned()),
        }
    }

    /// Whether the role may do `action` on anything.
    pub(super) fn answer(&self, action: &str) -> Answer {
        let Some(place) = &self.told else {
            return Answer::Unknown(String::new());
        };
        let speaking = || {
            self.statements
                .iter()
                .filter(|statement| statement.covers(action))
        };
        let denial = speaking().find(|statement| !statement.is_allow && !statement.is_conditional);
        if let Some(denial) = denial {
            return Answer::Denied(denial.place.clone());
        }
        let mut allowing = speaking().filter(|statement| statement.is_allow && statement.is_everywhere);
        if allowing.clone().any(|statement| !statement.is_conditional) {
            return Answer::Allowed;
        }
        if allowing.next().is_some() {
            return Answer::Unknown("a statement with a condition".to_owned());
        }
        if !self.unknown.is_empty() {
            return Answer::Unknown(self.unknown.join(", "));
        }
        match speaking().find(|statement| statement.is_allow) {
            Some(narrow) => Answer::Narrow(narrow.place.clone()),
            None => Answer::Missing(place.clone()),
        }
    }
}

impl Statement {
    fn read(node: &Node) -> Self {
        let texts = |key: &str| {
            let elements = node.member(key).map(Node::elements);
            elements.map(|elements| elements.iter().map(Node::hint).collect::<Vec<_>>())
        };
        Self {
            place: node.place.clone(),
            is_allow: node.member("Effect").and_then(Node::known) == Some("Allow"),
            is_conditional: node.member("Condition").is_some(),
            is_everywhere: texts("Resource")
                .is_some_and(|resources| resources.iter().any(|text| text == "*")),
            actions: texts("Action").unwrap_or_default(),
            except: texts("NotAction"),
        }
    }

    fn covers(&self, action: &str) -> bool {
        let matches = |patterns: &[String]| {
            patterns
                .iter()
                .any(|pattern| is_match(&pattern.to_ascii_lowercase(), &action.to_ascii_lowercase()))
        };
        matches(&self.actions) || self.except.as_ref().is_some_and(|except| !matches(except))
    }
}

/// Whether a text matches a pattern with `*` and `?`.
fn is_match(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    // reached[i]: the pattern so far matches the first i characters.
    let mut reached = vec![false; text.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    for wanted in pattern {
        let mut next = vec![false; text.len() + 1];
        let mut before = false;
        for (index, slot) in next.iter_mut().enumerate() {
            let here = reached.get(index).copied().unwrap_or(false);
            let back = index.checked_sub(1);
            let step = back.and_then(|back| reached.get(back)).copied().unwrap_or(false);
            let character = back.and_then(|back| text.get(back));
            *slot = match wanted {
                '*' => here || before,
                '?' => step && character.is_some(),
                wanted => step && character == Some(&wanted),
            };
            before = *slot;
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    const PUT: &str = "xray:PutTraceSegments";

    #[track_caller]
    fn check(policies: &[Json], expected: &str) {
        let mut permissions = Permissions::default();
        for policy in policies {
            permissions.add(&Node::from_json(String::new(), policy));
        }
        let told = match permissions.answer(PUT) {
            Answer::Allowed => "allowed".to_owned(),
            Answer::Denied(_) => "denied".to_owned(),
            Answer::Narrow(_) => "narrow".to_owned(),
            Answer::Missing(_) => "missing".to_owned(),
            Answer::Unknown(why) => format!("unknown {why}"),
        };
        assert_eq!(told, expected, "{policies:?}");
    }

    fn statement(effect: &str, action: Json, resource: &str) -> Json {
        json!({"Version": "2012-10-17", "Statement": {"Effect": effect, "Action": action, "Resource": resource}})
    }

    #[test]
    fn every_form_of_a_policy_is_read() {
        let document = statement("Allow", json!([PUT]), "*");
        check(std::slice::from_ref(&document), "allowed");
        check(
            &[json!({"RoleName": "r", "PolicyName": "p", "PolicyDocument": document})],
            "allowed",
        );
        check(
            &[json!({"PolicyVersion": {"Document": document, "VersionId": "v1"}})],
            "allowed",
        );
        check(&[json!({"PolicyDocument": document.to_string()})], "allowed");
        check(&[json!(["AWSLambdaBasicExecutionRole", document])], "allowed");
        let attached = |name: &str| json!({"AttachedPolicies": [{"PolicyName": name, "PolicyArn": format!("arn:aws:iam::aws:policy/{name}")}]});
        check(&[attached("AWSXRayDaemonWriteAccess")], "allowed");
        check(&[attached("AWSLambdaBasicExecutionRole")], "missing");
        check(
            &[attached("SomethingNew")],
            "unknown arn:aws:iam::aws:policy/SomethingNew",
        );
        check(
            &[
                json!({"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":iam::aws:policy/AWSXRayDaemonWriteAccess"]]}),
            ],
            "allowed",
        );
    }

    #[test]
    fn a_policy_of_ones_own_with_the_name_of_aws_is_not_known() {
        let own = "arn:aws:iam::111122223333:policy/AWSXRayDaemonWriteAccess";
        check(
            &[json!({"AttachedPolicies": [{"PolicyArn": own}]})],
            &format!("unknown {own}"),
        );
    }

    #[test]
    fn statements_are_read_as_iam_does() {
        check(&[], "unknown ");
        check(&[statement("Allow", json!("xray:*"), "*")], "allowed");
        check(&[statement("Allow", json!("XRAY:put*"), "*")], "allowed");
        check(
            &[statement("Allow", json!("xray:Put?raceSegments"), "*")],
            "allowed",
        );
        check(&[statement("Allow", json!("xray:PutTrace"), "*")], "missing");
        check(&[statement("Allow", json!("xray:*"), "arn:aws:xray:x")], "narrow");
        check(
            &[
                statement("Allow", json!("*"), "*"),
                statement("Deny", json!("xray:*"), "*"),
            ],
            "denied",
        );
        check(
            &[json!({"Statement": [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}]})],
            "allowed",
        );
        check(
            &[json!({"Statement": [{"Effect": "Allow", "NotAction": "xray:*", "Resource": "*"}]})],
            "missing",
        );
        let conditional = json!({"Statement": [{"Effect": "Allow", "Action": PUT, "Resource": "*", "Condition": {"Bool": {}}}]});
        check(&[conditional], "unknown a statement with a condition");
        check(&[json!([{"DynamoDBReadPolicy": {"TableName": "t"}}])], "missing");
    }
}
