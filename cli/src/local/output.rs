//! What `fluoroscope local` prints: one line a log line, its source in front, coloured on a terminal.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use emulator::{Exited, LogLine, LogSink, Source};

/// Where lines go and whether they may be coloured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    is_coloured: bool,
}

const WIDTH: usize = 12;

impl Output {
    /// Standard output as it is; `NO_COLOR` is honoured.
    pub(crate) fn standard() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            is_coloured: !refused && std::io::stdout().is_terminal(),
        }
    }

    /// Prints log lines as they come.
    pub(crate) fn sink(self) -> LogSink {
        LogSink::new(move |line| self.print(&self.log_line(line)))
    }

    /// Prints a line. A reader that went away is no reason to stop.
    pub(crate) fn print(self, line: &str) {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }

    fn log_line(self, line: &LogLine) -> String {
        let source = line.source.to_string();
        let shown: String = source
            .strip_prefix("fluoroscope-")
            .unwrap_or(&source)
            .chars()
            .take(WIDTH)
            .collect();
        let colour = match line.source {
            Source::Function => 36,
            Source::Extension(_) => 35,
            Source::Platform => 90,
        };
        // Runtime clients keep a stack trace in one log event with carriage returns.
        let lines: Vec<String> = line
            .text
            .split('\r')
            .map(|text| self.labelled(&shown, colour, text))
            .collect();
        lines.join("\n")
    }

    /// A line of our own.
    pub(crate) fn labelled(self, label: &str, colour: u8, text: &str) -> String {
        if self.is_coloured {
            format!("\x1b[{colour}m{label:<WIDTH$}\x1b[0m │ {text}")
        } else {
            format!("{label:<WIDTH$} │ {text}")
        }
    }

    /// What is printed once requests can come.
    pub(crate) fn ready(self, name: &str, invoke: &str, xray: &str) {
        const OWN: u8 = 32;
        let lines = [
            (
                "invoke",
                format!("{invoke}/2015-03-31/functions/{name}/invocations"),
            ),
            ("x-ray", xray.to_owned()),
            (
                "try",
                format!("aws lambda invoke --endpoint-url {invoke} --function-name {name} /dev/stdout"),
            ),
            ("or", format!("curl -d '{{}}' {invoke}/")),
            ("end", "Ctrl-C".to_owned()),
        ];
        for (label, text) in lines {
            self.print(&self.labelled(label, OWN, &text));
        }
    }

    /// How a process ended.
    pub(crate) fn exited(self, exited: &Exited) {
        let how = if exited.by_itself {
            "ended by itself"
        } else {
            "was killed"
        };
        let within = Duration::from_millis(u64::try_from(exited.within.as_millis()).unwrap_or(u64::MAX));
        let text = format!("{} {how} within {within:?}: {}", exited.name, exited.exit);
        self.print(&self.labelled("shutdown", 33, &text));
    }
}

#[cfg(test)]
mod tests {
    use model::time::Timestamp;

    use super::*;

    fn line(source: Source) -> LogLine {
        LogLine {
            time: Timestamp::from_millis(0),
            source,
            text: "text".to_owned(),
        }
    }

    #[test]
    fn a_pipe_gets_plain_lines_and_a_terminal_coloured_ones() {
        let plain = Output { is_coloured: false };
        assert_eq!(plain.log_line(&line(Source::Function)), "function     │ text");
        let ours = Source::Extension("fluoroscope-extension".into());
        assert_eq!(plain.log_line(&line(ours)), "extension    │ text");
        let trace = LogLine {
            text: "a\rb".to_owned(),
            ..line(Source::Function)
        };
        assert_eq!(plain.log_line(&trace), "function     │ a\nfunction     │ b");
        let coloured = Output { is_coloured: true };
        assert_eq!(
            coloured.log_line(&line(Source::Function)),
            "\x1b[36mfunction    \x1b[0m │ text"
        );
    }
}
