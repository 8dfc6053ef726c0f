//! Every limit of the environment, with what happens there.

use std::time::Duration;

/// Extensions of one function, internal ones included; the next one is refused.
pub(crate) const EXTENSIONS_MAX: usize = 10;
/// Bytes of a synchronous request or response; beyond it 413.
pub(crate) const PAYLOAD_MAX_BYTES: usize = 6 * 1024 * 1024;
/// Bytes by which Lambda lets a response exceed [`PAYLOAD_MAX_BYTES`].
pub(crate) const RESPONSE_SLACK_BYTES: usize = 100;
/// Bytes of a streamed response; beyond it 413.
pub(crate) const STREAMED_MAX_BYTES: usize = 200 * 1024 * 1024;
/// Bytes of any other request body (registration, subscription, error report); beyond it 413.
pub(crate) const SMALL_BODY_MAX_BYTES: usize = 256 * 1024;
/// Invocations that wait for the environment; beyond it 429.
pub(crate) const QUEUED_INVOCATIONS_MAX: usize = 1_000;
/// Events between the servers and the driver; beyond it the sender waits.
pub(crate) const QUEUED_EVENTS_MAX: usize = 1_024;
/// Journal entries kept; beyond it the oldest goes.
pub(crate) const JOURNAL_MAX_ENTRIES: usize = 20_000;
/// Log lines kept; beyond it the oldest goes.
pub(crate) const LOG_MAX_LINES: usize = 20_000;
/// Bytes of one log line; a longer one is cut into several.
pub(crate) const LOG_LINE_MAX_BYTES: usize = 256 * 1024;
/// Bytes of the log tail that the Invoke API hands out.
pub(crate) const LOG_TAIL_BYTES: usize = 4 * 1024;
/// Records kept for subscribers that come late; beyond it the oldest goes.
pub(crate) const REPLAYED_RECORDS_MAX: usize = 10_000;
/// Time that init may take before it is tried again inside the invocation.
pub(crate) const INIT_LIMIT: Duration = Duration::from_secs(10);
/// The least that init may take where it does not run inside an invocation.
pub(crate) const LONG_INIT_LIMIT: Duration = Duration::from_secs(130);
/// Time that restore hooks may take.
pub(crate) const RESTORE_LIMIT: Duration = Duration::from_secs(10);
/// Time from the start of a shutdown to the kill, with external extensions.
pub(crate) const SHUTDOWN_BUDGET: Duration = Duration::from_millis(2_000);
/// Part of [`SHUTDOWN_BUDGET`] that the runtime may use up, in percent.
pub(crate) const RUNTIME_SHUTDOWN_PERCENT: u32 = 30;
/// Time that an invocation whose caller has its answer gets to end before a shutdown.
pub(crate) const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// Wait for the exit of a process that was killed.
pub(crate) const REAP_LIMIT: Duration = Duration::from_secs(5);
/// Wait for the last lines of processes that have ended.
pub(crate) const LOG_DRAIN_LIMIT: Duration = Duration::from_millis(500);
/// Wait for lines that a function wrote before it answered, for the log tail.
pub(crate) const LOG_SETTLE: Duration = Duration::from_millis(10);
/// One attempt to deliver telemetry, in time that is not frozen; then it is tried again.
pub(crate) const DELIVERY_ATTEMPT_LIMIT: Duration = Duration::from_secs(2);
/// First pause between two attempts; it doubles up to [`DELIVERY_PAUSE_MAX`].
pub(crate) const DELIVERY_PAUSE: Duration = Duration::from_millis(20);
/// Longest pause between two attempts.
pub(crate) const DELIVERY_PAUSE_MAX: Duration = Duration::from_millis(500);

/// Layers a function can have (Lambda's quota); more are refused.
pub(crate) const LAYERS_MAX: usize = 5;
/// Bytes that a function and its layers may have unpacked (Lambda's quota, 250 MB); more are refused.
pub(crate) const LAYERS_MAX_BYTES: u64 = 262_144_000;
