//! What the destination is to do, and what it has seen.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::time::Timestamp;
use rustls::ServerConfig;
use serde_json::Value;
use tokio::sync::watch;

use super::act::Act;
use super::record::{Call, Received};

#[derive(Default)]
pub(super) struct State {
    inner: Mutex<Inner>,
    /// Counts what was received, to wake those that wait for it.
    news: watch::Sender<u64>,
    /// Counts how often everybody was told to go.
    ends: watch::Sender<u64>,
}

pub(super) struct Inner {
    pub(super) script: VecDeque<Act>,
    pub(super) otherwise: Act,
    pub(super) ahead_s: i64,
    pub(super) expired_keys: BTreeSet<String>,
    pub(super) keys: VecDeque<String>,
    /// Status and content for samplers' questions, by path.
    pub(super) for_samplers: BTreeMap<String, (u16, Value)>,
    pub(super) received: Received,
    tls: Option<Arc<ServerConfig>>,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            script: VecDeque::new(),
            otherwise: Act::Take,
            ahead_s: 0,
            expired_keys: BTreeSet::new(),
            keys: VecDeque::from(["AKIDEXAMPLE".to_owned()]),
            for_samplers: BTreeMap::new(),
            received: Received::default(),
            tls: None,
        }
    }
}

impl Inner {
    /// The fate of the next call.
    pub(super) fn next_act(&mut self) -> Act {
        self.script.pop_front().unwrap_or_else(|| self.otherwise.clone())
    }

    /// The destination's own time.
    pub(super) fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("it is later than 1970");
        let micros = i64::try_from(since.as_micros()).expect("it is earlier than the year 294246");
        Timestamp::from_micros(micros + self.ahead_s * 1_000_000)
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something and wakes those that wait.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let value = change(&mut self.lock());
        self.news.send_modify(|count| *count += 1);
        value
    }

    pub(super) fn received(&self) -> Received {
        self.lock().received.clone()
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    pub(super) fn present(&self, tls: Arc<ServerConfig>) {
        self.lock().tls = Some(tls);
    }

    pub(super) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.lock().tls.clone()
    }

    pub(super) fn hang_up(&self) {
        self.ends.send_modify(|count| *count += 1);
    }

    pub(super) fn ends(&self) -> watch::Receiver<u64> {
        self.ends.subscribe()
    }

    /// The number of a new connection.
    pub(super) fn connected(&self) -> usize {
        self.change(|inner| {
            inner.received.connections += 1;
            inner.received.connections - 1
        })
    }

    /// Records a call and gives its place.
    pub(super) fn record(&self, call: Call) -> usize {
        self.change(|inner| {
            inner.received.calls.push(call);
            inner.received.calls.len() - 1
        })
    }

    /// The answer to a recorded call was written, and the other side was gone.
    pub(super) fn answered(&self, place: usize) {
        self.change(|inner| {
            if let Some(call) = inner.received.calls.get_mut(place) {
                call.is_answered = true;
            }
        });
    }

    /// The answer to a recorded call was there while the other side still listened.
    pub(super) fn acknowledged(&self, place: usize) {
        self.change(|inner| {
            if let Some(call) = inner.received.calls.get_mut(place) {
                call.is_acknowledged = true;
                call.acknowledged_at = Some(std::time::Instant::now());
            }
        });
    }
}
