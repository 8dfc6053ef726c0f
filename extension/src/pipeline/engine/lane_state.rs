//! What the engine knows of one outbound.

use model::time::Timestamp;

use super::filing::FilingAccount;
use super::sending::Sending;
use crate::pipeline::breaker::Breaker;

/// See the module.
pub(super) struct LaneState {
    pub(super) sending: Sending,
    pub(super) breaker: Breaker,
    pub(super) filing: FilingAccount,
}

impl LaneState {
    /// An outbound that nothing is known of. Sandboxes, and the outbounds of one, differ in their seeds.
    pub(super) fn new(seed: u64, spills: bool) -> Self {
        Self {
            sending: Sending::new(seed),
            breaker: Breaker::default(),
            filing: FilingAccount::new(spills),
        }
    }

    /// How long the end of an invocation waits for the call under way.
    pub(super) fn wait_until(&self) -> Timestamp {
        self.sending.awaited_since.after(self.breaker.wait_max())
    }
}
