//! Signs on their way to the engine: a queue that never makes the function wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::limits::PROXY_SIGNS;
use crate::pipeline::runtime_sign::RuntimeSign;

/// The proxy's end.
#[derive(Debug, Clone)]
pub struct SignSender {
    queue: mpsc::Sender<RuntimeSign>,
    lost: Arc<AtomicU64>,
}

/// The engine's end.
#[derive(Debug)]
pub struct SignReceiver {
    queue: mpsc::Receiver<RuntimeSign>,
    lost: Arc<AtomicU64>,
}

/// A queue of [`PROXY_SIGNS`].
pub fn channel() -> (SignSender, SignReceiver) {
    let (sender, receiver) = mpsc::channel(PROXY_SIGNS);
    let lost = Arc::new(AtomicU64::new(0));
    let sender = SignSender {
        queue: sender,
        lost: Arc::clone(&lost),
    };
    (
        sender,
        SignReceiver {
            queue: receiver,
            lost,
        },
    )
}

impl SignSender {
    /// Hands a sign over. At the limit it is given up, and counted.
    pub(super) fn send(&self, sign: RuntimeSign) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(sign) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl SignReceiver {
    /// The next sign. None when no more will come.
    pub async fn next(&mut self) -> Option<RuntimeSign> {
        match self.take_lost() {
            Some(lost) => Some(lost),
            None => self.queue.recv().await,
        }
    }

    /// The next sign that is there already.
    pub fn next_now(&mut self) -> Option<RuntimeSign> {
        self.take_lost().or_else(|| self.queue.try_recv().ok())
    }

    fn take_lost(&self) -> Option<RuntimeSign> {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        (lost > 0).then_some(RuntimeSign::Lost(lost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn signs_beyond_the_limit_are_given_up_and_counted() {
        let (sender, mut receiver) = channel();
        let sign = || RuntimeSign::Ended("r-1".parse().unwrap());
        for _ in 0..PROXY_SIGNS + 3 {
            sender.send(sign());
        }
        assert_eq!(receiver.next().await, Some(RuntimeSign::Lost(3)));
        for _ in 0..PROXY_SIGNS {
            assert_eq!(receiver.next().await, Some(sign()));
        }
        assert_eq!(receiver.next_now(), None);
        drop(receiver);
        sender.send(sign());
    }
}
