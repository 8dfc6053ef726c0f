//! Text in columns: widths as terminals count them, cut texts, colours.

use unicode_width::UnicodeWidthChar;

/// A text that fits a column.
pub(super) struct Cell {
    /// The text, cut if it was too wide.
    pub(super) text: String,
    /// Columns left.
    pub(super) rest: usize,
}

impl Cell {
    /// Cuts `text` to a column; what was cut shows as `…`.
    pub(super) fn fit(text: &str, columns: usize) -> Self {
        let wide = width(text);
        if wide <= columns {
            return Self {
                text: text.to_owned(),
                rest: columns - wide,
            };
        }
        let mut cut = String::new();
        let mut used = 0;
        for c in text.chars() {
            used += c.width().unwrap_or(0);
            if used >= columns {
                break;
            }
            cut.push(c);
        }
        if columns > 0 {
            cut.push('…');
        }
        let rest = columns.saturating_sub(width(&cut));
        Self { text: cut, rest }
    }

    /// The text at the right edge of its column.
    pub(super) fn right(&self) -> String {
        format!("{}{}", " ".repeat(self.rest), self.text)
    }
}

/// Columns a text takes.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// The text on one line, without characters that would move the cursor or change the terminal.
pub(super) fn printable(text: &str) -> String {
    /// More of one text than any terminal shows.
    const SHOWN_CHARS: usize = 1000;
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(SHOWN_CHARS).map(plain).collect()
}

/// What a text's colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Bold,
    Dim,
    Ok,
    Fault,
    Error,
    Throttle,
    InProgress,
}

/// The text in its colour, or as it is.
pub(super) fn paint(text: &str, colour: Colour, wanted: bool) -> String {
    if !wanted || text.is_empty() {
        return text.to_owned();
    }
    let code = match colour {
        Colour::Bold => 1,
        Colour::Dim => 2,
        Colour::Ok => 32,
        Colour::Fault => 31,
        Colour::Error => 33,
        Colour::Throttle => 35,
        Colour::InProgress => 36,
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}
