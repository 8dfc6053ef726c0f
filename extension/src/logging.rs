//! One JSON object a line on standard output, which Lambda puts into the function's log.
//!
//! `tracing-subscriber` would cost a tenth of the binary for the same line (docs/decisions/0002).

use std::fmt;
use std::io::Write;

use serde_json::{Map, Value};

use crate::clock::Clock;

/// How much an operator should care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Data was lost or somebody must act.
    Error,
    /// Unexpected; nothing lost.
    Warn,
    /// Start and stop.
    Info,
    /// Per batch.
    Debug,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        })
    }
}

impl std::str::FromStr for Level {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let levels = [Self::Error, Self::Warn, Self::Info, Self::Debug];
        levels
            .into_iter()
            .find(|level| level.to_string().eq_ignore_ascii_case(text.trim()))
            .ok_or(())
    }
}

/// A line to write: a constant message, values in fields.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// How much it matters.
    pub level: Level,
    /// Constant text.
    pub message: String,
    /// Values.
    pub fields: Map<String, Value>,
}

impl Line {
    /// A line without fields.
    pub fn new(level: Level, message: impl Into<String>) -> Self {
        Self {
            level,
            message: message.into(),
            fields: Map::new(),
        }
    }

    /// The same line with one more field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// The line's text, without the newline.
    pub fn text(self) -> String {
        let mut line = Map::new();
        line.insert("level".into(), self.level.to_string().into());
        line.insert("time".into(), Clock.now().to_iso8601().into());
        line.insert("source".into(), "fluoroscope".into());
        line.insert("message".into(), self.message.into());
        line.extend(self.fields);
        Value::Object(line).to_string()
    }
}

/// Writes lines that matter enough.
#[derive(Debug, Clone, Copy)]
pub struct Log {
    /// The least level that is written.
    pub level: Level,
}

impl Log {
    /// Writes a line if it matters enough.
    pub fn write(self, line: Line) {
        if line.level <= self.level {
            self.always(line);
        }
    }

    /// Writes a line whatever its level: the tally.
    pub fn always(self, line: Line) {
        print(line.text());
    }

    /// Writes a line of somebody else's form: metrics.
    pub fn print(self, line: &Value) {
        print(line.to_string());
    }
}

/// One write, so that no other line gets into this one.
fn print(line: String) {
    let text = line + "\n";
    // A log that cannot be written has nobody to be told.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Makes a panic one line of the same form instead of a text of several.
pub fn report_panics(log: Log) {
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let payload = panic.payload();
        let what = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let what = what
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        log.always(
            Line::new(
                Level::Error,
                "a defect in fluoroscope; the function is not affected, traces may be missing",
            )
            .with("panic", what)
            .with("place", place),
        );
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_json_object() {
        let text = Line::new(Level::Warn, "a \"quoted\"\nmessage")
            .with("documents", 3)
            .text();
        assert!(!text.contains('\n'), "{text}");
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "a \"quoted\"\nmessage");
        assert_eq!(
            (&line["level"], &line["documents"]),
            (&Value::from("warn"), &Value::from(3))
        );
    }

    #[test]
    fn levels_are_read_in_any_case() {
        assert_eq!("DEBUG".parse(), Ok(Level::Debug));
        assert_eq!("loud".parse::<Level>(), Err(()));
        assert!(Level::Error < Level::Warn);
    }
}
