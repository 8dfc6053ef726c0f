//! What no member tells: annotations, and metadata.

use super::super::mapping::{
    ANNOTATIONS, DEFAULT_NAMESPACE, METADATA_PREFIX, RESOURCE_PREFIX, STACKS_NAMESPACE, UNSAID,
};
use super::super::span::{Attribute, Scope, Value};
use super::json::Json;
use super::known::{Known, find};
use super::options::Options;
use super::shape::Aspect;
use crate::wire::object::Object;

/// What metadata tells beside attributes.
pub(super) struct Rest<'a> {
    pub(super) scope: &'a Scope<'a>,
    /// Stacks that were not taken apart, by their exception's id.
    pub(super) stacks: Vec<(crate::ids::SegmentId, &'a str)>,
    /// Attributes of the resource that are annotations, by their place.
    pub(super) listed: Vec<usize>,
}

/// Calls that a service's own segment does not tell: they are told by the other document.
const OF_CALLS: &[&str] = &[
    "aws.remote.service",
    "aws.remote.operation",
    "remoteTarget",
    "K8s.RemoteNamespace",
];

/// Writes annotations, and takes their attributes; the places of the resource's.
pub(super) fn annotations(known: &mut Known<'_>, options: &Options, json: &mut Json) -> Vec<usize> {
    let span = known.span;
    let named = match known.find(ANNOTATIONS) {
        Some((place, Value::List(named))) => {
            known.take(place);
            named.as_slice()
        }
        _ => &[],
    };
    let is_named = |key: &str| {
        options.indexed.iter().any(|indexed| indexed == key)
            || named.iter().any(|named| named.as_text() == Some(key))
    };
    let mut written = Written {
        keys: Vec::new(),
        allow_dot: options.allow_dot,
    };
    for (place, attribute) in span.attributes.iter().enumerate() {
        let is_of_call = || OF_CALLS.contains(&attribute.key.as_ref());
        if known.aspect == Aspect::Service && is_of_call() {
            continue;
        }
        // What a member tells is an annotation as well if it is named, and not if all are.
        let is_annotation = is_named(&attribute.key) || (options.index_all && !known.is_taken(place));
        if is_annotation && !is_ours(&attribute.key) && written.add(&attribute.key, &attribute.value, json) {
            known.take(place);
        }
    }
    let mut listed = Vec::new();
    if known.aspect.has_resource() {
        for (place, attribute) in known.resource.attributes.iter().enumerate() {
            let key = format!("{RESOURCE_PREFIX}{}", attribute.key);
            if (options.index_all || is_named(&key)) && written.add(&key, &attribute.value, json) {
                listed.push(place);
            }
        }
    }
    if !written.keys.is_empty() {
        json.raw("}");
    }
    listed
}

/// Attributes that say something to this translation and nothing to people.
fn is_ours(key: &str) -> bool {
    key == UNSAID || key == ANNOTATIONS || key.starts_with(METADATA_PREFIX)
}

struct Written {
    keys: Vec<String>,
    allow_dot: bool,
}

impl Written {
    /// Writes an annotation. Not if X-Ray has no such value, or there is one of this key.
    fn add(&mut self, key: &str, value: &Value<'_>, json: &mut Json) -> bool {
        let can_be = match value {
            Value::Text(_) | Value::Flag(_) | Value::Integer(_) => true,
            Value::Double(number) => number.is_finite(),
            _ => false,
        };
        let key = clean(key, self.allow_dot);
        if !can_be || key.is_empty() || self.keys.contains(&key) {
            return false;
        }
        if self.keys.is_empty() {
            json.member("annotations");
            json.raw("{");
        }
        json.key(&key);
        json.value(value);
        self.keys.push(key);
        true
    }
}

/// A key of the letters that X-Ray takes.
fn clean(key: &str, allow_dot: bool) -> String {
    let is_taken =
        |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || (allow_dot && letter == '.');
    key.chars()
        .map(|letter| if is_taken(letter) { letter } else { '_' })
        .collect()
}

/// Writes metadata: whatever no member and no annotation tells.
pub(super) fn metadata(known: &mut Known<'_>, rest: &Rest<'_>, json: &mut Json) {
    let own = namespaces(known);
    let mut opened = Opened::default();
    default_namespace(known, rest, &own, (json, &mut opened));
    if opened.default {
        json.raw("}");
    }
    for (namespace, object) in own.iter().filter(|(namespace, _)| !is_default(namespace)) {
        opened.begin(json);
        json.key(namespace);
        json.raw(&object.write());
    }
    if !rest.stacks.is_empty() && !own.iter().any(|(namespace, _)| *namespace == STACKS_NAMESPACE) {
        opened.begin(json);
        json.key(STACKS_NAMESPACE);
        json.raw("{");
        for (id, stack) in &rest.stacks {
            json.key(&id.to_string());
            json.string(stack);
        }
        json.raw("}");
    }
    if opened.metadata {
        json.raw("}");
    }
}

/// Attributes that are left, and what is metadata of this namespace already. No name comes twice.
fn default_namespace(
    known: &Known<'_>,
    rest: &Rest<'_>,
    own: &[(&str, Object<'_>)],
    (json, opened): (&mut Json, &mut Opened),
) {
    let resource: &[Attribute<'_>] = match known.aspect.has_resource() {
        true => &known.resource.attributes,
        false => &[],
    };
    for (place, attribute) in resource.iter().enumerate() {
        if !rest.listed.contains(&place) && is_told(resource, place) {
            opened.default_namespace(json);
            json.prefixed_key(RESOURCE_PREFIX, &attribute.key);
            json.value(&attribute.value);
        }
    }
    if known.aspect == Aspect::Service {
        return;
    }
    let is_of_resource = |key: &str| {
        let key = key.strip_prefix(RESOURCE_PREFIX);
        key.is_some_and(|key| find(resource, key).is_some())
    };
    let attributes = &known.span.attributes;
    for (place, Attribute { key, value }) in attributes.iter().enumerate() {
        if !known.is_taken(place) && is_told(attributes, place) && !is_of_resource(key) {
            opened.default_namespace(json);
            json.key(key);
            json.value(value);
        }
    }
    let scope = [
        ("otel.scope.name", &rest.scope.name),
        ("otel.scope.version", &rest.scope.version),
    ];
    for (key, text) in scope {
        if !text.is_empty() && known.find(key).is_none() {
            opened.default_namespace(json);
            json.key(key);
            json.string(text);
        }
    }
    let mut adopted: Vec<&str> = scope.iter().map(|(key, _)| *key).collect();
    let own = own.iter().filter(|(namespace, _)| is_default(namespace));
    for member in own.flat_map(|(_, object)| &object.members) {
        let name = member.name.as_ref();
        let is_attribute = known.find(name).is_some_and(|(place, _)| !known.is_taken(place));
        if !is_attribute && !is_of_resource(name) && !adopted.contains(&name) {
            opened.default_namespace(json);
            json.key(name);
            json.raw(&member.value);
            adopted.push(name);
        }
    }
}

/// Whether an attribute has a value, and is the first of its name.
fn is_told(attributes: &[Attribute<'_>], place: usize) -> bool {
    let mut before = attributes.iter().take(place);
    attributes.get(place).is_some_and(|attribute| {
        attribute.value != Value::Empty && !before.any(|earlier| earlier.key == attribute.key)
    })
}

/// Which objects of the metadata are begun.
#[derive(Default)]
struct Opened {
    metadata: bool,
    default: bool,
}

impl Opened {
    fn begin(&mut self, json: &mut Json) {
        if !self.metadata {
            json.member("metadata");
            json.raw("{");
            self.metadata = true;
        }
    }

    fn default_namespace(&mut self, json: &mut Json) {
        self.begin(json);
        if !self.default {
            json.key(DEFAULT_NAMESPACE);
            json.raw("{");
            self.default = true;
        }
    }
}

fn is_default(namespace: &str) -> bool {
    namespace.eq_ignore_ascii_case(DEFAULT_NAMESPACE)
}

/// Attributes that hold the metadata of a namespace, as JSON; the first of a namespace.
fn namespaces<'a>(known: &mut Known<'a>) -> Vec<(&'a str, Object<'a>)> {
    let mut found: Vec<(&str, Object<'_>)> = Vec::new();
    if known.aspect == Aspect::Service {
        return found;
    }
    let span = known.span;
    for (place, attribute) in span.attributes.iter().enumerate() {
        let namespace = attribute.key.strip_prefix(METADATA_PREFIX);
        let object = attribute.value.as_text().and_then(Object::read);
        if let (Some(namespace), Some(object)) = (namespace, object)
            && !known.is_taken(place)
            && !found.iter().any(|(known, _)| *known == namespace)
        {
            known.take(place);
            found.push((namespace, object));
        }
    }
    found
}
