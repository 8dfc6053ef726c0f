//! What a document lost, as the document itself says it.
//!
//! Invariant: what [`Mark::write_into`] adds measures at most [`CUT_MARK_MAX_BYTES`](crate::limits::CUT_MARK_MAX_BYTES).

use std::collections::BTreeMap;
use std::fmt::Write;

use super::super::object::Object;
use super::Trimmed;
use super::trim::shorten;
use crate::limits::{CUT_NAME_MAX_BYTES, CUT_NAMES_MAX};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Mark {
    /// Subsegments that became documents of their own.
    pub(super) moved: u64,
    /// Bytes by the name of the member, as it stands in JSON.
    members: BTreeMap<String, usize>,
    trimmed: BTreeMap<Trimmed, u64>,
}

impl Mark {
    /// Bytes of a member are given up.
    pub(super) fn drop(&mut self, kind: Trimmed, name: &str, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let count = self.trimmed.entry(kind).or_default();
        *count = count.saturating_add(bytes.try_into().unwrap_or(u64::MAX));
        let name = shorten(name, CUT_NAME_MAX_BYTES);
        let is_room = self.members.len() < CUT_NAMES_MAX || self.members.contains_key(name);
        let name = if is_room { name } else { "others" };
        *self.members.entry(name.to_owned()).or_default() += bytes;
    }

    /// Adds its bytes to an account.
    pub(super) fn count_in(&self, trimmed: &mut BTreeMap<Trimmed, u64>) {
        for (kind, bytes) in &self.trimmed {
            *trimmed.entry(*kind).or_default() += bytes;
        }
    }

    /// Marks the document, if there is something to say.
    pub(super) fn write_into(&self, object: &mut Object<'_>) {
        if self.moved == 0 && self.members.is_empty() {
            return;
        }
        let mut text = String::from(r#"{"cut":{"#);
        // Writing to a string cannot fail.
        let _ = write!(text, r#""subsegments_moved":{},"bytes":{{"#, self.moved);
        for (place, (name, bytes)) in self.members.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            let _ = write!(text, r#"{comma}"{name}":{bytes}"#);
        }
        text.push_str("}}}");
        let written = object
            .value("metadata")
            .and_then(Object::read)
            .map(|mut metadata| {
                metadata.set("fluoroscope", text.clone());
                metadata.write()
            });
        let written = written.unwrap_or_else(|| format!(r#"{{"fluoroscope":{text}}}"#));
        object.set("metadata", written);
    }
}
