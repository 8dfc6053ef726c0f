//! A document as the lanes share it: its bytes once, and who still has it.

use std::borrow::Borrow;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::pipeline::document::Document;
use crate::pipeline::lane::{Lane, Lanes};

/// See the module.
#[derive(Debug, Clone)]
pub struct Held(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    document: Document,
    sequence: u64,
    /// Lanes in whose queue it stands, and lanes that have it on their way. Batches go to other tasks, hence atomic;
    /// but only the spool looks at these marks and changes them, so no order among them is asked for.
    queued: AtomicU8,
    under_way: AtomicU8,
}

impl Held {
    /// A document that stands in no queue.
    pub(super) fn new(document: Document, sequence: u64) -> Self {
        Self(Arc::new(Inner {
            document,
            sequence,
            queued: AtomicU8::new(0),
            under_way: AtomicU8::new(0),
        }))
    }

    /// Its place in the order of arrival.
    pub(super) fn sequence(&self) -> u64 {
        self.0.sequence
    }

    /// Lanes that have it on their way.
    pub(super) fn under_way(&self) -> Lanes {
        Lanes::from_bits(self.0.under_way.load(Ordering::Relaxed))
    }

    /// Lanes that have it, in their queue or on their way.
    pub(super) fn owed(&self) -> Lanes {
        Lanes::from_bits(self.0.queued.load(Ordering::Relaxed)).and(self.under_way())
    }

    /// It stands in a lane's queue, and is not on its way there.
    pub(super) fn queue(&self, lane: Lane) {
        mark(&self.0.queued, |lanes| lanes.with(lane));
        mark(&self.0.under_way, |lanes| lanes.without(lane));
    }

    /// It has left a lane's queue and is on its way.
    pub(super) fn depart(&self, lane: Lane) {
        mark(&self.0.queued, |lanes| lanes.without(lane));
        mark(&self.0.under_way, |lanes| lanes.with(lane));
    }

    /// The lane has it no more.
    pub(super) fn leave(&self, lane: Lane) {
        mark(&self.0.queued, |lanes| lanes.without(lane));
        mark(&self.0.under_way, |lanes| lanes.without(lane));
    }
}

fn mark(marks: &AtomicU8, change: impl Fn(Lanes) -> Lanes) {
    let lanes = Lanes::from_bits(marks.load(Ordering::Relaxed));
    marks.store(change(lanes).bits(), Ordering::Relaxed);
}

/// A document of no lane, as the files have it.
impl From<Document> for Held {
    fn from(document: Document) -> Self {
        Self::new(document, 0)
    }
}

impl Deref for Held {
    type Target = Document;

    fn deref(&self) -> &Document {
        &self.0.document
    }
}

impl Borrow<Document> for Held {
    fn borrow(&self) -> &Document {
        &self.0.document
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self.0.document.as_ref()
    }
}
