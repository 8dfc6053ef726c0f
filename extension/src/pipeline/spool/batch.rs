//! Which documents share a call: the oldest ones, those of one trace together where they fit.
//!
//! X-Ray allows a trace that arrives at once several times the size of one that trickles in, so documents of
//! one trace are not split over two calls unless they are too many for any call. A trace that does not fit any
//! more begins the next call.
//!
//! Looks at [`TRACE_LOOK`] documents at most, whatever is held.

use std::collections::BTreeMap;

use model::ids::TraceId;
use model::size::ByteCount;

use super::BatchLimits;
use super::held::Held;
use super::shelves::{Order, Shelves};
use crate::limits::TRACE_LOOK;

/// Documents and their bytes.
#[derive(Clone, Copy, Default)]
struct Amount {
    documents: usize,
    bytes: ByteCount,
}

impl Amount {
    fn add(&mut self, held: &Held) {
        self.documents += 1;
        self.bytes = self.bytes.plus(length(held));
    }

    fn fits(self, room: Self) -> bool {
        self.documents <= room.documents && self.bytes <= room.bytes
    }

    fn minus(self, other: Self) -> Self {
        Self {
            documents: self.documents.saturating_sub(other.documents),
            bytes: self.bytes.minus(other.bytes),
        }
    }
}

/// The documents of one trace among those looked at.
#[derive(Default)]
struct Share {
    total: Amount,
    /// What of it may leave in this call, once that is decided.
    granted: Option<Amount>,
}

fn length(held: &Held) -> ByteCount {
    ByteCount::of(held.bytes.len())
}

/// Takes the next batch off the shelves.
pub(super) fn take(shelves: &mut Shelves, limits: BatchLimits, order: Order) -> Vec<Held> {
    match order {
        Order::Oldest => by_trace(shelves, limits),
        Order::Valuable => by_value(shelves, limits),
    }
}

fn by_trace(shelves: &mut Shelves, limits: BatchLimits) -> Vec<Held> {
    let all = Amount {
        documents: limits.documents,
        bytes: limits.bytes,
    };
    let mut traces = look(shelves, all);
    let mut room = all;
    let mut outstanding = 0;
    let (mut taken, mut passed) = (Vec::new(), Vec::new());
    for _ in 0..TRACE_LOOK {
        if outstanding == 0 && room.documents == 0 {
            break;
        }
        let Some(entry) = shelves.pop(Order::Oldest) else {
            break;
        };
        let share = traces.entry(entry.trace_id).or_default();
        let granted = share.granted.get_or_insert_with(|| {
            let granted = grant(share.total, room, all);
            outstanding += granted.documents;
            // A trace that is too large for any call is what the rest of this one is for.
            room = if share.total.fits(all) {
                room.minus(granted)
            } else {
                Amount::default()
            };
            granted
        });
        let mut own = Amount::default();
        own.add(&entry);
        if own.fits(*granted) {
            outstanding -= 1;
            *granted = granted.minus(own);
            taken.push(entry);
        } else if taken.is_empty() {
            // Larger than a call may be: it leaves alone.
            taken.push(entry);
            break;
        } else {
            outstanding -= granted.documents;
            *granted = Amount::default();
            passed.push(entry);
        }
    }
    shelves.put_back(passed);
    taken
}

/// What there is of each trace. If the first alone is too large for any call, nobody else's is asked for.
fn look(shelves: &Shelves, all: Amount) -> BTreeMap<TraceId, Share> {
    let mut traces: BTreeMap<TraceId, Share> = BTreeMap::new();
    let mut entries = shelves.in_order().take(TRACE_LOOK).peekable();
    let mut is_first = true;
    while let Some(trace) = entries.peek().map(|entry| entry.trace_id) {
        let share = traces.entry(trace).or_default();
        // Documents of one trace come in a row as a rule.
        while let Some(entry) = entries.next_if(|entry| entry.trace_id == trace) {
            share.total.add(entry);
            if is_first && !share.total.fits(all) {
                return traces;
            }
        }
        is_first = false;
    }
    traces
}

/// What of a trace may leave, given the room that is left in the call.
fn grant(total: Amount, room: Amount, all: Amount) -> Amount {
    if total.fits(room) {
        total
    } else if total.fits(all) {
        Amount::default()
    } else {
        Amount {
            documents: room.documents.min(total.documents),
            bytes: room.bytes,
        }
    }
}

fn by_value(shelves: &mut Shelves, limits: BatchLimits) -> Vec<Held> {
    let mut taken = Vec::new();
    let mut bytes = ByteCount::ZERO;
    while let Some(entry) = shelves.pop(Order::Valuable) {
        bytes = bytes.plus(length(&entry));
        let is_full = taken.len() >= limits.documents || bytes > limits.bytes;
        if is_full && !taken.is_empty() {
            shelves.put_back(vec![entry]);
            break;
        }
        taken.push(entry);
    }
    taken
}
