//! Every rule by its cases: `fixtures/*.yaml` say what is changed in a sound configuration, and what is found then.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use clap::Parser;
use proptest::prelude::{Strategy, any, prop_assert, proptest};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::answers::{examine, findings};
use super::arguments::Arguments;
use super::finding::Level;
use super::function::Function;
use super::input::{self, Input};
use super::layer::KnownLayers;
use super::layer_zip::LayerZip;
use super::node::{Node, Value};
use super::permissions::Permissions;
use super::rules::list::RULES;
use super::{layer_zip, yaml};

#[derive(Parser)]
struct Doctor {
    #[command(flatten)]
    arguments: Arguments,
}

fn arguments(more: &[&str]) -> Arguments {
    let words = ["doctor", "-"].iter().chain(more).copied();
    Doctor::try_parse_from(words).unwrap().arguments
}

fn known(mark: &str) -> KnownLayers {
    KnownLayers {
        declared: Vec::new(),
        mark: mark.to_owned(),
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/doctor/fixtures")
}

fn fixture(name: &str) -> Node {
    let text = std::fs::read_to_string(fixtures().join(name)).unwrap();
    yaml::read(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// As a JSON merge patch; `repeat 3` is three letters.
fn changed(base: &Node, change: &Node) -> Node {
    let Value::Map(changes) = &change.value else {
        let repeat = change.known().and_then(|text| text.strip_prefix("repeat "));
        return match repeat {
            Some(count) => Node::text(change.place.clone(), "x".repeat(count.parse().unwrap())),
            None => change.clone(),
        };
    };
    let mut members = base.members().to_vec();
    for (key, change) in changes {
        let old = members.iter().position(|(known, _)| known == key);
        let empty = Node {
            value: Value::Null,
            ..base.clone()
        };
        let before = old.map(|index| members.remove(index).1).unwrap_or(empty);
        if change.value != Value::Null {
            members.push((key.clone(), changed(&before, change)));
        }
    }
    Node {
        value: Value::Map(members),
        ..base.clone()
    }
}

/// Paths as they are in a whole file.
fn placed(node: &Node, path: String) -> Node {
    let mut node = node.clone();
    node.place.path = path;
    let place = node.place.clone();
    node.value = match node.value {
        Value::List(elements) => {
            let elements = elements.iter().enumerate();
            Value::List(
                elements
                    .map(|(index, node)| placed(node, place.element(index)))
                    .collect(),
            )
        }
        Value::Map(members) => {
            let members = members.into_iter();
            Value::Map(
                members
                    .map(|(key, node)| (key.clone(), placed(&node, place.member(&key))))
                    .collect(),
            )
        }
        plain => plain,
    };
    node
}

/// A zip of these files, by what each is.
fn zip_of(entries: &Node) -> LayerZip {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, kind) in entries.members() {
        let (mode, content): (u32, &[u8]) = match kind.known().unwrap() {
            "x86_64" => (0o755, b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01"),
            "arm64" => (0o755, b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\xb7\0\x01"),
            "script" => (0o755, b"#!/bin/sh\n"),
            _ => (0o644, b"text\n"),
        };
        zip.start_file(name.as_str(), SimpleFileOptions::default().unix_permissions(mode))
            .unwrap();
        zip.write_all(content).unwrap();
    }
    let bytes = zip.finish().unwrap().into_inner();
    let path = std::env::temp_dir().join(format!(
        "doctor-{}-{:?}.zip",
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::write(&path, bytes).unwrap();
    let read = layer_zip::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    read
}

/// The one function of a case.
fn function(sound: &Node, case: &Node) -> Function {
    let mut known = known("fluoroscope");
    let declared = case
        .member("layer_version")
        .into_iter()
        .filter_map(input::layer_version);
    known.declared.extend(declared);
    let (root, is_template) = match case.member("template") {
        Some(template) => (yaml::read(template.known().unwrap()).unwrap(), true),
        None => (
            placed(&changed(sound, case.member("change").unwrap()), String::new()),
            false,
        ),
    };
    let mut functions = input::functions_of(&root, &[], &known).unwrap();
    assert_eq!(functions.len(), 1);
    let mut function = functions.remove(0);
    let mut given = Permissions::default();
    match case.member("policies") {
        Some(policies) if policies.elements().is_empty() => {}
        Some(policies) => given.add(policies),
        None if is_template => {}
        None => given.add(&yaml::read("AWSXRayDaemonWriteAccess").unwrap()),
    }
    function.permissions = function.permissions.and(given);
    function
}

fn cases() -> BTreeMap<String, Vec<Node>> {
    let mut cases = BTreeMap::new();
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name == "sound.yaml" {
            continue;
        }
        for (rule, list) in fixture(&name).members() {
            assert!(
                cases.insert(rule.clone(), list.elements().to_vec()).is_none(),
                "{rule} has cases twice"
            );
        }
    }
    cases
}

#[test]
fn every_rule_has_cases_and_every_case_a_rule() {
    let named: BTreeSet<String> = RULES.iter().map(|rule| rule.name.to_owned()).collect();
    assert_eq!(named.len(), RULES.len(), "two rules have one name");
    assert_eq!(cases().into_keys().collect::<BTreeSet<_>>(), named);
}

#[test]
fn every_rule_finds_what_its_cases_say_and_nothing_else() {
    let sound = fixture("sound.yaml");
    let mut wrong = Vec::new();
    for (rule, cases) in cases() {
        let mut found_levels = BTreeSet::new();
        for case in &cases {
            let says = case.member("says").unwrap().hint();
            let zip = case.member("zip").map(zip_of);
            let found = findings(&function(&sound, case), zip.as_ref());
            let own: Vec<_> = found
                .iter()
                .filter(|(name, _)| *name == rule)
                .map(|(_, finding)| finding)
                .collect();
            let level = own.first().map_or("nothing", |finding| finding.level.word());
            found_levels.insert(level);
            let text = |key: &str| case.member(key).map(Node::hint);
            let mut differs = Some(level) != text("finds").as_deref() || own.len() > 1;
            if let (Some(finding), Some(at)) = (own.first(), text("at")) {
                differs |= finding.place.path != at;
            }
            if let (Some(finding), Some(mend)) = (own.first(), text("mend")) {
                differs |= !finding.mend.contains(&mend);
            }
            if differs {
                wrong.push(format!("{rule}: {says}: {own:#?}"));
            }
            for finding in own {
                assert!(
                    !finding.why.is_empty() && !finding.mend.is_empty(),
                    "{rule} does not say why or what to do"
                );
            }
        }
        if found_levels.len() < 2 || !found_levels.contains("nothing") {
            wrong.push(format!("{rule}: its cases do not show both sides"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_sound_configuration_has_notes_alone() {
    let case = yaml::read("change: {}").unwrap();
    let found = findings(&function(&fixture("sound.yaml"), &case), None);
    assert!(
        found.iter().all(|(_, finding)| finding.level == Level::Note),
        "{found:?}"
    );
}

fn examined(text: &str, more: &[&str]) -> Vec<(String, &'static str, Level)> {
    let root = yaml::read(text).unwrap();
    let arguments = arguments(more);
    let functions = input::functions_of(&root, &arguments.parameter, &known(&arguments.layer_name)).unwrap();
    let input = Input {
        files: vec![("t".to_owned(), functions)],
        zip: None,
    };
    let answers = examine(&input).functions.into_iter();
    answers
        .flat_map(|answer| {
            let function = answer.function;
            answer
                .findings
                .into_iter()
                .map(move |(rule, finding)| (function.clone(), rule, finding.level))
        })
        .collect()
}

#[test]
fn a_function_left_out_is_a_note_if_another_is_not_and_an_error_if_all_are() {
    let two = "Resources:\n  A: {Type: 'AWS::Lambda::Function', Properties: {Handler: a}}\n  B: {Type: 'AWS::Lambda::Function', Properties: {Layers: [LAYER]}}\n";
    let with = examined(&two.replace("LAYER", "fluoroscope"), &[]);
    assert!(
        with.contains(&("A".to_owned(), "not-attached", Level::Note)),
        "{with:?}"
    );
    assert!(
        with.iter()
            .any(|(name, rule, _)| name == "B" && *rule == "address-missing")
    );
    let without = examined(two, &[]);
    assert_eq!(
        without,
        [
            ("A".to_owned(), "not-attached", Level::Error),
            ("B".to_owned(), "not-attached", Level::Error)
        ]
    );
}

#[test]
fn a_function_that_sends_to_loopback_is_meant_to_have_it() {
    let text = "Resources:\n  A: {Type: 'AWS::Lambda::Function', Properties: {Layers: [fluoroscope]}}\n  B: {Type: 'AWS::Lambda::Function', Properties: {Environment: {Variables: {AWS_XRAY_DAEMON_ADDRESS: '127.0.0.1:2000'}}}}\n";
    assert!(examined(text, &[]).contains(&("B".to_owned(), "layer-missing", Level::Error)));
}

#[test]
fn a_layer_of_another_name_is_known_if_it_is_told() {
    let text = "Resources: {F: {Type: 'AWS::Lambda::Function', Properties: {Layers: [tracing-arm64]}}}";
    let is_missing = |more: &[&str]| {
        examined(text, more)
            .iter()
            .any(|(_, rule, _)| *rule == "layer-missing")
    };
    assert!(is_missing(&[]) && !is_missing(&["--layer-name", "tracing"]));
}

#[test]
fn a_parameter_given_is_what_the_template_means() {
    let text = "Parameters: {A: {Type: String, Default: x86_64}}\nResources: {F: {Type: 'AWS::Lambda::Function', Properties: {Architectures: [!Ref A], Layers: [fluoroscope-x86_64]}}}";
    let is_wrong = |more: &[&str]| {
        examined(text, more)
            .iter()
            .any(|(_, rule, _)| *rule == "layer-architecture")
    };
    assert!(!is_wrong(&[]) && is_wrong(&["--parameter", "A=arm64"]));
}

#[test]
fn every_form_of_the_api_is_a_function() {
    let sound = std::fs::read_to_string(fixtures().join("sound.yaml")).unwrap();
    let indented = sound.replace('\n', "\n  ");
    for text in [
        sound,
        format!("Configuration:\n  {indented}"),
        format!("Functions:\n- x: y\n  {indented}"),
    ] {
        let functions = input::functions_of(&yaml::read(&text).unwrap(), &[], &known("fluoroscope")).unwrap();
        assert_eq!(functions[0].name, "orders", "{text}");
        assert_eq!(functions[0].memory_mb(), Some(256));
    }
    assert!(input::functions_of(&yaml::read("a: b").unwrap(), &[], &known("fluoroscope")).is_none());
}

/// Names that rules look for, in variables and in configurations.
const NAMES: &[&str] = &[
    "AWS_XRAY_DAEMON_ADDRESS",
    "AWS_LAMBDA_EXEC_WRAPPER",
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_ENDPOINT_URL_XRAY",
    "FLUOROSCOPE_UDP_ADDRESS",
    "FLUOROSCOPE_PROXY_ADDRESS",
    "FLUOROSCOPE_PROXY",
    "FLUOROSCOPE_MEMORY_BUDGET",
    "FLUOROSCOPE_SPILL_LIMIT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "FLUOROSCOPE_OTLP_ADDRESS",
    "Ref",
    "Fn::If",
    "Fn::Sub",
    "Fn::GetAtt",
    "Properties",
    "Layers",
    "Role",
    "Policies",
    "Statement",
    "Architectures",
    "Runtime",
    "Tracing",
    "TracingConfig",
    "Mode",
    "MemorySize",
    "Timeout",
    "Environment",
    "Variables",
    "VpcConfig",
    "SubnetIds",
    "Arn",
];

fn anything() -> impl Strategy<Value = serde_json::Value> {
    let text = proptest::string::string_regex("[ -~é]{0,24}")
        .unwrap()
        .prop_map(serde_json::Value::from);
    let address = (0_u32..70_000).prop_map(|port| format!("127.0.0.1:{port}").into());
    let known = proptest::sample::select(NAMES).prop_map(serde_json::Value::from);
    let leaf = proptest::prop_oneof![
        text,
        address,
        known,
        any::<u64>().prop_map(Into::into),
        proptest::strategy::Just(serde_json::Value::Null)
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        let list = proptest::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from);
        let member = (proptest::sample::select(NAMES), inner);
        let map = proptest::collection::vec(member, 0..8).prop_map(|members| {
            let members = members.into_iter().map(|(key, value)| (key.to_owned(), value));
            serde_json::Value::Object(members.collect())
        });
        proptest::prop_oneof![list, map]
    })
}

proptest! {
    #[test]
    fn no_configuration_is_too_strange(properties in anything(), other in anything(), is_sam in any::<bool>()) {
        let kind = if is_sam { "AWS::Serverless::Function" } else { "AWS::Lambda::Function" };
        let template = serde_json::json!({
            "Globals": {"Function": other},
            "Parameters": {"A": {"Type": "String", "Default": other}},
            "Resources": {"F": {"Type": kind, "Properties": properties}, "R": {"Type": "AWS::IAM::Role", "Properties": other}},
        });
        for root in [template, serde_json::json!({"Configuration": properties})] {
            let root = Node::from_json(String::new(), &root);
            let mut functions = input::functions_of(&root, &[], &known("fluoroscope")).unwrap_or_default();
            for function in &mut functions {
                function.permissions.add(&root);
                let found = findings(function, None);
                prop_assert!(found.iter().all(|(_, finding)| !finding.mend.is_empty()));
            }
        }
    }
}
