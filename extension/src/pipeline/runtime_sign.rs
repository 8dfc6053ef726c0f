//! What the Runtime API proxy sees of invocations.

use model::ids::RequestId;
use model::wire::runtime_error::Raised;

use super::sampling::Decided;

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq)]
pub enum RuntimeSign {
    /// An invocation was handed out with a sampling decision made here.
    Decided(Box<Decided>),
    /// The runtime has answered an invocation.
    Ended(RequestId),
    /// The runtime has reported that an invocation failed, or its streamed answer broke off.
    Failed(RequestId, Raised),
    /// The runtime has reported that it could not start, or not be restored.
    NotStarted(Raised),
    /// So many signs were given up: they came faster than they were taken.
    Lost(u64),
}
