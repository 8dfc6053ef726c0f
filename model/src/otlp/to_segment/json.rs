//! Writes a document's JSON in one go: no tree is built.

use std::io::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::super::span::{Attribute, Value};
use crate::ids::{SegmentId, TraceId};

/// A document that is being written.
pub(super) struct Json {
    out: Vec<u8>,
    /// The objects that are open, `.` between them.
    path: &'static str,
}

impl Json {
    pub(super) fn new() -> Self {
        Self {
            out: begun(),
            path: "",
        }
    }

    /// The document.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.close(self.path);
        self.out.push(b'}');
        self.out
    }

    /// The bytes written so far.
    pub(super) const fn len(&self) -> usize {
        self.out.len()
    }

    /// What was written since.
    pub(super) fn since(&self, start: usize) -> &str {
        let written = self.out.get(start..).unwrap_or_default();
        std::str::from_utf8(written).unwrap_or_default()
    }

    /// Begins a member of the document by its place, `.` between levels. Its value must follow.
    pub(super) fn member(&mut self, member: &'static str) {
        let (path, name) = member.rsplit_once('.').unwrap_or(("", member));
        if path != self.path {
            let shared = shared_levels(self.path, path);
            self.close(self.path.get(shared..).unwrap_or_default());
            for level in levels(path.get(shared..).unwrap_or_default()) {
                self.key(level);
                self.out.push(b'{');
            }
            self.path = path;
        }
        self.key(name);
    }

    fn close(&mut self, path: &'static str) {
        let open = levels(path).count();
        self.out.extend(std::iter::repeat_n(b'}', open));
    }

    /// Begins a member of the object that is open. Its value must follow.
    pub(super) fn key(&mut self, key: &str) {
        self.comma();
        self.string(key);
        self.out.push(b':');
    }

    /// As [`key`](Self::key), of a name in two pieces; the first needs no escapes.
    pub(super) fn prefixed_key(&mut self, prefix: &str, key: &str) {
        self.comma();
        let start = self.out.len() + 1;
        self.string(key);
        self.out.splice(start..start, prefix.bytes());
        self.out.push(b':');
    }

    /// What stands before a member, or an element.
    pub(super) fn comma(&mut self) {
        if !matches!(self.out.last(), Some(b'{' | b'[')) {
            self.out.push(b',');
        }
    }

    /// Writes what is JSON already, or a piece of it.
    pub(super) fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    pub(super) fn string(&mut self, text: &str) {
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(&mut self.out, text);
    }

    pub(super) fn whole(&mut self, number: i64) {
        let _ = write!(self.out, "{number}");
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.raw(if flag { "true" } else { "false" });
    }

    pub(super) fn id(&mut self, id: SegmentId) {
        let _ = write!(self.out, "\"{id}\"");
    }

    pub(super) fn trace_id(&mut self, id: TraceId) {
        let _ = write!(self.out, "\"{id}\"");
    }

    /// Seconds since the epoch, to the microsecond.
    pub(super) fn time(&mut self, unix_nano: u64) {
        let (seconds, micros) = (unix_nano / 1_000_000_000, unix_nano % 1_000_000_000 / 1_000);
        let _ = write!(self.out, "{seconds}.{micros:06}");
    }

    /// Any value. Bytes are base64; a number that JSON does not have is a text.
    pub(super) fn value(&mut self, value: &Value<'_>) {
        match value {
            Value::Text(text) => self.string(text),
            Value::Flag(flag) => self.flag(*flag),
            Value::Integer(number) => self.whole(*number),
            Value::Double(number) if number.is_finite() => {
                let _ = serde_json::to_writer(&mut self.out, number);
            }
            Value::Double(number) => self.string(match number.is_nan() {
                true => "NaN",
                false if number.is_sign_positive() => "Infinity",
                false => "-Infinity",
            }),
            Value::Bytes(bytes) => {
                let _ = write!(self.out, "\"{}\"", BASE64_STANDARD.encode(bytes));
            }
            Value::List(values) => {
                self.raw("[");
                for value in values {
                    self.comma();
                    self.value(value);
                }
                self.raw("]");
            }
            Value::Map(entries) => self.map(entries),
            Value::Empty => self.raw("null"),
        }
    }

    /// An object. The first of two equal keys counts.
    pub(super) fn map(&mut self, entries: &[Attribute<'_>]) {
        self.raw("{");
        for (place, Attribute { key, value }) in entries.iter().enumerate() {
            if !entries.iter().take(place).any(|earlier| earlier.key == *key) {
                self.key(key);
                self.value(value);
            }
        }
        self.raw("}");
    }
}

/// An object with room for most documents.
fn begun() -> Vec<u8> {
    const ROOM_BYTES: usize = 1024;
    let mut out = Vec::with_capacity(ROOM_BYTES);
    out.push(b'{');
    out
}

fn levels(path: &str) -> impl Iterator<Item = &str> {
    path.split('.').filter(|level| !level.is_empty())
}

/// The length of the levels that both paths begin with.
fn shared_levels(one: &str, other: &str) -> usize {
    let mut shared = 0;
    for (a, b) in one.split('.').zip(other.split('.')) {
        if a != b {
            break;
        }
        shared += a.len() + 1;
    }
    shared.min(one.len()).min(other.len())
}
