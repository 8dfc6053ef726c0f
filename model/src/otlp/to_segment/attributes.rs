//! What no member tells: annotations, and metadata.

use std::borrow::Cow;

use super::super::mapping::{
    ANNOTATIONS, DEFAULT_NAMESPACE, METADATA_PREFIX, RESOURCE_PREFIX, STACKS_NAMESPACE, UNSAID,
};
use super::super::span::{Attribute, Scope, Value};
use super::json::Json;
use super::known::Known;
use super::options::Options;
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
        if known.aspect == super::shape::Aspect::Service && is_of_call() {
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
    let mut members = Members {
        keys: Vec::new(),
        is_open: false,
    };
    if known.aspect.has_resource() {
        for (place, attribute) in known.resource.attributes.iter().enumerate() {
            if !rest.listed.contains(&place) {
                members.add(
                    &format!("{RESOURCE_PREFIX}{}", attribute.key),
                    &attribute.value,
                    json,
                );
            }
        }
    }
    if known.aspect != super::shape::Aspect::Service {
        for (place, Attribute { key, value }) in known.span.attributes.iter().enumerate() {
            if !known.is_taken(place) {
                members.add(key, value, json);
            }
        }
        for (key, text) in [
            ("otel.scope.name", &rest.scope.name),
            ("otel.scope.version", &rest.scope.version),
        ] {
            if !text.is_empty() {
                members.add(key, &Value::Text(Cow::Borrowed(text)), json);
            }
        }
    }
    for (namespace, object) in &own {
        if is_default(namespace) {
            members.adopt(object, json);
        }
    }
    if members.is_open {
        json.raw("}");
    }
    let mut is_open = members.is_open;
    for (namespace, object) in own.iter().filter(|(namespace, _)| !is_default(namespace)) {
        open(&mut is_open, json);
        json.key(namespace);
        json.raw(&object.write());
    }
    if !rest.stacks.is_empty() && !own.iter().any(|(namespace, _)| *namespace == STACKS_NAMESPACE) {
        open(&mut is_open, json);
        json.key(STACKS_NAMESPACE);
        json.raw("{");
        for (id, stack) in &rest.stacks {
            json.key(&id.to_string());
            json.string(stack);
        }
        json.raw("}");
    }
    if is_open {
        json.raw("}");
    }
}

fn is_default(namespace: &str) -> bool {
    namespace.eq_ignore_ascii_case(DEFAULT_NAMESPACE)
}

fn open(is_open: &mut bool, json: &mut Json) {
    if !*is_open {
        json.member("metadata");
        json.raw("{");
        *is_open = true;
    }
}

/// Attributes that hold the metadata of a namespace, as JSON; the first of a namespace.
fn namespaces<'a>(known: &mut Known<'a>) -> Vec<(&'a str, Object<'a>)> {
    let mut found: Vec<(&str, Object<'_>)> = Vec::new();
    if known.aspect == super::shape::Aspect::Service {
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

/// The members of the default namespace.
struct Members {
    keys: Vec<String>,
    is_open: bool,
}

impl Members {
    fn add(&mut self, key: &str, value: &Value<'_>, json: &mut Json) {
        if *value != Value::Empty && self.begin(key, json) {
            json.value(value);
        }
    }

    /// Members of an object that is JSON already.
    fn adopt(&mut self, object: &Object<'_>, json: &mut Json) {
        for member in &object.members {
            if self.begin(&member.name, json) {
                json.raw(&member.value);
            }
        }
    }

    /// Begins a member. Not if there is one of this key.
    fn begin(&mut self, key: &str, json: &mut Json) -> bool {
        if self.keys.iter().any(|known| known == key) {
            return false;
        }
        if !self.is_open {
            json.member("metadata");
            json.raw("{");
            json.key(DEFAULT_NAMESPACE);
            json.raw("{");
            self.is_open = true;
        }
        json.key(key);
        self.keys.push(key.to_owned());
        true
    }
}
