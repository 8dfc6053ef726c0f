//! Puts a trace together from the documents that arrived for it, in whatever order.
//!
//! The parts are kept by id and the tree is built when somebody reads it, so a subsegment finds its
//! parent whether that came before, after, nested, alone or never.
//!
//! Of two copies of one id
//! - the complete one stays, whichever came first;
//! - then the one that is a segment;
//! - then, if one came nested and the other alone, the longer one;
//! - else the later one.
//!
//! Subsegments are never lost by a newer copy of their parent: they are the union by id. A subsegment
//! whose parent is unknown (or part of a circle) is listed beside the segments.
//!
//! Pure.

use std::collections::{BTreeMap, BTreeSet};

use model::ids::{SegmentId, TraceId};
use model::time::Timestamp;
use serde_json::{Map, Value};

use crate::document::{Form, Node};
use crate::limits::{NESTED_LEVELS_MAX, NODE_OVERHEAD_BYTES};

/// What is known of one trace.
#[derive(Debug, Clone)]
pub struct Trace {
    id: TraceId,
    nodes: BTreeMap<SegmentId, Node>,
    bytes: usize,
}

/// One entry of a compiled trace: a segment, or a subsegment without a known parent.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    /// Its id.
    pub id: SegmentId,
    /// Its document with every subsegment nested.
    pub document: Value,
}

/// Children by their parent, in order of start and id.
type Children = BTreeMap<SegmentId, Vec<SegmentId>>;

impl Trace {
    /// A trace of which nothing has arrived.
    pub fn new(id: TraceId) -> Self {
        Self {
            id,
            nodes: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Its id.
    pub fn id(&self) -> TraceId {
        self.id
    }

    /// What it counts against the limits.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What it would count if `nodes` came in; never less than what they would really make it.
    pub fn bytes_with(&self, nodes: &[Node]) -> usize {
        let added = nodes.iter().map(|node| match self.nodes.get(&node.id) {
            None => cost(node),
            Some(held) if replaces(node, held) => cost(node).saturating_sub(cost(held)),
            Some(_) => 0,
        });
        added.fold(self.bytes, usize::saturating_add)
    }

    /// Takes the nodes of one document in. Returns whether the trace is another one now.
    pub fn absorb(&mut self, nodes: Vec<Node>) -> bool {
        let mut changed = false;
        for node in nodes {
            let held = self.nodes.get(&node.id);
            if held.is_some_and(|held| *held == node || !replaces(&node, held)) {
                continue;
            }
            self.bytes = self
                .bytes
                .saturating_sub(held.map_or(0, cost))
                .saturating_add(cost(&node));
            self.nodes.insert(node.id, node);
            changed = true;
        }
        changed
    }

    /// The earliest start of an entry. `None` only for a trace of which nothing has arrived.
    ///
    /// A subsegment may start before its segment (`Initialization` does): that does not count.
    pub fn start(&self) -> Option<Timestamp> {
        let tops = self.nodes.values().filter(|node| self.is_top(node));
        let any = || self.nodes.values().map(|node| node.start).min();
        tops.map(|node| node.start).min().or_else(any)
    }

    /// The latest end of an entry that is complete.
    pub fn end(&self) -> Option<Timestamp> {
        self.nodes
            .values()
            .filter(|node| self.is_top(node))
            .filter_map(|node| node.end)
            .max()
    }

    /// Whether anything is in progress.
    pub fn is_partial(&self) -> bool {
        self.nodes.values().any(|node| node.end.is_none())
    }

    /// The ends of its complete segments.
    pub fn segment_ends(&self) -> impl Iterator<Item = Timestamp> + '_ {
        self.nodes
            .values()
            .filter(|node| node.form == Form::Segment)
            .filter_map(|node| node.end)
    }

    /// The trace as BatchGetTraces shows it, in order of start and id.
    pub fn compile(&self) -> Vec<Compiled> {
        let children = self.children();
        let mut tree = Tree {
            trace: self,
            children: &children,
            seen: BTreeSet::new(),
            deep: Vec::new(),
        };
        let mut compiled: Vec<Compiled> = Vec::new();
        for node in self.in_order().filter(|node| self.is_top(node)) {
            compiled.extend(tree.entry(node));
        }
        // What is left hangs from itself in a circle: its earliest node is shown at the top.
        for node in self.in_order() {
            compiled.extend(tree.entry(node));
        }
        compiled.sort_by_key(|entry| (self.nodes.get(&entry.id).map(|node| node.start), entry.id));
        compiled
    }

    fn in_order(&self) -> impl Iterator<Item = &Node> {
        let mut nodes: Vec<&Node> = self.nodes.values().collect();
        nodes.sort_by_key(|node| (node.start, node.id));
        nodes.into_iter()
    }

    /// Segments, and subsegments whose parent never came.
    fn is_top(&self, node: &Node) -> bool {
        node.form == Form::Segment || !node.parent.is_some_and(|parent| self.nodes.contains_key(&parent))
    }

    fn children(&self) -> Children {
        let mut children = Children::new();
        for node in self.in_order().filter(|node| !self.is_top(node)) {
            if let Some(parent) = node.parent {
                children.entry(parent).or_default().push(node.id);
            }
        }
        children
    }
}

fn cost(node: &Node) -> usize {
    node.length.saturating_add(NODE_OVERHEAD_BYTES)
}

/// Whether `new` takes the place of `held`, which arrived before it.
fn replaces(new: &Node, held: &Node) -> bool {
    let rank = |node: &Node| (node.end.is_some(), node.form == Form::Segment);
    if rank(new) != rank(held) {
        return rank(new) > rank(held);
    }
    new.form == held.form
        || (new.length, new.form == Form::Independent) > (held.length, held.form == Form::Independent)
}

/// One walk over a trace. A node is entered once, so circles end.
struct Tree<'a> {
    trace: &'a Trace,
    children: &'a Children,
    seen: BTreeSet<SegmentId>,
    /// What was nested too deep and is listed at the top instead.
    deep: Vec<SegmentId>,
}

impl Tree<'_> {
    /// The entries of a node: itself, then what was nested too deep under it.
    fn entry(&mut self, node: &Node) -> Vec<Compiled> {
        let mut entries = Vec::new();
        self.deep.push(node.id);
        while let Some(node) = self.deep.pop().and_then(|id| self.trace.nodes.get(&id)) {
            if !self.seen.insert(node.id) {
                continue;
            }
            let mut members = self.members(node, 0);
            if node.form != Form::Segment {
                members.insert("type".into(), "subsegment".into());
                members.insert("trace_id".into(), self.trace.id.to_string().into());
                if let Some(parent) = node.parent {
                    members.insert("parent_id".into(), parent.to_string().into());
                }
            }
            entries.push(Compiled {
                id: node.id,
                document: Value::Object(members),
            });
        }
        entries
    }

    fn members(&mut self, node: &Node, level: usize) -> Map<String, Value> {
        let mut members = node.members.clone();
        let children = self.children.get(&node.id);
        let mut nested = Vec::new();
        for id in children.into_iter().flatten() {
            if level >= NESTED_LEVELS_MAX {
                self.deep.push(*id);
            } else if self.seen.insert(*id)
                && let Some(child) = self.trace.nodes.get(id)
            {
                nested.push(Value::Object(self.members(child, level + 1)));
            }
        }
        if !nested.is_empty() {
            members.insert("subsegments".into(), Value::Array(nested));
        }
        members
    }
}

#[cfg(test)]
mod tests;
