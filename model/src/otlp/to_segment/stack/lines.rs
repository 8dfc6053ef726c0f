//! Stacks in which each line, or two of them, are a frame.

use super::{Frame, Thrown};

/// Every line that is a frame.
pub(super) fn each<'a>(text: &'a str, frame: fn(&'a str) -> Option<Frame<'a>>) -> Thrown<'a> {
    Thrown {
        frames: text.lines().filter_map(|line| frame(line.trim())).collect(),
        ..Thrown::default()
    }
}

/// `at label (path:line:column)`, `at path:line:column`; Firefox's `label@path:line:column`.
pub(super) fn javascript(line: &str) -> Option<Frame<'_>> {
    let Some(called) = line.strip_prefix("at ") else {
        let (label, place) = line.split_once('@')?;
        let (path, line) = place_of(place)?;
        return Some(Frame { path, line, label });
    };
    let (label, place) = match called
        .strip_suffix(')')
        .and_then(|called| called.split_once(" ("))
    {
        Some((label, place)) => (label, place),
        None => ("", called),
    };
    let (path, line) = place_of(place).unwrap_or((place, 0));
    Some(Frame { path, line, label })
}

/// ``path:line:in `label'``, behind `from` in all lines but the first, where the message follows.
pub(super) fn ruby(line: &str) -> Option<Frame<'_>> {
    let line = line.strip_prefix("from ").unwrap_or(line);
    let (place, rest) = line.split_once(":in ").unwrap_or((line, ""));
    let (path, number) = place_of(place)?;
    let label = rest
        .strip_prefix(['`', '\''])
        .and_then(|rest| rest.split('\'').next());
    Some(Frame {
        path,
        line: number,
        label: label.unwrap_or_default(),
    })
}

/// A function on one line, its place behind a tab on the next.
pub(super) fn go(text: &str) -> Thrown<'_> {
    let mut thrown = Thrown::default();
    let mut label = "";
    for line in text.lines() {
        match line.strip_prefix('\t') {
            Some(place) => {
                let place = place.rsplit_once(" +0x").map_or(place, |(place, _)| place);
                if let Some((path, line)) = place_of(place) {
                    thrown.frames.push(Frame { path, line, label });
                }
            }
            None => label = line.trim_end(),
        }
    }
    thrown
}

/// A number and a function on one line, its place on the next if it is known.
pub(super) fn rust(text: &str) -> Thrown<'_> {
    let mut thrown = Thrown::default();
    for line in text.lines().map(str::trim) {
        if let Some((path, number)) = line.strip_prefix("at ").and_then(place_of) {
            if let Some(frame) = thrown.frames.last_mut() {
                (frame.path, frame.line) = (path, number);
            }
        } else if let Some((number, label)) = line.split_once(": ")
            && number.parse::<u32>().is_ok()
        {
            thrown.frames.push(Frame {
                label,
                ..Frame::default()
            });
        }
    }
    thrown
}

/// Some language's frame, by what languages have in common: `at` and a place, or Python's, or Ruby's.
pub(super) fn any(line: &str) -> Option<Frame<'_>> {
    if line.starts_with("at ") {
        let called = line.strip_suffix(')').and_then(|line| line.rsplit_once('('));
        let is_placed = called.is_some() || place_of(line).is_some();
        return javascript(line).filter(|_| is_placed);
    }
    python(line).or_else(|| ruby(line).filter(|frame| !frame.label.is_empty()))
}

/// `File "path", line 7, in label`
pub(super) fn python(line: &str) -> Option<Frame<'_>> {
    let (path, rest) = line.strip_prefix("File \"")?.split_once("\", line ")?;
    let (number, label) = rest.split_once(", in ").unwrap_or((rest, ""));
    Some(Frame {
        path,
        line: number.parse().ok()?,
        label,
    })
}

/// `path:line:column` or `path:line`
pub(super) fn place_of(place: &str) -> Option<(&str, u32)> {
    let (before, last) = place.rsplit_once(':')?;
    let last: u32 = last.trim().parse().ok()?;
    let with_column = before
        .rsplit_once(':')
        .and_then(|(path, line)| Some((path, line.parse().ok()?)));
    Some(with_column.unwrap_or((before, last)))
}
