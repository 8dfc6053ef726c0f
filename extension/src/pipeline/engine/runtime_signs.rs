//! What the Runtime API proxy saw, beside what the platform's records say later.

use model::ids::RequestId;
use model::wire::telemetry::Status;

use super::super::invocation::Ending;
use super::super::runtime_sign::RuntimeSign;
use super::Engine;

impl Engine {
    pub(super) fn sign(&mut self, sign: RuntimeSign) {
        match sign {
            RuntimeSign::Decided(decided) => self.invocations.decided(&decided.request_id, decided.header),
            RuntimeSign::Ended(request) => self.end_signalled(&request),
            RuntimeSign::Failed(request, thrown) => {
                // First, since an invocation that is known before its INVOKE is taken for one that records announced.
                self.end_signalled(&request);
                self.invocations.threw(&request, thrown);
            }
            RuntimeSign::NotStarted(thrown) => self.not_started = thrown,
            RuntimeSign::Lost(signs) => self.tally.telemetry("runtime signs lost", signs),
        }
    }

    /// A runtime that could not start failed the invocation that waited for it, or the next one.
    pub(super) fn blame_start(&mut self, request: &RequestId, ending: &Ending) {
        let has_failed = matches!(ending.status, Status::Error | Status::Failure | Status::Timeout);
        if has_failed && !self.not_started.is_empty() {
            let thrown = std::mem::take(&mut self.not_started);
            self.invocations.threw(request, thrown);
        }
    }
}
