//! A value of a configuration file, with the place it was written at.
//!
//! Numbers and booleans are text here: templates write `"512"` and `512` alike. What only a deployment knows stays
//! the intrinsic function it is, a map with the one key `Ref` or `Fn::…`.

use serde_json::Value as Json;

/// Where something stands in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Keys and indices from the root, such as `Resources.Orders.Properties.Layers[0]`; empty for the root.
    pub(super) path: String,
    /// The line, where the form of the file tells it.
    pub(super) line: Option<usize>,
}

impl Place {
    /// The place of a member.
    pub(super) fn member(&self, key: &str) -> String {
        match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }

    /// The place of an element.
    pub(super) fn element(&self, index: usize) -> String {
        format!("{}[{index}]", self.path)
    }
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Nothing.
    Null,
    /// A text, a number, a boolean.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in its order.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// A text that stands at `place`.
    pub(super) fn text(place: Place, text: impl Into<String>) -> Self {
        Self {
            place,
            value: Value::Text(text.into()),
        }
    }

    /// The member `key`, unless it is null.
    pub(super) fn member(&self, key: &str) -> Option<&Self> {
        let found = self.members().iter().find(|(name, _)| name == key);
        found
            .map(|(_, node)| node)
            .filter(|node| node.value != Value::Null)
    }

    /// The member at the end of a path of keys.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.member(key))
    }

    /// All members.
    pub(super) fn members(&self) -> &[(String, Self)] {
        match &self.value {
            Value::Map(members) => members,
            _ => &[],
        }
    }

    /// All elements; a single value counts as a list of itself, as in IAM's documents.
    pub(super) fn elements(&self) -> &[Self] {
        match &self.value {
            Value::List(elements) => elements,
            Value::Null => &[],
            _ => std::slice::from_ref(self),
        }
    }

    /// The text, if it is known before a deployment.
    pub(super) fn known(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is known and one.
    pub(super) fn number(&self) -> Option<u64> {
        self.known()?.trim().parse().ok()
    }

    /// Whether it is an intrinsic function, whose value only a deployment knows.
    pub(super) fn is_intrinsic(&self) -> bool {
        matches!(self.members(), [(key, _)] if key == "Ref" || key == "Condition" || key.starts_with("Fn::"))
    }

    /// Everything readable in it, for names inside of what is not wholly known.
    pub(super) fn hint(&self) -> String {
        match &self.value {
            Value::Null => String::new(),
            Value::Text(text) => text.clone(),
            Value::List(elements) => elements.iter().map(Self::hint).collect::<Vec<_>>().join(" "),
            Value::Map(members) => {
                let members = members.iter().map(|(_, node)| node.hint());
                members.collect::<Vec<_>>().join(" ")
            }
        }
    }

    /// From JSON, where lines are not known.
    pub(super) fn from_json(path: String, json: &Json) -> Self {
        let place = Place { path, line: None };
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(is_true) => Value::Text(is_true.to_string()),
            Json::Number(number) => Value::Text(number.to_string()),
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(elements) => Value::List(
                elements
                    .iter()
                    .enumerate()
                    .map(|(index, element)| Self::from_json(place.element(index), element))
                    .collect(),
            ),
            Json::Object(members) => Value::Map(
                members
                    .iter()
                    .map(|(key, member)| (key.clone(), Self::from_json(place.member(key), member)))
                    .collect(),
            ),
        };
        Self { place, value }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_place_is_the_path_from_the_root() {
        let node = Node::from_json(String::new(), &json!({"A": {"B": ["x", {"C": 1}]}, "N": null}));
        let c = node.at(&["A", "B"]).unwrap().elements()[1].member("C").unwrap();
        assert_eq!((c.place.path.as_str(), c.number()), ("A.B[1].C", Some(1)));
        assert_eq!(node.member("N"), None);
        assert_eq!(node.hint(), "x 1 ");
    }

    #[test]
    fn a_single_value_is_a_list_of_itself() {
        let node = Node::from_json(String::new(), &json!("x"));
        assert_eq!(node.elements(), std::slice::from_ref(&node));
        assert!(!node.is_intrinsic());
        assert!(Node::from_json(String::new(), &json!({"Ref": "A"})).is_intrinsic());
    }
}
