//! The nodes of a trace in the order in which they are drawn, and what is said of each.
//!
//! Under a node come its nested subsegments and the entries that name it as their parent, by start.

use std::collections::BTreeMap;

use serde_json::Value;

use super::bar::Span;
use super::cells::{Colour, printable, width};

/// Columns a node is moved in under its parent.
pub(super) const INDENT_COLUMNS: usize = 2;
/// Levels that are moved in; deeper ones are drawn at this level.
const LEVELS_MAX: usize = 12;
/// Seconds that are shown; no time that anybody means lies beyond.
const SECONDS_MAX: f64 = 1e12;

/// One line of the tree.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) level: usize,
    pub(super) is_segment: bool,
    /// A segment's origin, or the name.
    pub(super) label: String,
    /// A segment's name where the label is its origin; of a call, what was called.
    pub(super) detail: String,
    /// Seconds since the epoch.
    pub(super) start: Option<f64>,
    pub(super) end: Option<f64>,
    /// Time from the trace's start.
    pub(super) offset: String,
    pub(super) duration: String,
    pub(super) span: Option<Span>,
    pub(super) marks: Marks,
    pub(super) exception: Option<String>,
    pub(super) annotations: String,
}

impl Row {
    pub(super) fn indent(&self) -> usize {
        self.level.min(LEVELS_MAX) * INDENT_COLUMNS
    }
}

/// What went wrong, and whether it has ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) fault: bool,
    pub(super) error: bool,
    pub(super) throttle: bool,
    pub(super) in_progress: bool,
}

impl Marks {
    fn of(node: &Value) -> Self {
        let is_set = |flag: &str| node.get(flag).and_then(Value::as_bool) == Some(true);
        let ended = seconds(node, "end_time").is_some();
        Self {
            fault: is_set("fault"),
            error: is_set("error"),
            throttle: is_set("throttle"),
            in_progress: is_set("in_progress") && !ended,
        }
    }

    pub(super) fn words(self) -> impl Iterator<Item = (&'static str, Colour)> {
        let words = [
            (self.fault, "fault", Colour::Fault),
            (self.error, "error", Colour::Error),
            (self.throttle, "throttle", Colour::Throttle),
            (self.in_progress, "in progress", Colour::InProgress),
        ];
        words
            .into_iter()
            .filter(|(is_set, ..)| *is_set)
            .map(|(_, word, colour)| (word, colour))
    }

    pub(super) fn width(self) -> usize {
        self.words().map(|(word, _)| 2 + width(word)).sum()
    }

    /// The colour of the worst.
    pub(super) fn colour(self) -> Colour {
        self.words()
            .map(|(_, colour)| colour)
            .next()
            .unwrap_or(Colour::Ok)
    }
}

/// Every node of the trace, each once.
pub(super) fn of_trace(documents: &[Value]) -> Vec<Row> {
    let mut rows = Walk::over(documents).rows;
    let start = rows.iter().filter_map(|row| row.start).min_by(f64::total_cmp);
    let whole = duration_seconds(&rows).unwrap_or(0.0);
    for row in &mut rows {
        let Some((from, start)) = row.start.zip(start) else {
            continue;
        };
        row.offset = duration(from - start);
        let to = row.end.unwrap_or(start + whole);
        let share = |moment: f64| {
            if whole > 0.0 {
                (moment - start) / whole
            } else {
                0.0
            }
        };
        row.span = Some(Span {
            from: share(from),
            to: share(to),
            open: row.marks.in_progress,
        });
    }
    rows
}

/// Seconds from the earliest start to the latest end.
pub(super) fn duration_seconds(rows: &[Row]) -> Option<f64> {
    let start = rows.iter().filter_map(|row| row.start).min_by(f64::total_cmp)?;
    let end = rows.iter().filter_map(|row| row.end).max_by(f64::total_cmp)?;
    Some((end - start).max(0.0))
}

/// A duration as people read it.
pub(super) fn duration(seconds: f64) -> String {
    let millis = seconds * 1000.0;
    if millis.abs() < 0.05 {
        "0 ms".to_owned()
    } else if millis.abs() < 9.95 {
        format!("{millis:.1} ms")
    } else if millis.abs() < 999.5 {
        format!("{millis:.0} ms")
    } else {
        format!("{seconds:.2} s")
    }
}

/// One pass over the trace, without recursion: documents nest as deep as they like.
struct Walk<'a> {
    /// Entries by the node they name as their parent.
    called: BTreeMap<String, Vec<&'a Value>>,
    rows: Vec<Row>,
}

/// A node that waits to be drawn.
struct Waiting<'a> {
    node: &'a Value,
    level: usize,
    is_segment: bool,
}

impl<'a> Walk<'a> {
    fn over(documents: &'a [Value]) -> Self {
        let mut walk = Self {
            called: BTreeMap::new(),
            rows: Vec::new(),
        };
        let known = ids(documents);
        let mut tops = Vec::new();
        for document in documents {
            match text(document, "/parent_id").map(|parent| parent.to_ascii_lowercase()) {
                Some(parent) if known.contains(&parent) => {
                    walk.called.entry(parent).or_default().push(document)
                }
                _ => tops.push(document),
            }
        }
        walk.draw(tops);
        // What is left hangs from itself in a circle: its first entry is drawn at the top.
        while let Some(entry) = walk.called.pop_first() {
            let (parent, mut entries) = entry;
            if entries.is_empty() {
                continue;
            }
            let first = entries.remove(0);
            walk.called.insert(parent, entries);
            walk.draw(vec![first]);
        }
        walk
    }

    fn draw(&mut self, mut tops: Vec<&'a Value>) {
        by_start(&mut tops);
        let mut stack: Vec<Waiting<'a>> = tops
            .into_iter()
            .rev()
            .map(|node| Waiting::entry(node, 0))
            .collect();
        while let Some(Waiting {
            node,
            level,
            is_segment,
        }) = stack.pop()
        {
            self.rows.push(row(node, level, is_segment));
            let mut below: Vec<&Value> = subsegments(node).collect();
            let nested = below.len();
            let id = text(node, "/id").unwrap_or_default().to_ascii_lowercase();
            below.extend(self.called.remove(&id).unwrap_or_default());
            let entries: Vec<*const Value> = below
                .iter()
                .skip(nested)
                .map(|entry| std::ptr::from_ref(*entry))
                .collect();
            by_start(&mut below);
            for child in below.into_iter().rev() {
                let is_entry = entries.contains(&std::ptr::from_ref(child));
                stack.push(Waiting {
                    node: child,
                    level: level + 1,
                    is_segment: is_entry && is_segment_document(child),
                });
            }
        }
    }
}

impl<'a> Waiting<'a> {
    fn entry(node: &'a Value, level: usize) -> Self {
        Self {
            node,
            level,
            is_segment: is_segment_document(node),
        }
    }
}

fn is_segment_document(entry: &Value) -> bool {
    text(entry, "/type").as_deref() != Some("subsegment")
}

fn by_start(nodes: &mut [&Value]) {
    nodes.sort_by(|a, b| {
        let start = |node: &Value| seconds(node, "start_time").unwrap_or(f64::INFINITY);
        start(a)
            .total_cmp(&start(b))
            .then_with(|| text(a, "/id").cmp(&text(b, "/id")))
    });
}

fn ids(documents: &[Value]) -> std::collections::BTreeSet<String> {
    let mut ids = std::collections::BTreeSet::new();
    let mut waiting: Vec<&Value> = documents.iter().collect();
    while let Some(node) = waiting.pop() {
        ids.extend(text(node, "/id").map(|id| id.to_ascii_lowercase()));
        waiting.extend(subsegments(node));
    }
    ids
}

fn subsegments(node: &Value) -> impl Iterator<Item = &Value> {
    node.get("subsegments")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn row(node: &Value, level: usize, is_segment: bool) -> Row {
    let name = text(node, "/name").unwrap_or_else(|| "?".to_owned());
    let (label, detail) = match text(node, "/origin").filter(|_| is_segment) {
        Some(origin) => (origin, name),
        None => (name, called(node)),
    };
    let (start, end) = (seconds(node, "start_time"), seconds(node, "end_time"));
    let duration = match start.zip(end) {
        Some((start, end)) => duration((end - start).max(0.0)),
        None => "?".to_owned(),
    };
    Row {
        level,
        is_segment,
        label,
        detail,
        start,
        end,
        offset: "?".to_owned(),
        duration,
        span: None,
        marks: Marks::of(node),
        exception: exception(node),
        annotations: annotations(node),
    }
}

/// The operation or method of a call, with the status of its answer.
fn called(node: &Value) -> String {
    let operation = text(node, "/aws/operation")
        .or_else(|| text(node, "/http/request/method").map(|method| method.to_uppercase()));
    let status = node.pointer("/http/response/status").and_then(Value::as_i64);
    let words = [operation, status.map(|status| status.to_string())];
    words.into_iter().flatten().collect::<Vec<String>>().join(" ")
}

/// The outermost exception that is recorded at this node.
fn exception(node: &Value) -> Option<String> {
    let exception = node.pointer("/cause/exceptions")?.as_array()?.first()?;
    let said = [text(exception, "/type"), text(exception, "/message")];
    let said: Vec<String> = said.into_iter().flatten().collect();
    Some(said.join(": ")).filter(|said| !said.is_empty())
}

fn annotations(node: &Value) -> String {
    let pairs = node
        .get("annotations")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let pair = |(key, value): (&String, &Value)| match value {
        Value::String(text) => format!("{}={}", printable(key), printable(text)),
        other => format!("{}={}", printable(key), printable(&other.to_string())),
    };
    pairs.map(pair).collect::<Vec<String>>().join(" ")
}

fn text(node: &Value, pointer: &str) -> Option<String> {
    node.pointer(pointer)
        .and_then(Value::as_str)
        .map(printable)
        .filter(|text| !text.trim().is_empty())
}

fn seconds(node: &Value, member: &str) -> Option<f64> {
    node.get(member)
        .and_then(Value::as_f64)
        .filter(|seconds| seconds.abs() < SECONDS_MAX)
}
