//! Programs that the demo starts: their lines are read, and they end with the demo.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Outcome};
use crate::process;

/// How long a program may take to say that it is there.
pub(super) const START_WAIT: Duration = Duration::from_secs(60);
/// How long a trace may take from the answer to the last of its documents.
pub(super) const SETTLE_WAIT: Duration = Duration::from_secs(10);
/// How long a program may take to end after it was asked to.
const END_WAIT: Duration = Duration::from_secs(15);
/// Between two looks at something that is awaited.
pub(super) const ASK_AGAIN: Duration = Duration::from_millis(20);
/// Lines kept of a program; the oldest go.
const LINES_MAX: usize = 2000;
/// Lines shown of a program that failed.
const LINES_SHOWN: usize = 30;
/// Bytes of one line; what follows counts as another line.
const LINE_MAX_BYTES: u64 = 64 * 1024;

/// A running program in a process group of its own, so that Ctrl-C does not reach it.
pub(super) struct Program {
    name: &'static str,
    child: Child,
    lines: Arc<Lines>,
}

/// What a program printed.
#[derive(Default)]
pub(super) struct Lines {
    /// A mutex, not a queue: lines are looked at again and again.
    kept: Mutex<Vec<String>>,
    is_shown: AtomicBool,
}

impl Program {
    /// Starts `path`; where the system can, it is killed if this process dies without a word.
    pub(super) fn start(
        name: &'static str,
        path: &Path,
        configure: impl FnOnce(&mut Command),
    ) -> Outcome<Self> {
        let mut command = tied_to_us(path).unwrap_or_else(|| Command::new(path));
        configure(&mut command);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let not_started = |error| Failure::new(format!("{} could not be started: {error}", path.display()));
        let mut child = command.spawn().map_err(not_started)?;
        let lines = Arc::new(Lines::default());
        if let Some(out) = child.stdout.take() {
            lines.clone().follow(out);
        }
        if let Some(err) = child.stderr.take() {
            lines.clone().follow(err);
        }
        Ok(Self { name, child, lines })
    }

    /// Waits until `look` finds something.
    pub(super) fn wait_until<T>(
        &mut self,
        what: &str,
        interrupted: &AtomicBool,
        mut look: impl FnMut(&Lines) -> Option<T>,
    ) -> Outcome<T> {
        let started = Instant::now();
        loop {
            if let Some(found) = look(&self.lines) {
                return Ok(found);
            }
            if interrupted.load(Ordering::Relaxed) {
                return Err(Failure::new("interrupted"));
            }
            if !self.is_up() {
                return Err(Failure::new(format!(
                    "{} ended before {what}{}",
                    self.name,
                    self.last_words()
                )));
            }
            if started.elapsed() > START_WAIT {
                let waited = START_WAIT.as_secs();
                return Err(Failure::new(format!(
                    "{} was not {what} within {waited} s{}",
                    self.name,
                    self.last_words()
                )));
            }
            thread::sleep(ASK_AGAIN);
        }
    }

    /// Whether it runs.
    pub(super) fn is_up(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it printed.
    pub(super) fn lines(&self) -> &Lines {
        &self.lines
    }

    /// Asks it to end and waits for that; kills it when time is up.
    pub(super) fn end(&mut self) {
        if self.is_up() {
            self.signal("TERM");
        }
        let asked = Instant::now();
        while self.is_up() && asked.elapsed() < END_WAIT {
            thread::sleep(ASK_AGAIN);
        }
        self.kill();
    }

    /// The last lines, for a message about a failure.
    pub(super) fn last_words(&self) -> String {
        let kept = self.lines.kept();
        let skipped = kept.len().saturating_sub(LINES_SHOWN);
        kept.iter()
            .skip(skipped)
            .map(|line| format!("\n  {line}"))
            .collect()
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        _ = process::program("kill")
            .args([&format!("-{name}"), "--", &id])
            .output();
    }

    fn kill(&mut self) {
        // Both only fail when it is gone already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
    }
}

impl Lines {
    /// Prints what comes from now on.
    pub(super) fn show(&self) {
        self.is_shown.store(true, Ordering::Relaxed);
    }

    /// The first line in which `look` finds something, from the end.
    pub(super) fn find_last<T>(&self, look: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.kept().iter().rev().find_map(|line| look(line))
    }

    fn follow(self: Arc<Self>, stream: impl Read + Send + 'static) {
        thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader
                .by_ref()
                .take(LINE_MAX_BYTES)
                .read_until(b'\n', &mut line)
                .is_ok_and(|read| read > 0)
            {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                if self.is_shown.load(Ordering::Relaxed) {
                    println!("{text}");
                }
                let mut kept = self.kept();
                if kept.len() >= LINES_MAX {
                    kept.remove(0);
                }
                kept.push(text);
            }
        });
    }

    fn kept(&self) -> MutexGuard<'_, Vec<String>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Speaks HTTP with our own programs: on this machine, past any proxy that is set.
pub(super) fn http() -> ureq::Agent {
    ureq::Agent::config_builder().proxy(None).build().into()
}

/// A command that ends when we do, however we end. `setpriv` is Linux's.
fn tied_to_us(path: &Path) -> Option<Command> {
    const OPTIONS: [&str; 3] = ["--pdeathsig", "TERM", "--"];
    let probe = process::program("setpriv").args(OPTIONS).arg("true").output();
    probe.ok().filter(|output| output.status.success())?;
    let mut command = Command::new("setpriv");
    command.args(OPTIONS).arg(path);
    Some(command)
}
