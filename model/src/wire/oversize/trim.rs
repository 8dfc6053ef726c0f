//! Makes the members of one document fit, giving up the least valuable first.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::super::object::{Member, Object};
use super::Trimmed;
use super::mark::Mark;
use crate::limits::{CUT_ANNOTATIONS_KEPT, CUT_EXCEPTIONS_KEPT, CUT_FRAMES_KEPT, CUT_TEXT_KEPT_BYTES};

/// What X-Ray needs, and what tells most in least: never given up.
const REQUIRED: [&str; 13] = [
    "id",
    "trace_id",
    "parent_id",
    "type",
    "name",
    "start_time",
    "end_time",
    "in_progress",
    "namespace",
    "fault",
    "error",
    "throttle",
    "origin",
];
/// What X-Ray knows and can do without, in the order in which it is given up.
const OPTIONAL: [&str; 12] = [
    "metadata",
    "links",
    "precursor_ids",
    "service",
    "user",
    "resource_arn",
    "traced",
    "annotations",
    "sql",
    "cause",
    "http",
    "aws",
];

/// Gives up what it must until the object measures no more than `room`. False if that cannot be.
pub(super) fn fit(object: &mut Object<'_>, room: usize, mark: &mut Mark) -> bool {
    const STAGES: [fn(&mut Object<'_>, usize, &mut Mark); 7] = [
        metadata,
        |object, _, mark| shorten_member(object, "sql", mark, Trimmed::Sql),
        |object, _, mark| cause(object, mark),
        |object, _, mark| annotations(object, mark),
        unknown,
        |object, _, mark| shorten_others(object, mark),
        optional,
    ];
    for stage in STAGES {
        let excess = object.len().saturating_sub(room);
        if excess == 0 {
            return true;
        }
        stage(object, excess, mark);
    }
    object.len() <= room
}

/// Entries of the namespaces, the largest first.
fn metadata(object: &mut Object<'_>, excess: usize, mark: &mut Mark) {
    let Some(raw) = object.value("metadata").map(str::to_owned) else {
        return;
    };
    let Some(mut metadata) = Object::read(&raw) else {
        // No object: X-Ray could not take it either.
        drop_member(object, "metadata", mark, Trimmed::Metadata);
        return;
    };
    let mut excess = excess;
    let mut places: Vec<usize> = (0..metadata.members.len()).collect();
    places.sort_by_key(|place| std::cmp::Reverse(metadata.members.get(*place).map(Member::len)));
    for place in places {
        let Some(namespace) = metadata.members.get_mut(place).filter(|_| excess > 0) else {
            break;
        };
        let before = namespace.len();
        thin(namespace, excess, mark);
        excess = excess.saturating_sub(before - namespace.len());
    }
    object.set("metadata", metadata.write());
}

/// Empties one namespace, entry by entry.
fn thin(namespace: &mut Member<'_>, excess: usize, mark: &mut Mark) {
    let path = format!("metadata.{}", namespace.bare_key());
    let text = namespace.value.to_string();
    let Some(mut entries) = Object::read(&text) else {
        mark.drop(Trimmed::Metadata, &path, text.len());
        namespace.value = "{}".into();
        return;
    };
    for entry in take_largest(&mut entries, excess, |_| true) {
        mark.drop(
            Trimmed::Metadata,
            &format!("{path}.{}", entry.bare_key()),
            entry.len(),
        );
    }
    namespace.value = entries.write().into();
}

/// Takes out the largest members of those that may go, until so many bytes are free.
fn take_largest<'a>(
    object: &mut Object<'a>,
    excess: usize,
    may_go: impl Fn(&Member<'_>) -> bool,
) -> Vec<Member<'a>> {
    let mut sized: Vec<(usize, usize)> = object
        .members
        .iter()
        .enumerate()
        .filter(|(_, member)| may_go(member))
        .map(|(place, member)| (member.len(), place))
        .collect();
    sized.sort_by_key(|(length, place)| (std::cmp::Reverse(*length), *place));
    let mut freed = 0;
    let goes: BTreeSet<usize> = sized
        .into_iter()
        .take_while(|(length, _)| {
            let is_needed = freed < excess;
            freed += length;
            is_needed
        })
        .map(|(_, place)| place)
        .collect();
    let mut place = 0;
    let taken = object.members.extract_if(.., |_| {
        place += 1;
        goes.contains(&(place - 1))
    });
    taken.collect()
}

/// Messages, the tails of stacks, and exceptions beyond the first few.
fn cause(object: &mut Object<'_>, mark: &mut Mark) {
    let Some(raw) = object.value("cause").map(str::to_owned) else {
        return;
    };
    let Some(mut cause) = Object::read(&raw) else {
        return;
    };
    let Some(exceptions) = cause.value("exceptions").and_then(array) else {
        return;
    };
    let kept: Vec<String> = exceptions
        .iter()
        .take(CUT_EXCEPTIONS_KEPT)
        .map(|raw| exception(raw.get()))
        .collect();
    let kept = format!("[{}]", kept.join(","));
    cause.set("exceptions", kept);
    let cause = cause.write();
    mark.drop(Trimmed::Cause, "cause", raw.len().saturating_sub(cause.len()));
    object.set("cause", cause);
}

/// An exception with a bounded message and a bounded stack, which says how many frames it lacks.
fn exception(raw: &str) -> String {
    let Some(mut exception) = Object::read(raw) else {
        return raw.to_owned();
    };
    for member in &mut exception.members {
        if let Some(shorter) = shorter(&member.value) {
            member.value = shorter.into();
        }
    }
    let stack = exception.value("stack").map(str::to_owned);
    if let Some(frames) = stack.as_deref().and_then(array)
        && let Some(lacking) = frames
            .len()
            .checked_sub(CUT_FRAMES_KEPT)
            .filter(|lacking| *lacking > 0)
    {
        let before = exception
            .value("truncated")
            .and_then(|raw| raw.parse::<usize>().ok());
        let kept: Vec<&str> = frames
            .iter()
            .take(CUT_FRAMES_KEPT)
            .map(|frame| frame.get())
            .collect();
        exception.set("stack", format!("[{}]", kept.join(",")));
        exception.set(
            "truncated",
            before.unwrap_or(0).saturating_add(lacking).to_string(),
        );
    }
    exception.write()
}

/// What X-Ray neither indexes nor shows whole.
fn annotations(object: &mut Object<'_>, mark: &mut Mark) {
    shorten_member(object, "annotations", mark, Trimmed::Annotations);
    let Some(raw) = object.value("annotations").map(str::to_owned) else {
        return;
    };
    if let Some(mut annotations) = Object::read(&raw) {
        annotations.members.truncate(CUT_ANNOTATIONS_KEPT);
        let annotations = annotations.write();
        mark.drop(
            Trimmed::Annotations,
            "annotations",
            raw.len().saturating_sub(annotations.len()),
        );
        object.set("annotations", annotations);
    }
}

/// Members nobody told us of, the largest first.
fn unknown(object: &mut Object<'_>, excess: usize, mark: &mut Mark) {
    let is_unknown = |member: &Member<'_>| {
        !REQUIRED.contains(&member.name.as_ref()) && !OPTIONAL.contains(&member.name.as_ref())
    };
    for member in take_largest(object, excess, is_unknown) {
        mark.drop(Trimmed::Members, member.bare_key(), member.len());
    }
}

/// Long text in whatever else is known.
fn shorten_others(object: &mut Object<'_>, mark: &mut Mark) {
    for name in REQUIRED.into_iter().chain(OPTIONAL) {
        shorten_member(object, name, mark, Trimmed::Members);
    }
}

/// Whole members, the least valuable first.
fn optional(object: &mut Object<'_>, excess: usize, mark: &mut Mark) {
    let floor = object.len().saturating_sub(excess);
    for name in OPTIONAL {
        if object.len() > floor {
            drop_member(object, name, mark, Trimmed::Members);
        }
    }
}

fn drop_member(object: &mut Object<'_>, name: &str, mark: &mut Mark, kind: Trimmed) {
    for member in object.members.extract_if(.., |member| member.name == name) {
        mark.drop(kind, name, member.len());
    }
}

fn shorten_member(object: &mut Object<'_>, name: &str, mark: &mut Mark, kind: Trimmed) {
    for member in object.members.iter_mut().filter(|member| member.name == name) {
        if let Some(shorter) = shorter(&member.value) {
            mark.drop(kind, name, member.value.len().saturating_sub(shorter.len()));
            member.value = shorter.into();
        }
    }
}

/// The value with its long texts cut, down to the members of its members; none if there are none.
fn shorter(raw: &str) -> Option<String> {
    shorter_to(raw, 3)
}

fn shorter_to(raw: &str, depth: usize) -> Option<String> {
    if raw.len() <= CUT_TEXT_KEPT_BYTES {
        return None;
    }
    if let Some(content) = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')) {
        return Some(format!("\"{}\"", shorten(content, CUT_TEXT_KEPT_BYTES)));
    }
    let depth = depth.checked_sub(1)?;
    let mut object = Object::read(raw)?;
    let mut any = false;
    for member in &mut object.members {
        if let Some(shorter) = shorter_to(&member.value, depth) {
            member.value = shorter.into();
            any = true;
        }
    }
    any.then(|| object.write())
}

fn array(raw: &str) -> Option<Vec<&RawValue>> {
    serde_json::from_str(raw).ok()
}

/// The beginning of a JSON string's content, at most so many bytes, cut between its characters.
pub(super) fn shorten(content: &str, at_most: usize) -> &str {
    if content.len() <= at_most {
        return content;
    }
    let mut end = 0;
    while let Some(next) = content.get(end..).map(character).filter(|length| *length > 0) {
        if end + next > at_most {
            break;
        }
        end += next;
    }
    content.get(..end).unwrap_or_default()
}

/// Bytes of the first character of a JSON string's content; two escapes if they are the halves of one.
fn character(content: &str) -> usize {
    let Some(first) = content.chars().next() else {
        return 0;
    };
    if first != '\\' {
        return first.len_utf8();
    }
    let half = |at: usize, high: &[u8]| {
        let digits = content.as_bytes().get(at..at + 4)?;
        let [b'\\', b'u', b'd' | b'D', third] = digits else {
            return None;
        };
        high.contains(third).then_some(())
    };
    match content.as_bytes().get(1) {
        Some(b'u') if half(0, b"89abAB").is_some() && half(6, b"cdefCDEF").is_some() => 12,
        Some(b'u') => 6,
        _ => 2,
    }
}
