//! Moves bytes between the runtime and the Runtime API, in both directions at once.
//!
//! Invariants
//! - Bytes leave in the order and form they came in; what watches them can only swap one head.
//! - No more is read from one side than the other has taken: nothing is gathered up.
//! - A defect of what watches costs the watching, not the bytes.
//! - No time limit: a runtime waits for its next invocation as long as it takes, across freezes.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::net::Shutdown;
use tokio::net::TcpStream;

use super::signs::SignSender;
use super::watch::{Forward, Watch};
use crate::clock::Clock;
use crate::defect::Defect;
use crate::limits::{PROXY_BUFFER, PROXY_TURNS};
use crate::pipeline::sampling::SampleRate;

/// Carries bytes until both sides have ended, or one has broken off.
pub(super) async fn run(runtime: &TcpStream, api: &TcpStream, mut watcher: Watcher) -> io::Result<()> {
    let (mut up, mut down) = (Lane::default(), Lane::default());
    for turn in 1_u32.. {
        tokio::select! {
            ready = runtime.readable(), if up.is_clear() => {
                ready?;
                up.carry(runtime, api, |bytes| watcher.requests(bytes))?;
            }
            ready = api.readable(), if down.is_clear() => {
                ready?;
                down.carry(api, runtime, |bytes| watcher.answers(bytes))?;
            }
            ready = api.writable(), if up.is_blocked() => {
                ready?;
                up.go_on(api)?;
            }
            ready = runtime.writable(), if down.is_blocked() => {
                ready?;
                down.go_on(runtime)?;
            }
            else => return Ok(()),
        }
        if turn % PROXY_TURNS == 0 {
            // Both sides may be faster than we are; others have work as well.
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

/// One direction.
#[derive(Default)]
struct Lane {
    /// Read and not yet taken by the other side.
    pending: Vec<u8>,
    /// So much of `pending` has been taken.
    taken: usize,
    /// Read, and not to be passed before its head is whole.
    held: Vec<u8>,
    /// Nothing more will come.
    is_over: bool,
}

impl Lane {
    fn is_blocked(&self) -> bool {
        self.taken < self.pending.len()
    }

    fn is_clear(&self) -> bool {
        !self.is_over && !self.is_blocked()
    }

    /// Moves what has come from one side to the other, as far as that takes it.
    fn carry(
        &mut self,
        from: &TcpStream,
        to: &TcpStream,
        look: impl FnOnce(&[u8]) -> Forward,
    ) -> io::Result<()> {
        let mut buffer = [0; PROXY_BUFFER];
        let count = match from.try_read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            count => count?,
        };
        if count == 0 {
            self.is_over = true;
            self.pending = std::mem::take(&mut self.held);
            self.taken = 0;
            return self.go_on(to);
        }
        let bytes = buffer.get(..count).unwrap_or_default();
        match look(bytes) {
            Forward::Hold => {
                self.held.extend_from_slice(bytes);
                return Ok(());
            }
            Forward::AsRead if self.held.is_empty() => return self.pass(bytes, to),
            Forward::AsRead => {
                self.pending = std::mem::take(&mut self.held);
                self.pending.extend_from_slice(bytes);
            }
            Forward::Instead { head, rest_from } => {
                self.held = Vec::new();
                self.pending = head;
                self.pending
                    .extend_from_slice(bytes.get(rest_from..).unwrap_or_default());
            }
        }
        self.taken = 0;
        self.go_on(to)
    }

    /// Writes bytes from where they were read to; only what is left over is kept.
    fn pass(&mut self, bytes: &[u8], to: &TcpStream) -> io::Result<()> {
        let written = write(to, bytes)?;
        self.pending.clear();
        self.taken = 0;
        self.pending
            .extend_from_slice(bytes.get(written..).unwrap_or_default());
        Ok(())
    }

    /// Writes what is pending, and passes the end on once everything before it is written.
    fn go_on(&mut self, to: &TcpStream) -> io::Result<()> {
        self.taken += write(to, self.pending.get(self.taken..).unwrap_or_default())?;
        if !self.is_blocked() {
            self.pending = Vec::new();
            self.taken = 0;
            if self.is_over {
                rustix::net::shutdown(to, Shutdown::Write)?;
            }
        }
        Ok(())
    }
}

fn write(to: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match to.try_write(bytes) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        written => written,
    }
}

/// What watches, until a defect of its own stops it.
pub(super) struct Watcher {
    watch: Option<Watch>,
    signs: SignSender,
    defect: Option<Defect>,
}

impl Watcher {
    /// Watches a connection.
    pub(super) fn new(rate: Option<SampleRate>, signs: SignSender, defect: Option<Defect>) -> Self {
        Self {
            watch: Some(Watch::new(rate)),
            signs,
            defect,
        }
    }

    fn requests(&mut self, bytes: &[u8]) -> Forward {
        self.guarded(|watch| {
            watch.requests(bytes);
            Forward::AsRead
        })
    }

    fn answers(&mut self, bytes: &[u8]) -> Forward {
        self.guarded(|watch| watch.answers(bytes, Clock.now()))
    }

    fn guarded(&mut self, look: impl FnOnce(&mut Watch) -> Forward) -> Forward {
        let Some(watch) = &mut self.watch else {
            return Forward::AsRead;
        };
        let defect = self.defect;
        let seen = catch_unwind(AssertUnwindSafe(|| {
            let forward = look(watch);
            defect.inspect(|defect| defect.play_in_proxy());
            forward
        }));
        let Ok(forward) = seen else {
            // The panic hook has said why. From here on bytes pass unwatched.
            self.watch = None;
            return Forward::AsRead;
        };
        watch
            .take_signs()
            .into_iter()
            .for_each(|sign| self.signs.send(sign));
        forward
    }
}
