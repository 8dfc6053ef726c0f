//! One line of a stack trace, as the runtimes of Python, Node.js, Java, Ruby and .NET print it.

use super::segment_document::StackFrame;

/// Longest path or label that is kept, in bytes.
pub const TEXT_MAX_BYTES: usize = 250;

impl StackFrame {
    /// A frame, its texts cut to [`TEXT_MAX_BYTES`].
    pub fn new(path: Option<&str>, line: Option<u32>, label: Option<&str>) -> Self {
        let kept = |text: &str| Box::from(cut(text, TEXT_MAX_BYTES));
        Self {
            path: path.map(kept),
            line,
            label: label.map(kept),
        }
    }
}

/// Reads a line. None unless it is surely a frame.
pub fn parse(text: &str) -> Option<StackFrame> {
    let line = text.trim().lines().next()?;
    python(line).or_else(|| ruby(line)).or_else(|| with_label(line))
}

/// `File "/var/task/app.py", line 7, in handler`
fn python(line: &str) -> Option<StackFrame> {
    let (path, rest) = line.strip_prefix("File \"")?.split_once("\", line ")?;
    let (number, label) = match rest.split_once(", in ") {
        Some((number, label)) => (number, Some(label)),
        None => (rest, None),
    };
    Some(StackFrame::new(Some(path), Some(number.parse().ok()?), label))
}

/// ``/var/task/app.rb:4:in `charge'``
fn ruby(line: &str) -> Option<StackFrame> {
    let (place, label) = line.split_once(":in ")?;
    let label = label.strip_prefix(['`', '\''])?.strip_suffix('\'')?;
    let (path, number) = place.rsplit_once(':')?;
    Some(StackFrame::new(
        Some(path),
        Some(number.parse().ok()?),
        Some(label),
    ))
}

/// `at label (place)`, `label(place)`, `at label in path:line 12`, `at place`
fn with_label(line: &str) -> Option<StackFrame> {
    let after_at = line.strip_prefix("at ");
    let rest = after_at.unwrap_or(line);
    if let Some((label, path, number)) = after_at.and_then(dotnet) {
        return Some(StackFrame::new(Some(path), Some(number), Some(label)));
    }
    if let Some((label, place)) = rest.strip_suffix(')').and_then(|rest| rest.rsplit_once('(')) {
        let label = label.trim_end();
        if let Some((path, number)) = place_of(place) {
            return Some(StackFrame::new(Some(path), Some(number), Some(label)));
        }
        if matches!(
            place,
            "Native Method" | "Unknown Source" | "native" | "<anonymous>"
        ) {
            return Some(StackFrame::new(None, None, Some(label)));
        }
    }
    let rest = after_at?;
    Some(match place_of(rest) {
        Some((path, number)) => StackFrame::new(Some(path), Some(number), None),
        None => StackFrame::new(None, None, Some(rest)),
    })
}

fn dotnet(rest: &str) -> Option<(&str, &str, u32)> {
    let (place, number) = rest.rsplit_once(":line ")?;
    let (label, path) = place.rsplit_once(" in ")?;
    Some((label, path, number.parse().ok()?))
}

/// `path:line:column` or `path:line`
fn place_of(place: &str) -> Option<(&str, u32)> {
    let (before, last) = place.rsplit_once(':')?;
    let last: u32 = last.parse().ok()?;
    match before.rsplit_once(':') {
        Some((path, line)) if line.parse::<u32>().is_ok() => Some((path, line.parse().ok()?)),
        _ => Some((before, last)),
    }
}

/// As much of a text as fits.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}
