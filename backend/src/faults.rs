//! Answers a test asks for instead of the real ones: throttling, outages, slowness, unprocessed documents.
//!
//! Off until somebody asks. Only PutTraceSegments and OTLP requests are touched, in the order in which the faults were
//! asked for; a call that no fault fits is answered as ever. What is said of documents holds for those that spans become.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::limits::FAULTS_MAX;

/// What happens to a call instead of, or before, its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Effect {
    Status(u16),
    Delay(Duration),
    Unprocessed(String),
}

/// One asked-for answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    effect: Effect,
    calls: u32,
    containing: String,
}

impl Fault {
    fn once(effect: Effect) -> Self {
        Self {
            effect,
            calls: 1,
            containing: String::new(),
        }
    }

    /// The call fails with this HTTP status; nothing is stored.
    pub fn status(status: u16) -> Self {
        Self::once(Effect::Status(status))
    }

    /// The call is answered after this long; its documents are stored at once.
    pub fn delay(wait: Duration) -> Self {
        Self::once(Effect::Delay(wait))
    }

    /// The documents that fit come back as unprocessed with this code, or their spans as rejected; the others are
    /// stored.
    pub fn unprocessed(code: &str) -> Self {
        Self::once(Effect::Unprocessed(code.to_owned()))
    }

    /// For this many calls instead of one. [`u32::MAX`] means for good.
    #[must_use]
    pub fn times(self, calls: u32) -> Self {
        Self { calls, ..self }
    }

    /// Only for calls (or documents, if unprocessed) with this text in a document.
    #[must_use]
    pub fn containing(self, text: &str) -> Self {
        Self {
            containing: text.to_owned(),
            ..self
        }
    }

    fn fits(&self, document: &str) -> bool {
        document.contains(&self.containing)
    }
}

/// What the next call shall meet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) status: Option<u16>,
    pub(crate) delay: Duration,
    /// Code and the text that a document must have in it.
    pub(crate) unprocessed: Option<(String, String)>,
}

/// The faults that wait for their calls.
#[derive(Debug, Default)]
pub struct Faults {
    /// A mutex, not a queue: tests add while calls take. Never held across an await.
    waiting: Mutex<VecDeque<Fault>>,
}

impl Faults {
    /// Asks for a fault behind those that wait already. Beyond the limit nothing is added.
    pub fn add(&self, fault: Fault) {
        let mut waiting = self.waiting();
        if waiting.len() < FAULTS_MAX && fault.calls > 0 {
            waiting.push_back(fault);
        }
    }

    /// Forgets every fault.
    pub fn clear(&self) {
        self.waiting().clear();
    }

    /// The first fault that fits the call, once less.
    pub(crate) fn plan(&self, documents: &[&str]) -> Plan {
        let mut waiting = self.waiting();
        let fitting = |fault: &Fault| documents.iter().any(|document| fault.fits(document));
        let Some(at) = waiting.iter().position(fitting) else {
            return Plan::default();
        };
        let Some(fault) = waiting.get_mut(at) else {
            return Plan::default();
        };
        let plan = match fault.effect.clone() {
            Effect::Status(status) => Plan {
                status: Some(status),
                ..Plan::default()
            },
            Effect::Delay(delay) => Plan {
                delay,
                ..Plan::default()
            },
            Effect::Unprocessed(code) => Plan {
                unprocessed: Some((code, fault.containing.clone())),
                ..Plan::default()
            },
        };
        fault.calls -= u32::from(fault.calls < u32::MAX);
        if fault.calls == 0 {
            waiting.remove(at);
        }
        plan
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Fault>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statuses(faults: &Faults, documents: &[&str], calls: usize) -> Vec<Option<u16>> {
        (0..calls).map(|_| faults.plan(documents).status).collect()
    }

    #[test]
    fn nothing_is_asked_for_at_first() {
        assert_eq!(Faults::default().plan(&["document"]), Plan::default());
    }

    #[test]
    fn faults_are_met_in_order_and_as_often_as_asked() {
        let faults = Faults::default();
        faults.add(Fault::status(429).times(2));
        faults.add(Fault::status(500));
        faults.add(Fault::status(503).times(0));
        assert_eq!(
            statuses(&faults, &["a"], 4),
            [Some(429), Some(429), Some(500), None]
        );
    }

    #[test]
    fn a_fault_for_certain_documents_waits_for_them() {
        let faults = Faults::default();
        faults.add(Fault::unprocessed("InternalFailure").containing("checkout"));
        faults.add(Fault::status(500));
        assert_eq!(faults.plan(&["other"]).status, Some(500));
        let plan = faults.plan(&["other", "a checkout"]);
        assert_eq!(
            plan.unprocessed,
            Some(("InternalFailure".to_owned(), "checkout".to_owned()))
        );
        assert_eq!(faults.plan(&["a checkout"]), Plan::default());
    }

    #[test]
    fn a_fault_for_good_ends_when_it_is_cleared() {
        let faults = Faults::default();
        faults.add(Fault::status(500).times(u32::MAX));
        assert_eq!(statuses(&faults, &["a"], 3), [Some(500); 3]);
        assert_eq!(faults.waiting().front().map(|fault| fault.calls), Some(u32::MAX));
        faults.clear();
        assert_eq!(statuses(&faults, &["a"], 1), [None]);
    }

    #[test]
    fn no_more_faults_wait_than_the_limit() {
        let faults = Faults::default();
        (0..=FAULTS_MAX).for_each(|_| faults.add(Fault::status(500)));
        assert_eq!(faults.waiting().len(), FAULTS_MAX);
    }
}
