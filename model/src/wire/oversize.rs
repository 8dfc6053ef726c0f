//! Cuts a document that is larger than X-Ray takes into parts that it takes.
//!
//! Subsegments leave as documents of their own, the largest first, until the rest fits; what still does not fit
//! loses metadata, then long SQL, stacks and messages, annotations beyond X-Ray's limits, members unknown to
//! us, and at last what is known but not required. Each document says in `metadata.fluoroscope.cut` what it
//! lost. Only oversized documents come here: the common path is [`scan`](super::document_scan::scan) alone.
//!
//! Invariants
//! - Every part is within [`SEGMENT_DOCUMENT_MAX_BYTES`] and is a document by the rules of the scan.
//! - Every subsegment with an id and a name is in exactly one part, under the parent that it had.
//! - What is not cut keeps its bytes: numbers and unknown members are never printed anew.

mod mark;
mod trim;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::value::RawValue;

use super::document_scan::{self, Refusal};
use super::object::Object;
use crate::ids::SegmentId;
use crate::limits::{CUT_DEPTH_MAX, CUT_MARK_MAX_BYTES, OVERSIZE_MAX_BYTES, SEGMENT_DOCUMENT_MAX_BYTES};
use mark::Mark;

/// A document in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// What is left of the document itself, then what left it; never empty.
    pub parts: Vec<Box<[u8]>>,
    /// Bytes that are in none of the parts, by what they were.
    pub trimmed: BTreeMap<Trimmed, u64>,
}

/// What bytes were that are given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trimmed {
    /// Entries of `metadata`.
    Metadata,
    /// Text of a query.
    Sql,
    /// Frames, messages and exceptions of a `cause`.
    Cause,
    /// Annotations beyond X-Ray's limits.
    Annotations,
    /// Other members, or the ends of their text.
    Members,
    /// Subsegments that cannot be documents: without id or name, or nested deeper than [`CUT_DEPTH_MAX`].
    Subsegments,
}

impl Trimmed {
    /// Its name in an account.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::Sql => "sql",
            Self::Cause => "cause",
            Self::Annotations => "annotations",
            Self::Members => "members",
            Self::Subsegments => "subsegments",
        }
    }
}

/// Cuts a document of any size up to [`OVERSIZE_MAX_BYTES`].
///
/// # Errors
/// What the scan refuses is refused here too; so is a document that is larger than that, or whose required
/// members alone are larger than X-Ray takes.
pub fn cut(document: &[u8]) -> Result<Cut, Refusal> {
    judge(document)?;
    let text = std::str::from_utf8(document).map_err(|_| Refusal::NotUtf8)?;
    let root = Object::read(text).ok_or(Refusal::NotObject)?;
    let trace = root.text("trace_id").ok_or(Refusal::BadTraceId)?;
    let mut cut = Cut {
        parts: Vec::new(),
        trimmed: BTreeMap::new(),
    };
    let mut work = vec![Piece {
        text,
        parent: None,
        depth: 0,
    }];
    while let Some(piece) = work.pop() {
        match part_of(&piece, &trace, &mut work, &mut cut.trimmed) {
            Ok(part) => cut.parts.push(part.into_bytes().into()),
            Err(refusal) if cut.parts.is_empty() => return Err(refusal),
            Err(_) => *cut.trimmed.entry(Trimmed::Subsegments).or_default() += bytes(piece.text),
        }
    }
    Ok(cut)
}

/// Looks at a document of any size up to [`OVERSIZE_MAX_BYTES`] as the scan does.
///
/// # Errors
/// A [`Refusal`] says why it cannot be taken.
pub fn judge(document: &[u8]) -> Result<document_scan::Head, Refusal> {
    if document.len() > OVERSIZE_MAX_BYTES {
        return Err(Refusal::TooLarge);
    }
    document_scan::look(document)
}

/// What becomes one part: the document itself, or a subsegment and the id it hung under.
struct Piece<'a> {
    text: &'a str,
    parent: Option<Rc<str>>,
    depth: usize,
}

/// What a part may measure before it is marked.
const ROOM: usize = SEGMENT_DOCUMENT_MAX_BYTES - CUT_MARK_MAX_BYTES;

/// Writes one part; subsegments that have to leave it become further work.
fn part_of<'a>(
    piece: &Piece<'a>,
    trace: &str,
    work: &mut Vec<Piece<'a>>,
    trimmed: &mut BTreeMap<Trimmed, u64>,
) -> Result<String, Refusal> {
    let mut object = Object::read(piece.text).ok_or(Refusal::NotObject)?;
    let mut mark = Mark::default();
    let mut subsegments = elements(object.take("subsegments"), &mut mark);
    // As it is spelled: what hung under it goes on doing so.
    let own_id = id(&object).map(Rc::from);
    if let Some(parent) = &piece.parent {
        object.stand_alone(trace, parent);
    }
    if !trim::fit(&mut object, ROOM, &mut mark) {
        return Err(Refusal::TooLarge);
    }
    let room = ROOM.saturating_sub(object.len() + r#","subsegments":[]"#.len());
    let can_leave = |text: &str| own_id.is_some() && piece.depth < CUT_DEPTH_MAX && is_whole(text);
    for (place, is_leaving) in leaving(&subsegments, room, can_leave) {
        let Some(text) = subsegments.get_mut(place).and_then(Option::take) else {
            continue;
        };
        if is_leaving {
            mark.moved += 1;
            work.push(Piece {
                text,
                parent: own_id.clone(),
                depth: piece.depth + 1,
            });
        } else {
            mark.drop(Trimmed::Subsegments, "subsegments", text.len());
        }
    }
    let left: Vec<&str> = subsegments.into_iter().flatten().collect();
    if !left.is_empty() {
        object.set("subsegments", format!("[{}]", left.join(",")));
    }
    mark.count_in(trimmed);
    mark.write_into(&mut object);
    Ok(object.write())
}

/// The places of the subsegments for which there is no room, the largest first, and whether each can leave. One
/// that cannot goes only if there is no room for it when all others are gone.
fn leaving<'a>(
    subsegments: &[Option<&'a str>],
    room: usize,
    can_leave: impl Fn(&'a str) -> bool,
) -> Vec<(usize, bool)> {
    let sized = subsegments.iter().enumerate();
    let mut sized: Vec<(usize, &str)> = sized
        .filter_map(|(place, text)| Some((place, (*text)?)))
        .collect();
    let mut total: usize = sized.iter().map(|(_, text)| text.len() + 1).sum();
    sized.sort_by_key(|(place, text)| (std::cmp::Reverse(text.len()), *place));
    let mut leaving = Vec::new();
    let mut stuck = Vec::new();
    for (place, text) in sized {
        if total <= room {
            break;
        }
        if can_leave(text) {
            total -= text.len() + 1;
            leaving.push((place, true));
        } else {
            stuck.push((place, text));
        }
    }
    for (place, text) in stuck {
        if total > room {
            total -= text.len() + 1;
            leaving.push((place, false));
        }
    }
    leaving
}

/// Whether a subsegment has what a document needs.
fn is_whole(text: &str) -> bool {
    Object::read(text).is_some_and(|object| {
        id(&object).is_some() && object.text("name").is_some_and(|name| !name.is_empty())
    })
}

/// The id, if it is one.
fn id<'a>(object: &'a Object<'_>) -> Option<Cow<'a, str>> {
    object.text("id").filter(|id| id.parse::<SegmentId>().is_ok())
}

/// The elements of an array as they stand. What is no array holds no subsegments.
fn elements<'a>(raw: Option<&'a str>, mark: &mut Mark) -> Vec<Option<&'a str>> {
    let Some(raw) = raw else { return Vec::new() };
    match serde_json::from_str::<Vec<&RawValue>>(raw) {
        Ok(elements) => elements.into_iter().map(|element| Some(element.get())).collect(),
        Err(_) => {
            mark.drop(Trimmed::Subsegments, "subsegments", raw.len());
            Vec::new()
        }
    }
}

fn bytes(text: &str) -> u64 {
    text.len().try_into().unwrap_or(u64::MAX)
}
