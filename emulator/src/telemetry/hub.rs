//! Takes every telemetry record and hands it to those who subscribed, late ones included.
//!
//! Invariants
//! - Every subscriber sees its records in the order of [`Hub::emit`], but for records that the faults delay.
//! - Records are kept for late subscribers only while subscriptions are open.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::buffer::{Buffer, Due};
use super::delivery;
use super::pause::Pause;
use super::subscription::Subscription;
use crate::faults::{Faults, Mishap};
use crate::journal::{Journal, What};
use crate::limits::REPLAYED_RECORDS_MAX;
use crate::records::Record;

#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) pause: Pause,
    pub(crate) faults: Faults,
    pub(crate) journal: Arc<Journal>,
    // Records come from the driver and from one task per log pipe, and must have one order.
    state: Mutex<State>,
    /// Deliveries that had their mishap: new processes go on where the old ones were.
    mishaps: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    is_open: bool,
    kept: VecDeque<(&'static str, Arc<str>)>,
    subscribers: Vec<(Arc<Subscriber>, AbortHandle)>,
}

/// An extension that gets telemetry.
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) name: Arc<str>,
    pub(crate) subscription: Subscription,
    // Filled by whoever emits, emptied by the subscriber's own task.
    buffer: Mutex<Buffer>,
    changed: Notify,
}

impl Subscriber {
    fn push(&self, stream: &str, record: &Arc<str>, hub: &Hub) {
        if self.subscription.streams.iter().any(|wanted| wanted == stream) {
            let now = hub.pause.active();
            let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
            buffer.push(Arc::clone(record), now);
            drop(buffer);
            self.changed.notify_one();
        }
    }

    /// The next batch that is due.
    pub(crate) async fn batch(&self, hub: &Hub) -> Vec<Arc<str>> {
        loop {
            hub.pause.running().await;
            let due = self
                .buffer
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .due(hub.pause.active());
            match due {
                Due::Batch(batch) => return batch,
                Due::Empty => self.changed.notified().await,
                Due::At(at) => {
                    tokio::select! {
                        () = hub.pause.until(at) => {}
                        () = self.changed.notified() => {}
                    }
                }
            }
        }
    }

    /// What was given up since the last call.
    pub(crate) fn take_dropped(&self) -> Option<super::buffer::Dropped> {
        self.buffer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take_dropped()
    }
}

impl Hub {
    pub(crate) fn new(faults: Faults, journal: Arc<Journal>) -> Self {
        let state = Mutex::new(State {
            is_open: true,
            ..State::default()
        });
        Self {
            pause: Pause::new(),
            faults,
            journal,
            state,
            mishaps: AtomicUsize::new(0),
        }
    }

    /// Takes a record, as far as the faults let it through.
    pub(crate) fn emit(self: &Arc<Self>, record: &Record) {
        let json = record.to_json();
        if record.stream() == "platform" {
            let what = What::Emitted {
                kind: record.kind,
                record: Arc::clone(&json),
            };
            self.journal.push(Instant::now(), what);
        }
        if self.faults.dropped_records.contains(record.kind) {
            return;
        }
        let stream = record.stream();
        match self.faults.delayed_records.get(record.kind).copied() {
            Some(delay) => {
                let hub = Arc::clone(self);
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    hub.offer(stream, &json);
                });
            }
            None => self.offer(stream, &json),
        }
    }

    /// What befalls the next delivery.
    pub(crate) fn next_mishap(&self) -> Mishap {
        let number = self.mishaps.fetch_add(1, Ordering::Relaxed);
        let place = number.checked_rem(self.faults.mishaps.len());
        place
            .and_then(|place| self.faults.mishaps.get(place))
            .cloned()
            .unwrap_or_default()
    }

    fn offer(&self, stream: &'static str, record: &Arc<str>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_open {
            if state.kept.len() == REPLAYED_RECORDS_MAX {
                state.kept.pop_front();
            }
            state.kept.push_back((stream, Arc::clone(record)));
        }
        for (subscriber, _) in &state.subscribers {
            subscriber.push(stream, record, self);
        }
    }

    /// Hands records to `name` from now on, and those that were emitted before. Replaces an earlier subscription.
    pub(crate) fn subscribe(self: &Arc<Self>, name: Arc<str>, subscription: Subscription) {
        let mut buffering = subscription.buffering;
        buffering.timeout = self.faults.buffered_for.unwrap_or(buffering.timeout);
        let buffer = Buffer::new(buffering, self.faults.records_per_delivery);
        let subscriber = Arc::new(Subscriber {
            name,
            subscription,
            buffer: Mutex::new(buffer),
            changed: Notify::new(),
        });
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for (stream, record) in &state.kept {
            subscriber.push(stream, record, self);
        }
        let task = tokio::spawn(delivery::run(Arc::clone(&subscriber), Arc::clone(self)));
        state.subscribers.retain(|(known, task)| {
            let stays = known.name != subscriber.name;
            if !stays {
                task.abort();
            }
            stays
        });
        state.subscribers.push((subscriber, task.abort_handle()));
    }

    /// Init is over: nobody subscribes any more.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_open = false;
        state.kept.clear();
    }

    /// The processes are gone: subscriptions and what was not delivered go with them.
    pub(crate) fn reset(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, task) in state.subscribers.drain(..) {
            task.abort();
        }
        state.kept.clear();
        state.is_open = true;
    }
}
