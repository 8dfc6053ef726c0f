//! What the scripted function is told to do: the event is a list of steps, done in order.
//!
//! In documents `$ROOT` and `$PARENT` stand for the ids of the trace header the runtime got, and `$REQUEST` for the
//! request's id.

use serde_json::{Value, json};

/// Subsegments with ids in a row, spread over sockets that send at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flood {
    /// The id of the first one; each further one is one more.
    pub first_id: u64,
    /// How many.
    pub documents: u64,
    /// Sockets, each with a thread of its own; every other one spells header and JSON as another SDK does.
    pub sockets: u64,
    /// Bytes of metadata in each.
    pub filler_bytes: usize,
}

/// Steps for one invocation.
#[derive(Debug, Clone, Default)]
pub struct Script(Vec<Value>);

impl Script {
    /// A function that answers at once.
    pub fn new() -> Self {
        Self::default()
    }

    fn step(mut self, step: Value) -> Self {
        self.0.push(step);
        self
    }

    /// Sends a subsegment of this name under the runtime's parent, as an SDK does.
    #[must_use]
    pub fn subsegment(self, id: &str, name: &str) -> Self {
        self.document(json!({ "id": id, "name": name, "parent_id": "$PARENT" }))
    }

    /// Sends a subsegment; what is not given is filled in.
    #[must_use]
    pub fn document(self, document: Value) -> Self {
        self.step(json!({ "document": document }))
    }

    /// Sends a datagram as it is.
    #[must_use]
    pub fn datagram(self, text: &str) -> Self {
        self.step(json!({ "datagram": text }))
    }

    /// Sends a datagram of these bytes.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        self.step(json!({ "bytes": bytes }))
    }

    /// Sends this many subsegments of about a kilobyte as fast as it can.
    #[must_use]
    pub fn burst(self, documents: usize) -> Self {
        self.step(json!({ "burst": documents }))
    }

    /// Says that the function has sent everything, as a recorder does.
    #[must_use]
    pub fn done(self) -> Self {
        self.datagram(
            "{\"format\":\"json\",\"version\":1}\n{\"fluoroscope\":\"done\",\"request_id\":\"$REQUEST\"}",
        )
    }

    /// Posts this many spans of about a kilobyte to the OTLP receiver of an extension, fifty in a call.
    #[must_use]
    pub fn otlp(self, spans: usize) -> Self {
        self.step(json!({ "otlp": spans }))
    }

    /// Sends this many subsegments from each of four sockets at once, as two SDKs would, with empty datagrams
    /// between them.
    #[must_use]
    pub fn crowd(self, documents: u64) -> Self {
        self.step(json!({ "crowd": documents }))
    }

    /// Posts subsegments to the TCP side of the daemon's port and answers with what it was answered; what is not
    /// given is filled in.
    #[must_use]
    pub fn post(self, documents: &[Value]) -> Self {
        self.step(json!({ "post": documents }))
    }

    /// Asks the TCP side of the daemon's port as a sampler does, and answers with what it was answered.
    #[must_use]
    pub fn ask(self, path: &str, body: &str) -> Self {
        self.step(json!({ "ask": path, "body": body }))
    }

    /// Posts subsegments likewise, and writes this line into its log if all of them were taken.
    #[must_use]
    pub fn put(self, documents: &[Value], word: &str) -> Self {
        self.step(json!({ "put": documents, "word": word }))
    }

    /// Sends this many subsegments of about so many bytes as fast as it can.
    #[must_use]
    pub fn burst_of(self, documents: usize, bytes: usize) -> Self {
        self.step(json!({ "burst": documents, "filler": bytes }))
    }

    /// Takes this much memory and keeps it.
    #[must_use]
    pub fn fill(self, bytes: u64) -> Self {
        self.step(json!({ "fill": bytes }))
    }

    /// Sends a flood of subsegments as fast as it can.
    #[must_use]
    pub fn flood(self, flood: Flood) -> Self {
        let Flood {
            first_id,
            documents,
            sockets,
            filler_bytes,
        } = flood;
        self.step(json!({
            "flood": documents, "first_id": format!("{first_id:016x}"), "sockets": sockets, "filler_bytes": filler_bytes,
        }))
    }

    /// Writes a line into its log.
    #[must_use]
    pub fn say(self, text: &str) -> Self {
        self.step(json!({ "say": text }))
    }

    /// Answers with this text.
    #[must_use]
    pub fn answer(self, text: &str) -> Self {
        self.step(json!({ "answer": text }))
    }

    /// Works this long.
    #[must_use]
    pub fn work_ms(self, millis: u64) -> Self {
        self.step(json!({ "work_ms": millis }))
    }

    /// The handler reports an error.
    #[must_use]
    pub fn raise(self) -> Self {
        self.step(json!({ "raise": "it went wrong" }))
    }

    /// The runtime exits.
    #[must_use]
    pub fn exit(self) -> Self {
        self.step(json!({ "exit": 3 }))
    }

    /// The runtime is killed, as by the kernel when memory runs out.
    #[must_use]
    pub fn killed(self) -> Self {
        self.step(json!({ "killed": true }))
    }

    /// Writes text into a file below /tmp.
    #[must_use]
    pub fn write(self, path: &str, text: &str) -> Self {
        self.step(json!({ "write": path, "text": text }))
    }

    /// Answers with the content of a file.
    #[must_use]
    pub fn read(self, path: &str) -> Self {
        self.step(json!({ "read": path }))
    }

    /// Answers with the trace header that the runtime got.
    #[must_use]
    pub fn tell_header(self) -> Self {
        self.step(json!({ "tell_header": true }))
    }

    /// The event.
    pub fn event(&self) -> String {
        Value::Array(self.0.clone()).to_string()
    }
}
