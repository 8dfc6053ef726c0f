//! The figures as a table, on the terminal and between two markers of a document.

use std::path::Path;

use crate::Outcome;

const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";
const COLUMNS: usize = 7;
const HEAD: [&str; COLUMNS] = ["figure", "extension", "floor", "ratio", "peer", "target", "met"];

/// One figure.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) figure: String,
    pub(crate) extension: String,
    /// Empty where a floor has no meaning.
    pub(crate) floor: String,
    pub(crate) ratio: Option<f64>,
    /// Empty where the peer was not measured, or does no such thing.
    pub(crate) peer: String,
    /// Empty for a figure that explains another one.
    pub(crate) target: String,
    pub(crate) is_met: Option<bool>,
}

/// All figures, and what has to be said about them.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    notes: Vec<String>,
    left_out: usize,
}

impl Row {
    fn cells(&self) -> [String; COLUMNS] {
        let met = match self.is_met {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "",
        };
        let ratio = self.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        [
            self.figure.clone(),
            self.extension.clone(),
            self.floor.clone(),
            ratio,
            self.peer.clone(),
            self.target.clone(),
            met.to_owned(),
        ]
    }
}

/// So many a second, in thousands.
pub(crate) fn pace(per_second: f64) -> String {
    let thousands = format!("{:.0}", per_second / 1e3);
    match thousands.split_at_checked(thousands.len().saturating_sub(3)) {
        Some((millions, rest)) if !millions.is_empty() => format!("{millions},{rest},000/s"),
        _ => format!("{thousands},000/s"),
    }
}

impl Table {
    /// Adds a figure.
    pub(crate) fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Says below the table that promised figures could not be measured here.
    pub(crate) fn leave_out(&mut self, note: impl Into<String>) {
        self.left_out += 1;
        self.note(note);
    }

    /// Adds a line below the table.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// How often promised figures could not be measured.
    pub(crate) fn left_out(&self) -> usize {
        self.left_out
    }

    /// Figures whose target was missed.
    pub(crate) fn missed(&self) -> impl Iterator<Item = &str> {
        let rows = self.rows.iter();
        rows.filter(|row| row.is_met == Some(false))
            .map(|row| row.figure.as_str())
    }

    /// For a terminal: columns aligned.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![HEAD.map(str::to_owned)];
        lines.extend(self.rows.iter().map(Row::cells));
        let mut widths = [0; COLUMNS];
        for line in &lines {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        for line in &lines {
            let cells = line.iter().zip(widths);
            let aligned: Vec<String> = cells.map(|(cell, width)| format!("{cell:<width$}")).collect();
            text.push_str(aligned.join("  ").trim_end());
            text.push('\n');
        }
        for note in &self.notes {
            text.push_str(&format!("note: {note}\n"));
        }
        text
    }

    fn markdown(&self) -> String {
        let line = |cells: [String; COLUMNS]| format!("| {} |\n", cells.join(" | "));
        let mut text = line(HEAD.map(str::to_owned));
        text.push_str(&line(["---"; COLUMNS].map(str::to_owned)));
        text.extend(self.rows.iter().map(|row| line(row.cells())));
        for note in &self.notes {
            text.push_str(&format!("\nNote: {note}.\n"));
        }
        text
    }

    /// Replaces what lies between the markers of a document.
    pub(crate) fn write(&self, document: &Path) -> Outcome {
        let text = std::fs::read_to_string(document)?;
        std::fs::write(document, replaced(&text, &self.markdown())?)?;
        Ok(())
    }
}

fn replaced(text: &str, table: &str) -> Outcome<String> {
    let markers = text
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = markers.ok_or_else(|| format!("no {BEGIN} with {END} after it"))?;
    Ok(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_between_the_markers_is_replaced() {
        let text = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let new = replaced(&text, "new\n").unwrap();
        assert_eq!(new, format!("before\n{BEGIN}\nnew\n{END}\nafter\n"));
    }

    #[test]
    fn a_document_without_markers_is_left_alone() {
        assert!(replaced("text", "new").is_err());
        assert!(replaced(&format!("{END} {BEGIN}"), "new").is_err());
    }

    #[test]
    fn a_pace_is_told_in_thousands() {
        assert_eq!(pace(195_499.0), "195,000/s");
        assert_eq!(pace(2_481_900.0), "2,482,000/s");
    }

    #[test]
    fn a_missed_target_is_shouted() {
        let mut table = Table::default();
        table.push(Row {
            figure: "size".to_owned(),
            is_met: Some(false),
            ..Row::default()
        });
        table.push(Row {
            figure: "time".to_owned(),
            is_met: Some(true),
            ..Row::default()
        });
        table.push(Row::default());
        assert!(table.markdown().contains("| size |  |  |  |  |  | NO |"));
        assert_eq!(table.missed().collect::<Vec<_>>(), ["size"]);
        table.note("explains");
        assert_eq!(table.left_out(), 0);
        table.leave_out("no cgroup");
        assert_eq!(table.left_out(), 1);
        assert!(table.text().contains("note: no cgroup"));
    }
}
