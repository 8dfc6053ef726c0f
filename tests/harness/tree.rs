//! A trace as BatchGetTraces shows it, read as one tree across its segments.

use serde_json::Value;

/// Segments and subsegments, each with the element it hangs from.
pub struct Tree {
    elements: Vec<Element>,
}

struct Element {
    parent_id: Option<String>,
    document: Value,
}

impl Tree {
    /// Reads segment documents, with what is nested in them.
    pub fn of<'a>(documents: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut tree = Self { elements: Vec::new() };
        for document in documents {
            tree.add(document, document["parent_id"].as_str());
        }
        tree
    }

    fn add(&mut self, document: &Value, parent_id: Option<&str>) {
        for nested in document["subsegments"].as_array().into_iter().flatten() {
            self.add(nested, document["id"].as_str());
        }
        let parent_id = parent_id.map(str::to_owned);
        self.elements.push(Element {
            parent_id,
            document: document.clone(),
        });
    }

    /// The one element of this name.
    #[track_caller]
    pub fn named(&self, name: &str) -> &Value {
        let found: Vec<&Element> = self
            .elements
            .iter()
            .filter(|element| label(element) == name)
            .collect();
        assert_eq!(found.len(), 1, "elements named {name} in:\n{self}");
        &found[0].document
    }

    /// Every element of this name.
    pub fn all(&self, name: &str) -> Vec<&Value> {
        let named = self.elements.iter().filter(|element| label(element) == name);
        named.map(|element| &element.document).collect()
    }

    /// Whether there is an element of this name.
    pub fn has(&self, name: &str) -> bool {
        self.elements.iter().any(|element| label(element) == name)
    }

    /// Every element as the path that leads to it from the trace's root, sorted.
    pub fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = self.elements.iter().map(|element| self.path(element)).collect();
        paths.sort();
        paths
    }

    fn path(&self, element: &Element) -> String {
        let parent = element.parent_id.as_deref().and_then(|id| {
            self.elements
                .iter()
                .find(|candidate| candidate.document["id"].as_str() == Some(id))
        });
        match parent {
            Some(parent) => format!("{} > {}", self.path(parent), label(element)),
            None => label(element).to_owned(),
        }
    }
}

impl std::fmt::Display for Tree {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.paths().iter().try_for_each(|path| writeln!(out, "  {path}"))
    }
}

/// The platform's segments share the function's name: their origin tells them apart.
fn label(element: &Element) -> &str {
    let origin = element.document["origin"].as_str();
    origin.or(element.document["name"].as_str()).unwrap_or("?")
}
