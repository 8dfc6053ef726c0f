//! The text of a stack, taken apart as its language prints it.
//!
//! Borrows from the text. What is not surely a frame is passed over; a text without any frame stays whole among the
//! metadata.

mod lines;
mod nested;

use std::borrow::Cow;

/// One call of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::otlp) struct Frame<'a> {
    /// The file.
    pub(in crate::otlp) path: &'a str,
    /// The line in it; 0 if it is not told.
    pub(in crate::otlp) line: u32,
    /// The function or method.
    pub(in crate::otlp) label: &'a str,
}

/// An exception of a stack's text. Each but the first caused the one before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::otlp) struct Thrown<'a> {
    /// Its type; of the first, the event's attributes know it better.
    pub(in crate::otlp) kind: &'a str,
    /// What it says.
    pub(in crate::otlp) message: Cow<'a, str>,
    /// The innermost first.
    pub(in crate::otlp) frames: Vec<Frame<'a>>,
    /// Frames that the text says it leaves out.
    pub(in crate::otlp) truncated: u32,
}

impl<'a> Thrown<'a> {
    /// An exception as it is announced: `type: message`.
    pub(in crate::otlp) fn announced(text: &'a str) -> Self {
        let (kind, message) = text.split_once(": ").unwrap_or((text.trim_end_matches(':'), ""));
        Self {
            kind,
            message: Cow::Borrowed(message),
            ..Self::default()
        }
    }
}

/// What a text tells.
#[derive(Debug, PartialEq, Eq, Default)]
pub(in crate::otlp) struct Stack<'a> {
    /// The exception, then what caused it, and so on; never empty.
    pub(in crate::otlp) chain: Vec<Thrown<'a>>,
    /// The text tells more than what was understood of it.
    pub(in crate::otlp) is_partial: bool,
}

/// Takes a text apart.
pub(in crate::otlp) fn read<'a>(text: &'a str, language: &str) -> Stack<'a> {
    let mut chain = match language {
        "python" => nested::python(text),
        "dotnet" => nested::dotnet(text),
        "go" => vec![lines::go(text)],
        "rust" => vec![lines::rust(text)],
        "ruby" => vec![lines::each(text, lines::ruby)],
        "javascript" | "nodejs" | "webjs" => vec![lines::each(text, lines::javascript)],
        _ => nested::java(text),
    };
    let mut is_partial = false;
    if chain.iter().all(|thrown| thrown.frames.is_empty()) {
        chain = vec![lines::each(text, lines::any)];
        is_partial = true;
    }
    Stack { chain, is_partial }
}
