//! What happened and when: bounded, for tests to wait on and measure from.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use model::time::Timestamp;
use tokio::sync::watch;

use crate::driver::Part;
use crate::limits::JOURNAL_MAX_ENTRIES;
use crate::process::Exit;

/// One thing that happened.
#[derive(Debug, Clone)]
pub struct Entry {
    /// When, to measure from.
    pub at: Instant,
    /// When, as records print it.
    pub time: Timestamp,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// A process was started.
    ProcessStarted {
        /// The extension's name, or `runtime`.
        name: Arc<str>,
        /// Its process id, which is also its group's.
        pid: u32,
    },
    /// A process ended.
    ProcessExited {
        /// The extension's name, or `runtime`.
        name: Arc<str>,
        /// How.
        exit: Exit,
    },
    /// An extension registered.
    Registered {
        /// Its name.
        extension: Arc<str>,
        /// Its events.
        events: Vec<&'static str>,
    },
    /// A call of the Runtime or Extensions API was refused.
    Refused {
        /// The error type that it got.
        error_type: &'static str,
        /// What was asked for.
        message: String,
    },
    /// An extension asked for telemetry.
    Subscribed {
        /// Its name.
        extension: Arc<str>,
        /// The schema version it asked for.
        schema_version: String,
        /// Where it wants them; empty if it did not say.
        uri: String,
        /// The status it got.
        status: u16,
    },
    /// An extension asked for its next event.
    ExtensionNext {
        /// Its name.
        extension: Arc<str>,
    },
    /// An extension reported an error of its own.
    ExtensionError {
        /// Its name.
        extension: Arc<str>,
        /// The error type it gave.
        error_type: String,
    },
    /// The runtime asked for its next event.
    RuntimeNext,
    /// A request was taken up.
    InvocationStarted {
        /// Its id.
        request_id: Arc<str>,
    },
    /// An event was handed out for a request.
    Released {
        /// The extension's name, or `runtime`.
        to: Arc<str>,
        /// The request's id.
        request_id: Arc<str>,
    },
    /// The runtime answered a request.
    Responded {
        /// The request's id.
        request_id: Arc<str>,
        /// Whether the answer is an error.
        is_error: bool,
    },
    /// A telemetry record was generated.
    Emitted {
        /// Its type.
        kind: &'static str,
        /// The whole element, JSON.
        record: Arc<str>,
    },
    /// A telemetry delivery was answered.
    Delivered {
        /// The subscriber's name.
        extension: Arc<str>,
        /// The body as sent.
        body: Arc<str>,
        /// The status it got.
        status: u16,
    },
    /// A telemetry delivery failed and will be tried again.
    DeliveryFailed {
        /// The subscriber's name.
        extension: Arc<str>,
        /// Why.
        reason: String,
    },
    /// Records were dropped because a subscriber is too slow.
    RecordsDropped {
        /// The subscriber's name.
        extension: Arc<str>,
        /// How many.
        records: u64,
    },
    /// Every process was stopped.
    Frozen,
    /// Every process was continued.
    Thawed,
    /// A test brought processes to a standstill.
    Suspended {
        /// Which.
        part: Part,
    },
    /// The standstill ended.
    Resumed,
    /// A request is over, report included.
    InvocationEnded {
        /// Its id.
        request_id: Arc<str>,
        /// `success`, `error`, `failure` or `timeout`.
        status: &'static str,
    },
    /// SHUTDOWN was handed out.
    ShutdownSent {
        /// The extension's name.
        extension: Arc<str>,
        /// The reason as sent.
        reason: Arc<str>,
    },
    /// All processes were ended; the next request starts new ones.
    Reset {
        /// Why.
        reason: Arc<str>,
    },
    /// The environment is over.
    Stopped,
}

/// The newest entries.
#[derive(Debug)]
pub(crate) struct Journal {
    // Written by the driver and by one task per subscriber, read by the caller.
    entries: Mutex<VecDeque<Entry>>,
    version: watch::Sender<u64>,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self {
            entries: Mutex::default(),
            version: watch::Sender::new(0),
        }
    }

    pub(crate) fn push(&self, at: Instant, what: What) {
        let entry = Entry {
            at,
            time: now(),
            what,
        };
        {
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            if entries.len() == JOURNAL_MAX_ENTRIES {
                entries.pop_front();
            }
            entries.push_back(entry);
        }
        self.version.send_modify(|version| *version += 1);
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    pub(crate) fn look<T>(&self, look: impl Fn(&[Entry]) -> Option<T>) -> Option<T> {
        look(
            self.entries
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .make_contiguous(),
        )
    }

    pub(crate) fn last(&self, count: usize) -> Vec<Entry> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries
            .iter()
            .skip(entries.len().saturating_sub(count))
            .cloned()
            .collect()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }
}

/// The time of day.
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
