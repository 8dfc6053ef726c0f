//! Subsegments, sent as the X-Ray SDKs send theirs: one datagram each to `AWS_XRAY_DAEMON_ADDRESS` when it ends.
//!
//! Nothing in here can fail a function: what cannot be sent is not sent.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use uuid::Uuid;

const HEADER: &str = "{\"format\": \"json\", \"version\": 1}\n";
const USUAL_ADDRESS: &str = "127.0.0.1:2000";

/// What a subsegment hangs under.
#[derive(Clone)]
pub(crate) struct Caller {
    trace_id: String,
    parent_id: String,
    is_sampled: bool,
}

impl Caller {
    /// Reads the trace header that Lambda gives with each event: `Root=1-…;Parent=…;Sampled=1`.
    ///
    /// Without one nothing is sampled.
    pub(crate) fn read(header: Option<&str>) -> Self {
        let field = |name: &str| {
            let pairs = header.unwrap_or_default().split(';');
            let mut values = pairs.filter_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='));
            values.next().unwrap_or_default().to_owned()
        };
        Self {
            trace_id: field("Root"),
            parent_id: field("Parent"),
            is_sampled: field("Sampled") == "1",
        }
    }
}

/// A piece of work. It ends when this is dropped.
pub(crate) struct Subsegment {
    name: &'static str,
    id: String,
    caller: Caller,
    began: f64,
    annotations: Map<String, Value>,
    cause: Option<Value>,
}

impl Subsegment {
    /// Begins now.
    pub(crate) fn begin(name: &'static str, caller: &Caller) -> Self {
        Self {
            name,
            id: new_id(),
            caller: caller.clone(),
            began: now(),
            annotations: Map::new(),
            cause: None,
        }
    }

    /// For the subsegments within this one.
    pub(crate) fn as_caller(&self) -> Caller {
        Caller {
            parent_id: self.id.clone(),
            ..self.caller.clone()
        }
    }

    /// Adds a text, a number or a truth value that traces can be searched for.
    pub(crate) fn annotate(&mut self, name: &str, value: impl Into<Value>) {
        self.annotations.insert(name.to_owned(), value.into());
    }

    /// It failed, and this is why.
    pub(crate) fn fail(&mut self, kind: &str, message: &str) {
        self.cause = Some(json!({"exceptions": [{"id": new_id(), "type": kind, "message": message}]}));
    }

    fn document(&self) -> Value {
        let mut document = json!({
            "name": self.name,
            "id": self.id,
            "trace_id": self.caller.trace_id,
            "parent_id": self.caller.parent_id,
            "type": "subsegment",
            "start_time": self.began,
            "end_time": now(),
            "annotations": self.annotations,
        });
        if let (Some(cause), Some(members)) = (&self.cause, document.as_object_mut()) {
            members.insert("fault".to_owned(), Value::Bool(true));
            members.insert("cause".to_owned(), cause.clone());
        }
        document
    }
}

impl Drop for Subsegment {
    fn drop(&mut self) {
        if self.caller.is_sampled {
            // A trace is not worth a function: it goes on without this subsegment.
            let _ = send(&self.document());
        }
    }
}

fn send(document: &Value) -> std::io::Result<()> {
    let address = std::env::var("AWS_XRAY_DAEMON_ADDRESS").unwrap_or_else(|_| USUAL_ADDRESS.to_owned());
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.send_to(format!("{HEADER}{document}").as_bytes(), address)?;
    Ok(())
}

/// 16 hex digits.
fn new_id() -> String {
    let (random, _) = Uuid::new_v4().as_u64_pair();
    format!("{random:016x}")
}

/// Seconds since 1970.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a:0";

    #[test]
    fn a_subsegment_hangs_under_the_caller_and_what_is_within_it_under_itself() {
        let mut judge = Subsegment::begin("judge selfie", &Caller::read(Some(HEADER)));
        judge.annotate("person", "ada");
        let document = judge.document();
        assert_eq!(document["trace_id"], "1-5759e988-bd862e3fe1be46a994272793");
        assert_eq!(document["parent_id"], "53995c3f42cd8ad8");
        assert_eq!(document["annotations"]["person"], "ada");
        assert_eq!(document.get("fault"), None);
        let within = Subsegment::begin("find faces", &judge.as_caller());
        assert_eq!(within.document()["parent_id"], document["id"]);
    }

    #[test]
    fn a_failure_is_a_fault_with_its_cause() {
        let mut judge = Subsegment::begin("judge selfie", &Caller::read(Some(HEADER)));
        judge.fail("Asleep", "ada is asleep");
        let document = judge.document();
        assert_eq!(document["fault"], true);
        assert_eq!(document["cause"]["exceptions"][0]["message"], "ada is asleep");
    }

    #[test]
    fn without_a_header_or_a_decision_nothing_is_sampled() {
        for header in [
            None,
            Some(""),
            Some("Root=1-5759e988-bd862e3fe1be46a994272793"),
            Some("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0"),
        ] {
            assert!(!Caller::read(header).is_sampled, "{header:?}");
        }
    }
}
