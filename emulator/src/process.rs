//! Real processes: started in their own group, stopped, continued, killed, and their lines read.
//!
//! Invariants
//! - A group is signalled only while its leader has not been waited for, as far as the driver knows.
//! - Dropping a process kills its group: nothing outlives the environment.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::limits::LOG_LINE_MAX_BYTES;
use crate::logs::Source;
use crate::memory_limit::MemoryLimit;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, signal) => Self::Signal(signal.unwrap_or_default()),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(9) => f.write_str("signal: killed"),
            Self::Signal(signal) => write!(f, "signal: {signal}"),
        }
    }
}

/// How a process ended at a shutdown or reset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exited {
    /// The extension's name, or `runtime`.
    pub name: Arc<str>,
    /// How it ended.
    pub exit: Exit,
    /// Whether it ended before it was killed (SIGTERM to the runtime does not count as a kill).
    pub by_itself: bool,
    /// From the start of the shutdown to its end.
    pub within: Duration,
}

/// What to start.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    pub(crate) name: Arc<str>,
    pub(crate) program: &'a Path,
    pub(crate) arguments: Vec<&'a str>,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) directory: Option<PathBuf>,
}

/// A running process and its group.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: Arc<str>,
    group: Pid,
    pub(crate) pid: u32,
    pub(crate) was_killed: bool,
    /// How and when it ended.
    pub(crate) exit: Option<(Exit, Instant)>,
}

impl Process {
    /// Starts a program with nothing but the given variables, its output in pipes.
    pub(crate) fn start(
        program: &Program<'_>,
        limit: Option<&MemoryLimit>,
    ) -> std::io::Result<(Self, Child)> {
        let mut command = match limit {
            Some(limit) => {
                let (shell, words) = limit.entrance();
                let mut command = Command::new(shell);
                command.args(words).arg(program.program);
                command
            }
            None => Command::new(program.program),
        };
        command
            .args(&program.arguments)
            .env_clear()
            .envs(&program.variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(directory) = &program.directory {
            command.current_dir(directory);
        }
        let child = command.spawn()?;
        let pid = child.id().unwrap_or_default();
        let group = Pid::from_raw(i32::try_from(pid).unwrap_or_default());
        let name = Arc::clone(&program.name);
        Ok((
            Self {
                name,
                group,
                pid,
                was_killed: false,
                exit: None,
            },
            child,
        ))
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.exit.is_none()
    }

    pub(crate) fn stop(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub(crate) fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    pub(crate) fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Kills the whole group, which may still have members when its leader has ended.
    pub(crate) fn kill(&mut self) {
        if self.is_alive() {
            self.was_killed = true;
        }
        let _ = killpg(self.group, Signal::SIGKILL);
    }

    fn signal(&self, signal: Signal) {
        // Process id 0 would be our own group.
        if self.is_alive() && self.pid != 0 {
            // Fails only if the group ended a moment ago, which its exit will tell.
            let _ = killpg(self.group, signal);
        }
    }

    /// The most memory it ever had resident, in bytes.
    pub(crate) fn peak_memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kilobytes.unwrap_or_default() * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_alive() && self.pid != 0 {
            self.kill();
        }
    }
}

/// How often the kernel has killed for want of memory.
pub(crate) fn out_of_memory_kills() -> u64 {
    let counters = std::fs::read_to_string("/proc/vmstat").unwrap_or_default();
    let line = counters.lines().find_map(|line| line.strip_prefix("oom_kill "));
    line.and_then(|count| count.trim().parse().ok())
        .unwrap_or_default()
}

/// Reads both pipes of a child line by line; the tasks end when nobody holds the pipes any more.
pub(crate) fn read_lines(
    child: &mut Child,
    source: &Source,
    take: &(impl Fn(Source, String) + Clone + Send + 'static),
) -> Vec<JoinHandle<()>> {
    let mut readers = Vec::new();
    if let Some(pipe) = child.stdout.take() {
        readers.push(tokio::spawn(read_pipe(pipe, source.clone(), take.clone())));
    }
    if let Some(pipe) = child.stderr.take() {
        readers.push(tokio::spawn(read_pipe(pipe, source.clone(), take.clone())));
    }
    readers
}

async fn read_pipe(pipe: impl AsyncRead + Unpin, source: Source, take: impl Fn(Source, String)) {
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while let Ok(available) = reader.fill_buf().await {
        if available.is_empty() {
            break;
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let room = LOG_LINE_MAX_BYTES.saturating_sub(line.len());
        let count = end.map_or(available.len(), |end| end + 1).min(room.max(1));
        line.extend(available.iter().take(count));
        reader.consume(count);
        if line.ends_with(b"\n") || line.len() >= LOG_LINE_MAX_BYTES {
            take(source.clone(), text(&line));
            line.clear();
        }
    }
    if !line.is_empty() {
        take(source, text(&line));
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line)
        .trim_end_matches(['\n', '\r'])
        .to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn lines_are_cut_at_their_end_and_at_the_limit() {
        let long = "x".repeat(LOG_LINE_MAX_BYTES + 3);
        let input = format!("one\r\n\n{long}\nlast");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&lines);
        let take = move |_: Source, line: String| taken.lock().unwrap().push(line);
        read_pipe(input.as_bytes(), Source::Function, take).await;
        let lengths: Vec<usize> = lines.lock().unwrap().iter().map(String::len).collect();
        assert_eq!(lengths, [3, 0, LOG_LINE_MAX_BYTES, 3, 4]);
    }
}
