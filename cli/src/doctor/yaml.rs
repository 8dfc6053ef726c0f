//! YAML as templates are written in it: short forms (`!Ref`, `!GetAtt a.b`) become the long ones, anchors their value.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::node::{Node, Place, Value};

/// Levels of nesting; deeper files are refused. CloudFormation's own bound on functions within functions is below.
const DEPTH_MAX: usize = 96;
/// Nodes that one file may come to, anchors counted each time they are used; larger ones are refused.
const NODES_MAX: usize = 200_000;
/// Merges the members of another mapping in.
const MERGE: &str = "<<";

/// What keeps a text from being read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum YamlError {
    /// The parser says so.
    #[error("line {line}: {message}")]
    Syntax {
        /// Where.
        line: usize,
        /// What.
        message: String,
    },
    /// Beyond [`DEPTH_MAX`] or [`NODES_MAX`].
    #[error("line {line}: nested deeper, or larger, than any template")]
    TooLarge {
        /// Where.
        line: usize,
    },
    /// Nothing in it.
    #[error("it is empty")]
    Empty,
}

/// Reads the first document of a text.
pub(super) fn read(text: &str) -> Result<Node, YamlError> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        nodes: 0,
    };
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => return Err(YamlError::Empty),
            (Event::StreamStart | Event::DocumentStart(_), _) => {}
            next => return reader.node(next, String::new(), 0),
        }
    }
}

struct Reader<'text> {
    parser: Parser<'text, saphyr_parser::StrInput<'text>>,
    anchors: HashMap<usize, Value>,
    nodes: usize,
}

impl<'text> Reader<'text> {
    fn next(&mut self) -> Result<(Event<'text>, Span), YamlError> {
        match self.parser.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(YamlError::Syntax {
                line: error.marker().line(),
                message: error.info().to_owned(),
            }),
            None => Err(YamlError::Empty),
        }
    }

    fn node(
        &mut self,
        (event, span): (Event<'text>, Span),
        path: String,
        depth: usize,
    ) -> Result<Node, YamlError> {
        let line = span.start.line();
        self.nodes += 1;
        if depth > DEPTH_MAX || self.nodes > NODES_MAX {
            return Err(YamlError::TooLarge { line });
        }
        let place = Place {
            path,
            line: Some(line),
        };
        let (value, anchor, tag) = match event {
            Event::Alias(id) => {
                let value = self.anchors.get(&id).cloned().unwrap_or(Value::Null);
                self.nodes += size(&value);
                (value, 0, None)
            }
            Event::Scalar(text, style, anchor, tag) => (scalar(&text, style), anchor, tag),
            Event::SequenceStart(anchor, tag) => (self.list(&place, depth)?, anchor, tag),
            Event::MappingStart(anchor, tag) => (self.map(&place, depth)?, anchor, tag),
            _ => (Value::Null, 0, None),
        };
        let value = match tag.as_deref().and_then(long_form) {
            Some(function) => Value::Map(vec![(function.clone(), argument(&function, &place, value))]),
            None => value,
        };
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        Ok(Node { place, value })
    }

    fn list(&mut self, place: &Place, depth: usize) -> Result<Value, YamlError> {
        let mut elements = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(elements)),
                next => {
                    let path = place.element(elements.len());
                    elements.push(self.node(next, path, depth + 1)?);
                }
            }
        }
    }

    fn map(&mut self, place: &Place, depth: usize) -> Result<Value, YamlError> {
        let mut members: Vec<(String, Node)> = Vec::new();
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                let is_new = |(name, _): &(String, Node)| !members.iter().any(|(known, _)| known == name);
                let merged: Vec<_> = merged.into_iter().filter(is_new).collect();
                members.extend(merged);
                return Ok(Value::Map(members));
            }
            let key = self.node((event, span), String::new(), depth + 1)?.hint();
            let next = self.next()?;
            let mut node = self.node(next, place.member(&key), depth + 1)?;
            if key == MERGE {
                let maps = node.elements().iter().flat_map(|map| map.members().to_vec());
                merged.extend(maps);
            } else {
                // The key's line: the value may begin on a later one.
                node.place.line = Some(span.start.line()).min(node.place.line);
                members.push((key, node));
            }
        }
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    match (style, text) {
        (ScalarStyle::Plain, "" | "~" | "null" | "Null" | "NULL") => Value::Null,
        _ => Value::Text(text.to_owned()),
    }
}

/// The key of the long form of a tag such as `!Sub`. Tags of YAML itself change nothing.
fn long_form(tag: &Tag) -> Option<String> {
    if tag.handle != "!" || tag.suffix.is_empty() {
        return None;
    }
    match tag.suffix.as_str() {
        plain @ ("Ref" | "Condition") => Some(plain.to_owned()),
        suffix => Some(format!("Fn::{suffix}")),
    }
}

/// `!GetAtt a.b` means `Fn::GetAtt: [a, b]`.
fn argument(function: &str, place: &Place, value: Value) -> Node {
    let value = match value {
        Value::Text(text) if function == "Fn::GetAtt" => {
            let (resource, attribute) = text.split_once('.').unwrap_or((&text, ""));
            let parts = [resource, attribute].map(|part| Node::text(place.clone(), part));
            Value::List(parts.into())
        }
        value => value,
    };
    Node {
        place: place.clone(),
        value,
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::List(elements) => elements.iter().map(|node| 1 + size(&node.value)).sum(),
        Value::Map(members) => members.iter().map(|(_, node)| 1 + size(&node.value)).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at<'a>(node: &'a Node, path: &[&str]) -> &'a Node {
        node.at(path).unwrap_or_else(|| panic!("no {path:?} in {node:?}"))
    }

    #[test]
    fn short_forms_become_long_ones_and_lines_are_kept() {
        let text = "A:\n  B: !Ref P\n  C: !GetAtt Role.Arn\n  D: !Sub '${P}-x'\n  E: !If [c, 1, !Ref Q]\n  F: null\n";
        let node = read(text).unwrap();
        assert_eq!(at(&node, &["A", "B", "Ref"]).known(), Some("P"));
        assert_eq!(at(&node, &["A", "C", "Fn::GetAtt"]).elements().len(), 2);
        assert_eq!(at(&node, &["A", "D", "Fn::Sub"]).known(), Some("${P}-x"));
        let third = &at(&node, &["A", "E", "Fn::If"]).elements()[2];
        assert_eq!(third.member("Ref").and_then(Node::known), Some("Q"));
        assert_eq!(at(&node, &["A", "D"]).place.line, Some(4));
        assert_eq!(at(&node, &["A", "D"]).place.path, "A.D");
        assert_eq!(node.at(&["A", "F"]), None);
    }

    #[test]
    fn anchors_and_merges_are_what_they_stand_for() {
        let node = read("x: &x {A: 1, B: 2}\ny:\n  <<: *x\n  B: 3\nz: *x\n").unwrap();
        assert_eq!(at(&node, &["y", "A"]).known(), Some("1"));
        assert_eq!(at(&node, &["y", "B"]).known(), Some("3"));
        assert_eq!(at(&node, &["z", "B"]).known(), Some("2"));
    }

    #[test]
    fn what_is_no_yaml_says_where() {
        let error = read("A: 1\nB: [1, 2\nC: 3\n").unwrap_err().to_string();
        assert!(error.starts_with("line "), "{error}");
        assert_eq!(read(""), Err(YamlError::Empty));
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(DEPTH_MAX + 1)).is_ok());
        assert_eq!(read(&nested(DEPTH_MAX + 2)), Err(YamlError::TooLarge { line: 1 }));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let before = level - 1;
            bomb.push_str(&format!("a{level}: &a{level} [*a{before}, *a{before}, *a{before}, *a{before}, *a{before}, *a{before}, *a{before}, *a{before}]\n"));
        }
        assert!(matches!(read(&bomb), Err(YamlError::TooLarge { .. })));
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in r"[ -~\n\t!&*<>|\[\]{}:,#'é-]{0,200}") {
            let _ = read(&text);
        }
    }
}
