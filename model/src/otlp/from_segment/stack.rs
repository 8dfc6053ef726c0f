//! Stacks as the languages print them: so do backends know them, and so are they read back.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::super::to_segment::stack as read;

/// One call of a stack.
pub(super) struct Frame<'a> {
    /// The file.
    pub(super) path: Option<Cow<'a, str>>,
    /// The line in it.
    pub(super) line: Option<i64>,
    /// The function or method.
    pub(super) label: Option<Cow<'a, str>>,
}

/// An exception and where it was thrown.
pub(super) struct Thrown<'a> {
    /// Its type.
    pub(super) kind: &'a str,
    /// What it says.
    pub(super) message: &'a str,
    /// Its stack.
    pub(super) frames: Vec<Frame<'a>>,
    /// The frames are in the order of their calls, not the innermost first.
    pub(super) is_oldest_first: bool,
}

/// What stands where a frame lacks something that its language always prints.
const UNKNOWN: &str = "<unknown>";

/// The text of a stack in a language, in Java's form if it is not known; and whether it is read back as it was.
pub(super) fn write(mut thrown: Thrown<'_>, language: Option<&str>) -> (String, bool) {
    if thrown.is_oldest_first {
        thrown.frames.reverse();
    }
    let text = printed(&thrown, language);
    let read = read::read(&text, language.unwrap_or_default());
    let is_same = |(read, frame): (&read::Frame<'_>, &Frame<'_>)| {
        read.path == frame.path.as_deref().unwrap_or_default()
            && i64::from(read.line) == frame.line.unwrap_or_default()
            && read.label == frame.label.as_deref().unwrap_or_default()
    };
    let is_read_back = match read.chain.as_slice() {
        [one] => {
            let is_all = !read.is_partial && one.frames.len() == thrown.frames.len();
            is_all && one.frames.iter().zip(&thrown.frames).all(is_same)
        }
        _ => false,
    };
    (text, is_read_back)
}

/// The text, of frames with the innermost first.
fn printed(thrown: &Thrown<'_>, language: Option<&str>) -> String {
    let is_python = language == Some("python");
    let (mut forth, mut back) = (thrown.frames.iter(), thrown.frames.iter().rev());
    let frames: &mut dyn Iterator<Item = &Frame<'_>> = if is_python { &mut back } else { &mut forth };
    let (kind, message) = (thrown.kind, thrown.message);
    let mut text = String::new();
    match language {
        Some("python") => text.push_str("Traceback (most recent call last):\n"),
        Some("go") => text.push_str("goroutine 1 [running]:"),
        Some("ruby") => {}
        _ => headline(kind, message, &mut text),
    }
    for (place, frame) in frames.enumerate() {
        match language {
            Some("python") => python(frame, &mut text),
            Some("go") => go(frame, &mut text),
            Some("ruby") => {
                text.push_str(if place == 0 { "" } else { "\n\tfrom " });
                ruby(frame, &mut text);
                if place == 0 {
                    put(&mut text, format_args!(": {message} ({kind})"));
                }
            }
            Some("dotnet") => dotnet(frame, &mut text),
            Some("nodejs" | "webjs" | "javascript") => called("\n    at ", " (", frame, &mut text),
            _ => called("\n\tat ", "(", frame, &mut text),
        }
    }
    if is_python {
        headline(kind, message, &mut text);
    }
    text
}

fn headline(kind: &str, message: &str, text: &mut String) {
    let between = if kind.is_empty() || message.is_empty() {
        ""
    } else {
        ": "
    };
    text.extend([kind, between, message]);
}

/// `File "app.py", line 7, in handler`
fn python(frame: &Frame<'_>, text: &mut String) {
    let path = frame.path.as_deref().unwrap_or(UNKNOWN);
    put(
        text,
        format_args!("  File \"{path}\", line {}", frame.line.unwrap_or(0)),
    );
    if let Some(label) = &frame.label {
        text.extend([", in ", label]);
    }
    text.push('\n');
}

/// The function on one line, the place on the next.
fn go(frame: &Frame<'_>, text: &mut String) {
    let label = frame.label.as_deref().unwrap_or(UNKNOWN);
    let path = frame.path.as_deref().unwrap_or(UNKNOWN);
    put(
        text,
        format_args!("\n{label}\n\t{path}:{}", frame.line.unwrap_or(0)),
    );
}

/// ``app.rb:4:in `charge'``
fn ruby(frame: &Frame<'_>, text: &mut String) {
    let path = frame.path.as_deref().unwrap_or(UNKNOWN);
    put(text, format_args!("{path}:{}", frame.line.unwrap_or(0)));
    if let Some(label) = &frame.label {
        text.extend([":in `", label, "'"]);
    }
}

/// `at label in path:line 12`
fn dotnet(frame: &Frame<'_>, text: &mut String) {
    text.extend(["\n   at ", frame.label.as_deref().unwrap_or(UNKNOWN)]);
    if let Some(path) = &frame.path {
        text.extend([" in ", path]);
        if let Some(line) = frame.line {
            put(text, format_args!(":line {line}"));
        }
    }
}

/// `at label (path:line)`
fn called(at: &str, opening: &str, frame: &Frame<'_>, text: &mut String) {
    text.push_str(at);
    if let Some(label) = &frame.label {
        text.extend([label, opening]);
    }
    text.push_str(frame.path.as_deref().unwrap_or(UNKNOWN));
    if let Some(line) = frame.line {
        put(text, format_args!(":{line}"));
    }
    if frame.label.is_some() {
        text.push(')');
    }
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a text does not fail.
    let _ = text.write_fmt(what);
}
