//! Log lines with their source: what CloudWatch would show.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use model::time::Timestamp;

use crate::limits::{LOG_MAX_LINES, LOG_TAIL_BYTES};

/// Who wrote a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The runtime process.
    Function,
    /// The extension of this name.
    Extension(Arc<str>),
    /// The environment: START, END, REPORT and the like.
    Platform,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function => f.write_str("function"),
            Self::Extension(name) => f.write_str(name),
            Self::Platform => f.write_str("platform"),
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was read.
    pub time: Timestamp,
    /// Who wrote it.
    pub source: Source,
    /// The line without its end.
    pub text: String,
}

/// Takes log lines as they come.
#[derive(Clone)]
pub struct LogSink(Arc<dyn Fn(&LogLine) + Send + Sync>);

impl LogSink {
    /// Calls `sink` with each line; it must not block.
    pub fn new(sink: impl Fn(&LogLine) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }
}

impl fmt::Debug for LogSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogSink")
    }
}

/// The newest lines, and the sink they all went to.
#[derive(Debug)]
pub(crate) struct Logs {
    // Written by one task per pipe and read by the caller: a queue would need a task that only stores.
    lines: Mutex<Lines>,
    sink: Option<LogSink>,
}

#[derive(Debug, Default)]
struct Lines {
    newest: VecDeque<LogLine>,
    taken: u64,
}

impl Logs {
    pub(crate) fn new(sink: Option<LogSink>) -> Self {
        Self {
            lines: Mutex::default(),
            sink,
        }
    }

    pub(crate) fn push(&self, line: LogLine) {
        if let Some(LogSink(sink)) = &self.sink {
            sink(&line);
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.newest.len() == LOG_MAX_LINES {
            lines.newest.pop_front();
        }
        lines.taken += 1;
        lines.newest.push_back(line);
    }

    pub(crate) fn lines(&self) -> Vec<LogLine> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.newest.iter().cloned().collect()
    }

    /// A mark for [`Logs::tail_since`].
    pub(crate) fn taken(&self) -> u64 {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).taken
    }

    /// The last 4 KB of what was written after the mark.
    pub(crate) fn tail_since(&self, mark: u64) -> Vec<u8> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = usize::try_from(lines.taken.saturating_sub(mark)).unwrap_or(usize::MAX);
        let skipped = lines.newest.len().saturating_sub(wanted);
        let mut tail = Vec::new();
        for line in lines.newest.iter().skip(skipped) {
            tail.extend_from_slice(line.text.as_bytes());
            tail.push(b'\n');
        }
        let cut = tail.len().saturating_sub(LOG_TAIL_BYTES);
        tail.split_off(cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> LogLine {
        LogLine {
            time: Timestamp::from_millis(0),
            source: Source::Function,
            text: text.to_owned(),
        }
    }

    #[test]
    fn the_tail_is_the_last_4_kb_since_the_mark() {
        let logs = Logs::new(None);
        logs.push(line("before"));
        let mark = logs.taken();
        logs.push(line("one"));
        logs.push(line("two"));
        assert_eq!(logs.tail_since(mark), b"one\ntwo\n");
        logs.push(line(&"x".repeat(LOG_TAIL_BYTES)));
        let tail = logs.tail_since(mark);
        assert_eq!(tail.len(), LOG_TAIL_BYTES);
        assert!(tail.ends_with(b"xx\n"));
    }
}
