//! Draws a trace as a tree: one line for each segment and subsegment, with offset, bar, duration and marks.
//!
//! Pure. Takes documents as they come from an X-Ray API: what is missing or strange shows as `?`, what
//! hangs from itself in a circle is drawn once, and control characters never reach the terminal.

mod bar;
mod cells;
mod rows;

use serde_json::Value;

use self::cells::{Cell, Colour, paint};
use self::rows::{Marks, Row};

/// How to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options {
    /// Columns of the terminal.
    pub(crate) width: usize,
    /// Whether to colour.
    pub(crate) colour: bool,
    /// Whether annotations are shown under their node.
    pub(crate) annotations: bool,
}

/// Columns of a terminal that does not say how many it has.
pub(crate) const WIDTH_DEFAULT: usize = 100;
/// A bar is drawn this wide even if the line then is wider than the terminal.
const BAR_MIN_COLUMNS: usize = 10;
/// A bar is never wider: far ends are hard to follow back to their names.
const BAR_MAX_COLUMNS: usize = 60;
/// Names are cut to these widths.
const LABEL_MAX_COLUMNS: usize = 44;
const DETAIL_MAX_COLUMNS: usize = 28;

/// Widths of the columns of one tree.
struct Columns {
    label: usize,
    detail: usize,
    offset: usize,
    bar: usize,
    duration: usize,
}

/// The documents of one trace as text, a header first. Ends with a newline.
pub(crate) fn render(documents: &[Value], options: Options) -> String {
    let rows = rows::of_trace(documents);
    let columns = Columns::of(&rows, options.width);
    let mut text = header(documents, &rows, options);
    for row in &rows {
        text.push_str(&line(row, &columns, options));
        for note in notes(row, options) {
            text.push_str(&note);
        }
    }
    text
}

impl Columns {
    fn of(rows: &[Row], width: usize) -> Self {
        let widest = |measure: &dyn Fn(&Row) -> usize| rows.iter().map(measure).max().unwrap_or(0);
        let label = widest(&|row| row.indent() + cells::width(&row.label)).min(LABEL_MAX_COLUMNS);
        let detail = widest(&|row| cells::width(&row.detail)).min(DETAIL_MAX_COLUMNS);
        let offset = widest(&|row| cells::width(&row.offset));
        let duration = widest(&|row| cells::width(&row.duration));
        let marks = widest(&|row| row.marks.width());
        let others = label + detail + offset + duration + marks + 4;
        let bar = width
            .saturating_sub(others)
            .clamp(BAR_MIN_COLUMNS, BAR_MAX_COLUMNS);
        Self {
            label,
            detail,
            offset,
            bar,
            duration,
        }
    }
}

fn header(documents: &[Value], rows: &[Row], options: Options) -> String {
    let id = documents
        .iter()
        .find_map(|document| document.get("trace_id")?.as_str())
        .unwrap_or("?");
    let mut text = paint(
        &format!("trace {}", cells::printable(id)),
        Colour::Bold,
        options.colour,
    );
    if let Some(seconds) = rows::duration_seconds(rows) {
        text.push_str(&format!("  {}", rows::duration(seconds)));
    }
    let is_marked = |mark: fn(&Marks) -> bool| rows.iter().any(|row| row.is_segment && mark(&row.marks));
    let marks = Marks {
        fault: is_marked(|marks| marks.fault),
        error: is_marked(|marks| marks.error),
        throttle: is_marked(|marks| marks.throttle),
        in_progress: rows.iter().any(|row| row.marks.in_progress),
    };
    push_marks(&mut text, marks, options);
    text.push('\n');
    text
}

fn line(row: &Row, columns: &Columns, options: Options) -> String {
    let mut text = " ".repeat(row.indent());
    let label = Cell::fit(&row.label, columns.label.saturating_sub(row.indent()).max(1));
    text.push_str(&paint(&label.text, row.marks.colour(), options.colour));
    text.push_str(&" ".repeat(label.rest + 1));
    let detail = Cell::fit(&row.detail, columns.detail);
    text.push_str(&paint(&detail.text, Colour::Dim, options.colour));
    text.push_str(&" ".repeat(detail.rest + usize::from(columns.detail > 0)));
    text.push_str(&Cell::fit(&row.offset, columns.offset).right());
    text.push(' ');
    text.push_str(&paint(
        &bar::draw(row.span, columns.bar),
        row.marks.colour(),
        options.colour,
    ));
    text.push(' ');
    text.push_str(&Cell::fit(&row.duration, columns.duration).right());
    push_marks(&mut text, row.marks, options);
    text.push('\n');
    text
}

fn push_marks(text: &mut String, marks: Marks, options: Options) {
    for (mark, colour) in marks.words() {
        text.push_str("  ");
        text.push_str(&paint(mark, colour, options.colour));
    }
}

/// The lines under a node: what was thrown, and its annotations if they are asked for.
fn notes(row: &Row, options: Options) -> Vec<String> {
    let indent = " ".repeat(row.indent() + rows::INDENT_COLUMNS);
    let room = options.width.saturating_sub(indent.len()).max(BAR_MIN_COLUMNS);
    let note = |text: &str, colour| {
        format!(
            "{indent}{}\n",
            paint(&Cell::fit(text, room).text, colour, options.colour)
        )
    };
    let mut notes = Vec::new();
    if let Some(exception) = &row.exception {
        notes.push(note(&format!("! {exception}"), row.marks.colour()));
    }
    if options.annotations && !row.annotations.is_empty() {
        notes.push(note(&format!("@ {}", row.annotations), Colour::Dim));
    }
    notes
}

#[cfg(test)]
mod tests;
