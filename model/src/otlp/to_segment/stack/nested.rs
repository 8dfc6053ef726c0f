//! Stacks that tell what caused what: Java's, Python's and .NET's.

use super::lines::{place_of, python as python_frame};
use super::{Frame, Thrown};

/// Java's, and PHP's: the cause stands below, behind `Caused by:`. What was suppressed is further in and passed over.
pub(super) fn java(text: &str) -> Vec<Thrown<'_>> {
    let mut chain = vec![Thrown::default()];
    let mut is_message = true;
    for line in text.lines() {
        if let Some(announced) = line.strip_prefix("Caused by: ") {
            chain.push(Thrown::announced(announced));
            is_message = true;
            continue;
        }
        let Some(thrown) = chain.last_mut() else { break };
        if let Some(frame) = line.strip_prefix("\tat ").and_then(java_frame) {
            thrown.frames.push(frame);
            is_message = false;
        } else if let Some(more) = line.strip_prefix("\t... ") {
            let count = more.split(' ').next().and_then(|count| count.parse().ok());
            thrown.truncated = count.unwrap_or_default();
            is_message = false;
        } else if is_message && !thrown.kind.is_empty() {
            // A message of several lines; the first exception's is told by the event.
            thrown.message.to_mut().extend(["\n", line]);
        }
    }
    chain
}

/// `module/label(path:line)`
fn java_frame(line: &str) -> Option<Frame<'_>> {
    let (label, place) = line.trim_end().strip_suffix(')')?.rsplit_once('(')?;
    let label = label.rsplit_once('/').map_or(label, |(_, label)| label);
    let (path, line) = place_of(place).unwrap_or((place, 0));
    Some(Frame { path, line, label })
}

/// What stands between an exception, above, and the one that it caused, below.
const PYTHONS_LINKS: [&str; 2] = [
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
];

/// Python's: the cause stands above, and the innermost frame last.
pub(super) fn python(text: &str) -> Vec<Thrown<'_>> {
    let mut chain = Vec::new();
    let mut rest = text;
    loop {
        let link = PYTHONS_LINKS
            .iter()
            .filter_map(|link| Some((rest.rfind(link)?, link.len())))
            .max();
        let Some((place, length)) = link else { break };
        chain.push(traceback(rest.get(place + length..).unwrap_or_default()));
        rest = rest.get(..place).unwrap_or_default();
    }
    chain.push(traceback(rest));
    chain
}

fn traceback(text: &str) -> Thrown<'_> {
    let mut frames = Vec::new();
    let mut behind = 0;
    let mut place = 0;
    for line in text.split_inclusive('\n') {
        place += line.len();
        let frame = line.starts_with(' ').then(|| python_frame(line.trim())).flatten();
        if let Some(frame) = frame {
            frames.push(frame);
            behind = place;
        }
    }
    frames.reverse();
    // Behind the last frame stand its line of code, marks below that, and the exception.
    let mut said = text.get(behind..).unwrap_or_default();
    while said.starts_with(' ') {
        said = said.split_once('\n').map_or("", |(_, rest)| rest);
    }
    Thrown {
        frames,
        ..Thrown::announced(said.trim())
    }
}

/// .NET's: causes are announced one after the other, the innermost's frames come first, and end at a mark.
pub(super) fn dotnet(text: &str) -> Vec<Thrown<'_>> {
    let mut chain = vec![Thrown::default()];
    let mut current = 0;
    for line in text.lines() {
        let line = line.trim();
        if let Some(called) = line.strip_prefix("at ") {
            let thrown = chain.get_mut(current);
            let frame = dotnet_frame(called);
            if let (Some(thrown), Some(frame)) = (thrown, frame) {
                thrown.frames.push(frame);
            }
        } else if line.starts_with("--- End of inner exception stack trace") {
            current = current.saturating_sub(1);
        } else {
            // On its own line, or several behind the message on one.
            for announced in line.split("---> ").skip(1) {
                chain.push(Thrown::announced(announced.trim_end()));
                current = chain.len() - 1;
            }
        }
    }
    chain
}

/// `label in path:line 12`, or `label`
fn dotnet_frame(called: &str) -> Option<Frame<'_>> {
    let placed = called.rsplit_once(":line ").and_then(|(place, line)| {
        let (label, path) = place.split_once(") in ")?;
        let label = called.get(..label.len() + 1)?;
        Some(Frame {
            path,
            line: line.parse().ok()?,
            label,
        })
    });
    placed.or_else(|| {
        called.ends_with(')').then(|| Frame {
            label: called,
            ..Frame::default()
        })
    })
}
