//! What becomes of a connection before its first call.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

use super::exchange::{Meeting, receive};
use super::state::State;
use crate::lab::BOUND;

/// How connections are received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// They are served.
    Open,
    /// They are refused: nobody listens.
    Closed,
    /// The queue of those that wait is full: to connect is to wait.
    Full,
    /// They are accepted, and that is all.
    Silent,
    /// They are reset as soon as they are there.
    Resets,
    /// They are answered at once with words that belong to no protocol.
    Babbles,
}

/// Wait after which a queue counts as full.
const QUEUE_WAIT: Duration = Duration::from_millis(50);
/// Most connections that a queue with room for one takes.
const QUEUE_MAX: usize = 64;

/// Pause between two attempts to listen.
const LISTEN_PAUSE: Duration = Duration::from_millis(1);

/// The task that listens.
pub(super) struct Doorkeeper {
    wanted: watch::Sender<(u64, Door)>,
    applied: watch::Receiver<u64>,
}

impl Doorkeeper {
    pub(super) fn start(address: SocketAddr, state: Arc<State>) -> Self {
        let (wanted, wishes) = watch::channel((0, Door::Closed));
        let (apply, applied) = watch::channel(0);
        tokio::spawn(keep(address, state, wishes, apply));
        Self { wanted, applied }
    }

    /// Returns when connections meet this door.
    pub(super) async fn set(&self, door: Door) {
        let mut turn = 0;
        self.wanted.send_modify(|(count, wanted)| {
            *count += 1;
            *wanted = door;
            turn = *count;
        });
        let mut applied = self.applied.clone();
        let is_applied = applied.wait_for(|count| *count >= turn);
        let result = tokio::time::timeout(BOUND, is_applied).await;
        result
            .expect("a door is changed at once")
            .expect("the task listens as long as the test runs");
    }
}

async fn keep(
    address: SocketAddr,
    state: Arc<State>,
    mut wishes: watch::Receiver<(u64, Door)>,
    apply: watch::Sender<u64>,
) {
    loop {
        let (turn, door) = *wishes.borrow_and_update();
        let listener = match door {
            Door::Closed => None,
            Door::Full => Some(listen(address, 1).await),
            Door::Open | Door::Silent | Door::Resets | Door::Babbles => Some(listen(address, 1024).await),
        };
        let _queue = (door == Door::Full).then(|| fill(address));
        apply.send_replace(turn);
        let is_over = match listener {
            Some(listener) if door != Door::Full => accept(&listener, door, &state, &mut wishes).await,
            _ => wishes.changed().await.is_err(),
        };
        if is_over {
            return;
        }
    }
}

/// Accepts until another door is wanted. True if none will be any more.
async fn accept(
    listener: &TcpListener,
    door: Door,
    state: &Arc<State>,
    wishes: &mut watch::Receiver<(u64, Door)>,
) -> bool {
    loop {
        tokio::select! {
            changed = wishes.changed() => return changed.is_err(),
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    let meeting = Meeting { door, number: state.connected() };
                    tokio::spawn(receive(stream, meeting, Arc::clone(state)));
                }
            }
        }
    }
}

/// The port is shared with the socket that holds it, which does not listen. A process that is being started holds
/// copies of every descriptor for a moment, those of a door that was just shut too.
async fn listen(address: SocketAddr, queue: u32) -> TcpListener {
    let deadline = Instant::now() + BOUND;
    loop {
        match try_listen(address, queue) {
            Ok(listener) => return listener,
            Err(error) => assert!(
                error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline,
                "could not listen on {address}: {error}"
            ),
        }
        tokio::time::sleep(LISTEN_PAUSE).await;
    }
}

fn try_listen(address: SocketAddr, queue: u32) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(queue)
}

/// Connections that nobody accepts, until one more has to wait.
fn fill(address: SocketAddr) -> Vec<TcpStream> {
    let connect = || TcpStream::connect_timeout(&address, QUEUE_WAIT).ok();
    std::iter::from_fn(connect).take(QUEUE_MAX).collect()
}
