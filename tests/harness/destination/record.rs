//! What came in, and what became of it.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::Value;

use super::act::Act;

/// Everything that came so far.
#[derive(Debug, Clone, Default)]
pub struct Received {
    /// Calls of PutTraceSegments in their order. One that was reset unread has no documents.
    pub calls: Vec<Call>,
    /// Connections that were accepted.
    pub connections: usize,
    /// Those of them that are over.
    pub ended: usize,
    /// TLS handshakes that came to an end.
    pub handshakes: Handshakes,
    /// How often credentials were given out.
    pub credentials: usize,
    /// Calls of PutTelemetryRecords.
    pub told: usize,
    /// Samplers' questions.
    pub asked: Vec<Asked>,
}

/// A sampler's question.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What it asked for.
    pub path: String,
    /// The access key it was signed with; empty without a signature.
    pub key: String,
    /// Its content; null if it had none.
    pub body: Value,
}

/// TLS handshakes by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Handshakes {
    /// With certificates.
    pub full: usize,
    /// With a session that was there before.
    pub resumed: usize,
    /// That failed.
    pub failed: usize,
}

/// One call of PutTraceSegments.
#[derive(Debug, Clone)]
pub struct Call {
    /// Number of the connection it came on, from 0.
    pub connection: usize,
    /// When it came.
    pub at: Instant,
    /// The time it was signed for.
    pub signed_at: String,
    /// The access key it was signed with.
    pub key: String,
    /// Its documents.
    pub documents: Vec<Document>,
    /// Its fate.
    pub act: Act,
    /// The code it was refused with before its fate came to pass: a wrong clock, an expired key.
    pub refused: Option<&'static str>,
    /// Whether the whole answer was there while the other side still listened.
    pub is_acknowledged: bool,
    /// Whether the whole answer was written, and the other side had left when that was looked at: nobody knows
    /// whether it had read it.
    pub is_answered: bool,
    /// When it was.
    pub acknowledged_at: Option<Instant>,
}

/// One document of a call.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its id.
    pub id: String,
    /// As it came.
    pub text: String,
    /// Whether it is X-Ray's now.
    pub is_taken: bool,
}

impl Received {
    /// How often each document was taken, by its id.
    pub fn taken(&self) -> BTreeMap<&str, usize> {
        let mut taken = BTreeMap::new();
        for document in self.calls.iter().flat_map(|call| &call.documents) {
            if document.is_taken {
                *taken.entry(document.id.as_str()).or_default() += 1;
            }
        }
        taken
    }

    /// The documents that were taken, each as it came first.
    pub fn documents(&self) -> Vec<Value> {
        let mut seen = BTreeMap::new();
        for document in self.calls.iter().flat_map(|call| &call.documents) {
            if document.is_taken {
                seen.entry(document.id.as_str()).or_insert(&document.text);
            }
        }
        let read = |text: &String| serde_json::from_str(text).expect("what was taken is JSON");
        seen.into_values().map(read).collect()
    }

    /// No document was taken again after its acknowledgement was heard.
    ///
    /// # Panics
    /// If one was.
    #[track_caller]
    pub fn assert_no_needless_repeat(&self) {
        let mut acknowledged = BTreeMap::new();
        for (place, call) in self.calls.iter().enumerate() {
            for document in call.documents.iter().filter(|document| document.is_taken) {
                if let Some(before) = acknowledged.get(document.id.as_str()) {
                    panic!(
                        "call {place} repeats a document that call {before} acknowledged: {} {:#?}",
                        document.text, self.calls
                    );
                }
                if call.is_acknowledged {
                    acknowledged.insert(document.id.as_str(), place);
                }
            }
        }
    }
}
